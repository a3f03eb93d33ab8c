"""Parts of a model: its features and its head; adding classes."""
import math
from typing import Any

import keras

from keras_fixhead.errors import ArgumentError
from keras_fixhead.head import HypersphereHead
from keras_fixhead.models.whitening import WhiteningConvolution
from keras_fixhead.streaming import StreamingHead

FEATURES = "features"
"""Name of the layer whose output is the features."""


def feature_model(model: keras.Model) -> keras.Model:
    """Returns a model from images to features (N, d) that shares the layers.

    The features are what the layer named 'features' returns, or else what goes into the head. The result is a backbone
    again: `attach_head` takes it.

    Raises:
        ArgumentError: (a ValueError) if `model` is not a built model, or has neither such a layer nor a head.
    """
    _checked(model, built=True)
    if FEATURES in {layer.name for layer in model.layers}:
        features = model.get_layer(FEATURES).output
    elif isinstance(model.layers[-1], HypersphereHead):
        features = model.layers[-1].input
    else:
        raise ArgumentError(f"{model.name!r} has no layer named {FEATURES!r}, and does not end in a HypersphereHead.",
                            hint="Models from build_model and attach_head have both.")
    return keras.Model(inputs_of(model), features, name=f"{model.name}_features")


def inputs_of(model: keras.Model) -> Any:
    """Returns the inputs of a model as it takes them: one tensor, or a list of several."""
    return model.inputs[0] if len(model.inputs) == 1 else model.inputs


def head_of(model: keras.Model) -> HypersphereHead:
    """Returns the head of a model.

    Raises:
        ArgumentError: (a ValueError) if its last layer is not a `HypersphereHead`.
    """
    layers = _checked(model).layers
    head = layers[-1] if layers else None
    if not isinstance(head, HypersphereHead):
        raise ArgumentError(f"The last layer of {model.name!r} is a {type(head).__name__}, not a HypersphereHead.")
    return head


def head_of_logits(model: keras.Model) -> HypersphereHead:
    """Returns the head of a model that returns logits.

    Raises:
        ArgumentError: (a ValueError) if its last layer is not a `HypersphereHead`, or returns features.
    """
    head = head_of(model)
    if head.returns != "logits":
        raise ArgumentError(f"{model.name!r} returns features, for a loss that streams over its classes, not logits.",
                            hint="Pass keras_fixhead.as_dense(model).")
    return head


def append_classes(model: keras.Model, num_classes: int) -> keras.Model:
    """Returns a model with more classes on the same backbone, without retraining; old logits do not change.

    Class vectors must be fixed, of a kind that extends ('uniform', 'cube' and 'rademacher'; 'orthogonal', 'hadamard'
    and 'orthoplex' up to their limits). Old class vectors are bit-identical; old logits are equal up to rounding. A
    learned bias keeps its values for old classes and starts at 0.01 for new ones, since its trained value is not known.
    The layers of the backbone are shared with `model`, and the result is not compiled.

    Args:
        model: a functional or sequential model whose last layer is a `HypersphereHead`, from `build_model`,
            `attach_head` or your own code.
        num_classes: the new total.

    Raises:
        ArgumentError: (a ValueError) if the last layer is not such a head, or cannot be extended.

    Example:
        >>> from keras_fixhead.models import build_model
        >>> model = build_model("resnet18", input_shape=(32, 32, 3), num_classes=10, width=0.125)
        >>> append_classes(model, num_classes=12).output_shape
        (None, 12)
    """
    head = head_of(model)
    _checked(model, built=True)
    return keras.Model(inputs_of(model), head.with_classes(num_classes)(head.input), name=model.name)


def as_streaming(model: keras.Model, **options: Any) -> keras.Model:
    """Returns the model with a `StreamingHead`, which has the class vectors and scale of its head; layers are shared.

    Args:
        model: a model whose last layer is a head with fixed class vectors and without bias.
        options: `in_memory`, `product_dtype`, `chunk`, `memory_bytes` of the `StreamingHead`.

    Raises:
        ArgumentError: (a ValueError) if the last layer is not such a head.

    Example:
        >>> from keras_fixhead.models import build_model
        >>> model = build_model("resnet18", input_shape=(32, 32, 3), num_classes=10, width=0.125)
        >>> as_streaming(model).output_shape  # features instead of logits
        (None, 64)
    """
    head = head_of(model)
    _checked(model, built=True)
    return keras.Model(inputs_of(model), StreamingHead.of(head, **options)(head.input), name=model.name)


def as_dense(model: keras.Model) -> keras.Model:
    """Returns a model that ends in a `StreamingHead` with a `HypersphereHead` instead, which returns all logits.

    Raises:
        ArgumentError: (a ValueError) if the last layer is not a `StreamingHead`.

    Example:
        >>> inputs = keras.Input((8,))
        >>> as_dense(keras.Model(inputs, StreamingHead(10)(inputs))).output_shape
        (None, 10)
    """
    head = head_of(model)
    if not isinstance(head, StreamingHead):
        raise ArgumentError(f"The last layer of {model.name!r} is a {type(head).__name__}, not a StreamingHead.")
    _checked(model, built=True)
    return keras.Model(inputs_of(model), head.dense()(head.input), name=model.name)


def multiply_adds(model: keras.Model) -> int:
    """Returns the multiply-adds of one example's forward pass in convolutions, dense layers and the head; each is two
    operations.

    Raises:
        ArgumentError: if the model has no head, or accepts images of any size.

    Example:
        >>> from keras_fixhead.models import build_model
        >>> model = build_model("resnet18", input_shape=(32, 32, 3), num_classes=10)
        >>> round(multiply_adds(model) / 1e6)
        555
    """
    head = head_of(model)
    total = head.num_classes * (head.dim or 0)
    if None in (side for each in model.inputs for side in each.shape[1:]):
        raise ArgumentError(f"The multiply-adds of {model.name!r} depend on the image size, which it does not fix.",
                            hint="Build it with a fixed input_shape.")
    for layer in model.layers:
        if isinstance(layer, (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, WhiteningConvolution)):
            height, width = layer.output.shape[1:3]
            total += math.prod(layer.kernel.shape) * height * width
        elif isinstance(layer, keras.layers.Dense):
            total += math.prod(layer.kernel.shape)
    return total


def _checked(model: Any, *, built: bool = False) -> keras.Model:
    if not isinstance(model, keras.Model):
        raise ArgumentError(f"model must be a Keras model, got {type(model).__name__}.")
    if built and not getattr(model, "inputs", None):
        raise ArgumentError(f"{model.name!r} has no symbolic inputs.",
                            hint="Pass a functional or sequential model that has been built, for example starting with "
                                 "keras.Input.")
    return model
