"""A network of one convolution, so that the engine is tested in seconds."""
from keras_fixhead.catalog import scaled
from keras_fixhead.models.layers import Layers, Tensor, relu


def build(images: Tensor, *, width: float, layers: Layers, signed_features: bool = False) -> Tensor:
    """Returns a feature map of (N, H / 4, W / 4, 512 width), as many channels as ResNet18's."""
    x = layers.conv(images, scaled(512, width), 3, strides=4, name="conv")
    x = layers.normalize(x, name="norm")
    return x if signed_features else relu(x, name="relu")
