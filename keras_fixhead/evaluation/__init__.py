"""Evaluates trained models: features, logits and probabilities of images, and measures on a split."""
from keras_fixhead.evaluation.measurer import BATCH_SIZE, Measurer, Outputs, evaluate_model
from keras_fixhead.evaluation.measures import Evaluation, summarize
from keras_fixhead.evaluation.predictor import Predictor
from keras_fixhead.evaluation.run import MeasuredRun, MeasuredSplit, evaluate_run, measure_run, run_predictor
from keras_fixhead.evaluation.streamed import StreamedMeasurer, StreamedOutputs, measurer_of, summarize_streamed
from keras_fixhead.evaluation.views import test_time_views

__all__ = ["BATCH_SIZE", "Evaluation", "MeasuredRun", "MeasuredSplit", "Measurer", "Outputs", "Predictor",
           "StreamedMeasurer", "StreamedOutputs", "evaluate_model", "evaluate_run", "measure_run", "measurer_of",
           "run_predictor", "summarize", "summarize_streamed", "test_time_views"]
