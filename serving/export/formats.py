"""The files of a model: a SavedModel with three signatures, or one file of ONNX or LiteRT by Keras' own export."""
import importlib.util
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fixhead_serving.export.picture_graph import picture_graph
from keras_fixhead.class_names import NumberedNames
from keras_fixhead.data.pictures import PictureForm
from keras_fixhead.errors import ArgumentError, DependencyError

SIGNATURES = ("serving_default", "serving_bytes", "features")
"""Names of a SavedModel's signatures."""
VECTOR_SIGNATURES = ("serving_default", "features")
"""Names of those of a model that takes vectors instead of pictures."""
CLASSIFY = ("logits", "probabilities", "cosines", "top_logits", "top_probabilities", "top_classes")
"""Outputs of the first two signatures, if the model has them, in addition to the class's index and label."""
FEATURES = ("features", "embedding")
"""Outputs of the third signature."""


@dataclass(frozen=True)
class Format:
    """A format in which a model is exported.

    Attributes:
        prefix: prefix of a version folder's name: a server only accepts plain numbers as versions.
        extras_folder: the subfolder of a version folder with labels and card.
        packages: packages needed besides TensorFlow to write and check it.
        write: writes an answers model with its label names and form of pictures into a folder.
    """

    prefix: str
    extras_folder: str
    packages: tuple[str, ...]
    write: Callable[[Any, Path, Sequence[str], PictureForm | None], None]


def look_up_format(name: str) -> Format:
    """Returns a format by name, after checking that its packages are installed.

    Raises:
        ArgumentError: (a ValueError) for an unknown name.
        DependencyError: if a package is missing.
    """
    if name not in FORMATS:
        raise ArgumentError(f"Unknown format {name!r}.", hint=f"Formats: {', '.join(FORMATS)}.")
    if missing := [package for package in FORMATS[name].packages if importlib.util.find_spec(package) is None]:
        raise DependencyError(f"Export as {name} needs {' and '.join(missing)}, not installed.",
                              hint=f"Install it: pip install 'keras-fixhead[{name}]'")
    return FORMATS[name]


def write_saved_model(answers: Any, folder: Path, label_names: Sequence[str], form: PictureForm | None) -> None:
    """Writes a SavedModel; without a form of pictures, for vectors.

    `ensure_shape` guards its signatures: otherwise a wrong rank would crash a server.
    """
    import tensorflow as tf

    shape = [None, *answers.input_shape[1:]]
    named = _naming(label_names)

    def classify(images: Any) -> dict[str, Any]:
        found = answers(tf.ensure_shape(images, shape), training=False)
        if "top_classes" in found:
            classes = tf.cast(found["top_classes"], tf.int64)
            return {name: found[name] for name in CLASSIFY if name in found} | {
                "top_classes": classes, "top_labels": named(classes), "class_index": classes[:, 0],
                "label": named(classes[:, 0])}
        index = tf.argmax(found["logits"], axis=1)
        return {name: found[name] for name in CLASSIFY if name in found} | {
            "class_index": index, "label": named(index)}

    pixels_of = None if form is None else picture_graph(form)

    def classify_bytes(image_bytes: Any) -> dict[str, Any]:
        pictures = tf.ensure_shape(image_bytes, [None])
        with tf.device("cpu:0"):  # decoders run nowhere else, and small steps would be slow on a GPU
            pixels = tf.map_fn(pixels_of, pictures, fn_output_signature=tf.TensorSpec(shape[1:], tf.uint8))
        return classify(tf.cast(pixels, tf.float32))

    def features(images: Any) -> dict[str, Any]:
        found = answers(tf.ensure_shape(images, shape), training=False)
        return {name: found[name] for name in FEATURES}

    images = tf.TensorSpec(shape, tf.float32, name="vectors" if form is None else "images")
    endpoints: dict[str, tuple[Callable[..., Any], Any]] = {
        "serving_default": (classify, images), "features": (features, images)}
    if form is not None:
        endpoints["serving_bytes"] = classify_bytes, tf.TensorSpec([None], tf.string, name="image_bytes")
    module = tf.Module()
    module.weights = [weight.value for weight in answers.weights]
    # concrete functions are traced once; Keras' `ExportArchive` traces each of its functions twice
    signatures = {name: tf.function(function, autograph=False).get_concrete_function(inputs)
                  for name, (function, inputs) in endpoints.items()}
    for name, function in signatures.items():
        setattr(module, name, function)
    tf.saved_model.save(module, str(folder), signatures=signatures)


def _naming(label_names: Sequence[str]) -> Callable[[Any], Any]:
    """The function of the graph from classes to their names."""
    import tensorflow as tf

    if isinstance(label_names, NumberedNames):
        return tf.strings.as_string
    names = tf.constant(list(label_names))
    return lambda classes: tf.gather(names, classes)


def write_onnx(answers: Any, folder: Path, label_names: Sequence[str], form: PictureForm | None) -> None:
    """Writes `model.onnx`, from images to all answers by name."""
    _export(answers, folder / "model.onnx", "onnx")


def write_litert(answers: Any, folder: Path, label_names: Sequence[str], form: PictureForm | None) -> None:
    """Writes `model.tflite`, from images to all answers by name."""
    _export(answers, folder / "model.tflite", "litert")


def _export(answers: Any, path: Path, name: str) -> None:
    import numpy as np

    answers(np.zeros((1, *answers.input_shape[1:]), np.float32))  # Keras only exports models that have been called
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # tf2onnx uses a deprecated NumPy name
        answers.export(str(path), format=name, verbose=False)


FORMATS = {
    "saved_model": Format("", "assets.extra", (), write_saved_model),
    "onnx": Format("onnx-", ".", ("tf2onnx", "onnxruntime"), write_onnx),
    "litert": Format("litert-", ".", ("ai_edge_litert",), write_litert),
}
"""The formats by name: what their files are called, what they need, and what writes them."""
