"""Losses: functions of labels and logits, or of labels, features and a head; and classes for `compile`."""
from keras_fixhead.losses.compiled import ArcFace, CosFace, NormFace
from keras_fixhead.losses.cross_entropy import accuracy, cross_entropy, mixed
from keras_fixhead.losses.dense import loss_of
from keras_fixhead.losses.labels import check_labels
from keras_fixhead.losses.margins import arcface, cosface

__all__ = ["ArcFace", "CosFace", "NormFace", "accuracy", "arcface", "check_labels", "cosface", "cross_entropy",
           "loss_of", "mixed"]
