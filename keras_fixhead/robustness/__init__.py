"""Measures the accuracy of models on corrupted images.

A model is a function `predict(images)`: it may run in this process or behind a server.
"""
from keras_fixhead.robustness.corrupting import CLEAN, CorruptedChunk, corrupt, corrupted_chunks, native_suite
from keras_fixhead.robustness.measure import RobustnessReport, measure_models, measure_robustness, result_name
from keras_fixhead.robustness.suites import SEVERITIES, SUITES, Corruption, Suite, severity_parameters

__all__ = ["CLEAN", "SEVERITIES", "SUITES", "CorruptedChunk", "Corruption", "RobustnessReport", "Suite", "corrupt",
           "corrupted_chunks", "measure_models", "measure_robustness", "native_suite", "result_name",
           "severity_parameters"]
