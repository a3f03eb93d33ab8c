"""Networks: flat functional models from images in [0, 255] to logits, with their features reachable by name."""
import contextlib
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from keras_fixhead.catalog import MODELS, feature_dim, import_object, look_up
from keras_fixhead.errors import ArgumentError
from keras_fixhead.head import HypersphereHead
from keras_fixhead.models.initializers import HashedUniform
from keras_fixhead.models.layers import Layers
from keras_fixhead.models.normalization import FusedBatchNormalization
from keras_fixhead.models.saving import load_model, save_model

__all__ = ["FEATURES", "FusedBatchNormalization", "HashedUniform", "append_classes", "attach_head", "build_model",
           "feature_model", "head_of", "inputs_of", "load_model", "multiply_adds", "precision_policy",
           "save_model"]

FEATURES = "features"
"""Name of the layer whose output is the features."""


def build_model(name: str, input_shape: Sequence[int], num_classes: int, *, seed: int = 0,
                vector_seed: int | None = None, width: float = 1.0, signed_features: bool | None = None,
                pooling: str = "global", weight_decay: float = 0.0, decay_norms: bool = False,
                mean: float | Sequence[float] = 127.5, std: float | Sequence[float] = 127.5,
                normalization: Any = FusedBatchNormalization, form: Mapping[str, Any] | None = None,
                **head_arguments: Any) -> keras.Model:
    """Returns a network with a `HypersphereHead`, its weights drawn from seeds.

    Args:
        name: a name in the catalogue of models: 'resnet18', 'preact_resnet18', 'mobilenet_v2', 'keras_cv/resnet18',
            'keras_cv/resnet18_v2'.
        input_shape: (H, W, 3) of the images; H and W at least 8.
        num_classes: number of classes m, at least 2.
        seed: seed of the initial weights, and of the class vectors unless `vector_seed` is given.
        vector_seed: seed of the class vectors.
        width: factor on the channels of every layer.
        signed_features: whether to end without a ReLU: features can then be negative, and so reach every class vector.
            None for the network's usual form.
        pooling: 'global', the mean of the feature map, or '4x4', means of 4x4 positions side by side.
        weight_decay: torch's c, an L2 penalty of c / 2 on the kernels of the backbone.
        decay_norms: whether the gammas and betas of batch normalisation have that penalty too.
        mean, std: per channel or one number; pixels in [0, 255] become (pixel - mean) / std inside the model.
        normalization: class of batch normalisation layers.
        form: further arguments of the network's builder; 'mobilenet_v2' has `last_channels`, `multiple_of`,
            `cifar_form`.
        head_arguments: further arguments of `HypersphereHead`: logits, scale, fixed, class_vectors, ...

    Returns:
        model from pixels in [0, 255], (N, H, W, 3), to float32 logits, (N, num_classes).

    Raises:
        ArgumentError: (a ValueError) for an unknown name or an argument out of its range.
        DependencyError: if the network needs an extra that is not installed.

    Example:
        >>> model = build_model("resnet18", input_shape=(32, 32, 3), num_classes=10, width=0.125)
        >>> model.output_shape
        (None, 10)
    """
    entry = look_up(MODELS, name, "model")
    if len(input_shape) != 3 or input_shape[-1] != 3 or min(input_shape[:2]) < 8:
        raise ArgumentError(f"input_shape must be (H, W, 3) with H, W >= 8, got {tuple(input_shape)}.")
    if not (math.isfinite(weight_decay) and weight_decay >= 0):
        raise ArgumentError(f"weight_decay must be 0 or a positive number, got {weight_decay!r}.")
    feature_dim(name, width, input_shape, pooling)  # says what does not fit
    images = keras.Input(tuple(input_shape), name="images")
    feature_map = import_object(entry.builder)(
        _normalized(images, mean, std), width=width, layers=Layers(seed, weight_decay, normalization, decay_norms),
        signed_features=entry.ends_signed(signed_features), **(form or {}))
    features = _pooled(feature_map, pooling)
    head = HypersphereHead(num_classes, **{"name": "head", "seed": seed if vector_seed is None else vector_seed,
                                           **head_arguments})
    return keras.Model(images, head(features), name=name.replace("/", "_"))


