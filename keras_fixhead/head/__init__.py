"""The layer whose class vectors lie on the hypersphere."""
from keras_fixhead.head.layer import INITIAL_BIAS, HypersphereHead, unit_length

__all__ = ["INITIAL_BIAS", "HypersphereHead", "unit_length"]
