"""Exports a run as files that a server can load, checked before any server sees them.

    run -> float32 model -> answers -> DIR/.tmp-x -> self-check in a fresh process -> model card -> renamed to DIR/N
"""
import json
import logging
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fixhead_serving.export.formats import FORMATS, SIGNATURES, Format, look_up_format
from fixhead_serving.export.publishing import folder_aside, publish, versions
from keras_fixhead.class_names import names_from_json
from keras_fixhead.data.pictures import FITS, PictureForm
from keras_fixhead.data.reduced import DECODINGS
from keras_fixhead.errors import ArgumentError, DataError, DependencyError, RunError, ServingError

__all__ = ["FORMATS", "SIGNATURES", "ExportedModel", "check_backend", "export_model", "export_run", "versions"]

_CHECK_SECONDS = 1800
_GREY_PNG_SIZE = 8

_log = logging.getLogger("keras_fixhead.export")  # a child of the logger whose progress the command line shows


@dataclass(frozen=True)
class ExportedModel:
    """An exported model.

    Attributes:
        name: its name on a server, which is the name of its base path.
        version: the number of its version folder.
        path: the version folder.
        format: 'saved_model', 'onnx' or 'litert'.
        size_bytes: size of the model's files, without labels, card and warm-up requests.
        images_per_second: speed on this machine, measured for half a second in batches of 32.
        largest_difference: the largest difference between a logit and the Keras model's.
    """

    name: str
    version: int
    path: Path
    format: str
    size_bytes: int
    images_per_second: float
    largest_difference: float


def export_run(run: str | os.PathLike[str], base_path: str | os.PathLike[str], *,
               format: str = "saved_model", calibrate: bool = False, data_dir: str | None = None,
               checkpoint: Any = None) -> ExportedModel:
    """Exports the trained model of a run as the next version under a base path.

    Args:
        run: a finished run directory.
        base_path: DIR; the model's name is DIR's name, its versions are DIR/1, DIR/2, ...
        format: 'saved_model'; 'onnx' or 'litert' for a single file in DIR/onnx-1 or DIR/litert-1.
        calibrate: whether to divide logits by a temperature, fitted on validation images, before they become
            probabilities. The logits that are answered do not change, nor does any class.
        data_dir: folder of the data that this needs, if it is not the one used in training.
        checkpoint: from `training.checkpointed.checkpoint_predictor`, to export the model of a checkpoint of a run that
            may be unfinished.

    Returns:
        name, version, path and measurements of the exported model.

    Raises:
        RunError: if the run has no model.
        ArgumentError: (a ValueError) as for `export_model`; or, with `calibrate`, without validation images or for a
            checkpoint.
        DataError: with `calibrate`, if the data cannot be found or read.
        ServingError: as for `export_model`.
        DependencyError: if TensorFlow is not the backend, or the format needs an extra that is not installed.
    """
    check_backend()
    from fixhead_serving.export.answers import check_calibration
    from fixhead_serving.export.card import describe_checkpoint, describe_run
    from keras_fixhead.models import load_model, precision_policy
    from keras_fixhead.runs import open_run

    opened = open_run(run)
    _check_base(Path(base_path).absolute())
    look_up_format(format)
    config = opened.config()
    if checkpoint is None:
        with precision_policy("float32"):
            model = load_model(opened.path)
        label_names, training = names_from_json(opened.read("result")["label_names"]), describe_run(opened)
        if calibrate:
            check_calibration(model)
    else:
        if calibrate:
            raise ArgumentError("The temperature is fitted to the trained model of a run, not to a checkpoint: leave "
                                "out --calibrate or --checkpoint.")
        model, label_names = checkpoint.predictor.model, checkpoint.predictor.label_names
        training = describe_checkpoint(opened, checkpoint.epoch)
    return export_model(model, base_path, label_names=label_names, format=format, training=training, fit=config.fit,
                        decoding=config.decoding,
                        pictures=_own_pictures(config.dataset, config.data_dir, config.classes),
                        calibration=_calibration(opened, data_dir) if calibrate else None)


def _calibration(run: Any, data_dir: str | None) -> dict[str, Any]:
    from keras_fixhead.run_analysis import RunOutputs
    from keras_fixhead.run_analysis.temperature import fitted_temperature

    found = fitted_temperature(RunOutputs(run, data_dir)).as_dict()
    return {"temperature": found.pop("value"), **found}


def _own_pictures(dataset: str, data_dir: str | None, classes: str | None) -> list[Path]:
    """Some of a run's own pictures, if it was trained on a folder of pictures that is still there."""
    from fixhead_serving.export.own_pictures import FILES
    from keras_fixhead.data.image_folder import sample_files
    from keras_fixhead.data.sources import has_vectors, is_folder, packed_folder

    if not is_folder(dataset) or has_vectors(dataset) or packed_folder(dataset, data_dir) is not None:
        return []
    try:
        return sample_files(dataset, FILES, classes)
    except (ArgumentError, DataError) as error:
        _log.warning("The export is not checked on the run's own pictures: %s", error.what)
        return []


