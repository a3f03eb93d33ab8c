"""Measures the accuracy of a model on corrupted images.

A model is a function `predict(images)`: it may run in this process or behind a server.
"""
from keras_fixhead.robustness.corrupting import CLEAN, CorruptedChunk, corrupt, corrupted_chunks
from keras_fixhead.robustness.measure import RobustnessReport, measure_robustness, result_name
from keras_fixhead.robustness.suites import SEVERITIES, SUITES, Corruption, severity_parameters

__all__ = ["CLEAN", "SEVERITIES", "SUITES", "CorruptedChunk", "Corruption", "RobustnessReport", "corrupt",
           "corrupted_chunks", "measure_robustness", "result_name", "severity_parameters"]
