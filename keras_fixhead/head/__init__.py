"""The classification layer with class vectors on the hypersphere."""
from keras_fixhead.head.layer import INITIAL_BIAS, HypersphereHead
from keras_fixhead.head.lengths import unit_length
from keras_fixhead.head.precision import full_precision

__all__ = ["INITIAL_BIAS", "HypersphereHead", "full_precision", "unit_length"]
