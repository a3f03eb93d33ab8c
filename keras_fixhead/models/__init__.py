"""Networks: flat functional models from images in [0, 255] to logits, with features accessible by name."""
from keras_fixhead.models.activations import FusedGelu
from keras_fixhead.models.attach import attach_head
from keras_fixhead.models.build import build_model
from keras_fixhead.models.initializers import HashedUniform, IdentityUniform
from keras_fixhead.models.normalization import FusedBatchNormalization
from keras_fixhead.models.parts import (
    FEATURES,
    append_classes,
    as_dense,
    as_streaming,
    feature_model,
    head_of,
    head_of_logits,
    inputs_of,
    multiply_adds,
)
from keras_fixhead.models.precision import precision_policy
from keras_fixhead.models.pretrained import pixel_normalization, start_from_model, start_from_weights
from keras_fixhead.models.saving import load_model, save_folder, save_model
from keras_fixhead.models.whitening import WhiteningConvolution, initialize_from_images

__all__ = ["FEATURES", "FusedBatchNormalization", "FusedGelu", "HashedUniform", "IdentityUniform",
           "WhiteningConvolution", "append_classes", "as_dense", "as_streaming", "attach_head", "build_model",
           "feature_model", "head_of", "head_of_logits", "initialize_from_images", "inputs_of", "load_model",
           "multiply_adds", "pixel_normalization", "precision_policy", "save_folder", "save_model",
           "start_from_model", "start_from_weights"]