def attach_head(backbone: keras.Model, num_classes: int, **head_arguments: Any) -> keras.Model:
    """Returns a model of any Keras backbone and a `HypersphereHead` on its features.

    The backbone's layers are shared, not copied.

    Args:
        backbone: functional or sequential model with one output: features (N, d), or a feature map (N, H, W, C), which
            is averaged over its positions.
        num_classes: number of classes m, at least 2.
        head_arguments: arguments of `HypersphereHead`.

    Returns:
        model from the backbone's inputs to float32 logits, (N, num_classes).

    Raises:
        ArgumentError: (a ValueError) if the backbone has not been built, or its output is neither.

    Example:
        >>> backbone = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(16, 3)])
        >>> attach_head(backbone, num_classes=5, scale=10).output_shape
        (None, 5)
    """
    outputs = getattr(backbone, "outputs", None)
    if not outputs or len(outputs) != 1:
        raise ArgumentError(
            f"{getattr(backbone, 'name', backbone)!r} has no single symbolic output to attach a head to.",
            hint="Give a functional or sequential model that has been built, for example starting with keras.Input.",
        )
    x = outputs[0]
    if len(x.shape) not in (2, 4):
        raise ArgumentError(f"{backbone.name!r} gives an output of shape {x.shape}; expected features (N, d) or a "
                            "feature map (N, H, W, C).")
    if FEATURES in {layer.name for layer in backbone.layers}:
        raise ArgumentError(f"{backbone.name!r} already has a layer named {FEATURES!r}.", hint="Rename that layer.")
    pool = keras.layers.GlobalAveragePooling2D if len(x.shape) == 4 else keras.layers.Identity
    features = pool(dtype="float32", name=FEATURES)(x)
    head = HypersphereHead(num_classes, **{"name": "head", **head_arguments})
    return keras.Model(inputs_of(backbone), head(features), name=f"{backbone.name}_fixhead")


def append_classes(model: keras.Model, num_classes: int) -> keras.Model:
    """Returns a model with more classes, on the same backbone: nothing is retrained, and old logits stay.

    Class vectors must be fixed, of a kind that extends ('uniform', 'cube', 'rademacher'; up to their limits
    'orthogonal', 'hadamard', 'orthoplex'). Old class vectors are bit-identical; old logits are equal to rounding. A
    learned bias keeps its values for old classes and starts at 0.01 for new ones: it is not known what it would have
    become. The layers of the backbone are shared with `model`, and the result is not compiled.

    Args:
        model: a functional or sequential model whose last layer is a `HypersphereHead`, of `build_model`,
            `attach_head` or your own.
        num_classes: the new total.

    Raises:
        ArgumentError: (a ValueError) if the last layer is no such head, or cannot be extended.

    Example:
        >>> model = build_model("resnet18", input_shape=(32, 32, 3), num_classes=10, width=0.125)
        >>> append_classes(model, num_classes=12).output_shape
        (None, 12)
    """
    head = head_of(model)
    return keras.Model(inputs_of(model), head.with_classes(num_classes)(head.input), name=model.name)


def multiply_adds(model: keras.Model) -> int:
    """Returns the multiply-adds of one image's forward pass in convolutions and the head; two operations each.

    Example:
        >>> model = build_model("resnet18", input_shape=(32, 32, 3), num_classes=10)
        >>> round(multiply_adds(model) / 1e6)
        555
    """
    head = head_of(model)
    total = math.prod(head.class_vectors.shape)
    for layer in model.layers:
        if isinstance(layer, (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)):
            height, width = layer.output.shape[1:3]
            total += math.prod(layer.kernel.shape) * height * width
    return total


def feature_model(model: keras.Model) -> keras.Model:
    """Returns the model from images to features (N, d), sharing the layers.

    Raises:
        ArgumentError: if `model` has no layer named 'features'.
    """
    try:
        return keras.Model(inputs_of(model), model.get_layer(FEATURES).output, name=f"{model.name}_features")
    except ValueError:
        raise ArgumentError(f"{model.name!r} has no layer named {FEATURES!r}.",
                            hint="Models of build_model and attach_head have.") from None


def inputs_of(model: keras.Model) -> Any:
    """Returns the inputs of a model in the structure in which it takes them: one tensor, or several in a list."""
    return model.inputs[0] if len(model.inputs) == 1 else model.inputs


def head_of(model: keras.Model) -> HypersphereHead:
    """Returns the head of a model.

    Raises:
        ArgumentError: if its last layer is no `HypersphereHead`.
    """
    head = model.layers[-1]
    if not isinstance(head, HypersphereHead):
        raise ArgumentError(f"The last layer of {model.name!r} is a {type(head).__name__}, not a HypersphereHead.")
    return head


@contextlib.contextmanager
def precision_policy(precision: str) -> Iterator[None]:
    """Builds what is built inside under a precision: 'float32', 'bfloat16' or 'float16' (mixed: float32 weights)."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32" if precision == "float32" else f"mixed_{precision}")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _pooled(feature_map: Any, pooling: str) -> Any:
    if pooling == "global":
        return keras.layers.GlobalAveragePooling2D(dtype="float32", name=FEATURES)(feature_map)
    means = keras.layers.AveragePooling2D(4, dtype="float32", name="pool")(feature_map)
    return keras.layers.Flatten(dtype="float32", name=FEATURES)(means)


def _normalized(images: Any, mean: float | Sequence[float], std: float | Sequence[float]) -> Any:
    means, stds = np.broadcast_to(np.asarray(mean, float), 3), np.broadcast_to(np.asarray(std, float), 3)
    if not (np.isfinite(means).all() and np.isfinite(stds).all() and (stds > 0).all()):
        raise ArgumentError(f"mean must be finite and std positive, got mean {means.tolist()}, std {stds.tolist()}.")
    return keras.layers.Rescaling((1 / stds).tolist(), (-means / stds).tolist(), dtype="float32",
                                  name="normalize")(images)  # float32: bfloat16 would round near pixels together
