"""A network of one convolution, so that the engine is tested in seconds."""
from keras_fixhead.models.layers import Layers, Tensor, relu


def build(images: Tensor, *, stem_channels: int, layers: Layers, signed_features: bool = False) -> Tensor:
    """Returns a feature map of (N, H / 4, W / 4, 8 stem_channels), as many channels as ResNet18's."""
    x = layers.conv(images, 8 * stem_channels, 3, strides=4, name="conv")
    x = layers.normalize(x, name="norm")
    return x if signed_features else relu(x, name="relu")
