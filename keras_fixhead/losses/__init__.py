"""Losses of integer labels and logits, margins among them; all usable from `compile`, computed in float32."""
from keras_fixhead.losses.margins import ArcFace, CosFace, NormFace, arcface, cosface
from keras_fixhead.losses.softmax import cross_entropy

__all__ = ["ArcFace", "CosFace", "NormFace", "arcface", "cosface", "cross_entropy"]
