"""Analyses runs: what is measured and drawn of their features, logits and class vectors, on one page."""
from keras_fixhead.run_analysis.analyze import Analysis, analyze_runs
from keras_fixhead.run_analysis.outputs import RunOutputs

__all__ = ["Analysis", "RunOutputs", "analyze_runs"]
