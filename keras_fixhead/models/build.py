"""Building networks with a head by name."""
import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from keras_fixhead.catalog import feature_dim as own_dim
from keras_fixhead.catalog import find_model, import_object, short_name
from keras_fixhead.errors import ArgumentError
from keras_fixhead.head import HypersphereHead, full_precision
from keras_fixhead.head_config import checked_flag, is_number
from keras_fixhead.models.layers import Layers
from keras_fixhead.models.normalization import FusedBatchNormalization
from keras_fixhead.models.parts import FEATURES
from keras_fixhead.streaming import StreamingHead
from keras_fixhead.vectors import checked_integer


def build_model(name: str, input_shape: Sequence[int | None], num_classes: int, *, seed: int = 0,
                vector_seed: int | None = None, width: float = 1.0, signed_features: bool | None = None,
                pooling: str = "global", feature_dim: int | None = None, weight_decay: float = 0.0,
                decay_norms: bool = False,
                mean: float | Sequence[float] = 127.5, std: float | Sequence[float] = 127.5,
                normalization: Any = FusedBatchNormalization, form: Mapping[str, Any] | None = None,
                streaming: bool = False, **head_arguments: Any) -> keras.Model:
    """Returns a network with a `HypersphereHead` or a `StreamingHead`, with weights drawn from seeds.

    Args:
        name: a name in `catalog.MODELS`: 'resnet18', 'preact_resnet18', 'mobilenet_v2', 'fast_cnn',
            'keras_cv/resnet18', 'keras_cv/resnet18_v2'; or 'keras_applications/NAME' or 'keras_hub/PRESET', with
            its own preprocessing instead of `mean` and `std` (see `start_from_weights` for published weights). 'none'
            and 'mlp' take vectors.
        input_shape: (H, W, C) of the images: H and W at least 8, or None for images of any size (with pooling 'global'
            only); C channels, usually 3 or 1. (D,) for vectors.
        num_classes: number of classes m, at least 2.
        seed: seed of the initial weights, and of the class vectors unless `vector_seed` is given.
        vector_seed: seed of the class vectors.
        width: factor on the channels of every layer.
        signed_features: whether to end without a ReLU, so that features can be negative and reach every class vector;
            None for the network's usual form.
        pooling: 'global', the mean of the feature map ('fast_cnn': its maximum), or '4x4', means of 4x4 positions side
            by side.
        feature_dim: number of features, made by a linear layer; None for the network's own.
        weight_decay: torch's c, an L2 penalty of c / 2 on the kernels of the backbone.
        decay_norms: whether to apply this penalty to gamma and beta of batch normalisation too.
        mean, std: one number, or one per channel or number of a vector; inside the model, pixels in [0, 255] become
            (pixel - mean) / std. 0 and 1 leave vectors as they are.
        normalization: class of the batch normalisation layers.
        form: additional arguments of the network's builder; 'mobilenet_v2' has `last_channels`, `multiple_of` and
            `cifar_form`.
        streaming: whether the model ends in a `StreamingHead` and returns features, for very many classes.
        head_arguments: additional arguments of the head: logits, scale, fixed, class_vectors, ...

    Returns:
        model from pixels in [0, 255], (N, H, W, C), or vectors (N, D), to logits, (N, num_classes), or with `streaming`
        to features, (N, d): float32, or float64 under a float64 policy.

    Raises:
        ArgumentError: (a ValueError) for an unknown name or an argument out of range.
        DependencyError: if the network needs an optional extra that is not installed.

    Example:
        >>> model = build_model("resnet18", input_shape=(32, 32, 3), num_classes=10, width=0.125)
        >>> model.output_shape
        (None, 10)
    """
    entry = find_model(name)
    shape: tuple[Any, ...] = _checked_vector(input_shape) if entry.takes_vectors else _checked_shape(input_shape)
    if not (is_number(weight_decay) and weight_decay >= 0):
        raise ArgumentError(f"weight_decay must be 0 or a positive number, got {weight_decay!r}.")
    own_dim(name, width, shape, pooling)  # raises if something does not fit
    dim = None if feature_dim is None else checked_integer("feature_dim", feature_dim, 1, 2**31)
    signed = entry.ends_signed(None if signed_features is None else checked_flag("signed_features", signed_features))
    layers = Layers(checked_integer("seed", seed, 0, 2**64 - 1), float(weight_decay), _checked_class(normalization),
                    checked_flag("decay_norms", decay_norms))
    head_class = StreamingHead if checked_flag("streaming", streaming) else HypersphereHead
    head = head_class(num_classes, **{"name": "head", "seed": seed if vector_seed is None else vector_seed,
                                      **head_arguments})  # first, so that wrong arguments fail at once
    builder = import_object(entry.builder)
    form = _checked_form(form, builder, name)
    images = keras.Input(shape, name="vectors" if entry.takes_vectors else "images")
    pixels = _normalized(images, mean, std) if entry.preprocessing == "normalize" else images
    feature_map = builder(pixels, width=width, layers=layers, signed_features=signed, **form)
    name_before = FEATURES if dim is None else "pooled"
    if entry.takes_vectors:
        features = keras.layers.Identity(dtype=full_precision(), name=name_before)(feature_map)
    else:
        features = _pooled(feature_map, pooling, entry.reduces_by, name=name_before)
    if dim is not None:
        features = layers.project(features, dim, name=FEATURES)
    return keras.Model(images, head(features), name=short_name(name).replace("/", "_"))


