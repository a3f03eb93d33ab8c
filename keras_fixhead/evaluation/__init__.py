"""Evaluates trained models: features, logits and probabilities of images, and measures on a split."""
from keras_fixhead.evaluation.measurer import BATCH_SIZE, Measurer, Outputs, evaluate_model
from keras_fixhead.evaluation.measures import Evaluation, summarize
from keras_fixhead.evaluation.predictor import Predictor
from keras_fixhead.evaluation.run import MeasuredRun, MeasuredSplit, evaluate_run, measure_run, run_predictor
from keras_fixhead.evaluation.views import test_time_views

__all__ = ["BATCH_SIZE", "Evaluation", "MeasuredRun", "MeasuredSplit", "Measurer", "Outputs", "Predictor",
           "evaluate_model", "evaluate_run", "measure_run", "run_predictor", "summarize", "test_time_views"]
