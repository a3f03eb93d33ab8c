"""How accurate a model stays when its images are corrupted.

A model is a function `predict(images)`, so that it makes no difference whether it runs in this process or behind a
server.
"""
from keras_fixhead.robustness.corrupting import CLEAN, CorruptedChunk, corrupt, corrupted_chunks
from keras_fixhead.robustness.measure import RobustnessReport, measure_robustness, result_name
from keras_fixhead.robustness.suites import SEVERITIES, SUITES, Corruption, severity_parameters

__all__ = ["CLEAN", "SEVERITIES", "SUITES", "CorruptedChunk", "Corruption", "RobustnessReport", "corrupt",
           "corrupted_chunks", "measure_robustness", "result_name", "severity_parameters"]
