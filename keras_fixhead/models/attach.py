"""A head on any Keras backbone."""
import re
from collections.abc import Iterator
from typing import Any

import keras

from keras_fixhead.errors import ArgumentError
from keras_fixhead.head import HypersphereHead, full_precision
from keras_fixhead.models.parts import FEATURES, inputs_of

_CLASSIFIER = re.compile(r"(^|_)(predictions|preds|logits|classifier|classification|probabilities|head_dense)$", re.I)
"""Names of layers of keras.applications, and of others, that make the logits."""
_SOFTMAXES = (keras.activations.softmax, keras.activations.log_softmax)
_SHAPES = (keras.layers.Flatten, keras.layers.Reshape, keras.layers.Permute, keras.layers.Identity,
           keras.layers.Dropout)
_WITHOUT_TOP = "Pass the network without its classifier; keras.applications: include_top=False."


def attach_head(backbone: keras.Model, num_classes: int, **head_arguments: Any) -> keras.Model:
    """Returns a model with a `HypersphereHead` on the features of any Keras backbone.

    The backbone's layers are shared, not copied.

    Args:
        backbone: functional or sequential model with one output: features (N, d), or a feature map (N, H, W, C), which
            is averaged over positions. `feature_model(model)` is one.
        num_classes: number of classes m, at least 2.
        head_arguments: arguments of `HypersphereHead`.

    Returns:
        model from the inputs of the backbone to logits, (N, num_classes), in float32 unless a float64 policy is set.

    Raises:
        ArgumentError: (a ValueError) if the backbone has not been built, its output has another shape, or it ends in
            a classifier: a softmax, a head, or a layer named like logits. Logits of a layer with another name cannot be
            told from features, and are taken.

    Example:
        >>> backbone = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(16, 3)])
        >>> attach_head(backbone, num_classes=5, scale=10).output_shape
        (None, 5)
    """
    outputs = getattr(backbone, "outputs", None)
    if not outputs or len(outputs) != 1:
        raise ArgumentError(
            f"{getattr(backbone, 'name', backbone)!r} has no single symbolic output to attach a head to.",
            hint="Choose one: keras.Model(model.inputs, model.outputs[0])." if outputs else
            "Pass a functional or sequential model that has been built, for example starting with keras.Input.",
        )
    x = outputs[0]
    if len(x.shape) not in (2, 4):
        raise ArgumentError(f"{backbone.name!r} has an output of shape {x.shape}. Expected features (N, d) or a "
                            "feature map (N, H, W, C).")
    _check_not_classifier(backbone)
    features = _features(backbone, x)
    head = HypersphereHead(num_classes, **{"name": "head", **head_arguments})
    return keras.Model(inputs_of(backbone), head(features), name=f"{backbone.name}_fixhead")


def _features(backbone: keras.Model, x: Any) -> Any:
    """The output as features named 'features', in full precision."""
    dtype = "float64" if x.dtype == "float64" else full_precision()
    if FEATURES in {layer.name for layer in backbone.layers}:
        if backbone.get_layer(FEATURES).output is not x or len(x.shape) != 2 or x.dtype != dtype:
            raise ArgumentError(f"{backbone.name!r} already has a layer named {FEATURES!r}.", hint="Rename that layer.")
        return x
    pool = keras.layers.GlobalAveragePooling2D if len(x.shape) == 4 else keras.layers.Identity
    return pool(dtype=dtype, name=FEATURES)(x)


def _check_not_classifier(backbone: keras.Model) -> None:
    what = None
    for last in _last_layers(backbone):
        if isinstance(last, HypersphereHead):
            what, hint = "a HypersphereHead", "Pass feature_model(model)."
        elif type(last).__name__ in ("Softmax", "LogSoftmax") or getattr(last, "activation", None) in _SOFTMAXES:
            what, hint = "a softmax", _WITHOUT_TOP
        elif isinstance(last, keras.layers.Dense | keras.layers.Conv2D) and _CLASSIFIER.search(last.name):
            what = f"the logits of a classifier (a {type(last).__name__} layer named {last.name!r})"
            hint = _WITHOUT_TOP
        if what:
            raise ArgumentError(f"{backbone.name!r} ends in {what} instead of features.", hint=hint)


def _last_layers(model: keras.Model) -> Iterator[keras.Layer]:
    """Yields the layers that a model ends in, from the last one to the first that changes more than shape or type."""
    output = model.outputs[0]
    while (history := getattr(output, "_keras_history", None)) is not None:
        last = history.operation
        if isinstance(last, keras.Model):
            yield from _last_layers(last)
            return
        yield last
        if not _passes_on(last) or not isinstance(last.input, keras.KerasTensor):
            return
        output = last.input


def _passes_on(layer: Any) -> bool:
    """Whether a layer's outputs are its inputs, in another shape or type, or only scaled in training."""
    if isinstance(layer, keras.layers.Activation):
        return bool(layer.activation is keras.activations.linear)
    return isinstance(layer, _SHAPES)