def _pooled(feature_map: Any, pooling: str, reduces_by: str, *, name: str) -> Any:
    if pooling == "global":
        layer = {"mean": keras.layers.GlobalAveragePooling2D, "maximum": keras.layers.GlobalMaxPooling2D}[reduces_by]
        return layer(dtype=full_precision(), name=name)(feature_map)
    means = keras.layers.AveragePooling2D(4, dtype=full_precision(), name="pool")(feature_map)
    return keras.layers.Flatten(dtype=full_precision(), name=name)(means)


def _normalized(images: Any, mean: float | Sequence[float], std: float | Sequence[float]) -> Any:
    channels = images.shape[-1]
    means, stds = _per_channel("mean", mean, channels), _per_channel("std", std, channels)
    if not (np.isfinite(means).all() and np.isfinite(stds).all() and (stds > 0).all()):
        raise ArgumentError(f"mean must be finite and std positive, got mean {means.tolist()}, std {stds.tolist()}.")
    # at least float32: bfloat16 would round similar pixel values together
    return keras.layers.Rescaling((1 / stds).tolist(), (-means / stds).tolist(), dtype=full_precision(),
                                  name="normalize")(images)


def _per_channel(name: str, values: Any, channels: int) -> NDArray[np.float64]:
    try:
        array = np.asarray(values, np.float64)
    except (TypeError, ValueError):
        array = None
    if array is None or array.shape not in ((), (1,), (channels,)) or isinstance(values, (str, bool)):
        raise ArgumentError(f"{name} must be a number, or one per channel ({channels}), got {values!r}.")
    return np.broadcast_to(array, channels)


def _checked_shape(shape: Any) -> tuple[int | None, int | None, int]:
    """(H, W, C), H and W at least 8 or None."""
    try:
        height, width, channels = shape
        sides = [None if side is None else checked_integer("a side", side, 8, 2**31) for side in (height, width)]
        return sides[0], sides[1], checked_integer("channels", channels, 1, 2**31)
    except (TypeError, ValueError):
        raise ArgumentError(f"input_shape must be (H, W, C) with H, W >= 8 or None for any size, and C >= 1, got "
                            f"{shape!r}.") from None


def _checked_vector(shape: Any) -> tuple[int]:
    """(D,)."""
    try:
        (dim,) = shape
        return (checked_integer("D", dim, 1, 2**31),)
    except (TypeError, ValueError):
        raise ArgumentError(f"input_shape must be (D,) for vectors of D numbers, got {shape!r}.") from None


def _checked_class(normalization: Any) -> Any:
    if not callable(normalization):
        raise ArgumentError(f"normalization must be a layer class, got {normalization!r}.")
    return normalization


def _checked_form(form: Any, builder: Any, name: str) -> dict[str, Any]:
    """The checked additional arguments of a network's builder."""
    known = set(inspect.signature(builder).parameters) - {"images", "width", "layers", "signed_features"}
    if form is None:
        return {}
    if not isinstance(form, Mapping) or set(form) - known:
        raise ArgumentError(f"form of {name} must be a dict with keys from: {', '.join(sorted(known)) or 'none'}; got "
                            f"{form!r}.")
    return dict(form)
