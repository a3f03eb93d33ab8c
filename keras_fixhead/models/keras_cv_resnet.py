"""keras-cv's ResNet18s, built from explicit settings, because named presets need network access."""
from typing import Any

import keras

from keras_fixhead.errors import DependencyError
from keras_fixhead.models.layers import Layers, Tensor

_STAGES = {"stackwise_blocks": [2, 2, 2, 2], "stackwise_strides": [1, 2, 2, 2], "block_type": "basic_block"}


def resnet18(images: Tensor, *, width: float, layers: Layers, signed_features: bool = False) -> Tensor:
    """Returns the feature map of keras-cv's ResNet18: a 7x7 stem with stride 2 and max-pooling, a total stride of 32.

    The layers are keras-cv's own, flat in the model. Our changes: initial kernels drawn from the seed, the L2 penalty,
    and a momentum of 0.9 in batch normalisation instead of 0.99, which is too slow for short trainings.

    Args:
        images: normalised images, (N, H, W, 3).
        width: must be 1: the stem has 64 channels, which the first shortcut passes on unchanged.
        layers: factory of initial kernels and penalties.
        signed_features: whether to end on the last residual sum, without its ReLU.

    Returns:
        tensor of shape (N, H / 32, W / 32, 512).

    Raises:
        DependencyError: if keras-cv is not installed, or Keras is not on TensorFlow.
    """
    return _feature_map("ResNetBackbone", images, layers, signed_features)


def resnet18_v2(images: Tensor, *, width: float, layers: Layers, signed_features: bool = False) -> Tensor:
    """Returns the feature map of keras-cv's ResNet18 V2, which ends in BN-ReLU; otherwise like `resnet18`."""
    return _feature_map("ResNetV2Backbone", images, layers, signed_features)


def _feature_map(kind: str, images: Tensor, layers: Layers, signed_features: bool) -> Tensor:
    backbone = getattr(_keras_cv().models, kind)(
        stackwise_filters=[64, 128, 256, 512],
        include_rescaling=False, input_shape=images.shape[1:], **_STAGES)
    for layer in backbone.layers:
        _make_ours(layer, layers)
    last = backbone.layers[-2 if signed_features else -1]  # the last one is the ReLU
    # `call` instead of `__call__`, so that its layers become layers of our model instead of a nested model
    return keras.Model(backbone.input, last.output).call(images)


def _make_ours(layer: Any, layers: Layers) -> None:
    if isinstance(layer, keras.layers.BatchNormalization):
        layer.momentum = 0.9
    elif isinstance(layer, keras.layers.Conv2D):
        layer.kernel_initializer = layers.kernel_initializer(layer.name)
        layer.kernel.assign(layer.kernel_initializer(layer.kernel.shape))
        layer.kernel_regularizer = layer.kernel.regularizer = layers.penalty()


def _keras_cv() -> Any:
    if keras.backend.backend() != "tensorflow":
        raise DependencyError(f"keras-cv needs TensorFlow, but Keras uses {keras.backend.backend()}.",
                              hint="Set KERAS_BACKEND=tensorflow, or choose another --model.")
    try:
        import keras_cv
    except ImportError as error:
        raise DependencyError(f"This model needs keras-cv, which cannot be loaded: {error}.",
                              hint="Install it: pip install 'keras-fixhead[cv]'") from None
    return keras_cv