def export_model(model: Any, base_path: str | os.PathLike[str], *, label_names: Sequence[str],
                 format: str = "saved_model", training: Mapping[str, Any] | None = None, fit: str = FITS[0],
                 decoding: str = DECODINGS[0], pictures: Sequence[Path] = (),
                 calibration: Mapping[str, Any] | None = None) -> ExportedModel:
    """Exports a model with a `HypersphereHead` as the next version under a base path.

    The signatures of a SavedModel take batches of any size, but only images of the model's size:

        serving_default  images, float32 (N, H, W, 3) in [0, 255]
        serving_bytes    image_bytes, string (N,): encoded pictures of any size, fitted to the model's
        features         images, as above; returns features and embedding (N, d)

    The first two return logits, probabilities, class_index, label, and for cosine heads cosines; with a
    `StreamingHead`, instead of those with a column per class, top_classes, top_labels, top_logits and top_probabilities
    of the ten best. A model of vectors has no serving_bytes, and its input is called vectors. All numbers are float32,
    whatever the model computes in. The model is written to a temporary folder, flushed, and loaded by a fresh process
    that compares every answer with the Keras model's. Only then is it renamed, so that a server watching the base path
    never sees an incomplete or wrong model.

    Args:
        model: a Keras model from images to the logits of a `HypersphereHead`, its last layer.
        base_path: DIR; the model's name is DIR's name.
        label_names: one name per class.
        format: 'saved_model', 'onnx' or 'litert'.
        training: the model card's part on training, as `card.describe_run` returns it.
        fit: how pictures were fitted to the model's size in training, one of `data.pictures.FITS`.
        decoding: how JPEG files were decoded in training, one of `data.reduced.DECODINGS`.
        pictures: files that were trained on or measured; a SavedModel must answer them as the Keras model does.
        calibration: a 'temperature' by which logits are divided before they become probabilities, and what is known
            about it, for the model card; None for 1.

    Raises:
        ArgumentError: (a ValueError) if the label names do not fit, the model does not take images, it cannot be
            rebuilt in float32, DIR's name is not allowed in a URL, or the format is unknown.
        ServingError: if the base path cannot be written, or the self-check fails; nothing is left behind then.
        DependencyError: if TensorFlow is not the backend, or the format needs an extra that is not installed.
    """
    check_backend()
    base = Path(base_path).absolute()
    _check_base(base)
    chosen = look_up_format(format)
    import tensorflow as tf

    from fixhead_serving.export.answers import answers_model
    from fixhead_serving.export.card import describe_model
    from fixhead_serving.export.own_pictures import own_reference
    from fixhead_serving.export.reference import write_reference

    _check_labels(label_names, model)
    temperature = 1.0 if calibration is None else float(calibration["temperature"])
    answers = answers_model(model, temperature=temperature)
    shape = answers.input_shape[1:]
    form = PictureForm.of(shape, fit, decoding) if len(shape) == 3 else None
    if chosen.prefix and (form is None or "top_classes" in answers.output):
        raise ArgumentError(f"A model of {'vectors' if form is None else 'very many classes'} is exported as a "
                            f"SavedModel only, not as {format}.", hint="Leave out --format.")
    described = {**describe_model(model, list(answers.output), label_names, form),
                 "calibration": None if calibration is None else dict(calibration)}
    scale = described["head"]["scale"]
    try:
        with folder_aside(base) as folder, tempfile.TemporaryDirectory() as kept:
            _write(answers, folder, base.name, label_names, chosen, scale, form, temperature)
            own = Path(kept) / "pictures.npz" if pictures and not chosen.prefix else None
            if own is not None and form is not None:
                write_reference(own, replace(own_reference(answers, scale, label_names, form, pictures),
                                             temperature=temperature))
            _log.info("Written. Checking it in a fresh process.")
            measured = _self_check(folder, own)
            if own is not None:
                measured["own_pictures"] = len(pictures)  # those that are stored on their side are asked in two ways
            size = _size_bytes(folder, chosen)
            _write_card(folder / chosen.extras_folder, base.name, format, described, training, measured, size)
            version = publish(folder, base, chosen.prefix)
    except (OSError, RunError, tf.errors.OpError) as error:
        raise ServingError(f"{base} cannot be written: {_reason(error)}.",
                           hint="Choose a writable folder with enough space for the model.") from None
    largest = measured["largest_difference"]
    return ExportedModel(base.name, version, base / f"{chosen.prefix}{version}", format, size,
                         measured["images_per_second"], largest["top_logits" if "top_logits" in largest else "logits"])


