"""Losses of integer labels and logits, margins among them; all usable from `compile`, computed in float32."""
from keras_fixhead.losses.cross_entropy import accuracy, cross_entropy, mixed
from keras_fixhead.losses.margins import ArcFace, CosFace, NormFace, arcface, cosface

__all__ = ["ArcFace", "CosFace", "NormFace", "accuracy", "arcface", "cosface", "cross_entropy", "mixed"]
