"""PreActResNet18 in its common CIFAR form: a 3x3 stem without max-pooling."""
import keras

from keras_fixhead.catalog import scaled
from keras_fixhead.models.layers import Layers, Tensor, relu


def preact_resnet18(images: Tensor, *, width: float, layers: Layers, signed_features: bool = True) -> Tensor:
    """Returns the feature map of PreActResNet18: four stages of two blocks of twice BN, ReLU and convolution.

    There are two forms. The usual CIFAR code, used for published CIFAR accuracies, ends on the last residual sum: its
    features are signed and can reach the whole sphere. The network in the original paper has one more BN-ReLU, after
    which features are non-negative. The first form is the default; it is not known which one the fixed-head paper used.

    Args:
        images: normalised images, (N, H, W, 3).
        width: factor on the channels of every layer.
        layers: factory of the layers.
        signed_features: False to end with the final BN-ReLU.

    Returns:
        tensor of shape (N, H / 8, W / 8, 512 width), non-negative unless `signed_features`.

    Reference: He et al. (2016), arXiv:1603.05027, in its CIFAR form.
    """
    x = layers.conv(images, scaled(64, width), 3, name="stem_conv")
    for stage, (channels, strides) in enumerate([(64, 1), (128, 2), (256, 2), (512, 2)], start=1):
        x = _preact_block(x, scaled(channels, width), strides, layers, f"stage{stage}_block1")
        x = _preact_block(x, scaled(channels, width), 1, layers, f"stage{stage}_block2")
    return x if signed_features else relu(layers.normalize(x, name="final_norm"), name="final_relu")


def _preact_block(x: Tensor, channels: int, strides: int, layers: Layers, name: str) -> Tensor:
    y = relu(layers.normalize(x, name=f"{name}_norm1"), name=f"{name}_relu1")
    shortcut = x
    if strides > 1 or x.shape[-1] != channels:
        shortcut = layers.conv(y, channels, 1, strides, name=f"{name}_shortcut_conv")
    y = layers.conv(y, channels, 3, strides, name=f"{name}_conv1")
    y = relu(layers.normalize(y, name=f"{name}_norm2"), name=f"{name}_relu2")
    y = layers.conv(y, channels, 3, name=f"{name}_conv2")
    return keras.layers.Add(name=f"{name}_add")([y, shortcut])
