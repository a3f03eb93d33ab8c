"""MobileNetV2 in its common CIFAR form, with a total stride of 8."""
import keras

from keras_fixhead.catalog import scaled
from keras_fixhead.models.layers import Layers, Tensor, relu

# (expansion, channels, blocks, stride of the first), as in the paper's table, except that the first two strides are 1
_STAGES = ((1, 16, 1, 1), (6, 24, 2, 1), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))


def mobilenet_v2(images: Tensor, *, width: float, layers: Layers, signed_features: bool = False,
                 last_channels: int = 1280, multiple_of: int = 1, cifar_form: bool = True) -> Tensor:
    """Returns the feature map of MobileNetV2: seven stages of inverted residuals, then a 1x1 convolution.

    The usual CIFAR code differs from the paper's design in three points: ReLU instead of ReLU6, a projected
    shortcut (1x1 convolution and batch normalisation) in blocks of stride 1 whose width changes, and an expansion
    convolution in the first block too. `cifar_form=False` omits the last two.

    Args:
        images: normalised images, (N, H, W, 3).
        width: factor on the channels of every layer except the last.
        layers: factory of the layers.
        signed_features: whether to end on the last batch normalisation, without its ReLU.
        last_channels: channels of the last convolution.
        multiple_of: round channels to multiples of this, as the paper's own code does with 8.
        cifar_form: False for the paper's shortcuts and first block.

    Returns:
        tensor of shape (N, H / 8, W / 8, last_channels), non-negative unless `signed_features`.

    Reference: Sandler et al. (2018), arXiv:1801.04381, table 2.
    """
    x = layers.normalize(layers.conv(images, _channels(32, width, multiple_of), 3, name="stem_conv"), name="stem_norm")
    x = relu(x, name="stem_relu")
    for stage, (expansion, channels, blocks, strides) in enumerate(_STAGES, start=1):
        for block in range(1, blocks + 1):
            x = _inverted_residual(x, expansion, _channels(channels, width, multiple_of), strides if block == 1 else 1,
                                   layers, f"stage{stage}_block{block}", cifar_form)
    x = layers.normalize(layers.conv(x, last_channels, 1, name="last_conv"), name="last_norm")
    return x if signed_features else relu(x, name="last_relu")


def _inverted_residual(x: Tensor, expansion: int, channels: int, strides: int, layers: Layers, name: str,
                       cifar_form: bool) -> Tensor:
    y, inputs = x, x.shape[-1]
    if expansion > 1 or cifar_form:
        y = layers.normalize(layers.conv(y, expansion * inputs, 1, name=f"{name}_expand_conv"),
                             name=f"{name}_expand_norm")
        y = relu(y, name=f"{name}_expand_relu")
    y = layers.normalize(layers.depthwise_conv(y, 3, strides, name=f"{name}_depthwise_conv"),
                         name=f"{name}_depthwise_norm")
    y = relu(y, name=f"{name}_depthwise_relu")
    y = layers.normalize(layers.conv(y, channels, 1, name=f"{name}_project_conv"), name=f"{name}_project_norm")
    if strides > 1 or (inputs != channels and not cifar_form):
        return y
    if inputs != channels:
        x = layers.normalize(layers.conv(x, channels, 1, name=f"{name}_shortcut_conv"), name=f"{name}_shortcut_norm")
    return keras.layers.Add(name=f"{name}_add")([y, x])


def _channels(channels: int, width: float, multiple_of: int) -> int:
    """Channels at a width, rounded to a multiple, but not down by more than a tenth."""
    if multiple_of == 1:
        return scaled(channels, width)
    exact = channels * width
    rounded = max(multiple_of, int(exact + multiple_of / 2) // multiple_of * multiple_of)
    return rounded if rounded >= 0.9 * exact else rounded + multiple_of
