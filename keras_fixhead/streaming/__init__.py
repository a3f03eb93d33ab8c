"""Losses over very many fixed class vectors: exact, with the logits of one chunk of classes at a time."""
from keras_fixhead.streaming.compiled import (
    NearestWrongCosine,
    OwnCosine,
    StreamingAccuracy,
    StreamingCrossEntropy,
    StreamingLoss,
)
from keras_fixhead.streaming.head import StreamingHead
from keras_fixhead.streaming.loss import streaming_loss

__all__ = ["NearestWrongCosine", "OwnCosine", "StreamingAccuracy", "StreamingCrossEntropy", "StreamingHead",
           "StreamingLoss", "streaming_loss"]
