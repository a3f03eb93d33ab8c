"""ResNet18 in its common CIFAR form: a 3x3 stem without max-pooling."""
import keras

from keras_fixhead.catalog import scaled
from keras_fixhead.models.layers import Layers, Tensor, relu


def resnet18(images: Tensor, *, width: float, layers: Layers, signed_features: bool = False) -> Tensor:
    """Returns the feature map of ResNet18: four stages of two basic blocks, ending in ReLU.

    Args:
        images: normalised images, (N, H, W, 3).
        width: factor on the channels of every layer.
        layers: factory of the layers.
        signed_features: whether to end on the last residual sum, without its ReLU.

    Returns:
        tensor of shape (N, H / 8, W / 8, 512 width), non-negative unless `signed_features`.

    Reference: He et al. (2016), arXiv:1512.03385, in its CIFAR form.
    """
    x = layers.normalize(layers.conv(images, scaled(64, width), 3, name="stem_conv"), name="stem_norm")
    x = relu(x, name="stem_relu")
    for stage, (channels, strides) in enumerate([(64, 1), (128, 2), (256, 2), (512, 2)], start=1):
        x = _basic_block(x, scaled(channels, width), strides, layers, f"stage{stage}_block1")
        x = _basic_block(x, scaled(channels, width), 1, layers, f"stage{stage}_block2",
                         last_relu=stage < 4 or not signed_features)
    return x


def _basic_block(x: Tensor, channels: int, strides: int, layers: Layers, name: str, *,
                 last_relu: bool = True) -> Tensor:
    shortcut = x
    if strides > 1 or x.shape[-1] != channels:
        shortcut = layers.conv(x, channels, 1, strides, name=f"{name}_shortcut_conv")
        shortcut = layers.normalize(shortcut, name=f"{name}_shortcut_norm")
    y = layers.normalize(layers.conv(x, channels, 3, strides, name=f"{name}_conv1"), name=f"{name}_norm1")
    y = layers.conv(relu(y, name=f"{name}_relu1"), channels, 3, name=f"{name}_conv2")
    y = layers.normalize(y, name=f"{name}_norm2")
    x = keras.layers.Add(name=f"{name}_add")([y, shortcut])
    return relu(x, name=f"{name}_relu2") if last_relu else x
