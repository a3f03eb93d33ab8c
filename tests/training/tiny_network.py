"""A network of one convolution, so that tests of the engine take seconds."""
from keras_fixhead.catalog import scaled
from keras_fixhead.models.layers import Layers, Tensor, relu


def build(images: Tensor, *, width: float, layers: Layers, signed_features: bool = False) -> Tensor:
    """Returns a feature map of shape (N, H / 4, W / 4, 512 width), with as many channels as ResNet18."""
    x = layers.conv(images, scaled(512, width), 3, strides=4, name="conv")
    x = layers.normalize(x, name="norm")
    return x if signed_features else relu(x, name="relu")


def build_whitened(images: Tensor, *, width: float, layers: Layers, signed_features: bool = False) -> Tensor:
    """Returns the same of whitened patches of the images."""
    return build(layers.whiten(images, name="whitening"), width=width, layers=layers, signed_features=signed_features)
