"""Figures of what runs have measured: arrays in, a picture file out."""
from keras_fixhead.analysis.arms import plot_arms

__all__ = ["plot_arms"]
