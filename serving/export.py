"""From a run to a SavedModel that TensorFlow Serving loads."""
import contextlib
import errno
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keras_fixhead.errors import ArgumentError, DependencyError, ServingError

SIGNATURES = ("serving_default", "serving_bytes", "features")

_STALE_SECONDS = 24 * 3600


@dataclass(frozen=True)
class ExportedModel:
    """A model that has been exported.

    Attributes:
        name: what a server calls it: the name of its base path.
        version: the integer of its version folder.
        path: the version folder, with saved_model.pb in it.
    """

    name: str
    version: int
    path: Path


def export_run(run: str | os.PathLike[str], base_path: str | os.PathLike[str]) -> ExportedModel:
    """Exports the trained model of a run as the next version under a base path.

    Args:
        run: a finished run directory.
        base_path: DIR; the model's name is DIR's name, its versions are DIR/1, DIR/2, ...

    Returns:
        name, version and path of what was written.

    Raises:
        RunError: if the run has no model.
        ServingError: if the base path cannot be written.
        DependencyError: if TensorFlow is not the backend.
    """
    from keras_fixhead.models import load_model
    from keras_fixhead.runs import open_run

    opened = open_run(run)
    return export_model(load_model(opened.path), base_path, label_names=opened.read("result")["label_names"])


def export_model(model: Any, base_path: str | os.PathLike[str], *, label_names: Sequence[str]) -> ExportedModel:
    """Exports a model with a `HypersphereHead` as the next version under a base path.

    The signatures take a batch of any size, and a picture of the model's size only:

        serving_default  images, float32 (N, H, W, 3) in [0, 255]
        serving_bytes    image_bytes, string (N,): encoded pictures of any size, resized with anti-aliasing
        features         images, as above; gives features (N, d)

    The first two give logits, probabilities, class_index, label, and for cosine heads cosines. It is written aside,
    flushed and renamed, so that a server that watches the base path never sees half a model.

    Args:
        model: a float32 Keras model of `build_model` or `attach_head`.
        base_path: DIR; the model's name is DIR's name.
        label_names: one name a class.

    Raises:
        ArgumentError: (a ValueError) if the number of names is not the number of classes, the model is not float32, or
            DIR's name cannot stand in a URL.
        ServingError: if the base path cannot be written.
        DependencyError: if TensorFlow is not the backend.
    """
    base = Path(base_path).absolute()
    _check(model, base, label_names)
    archive = _archive(model, label_names)
    try:
        base.mkdir(parents=True, exist_ok=True)
        _remove_stale(base)
        with _aside(base) as folder:
            archive.write_out(str(folder), verbose=False)
            (folder / "assets.extra").mkdir()
            (folder / "assets.extra" / "labels.txt").write_text("".join(f"{name}\n" for name in label_names), "utf-8")
            _open_and_flush(folder)
            version = _publish(folder, base)
    except OSError as error:
        raise ServingError(f"{base} cannot be written: {error.strerror or error}.",
                           hint="Choose a folder that can be written to.") from None
    return ExportedModel(base.name, version, base / str(version))


def check_backend() -> None:
    """Raises a DependencyError if Keras' backend is not TensorFlow, which alone writes SavedModels."""
    import keras

    if keras.backend.backend() != "tensorflow":
        raise DependencyError(f"Exporting a SavedModel needs the TensorFlow backend, not {keras.backend.backend()}.",
                              hint="Install TensorFlow where it is missing, and run it with KERAS_BACKEND=tensorflow")


def versions(base_path: Path) -> list[int]:
    """Returns the version numbers under a base path, ascending."""
    if not base_path.is_dir():
        return []
    return sorted(int(child.name) for child in base_path.iterdir() if re.fullmatch(r"[0-9]{1,18}", child.name))


