"""Image classifiers whose class vectors are drawn at random on the hypersphere and stay fixed.

The public names below are loaded on first use. If Keras is already loaded, importing this package registers our
layers, so that `keras.models.load_model` finds them.
"""
import importlib
import sys
from typing import TYPE_CHECKING, Any

from keras_fixhead._version import __version__

_PUBLIC = {
    "ArcFace": "keras_fixhead.losses",
    "CosFace": "keras_fixhead.losses",
    "FusedBatchNormalization": "keras_fixhead.models",
    "HypersphereHead": "keras_fixhead.head",
    "NormFace": "keras_fixhead.losses",
    "StreamingAccuracy": "keras_fixhead.streaming",
    "StreamingHead": "keras_fixhead.streaming",
    "StreamingLoss": "keras_fixhead.streaming",
    "TrainConfig": "keras_fixhead.config",
    "append_classes": "keras_fixhead.models",
    "as_dense": "keras_fixhead.models",
    "as_streaming": "keras_fixhead.models",
    "attach_head": "keras_fixhead.models",
    "build_model": "keras_fixhead.models",
    "class_vectors": "keras_fixhead.vectors",
    "cross_entropy": "keras_fixhead.losses",
    "feature_model": "keras_fixhead.models",
    "load_dataset": "keras_fixhead.data",
    "load_model": "keras_fixhead.models",
    "reachable_cosine": "keras_fixhead.vectors",
    "train": "keras_fixhead.training",
}

__all__ = ["__version__", *_PUBLIC]

if TYPE_CHECKING:  # for type checkers, which do not run __getattr__
    from keras_fixhead.config import TrainConfig as TrainConfig
    from keras_fixhead.data import load_dataset as load_dataset
    from keras_fixhead.head import HypersphereHead as HypersphereHead
    from keras_fixhead.losses import ArcFace as ArcFace
    from keras_fixhead.losses import CosFace as CosFace
    from keras_fixhead.losses import NormFace as NormFace
    from keras_fixhead.losses import cross_entropy as cross_entropy
    from keras_fixhead.models import FusedBatchNormalization as FusedBatchNormalization
    from keras_fixhead.models import append_classes as append_classes
    from keras_fixhead.models import as_dense as as_dense
    from keras_fixhead.models import as_streaming as as_streaming
    from keras_fixhead.models import attach_head as attach_head
    from keras_fixhead.models import build_model as build_model
    from keras_fixhead.models import feature_model as feature_model
    from keras_fixhead.models import load_model as load_model
    from keras_fixhead.streaming import StreamingAccuracy as StreamingAccuracy
    from keras_fixhead.streaming import StreamingHead as StreamingHead
    from keras_fixhead.streaming import StreamingLoss as StreamingLoss
    from keras_fixhead.training import train as train
    from keras_fixhead.vectors import class_vectors as class_vectors
    from keras_fixhead.vectors import reachable_cosine as reachable_cosine


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'keras_fixhead' has no attribute {name!r}")
    return getattr(importlib.import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)


def _register_layers() -> None:
    # a blocked module stands in sys.modules as None; a Keras that is still loading has no `layers` yet
    keras = sys.modules.get("keras")
    if keras is not None and hasattr(keras, "layers"):
        importlib.import_module("keras_fixhead.models")
        importlib.import_module("keras_fixhead.losses")
        importlib.import_module("keras_fixhead.streaming")


_register_layers()
