"""The answers of an exported model: one Keras model from images to everything a client may ask for, in float32."""
from collections.abc import Iterator, Mapping
from typing import Any

import keras
from keras import ops

from keras_fixhead.catalog import TOP_CLASSES
from keras_fixhead.errors import ArgumentError
from keras_fixhead.head import HypersphereHead, unit_length
from keras_fixhead.models import head_of, inputs_of, precision_policy
from keras_fixhead.streaming import StreamingHead

TABLE_BYTES = 2_000_000_000
"""The most that class vectors take in an exported file."""

_OTHER_TYPES = {"float16", "bfloat16", "float64", "mixed_float16", "mixed_bfloat16"}


def answers_model(model: keras.Model, *, temperature: float = 1.0) -> keras.Model:
    """Returns the model from images to a dict of answers, all float32 with the batch dimension first.

    Args:
        model: from images (N, H, W, 3), pixels in [0, 255], or vectors (N, D), to the logits of a `HypersphereHead`, or
            to the features of a `StreamingHead`; of any precision.
        temperature: T, by which logits are divided before they become probabilities; the logits do not change.

    Returns:
        model with an input `images` or `vectors` and the outputs `logits` (N, m), `probabilities` (N, m), `features`
        (N, d), `embedding` (N, d), and for cosine heads `cosines` (N, m). With a `StreamingHead`, instead of those with
        m columns, those of its k best classes: `top_classes` (N, k), int32, `top_logits` and `top_probabilities`.

    Raises:
        ArgumentError: (a ValueError) if the model's input is not images of one size or vectors, the model cannot be
            rebuilt in float32, or its class vectors take more than 2 GB and cannot be drawn in the graph.
    """
    shape = _image_shape(model)
    with precision_policy("float32"):
        model = _in_float32(model)
        head = _exportable(head_of(model))
        images = keras.Input(shape, name="images" if len(shape) == 3 else "vectors", dtype="float32")
        if isinstance(head, StreamingHead):
            if temperature != 1:
                check_calibration(model)
            features = keras.Model(inputs_of(model), head_of(model).input)(images, training=False)
            return keras.Model(images, BestAnswers(head)(features), name=model.name)
        inner = keras.Model(inputs_of(model), [head.input, model.outputs[0]])
        return keras.Model(images, Answers(head, temperature)(*inner(images, training=False)), name=model.name)


class Answers(keras.layers.Layer):
    """Computes the answers from a head's features and logits.

    Args:
        head: the built head.
        temperature: T.
    """

    def __init__(self, head: HypersphereHead, temperature: float = 1.0) -> None:
        super().__init__(name="answers", dtype="float32")
        self._head = head
        self._temperature = temperature

    def call(self, features: Any, logits: Any) -> dict[str, Any]:
        features, logits = ops.cast(features, "float32"), ops.cast(logits, "float32")
        calibrated = logits if self._temperature == 1 else logits / self._temperature
        answers = {"logits": logits, "probabilities": ops.softmax(calibrated), "features": features,
                   "embedding": unit_length(features)}
        if self._head.logits == "cos":
            answers["cosines"] = ops.cast(self._head.cosines(features), "float32")
        return answers


class BestAnswers(keras.layers.Layer):
    """Computes the answers of a `StreamingHead`, which never has all logits, from features.

    Args:
        head: the built head.
    """

    def __init__(self, head: StreamingHead) -> None:
        super().__init__(name="answers", dtype="float32")
        self._head = head

    def call(self, features: Any) -> dict[str, Any]:
        features = ops.cast(features, "float32")
        logits, classes, shares = self._head.top_probabilities(features, min(TOP_CLASSES, self._head.num_classes))
        return {"top_classes": classes, "top_logits": logits, "top_probabilities": shares, "features": features,
                "embedding": unit_length(features)}


def check_calibration(model: keras.Model) -> None:
    """Raises ArgumentError for a model that never has all logits, to which a temperature is fitted."""
    if isinstance(head_of(model), StreamingHead):
        raise ArgumentError("A temperature is fitted to all logits, which this model never has.",
                            hint="Leave out --calibrate.")


def _exportable(head: HypersphereHead) -> HypersphereHead:
    """The head in float32, or one that draws its vectors in the graph if a file of them would have more than 2 GB."""
    size = 4 * head.num_classes * (head.dim or 0)
    if size <= TABLE_BYTES or not getattr(head, "in_memory", True):
        # bfloat16 is a choice of training
        return StreamingHead.of(head, product_dtype=None) if getattr(head, "product_dtype", None) else head
    if isinstance(head, StreamingHead) and head.kind == "rademacher":
        return StreamingHead.of(head, in_memory=False, product_dtype=None)
    raise ArgumentError(f"The class vectors take {size / 1e9:.1f} GB, and an exported file has at most "
                        f"{TABLE_BYTES / 1e9:.0f} GB of them: only random signs can be drawn in its graph.",
                        hint="Train with --class-vectors rademacher --no-store-vectors.")


def _image_shape(model: keras.Model) -> tuple[int, ...]:
    head_of(model)  # refuses models without our head
    shapes = [tuple(each.shape) for each in model.inputs]
    (shape, *further) = shapes
    if not further and len(shape) == 4 and shape[0] is None and None not in shape[1:3] and shape[3] in (1, 3):
        return shape[1:]
    if not further and len(shape) == 2 and shape[0] is None and shape[1] is not None:
        return shape[1:]
    raise ArgumentError(f"The model takes inputs of shape {', '.join(map(str, shapes))}. A served model must take "
                        "batches of any size, of images of one size with 3 channels, or 1: (None, H, W, 3).",
                        hint="Build it with keras.Input((H, W, 3)).")


def _in_float32(model: keras.Model) -> keras.Model:
    """The model itself or, if a layer has another precision, a copy rebuilt in float32 with its weights."""
    others = sorted({name for layer in _layers(model) for name in (layer.compute_dtype, layer.variable_dtype)}
                    - {"float32"})
    if not others:
        return model
    try:
        config = _with_float32(keras.saving.serialize_keras_object(model))
        rebuilt = keras.saving.deserialize_keras_object(config)
        rebuilt.set_weights(model.get_weights())
    # users' own layers are rebuilt here, and may raise anything if they cannot be: reported with its cause
    except (ValueError, TypeError, NotImplementedError, AttributeError) as error:
        first_line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ArgumentError(f"The model computes in {', '.join(others)} but must be served in float32, and it cannot "
                            f"be rebuilt in float32: {first_line}",
                            hint="Build it under the float32 policy and carry the weights over.") from error
    return rebuilt


def _layers(layer: Any) -> Iterator[Any]:
    for each in getattr(layer, "layers", ()):
        yield each
        yield from _layers(each)


def _with_float32(config: Any) -> Any:
    if isinstance(config, Mapping):
        if config.get("class_name") == "DTypePolicy":
            return {**config, "config": {"name": "float32"}}
        return {key: "float32" if key == "dtype" and isinstance(value, str) and value in _OTHER_TYPES
                else _with_float32(value) for key, value in config.items()}
    if isinstance(config, (list, tuple)):
        return type(config)(_with_float32(each) for each in config)
    return config