def check_backend() -> None:
    """Raises a DependencyError if Keras' backend is not TensorFlow, the only one that writes SavedModels."""
    import keras

    if keras.backend.backend() != "tensorflow":
        raise DependencyError(f"Exporting a SavedModel needs the TensorFlow backend, not {keras.backend.backend()}.",
                              hint="Install TensorFlow if it is missing, and run this with KERAS_BACKEND=tensorflow")


def _check_base(base: Path) -> None:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", base.name):
        raise ArgumentError(f"A model cannot be called {base.name!r}: its name is part of URLs.",
                            hint="Use letters, digits, '.', '_' and '-' for the folder's name.")
    for folder in (base, *base.parents):
        if _is_run(folder):
            raise ArgumentError(f"'{folder}' is a run directory. Exported versions need a folder of their own.",
                                hint=f"Choose another DIR, such as {folder.parent.parent / 'served' / base.name}")
        if (folder / "saved_model.pb").is_file():
            raise ArgumentError(f"'{folder}' is one version of a model, not a folder of versions.",
                                hint=f"Choose another DIR, such as {folder.parent}")


def _is_run(folder: Path) -> bool:
    from keras_fixhead.runs import open_run

    try:
        open_run(folder).config()  # other folders may have a config.json as well
    except RunError:
        return False
    return True


def _check_labels(label_names: Sequence[str], model: Any) -> None:
    from keras_fixhead.models import head_of

    num_classes = head_of(model).num_classes
    if isinstance(label_names, str) or len(label_names) != num_classes:
        raise ArgumentError(f"There are {len(label_names)} label names for {num_classes} classes.",
                            hint="Give one name per class, in the order of the classes.")
    for name in label_names:
        if not isinstance(name, str) or not name or re.search(r"[\r\n\0\ud800-\udfff]", name):
            raise ArgumentError(f"A class cannot be called {name!r}: labels are lines of a text file.",
                                hint="Use names of at least one character, without line breaks.")


def _write(answers: Any, folder: Path, name: str, label_names: Sequence[str], chosen: Format, scale: float,
           form: PictureForm | None, temperature: float) -> None:
    import numpy as np
    import tensorflow as tf

    from fixhead_serving import warmup
    from fixhead_serving.export import reference

    chosen.write(answers, folder, label_names, form)
    extras = folder / chosen.extras_folder
    extras.mkdir(exist_ok=True)
    with (extras / "labels.txt").open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{each}\n" for each in label_names)
    reference.write_reference(extras / reference.FILE, reference.ask_model(
        answers, scale, label_names, form, temperature))
    if not chosen.prefix:
        grey = tf.io.encode_png(np.full((_GREY_PNG_SIZE, _GREY_PNG_SIZE, 3), 127, np.uint8)).numpy()
        warmup.write_requests(folder / warmup.FILE, name, warmup.signature_inputs(answers.input_shape[1:], grey))


def _self_check(folder: Path, own: Path | None = None) -> dict[str, Any]:
    """The report of `self_check`, run in a separate process on the CPU with the same packages as this process."""
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3",
                   "PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path)}
    try:
        # -P: otherwise the working directory would come before every package
        done = subprocess.run([sys.executable, "-P", "-m", f"{__name__}.self_check", str(folder),
                               *([] if own is None else [str(own)])], capture_output=True,
                              text=True, env=environment, timeout=_CHECK_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise ServingError(f"The check of the exported model took more than {_CHECK_SECONDS} s. Nothing was published.",
                           hint="Export again on a less busy machine.") from None
    last = (done.stdout.strip().splitlines() or ["its start"])[-1]
    if done.returncode == 0:
        report: dict[str, Any] = json.loads(last)
        return report
    said = done.stderr.strip().splitlines()
    why = said[-1].replace(str(folder), "its folder") if done.returncode == 1 and said else (
        f"its process exited with {done.returncode} at: {last}")
    raise ServingError(f"The exported model failed its check, and nothing was published: {why}.",
                       hint="Export again. If that fails too, report it with this message.")


def _size_bytes(folder: Path, chosen: Format) -> int:
    own = [folder / "saved_model.pb", *(folder / "variables").glob("*"), *folder.glob("model.*")]
    return sum(path.stat().st_size for path in own if path.is_file())


def _write_card(extras: Path, name: str, format_name: str, model: Mapping[str, Any],
                training: Mapping[str, Any] | None, measured: Mapping[str, Any], size_bytes: int) -> None:
    from fixhead_serving.export.card import SCHEMA, card_text, make_card
    from keras_fixhead.json_files import write_bytes, write_json

    card = make_card(name, format_name, model, training, measured, size_bytes)
    write_json(extras / "model_card.json", card, schema=SCHEMA)
    write_bytes(extras / "model_card.md", card_text(card).encode())


def _reason(error: Exception) -> str:
    text = (getattr(error, "strerror", None) or getattr(error, "message", None) or str(error)).strip()
    return (text.splitlines() or [type(error).__name__])[0].rstrip(".")