def _check(model: Any, base: Path, label_names: Sequence[str]) -> None:
    from keras_fixhead.models import head_of

    check_backend()
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", base.name):
        raise ArgumentError(f"A model cannot be called {base.name!r}: its name stands in URLs.",
                            hint="Use letters, digits, '.', '_' and '-' for the folder's name.")
    num_classes = head_of(model).num_classes
    if len(label_names) != num_classes:
        raise ArgumentError(f"There are {len(label_names)} label names for {num_classes} classes.")
    if any(layer.compute_dtype in ("float16", "bfloat16") for layer in model.layers):
        raise ArgumentError("The model computes in 16 bits; a server's answers are float32.",
                            hint="Build it again under the float32 policy and carry the weights over.")


def _archive(model: Any, label_names: Sequence[str]) -> Any:
    """The three signatures. `ensure_shape` guards them: without it a wrong rank aborts the server's process."""
    import keras
    import tensorflow as tf

    from keras_fixhead.models import FEATURES, head_of, inputs_of

    head = head_of(model)
    both = keras.Model(inputs_of(model), [model.get_layer(FEATURES).output, model.outputs[0]])
    shape = [None, *model.input_shape[1:]]
    names = tf.constant(list(label_names))

    def classify(images: Any) -> dict[str, Any]:
        features, logits = both(images, training=False)
        index = tf.argmax(logits, axis=1)
        answer = {"logits": logits, "probabilities": tf.nn.softmax(logits), "class_index": index,
                  "label": tf.gather(names, index)}
        if head.logits == "cos":
            answer["cosines"] = head.cosines(features)
        return answer

    def decode(picture: Any) -> Any:
        # without expand_animations=False a GIF would have one axis more
        pixels = tf.io.decode_image(picture, channels=3, expand_animations=False)
        pixels = tf.cast(tf.ensure_shape(pixels, [None, None, 3]), tf.float32)
        return tf.clip_by_value(tf.image.resize(pixels, shape[1:3], antialias=True), 0.0, 255.0)

    def from_images(images: Any) -> dict[str, Any]:
        return classify(tf.ensure_shape(images, shape))

    def from_bytes(image_bytes: Any) -> dict[str, Any]:
        images = tf.map_fn(decode, image_bytes, fn_output_signature=tf.TensorSpec(shape[1:], tf.float32))
        return classify(tf.ensure_shape(images, shape))

    def features(images: Any) -> dict[str, Any]:
        return {"features": both(tf.ensure_shape(images, shape), training=False)[0]}

    images = tf.TensorSpec(shape, tf.float32, name="images")
    archive = keras.export.ExportArchive()
    archive.track(both)
    archive.add_endpoint("serving_default", from_images, input_signature=[images])
    archive.add_endpoint("serving_bytes", from_bytes,
                         input_signature=[tf.TensorSpec([None], tf.string, name="image_bytes")])
    archive.add_endpoint("features", features, input_signature=[images])
    return archive


@contextlib.contextmanager
def _aside(base: Path) -> Iterator[Path]:
    """A folder beside the versions, on the same file system, that no server takes for a version."""
    folder = Path(tempfile.mkdtemp(dir=base, prefix=".tmp-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _publish(folder: Path, base: Path) -> int:
    """Renames a finished folder to the next version; where another process was quicker, to the one after."""
    version = max(versions(base), default=0) + 1
    while True:
        target = base / str(version)
        if not target.exists():  # a rename onto an empty folder would succeed
            try:
                folder.rename(target)
                _flush(base)
                return version
            except OSError as error:
                if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                    raise
        version += 1


def _open_and_flush(folder: Path) -> None:
    """Readable by a server of another user, and on disk before the rename."""
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
        _flush(path)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_stale(base: Path) -> None:
    """What a killed export has left behind; only old, so that an export under way is left alone."""
    for folder in base.glob(".tmp-*"):
        if time.time() - folder.stat().st_mtime > _STALE_SECONDS:
            shutil.rmtree(folder, ignore_errors=True)
