"""The model card: what an exported model is, its measured accuracy, and its limits; as JSON and Markdown.

It does not contain any paths, so it can be passed on together with the model.
"""
import datetime
import math
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from keras_fixhead.catalog import short_name
from keras_fixhead.class_names import names_from_json, names_to_json
from keras_fixhead.data.catalog import DATASETS
from keras_fixhead.data.pictures import PictureForm
from keras_fixhead.runs import Run
from keras_fixhead.wording import count_text

SCHEMA = 1
_LISTED_CLASSES = 1_000

INTENDED_USE = ("Classifying images like those it was trained on, and comparing such images by "
                "their embedding.")
NOT_CALIBRATED = ("Probabilities are not calibrated, and with cosine logits they cannot exceed what S and the number "
                  "of classes allow: `fixhead export --calibrate` fits a temperature.")
LIMITS = (
    "It assigns every image to one of its classes, even if the image shows none of them.",
    "Images that differ from the training images in origin, size or quality lower the accuracy: `fixhead robustness` "
    "measures by how much.",
    "It has not been examined for bias, for safety, or for decisions about people.",
)
LICENSE_NOTE = ("The software is Apache-2.0. The weights come from the data set named here, whose own terms may "
                "restrict their use: ask its source before you publish or sell them.")


def describe_run(run: Run) -> dict[str, Any]:
    """Returns a model card's part on the training of a finished run.

    Raises:
        RunError: if its files are missing or damaged.
    """
    return _described(run, run.read("result"))


def describe_checkpoint(run: Run, epoch: int) -> dict[str, Any]:
    """Returns a model card's part on the training of a checkpoint, which has no accuracy of its own.

    Args:
        run: a run, finished or not.
        epoch: the completed epochs of the checkpoint.
    """
    environment = run.read("environment") if run.has("environment") else {}
    return _described(run, {"epochs_done": epoch, "epoch": epoch, "evaluation": {}, "environment": environment,
                            "train_images": environment.get("train_images")})


def _described(run: Run, result: dict[str, Any]) -> dict[str, Any]:
    config = run.config()
    dataset = DATASETS.get(config.dataset)
    return {
        "run": run.name,
        "recipe": config.recipe,
        "config_digest": run.digest(),
        "dataset": {
            "name": Path(config.dataset).name,  # a folder of images is given by its path
            "citation": dataset.citation if dataset else None,
            "digest": result.get("data_digest"),
            "subset": result.get("subset"),
            "train_images": result.get("train_images"),
        },
        "network": short_name(config.model),
        "width": config.width,
        "epochs": result.get("epochs_done"),  # as trained: a run may end early
        "selected_epoch": result.get("epoch"),
        "selection": config.selection,
        "seed": config.seed,
        "precision": config.precision,
        "accuracy": {split: {"n": each["n"], "accuracy": each["accuracy"],
                             "interval_95": [each["accuracy_low"], each["accuracy_high"]],
                             "balanced_accuracy": each.get("balanced_accuracy")}
                     for split, each in result["evaluation"].items()},
        "versions": result.get("environment", {}).get("versions", {}),
    }


def describe_model(model: Any, outputs: Sequence[str], label_names: Sequence[str],
                   form: PictureForm | None) -> dict[str, Any]:
    """Returns a model card's part on the model itself.

    Args:
        model: the model with its head.
        outputs: names of what it answers.
        label_names: one name per class.
        form: how pictures become its images; None if it takes vectors.
    """
    import keras

    from keras_fixhead.models import head_of
    from keras_fixhead.vectors import vectors_digest

    head = head_of(model)
    digest = head.vectors_digest
    if head.returns == "logits":  # a streaming head knows its digest, and its class vectors may not be in memory
        digest = vectors_digest(np.asarray(keras.ops.convert_to_numpy(head.class_vectors.value), np.float32))
    pictures = {} if form is None else {
        "pixels": "float32 in [0, 255]",
        "pictures": {**form.as_dict(), "rounded": "uint8", "orientation": "EXIF", "transparency": "dropped"}}
    return {
        "image_shape": [form.height, form.width, 3] if form else list(model.input_shape[1:]),
        **pictures,
        "parameters": int(model.count_params()),
        "head": {
            "logits": head.logits,
            "scale": float(keras.ops.convert_to_numpy(head.current_scale())),
            "class_vectors": head.kind,
            "fixed": head.fixed,
            "seed": head.seed,
            "class_vectors_shape": [head.num_classes, head.dim],
            "class_vectors_digest": digest,
        },
        "outputs": list(outputs),
        "label_names": names_to_json(label_names),
    }


def make_card(name: str, format_name: str, model: Mapping[str, Any], training: Mapping[str, Any] | None,
              measured: Mapping[str, Any], size_bytes: int) -> dict[str, Any]:
    """Returns a model card.

    Args:
        name: the model's name.
        format_name: the format it is exported in.
        model: from `describe_model`.
        training: from `describe_run`; None for a model that does not come from a run.
        measured: the report of the self-check; or, for a published Keras model, `reloaded_images`.
        size_bytes: size of the model's own files.
    """
    packages = ("keras-fixhead", "keras", "tensorflow", "tensorflow-cpu", "numpy")
    return {
        "name": name,
        "format": format_name,
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "size_bytes": size_bytes,
        "model": dict(model),
        "training": None if training is None else dict(training),
        "self_check": dict(measured),
        "exported_with": {package: version for package in packages if (version := _version(package))},
        "intended_use": INTENDED_USE,
        "limits": [*LIMITS[:1], *([] if model.get("calibration") else [NOT_CALIBRATED]), *LIMITS[1:]],
        "license_note": LICENSE_NOTE,
    }


def card_text(card: Mapping[str, Any], use: Sequence[str] = ()) -> str:
    """Returns a model card in Markdown.

    Args:
        card: from `make_card`.
        use: lines on how to use the model, for its second section.
    """
    model, training = card["model"], card["training"]
    names = names_from_json(model["label_names"])
    head = model["head"]
    given = head["class_vectors"] == "array"
    arm = "learned" if not head["fixed"] else "fixed as given" if given else "fixed as drawn"
    seed = "" if given else f"seed {head['seed']}, "
    lines = [
        f"# {card['name']}", "",
        f"{'An image classifier' if 'pixels' in model else 'A classifier of vectors'} of {len(names)} "
        f"classes, exported as {card['format']} on {card['created']}.",
        *(["", "## Use", "", *use] if use else []),
        "", "## Model", "",
        f"- Input: images of {' x '.join(map(str, model['image_shape']))}, {model['pixels']}." if "pixels" in model else
        f"- Input: vectors of {model['image_shape'][0]} numbers, float32.",
        *_picture_lines(model),
        f"- Answers: {', '.join(model['outputs'])}.",
        f"- Parameters: {model['parameters']:,}; files of {card['size_bytes']:,} bytes.",
        f"- Logits: {head['logits']}, S = {head['scale']:g}; class vectors of kind {head['class_vectors']}, {arm}, "
        f"{seed}{' x '.join(map(str, head['class_vectors_shape']))}.",
        f"- Digest of the class vectors: `{head['class_vectors_digest']}`",
        f"- Classes: {', '.join(names)}" if len(names) <= _LISTED_CLASSES else
        f"- Classes: {len(names):,}, named in labels.txt",
        *_calibration_lines(model.get("calibration")),
        "", "## Training", "", *_training_lines(training),
        "", "## Intended use", "", card["intended_use"],
        "", "## Limits", "", *(f"- {limit}" for limit in card["limits"]),
        "", "## Licence", "", card["license_note"],
        "", "## Checked", "",
        *_checked_lines(card["self_check"]),
        f"Exported with {_named(card['exported_with'])}.",
    ]
    return "\n".join(lines) + "\n"


def _checked_lines(check: Mapping[str, Any]) -> list[str]:
    if "reloaded_images" in check:
        return [f"Before these files were published, Keras loaded them again: for {check['reloaded_images']} images of "
                "noise, the logits are those of the run's model, bit for bit."]
    return [
        f"In a separate process, with {check['runtime']}: every answer, for batches of 1 and {check['batch']}, matches "
        "the Keras model's. Largest differences: "
        + ", ".join(f"{name} {each:.1e}" for name, each in check["largest_difference"].items()) + ".",
        *([f"{check['own_pictures']} of the run's own pictures, as files, give the answers that they gave in training."]
          if check.get("own_pictures") else []),
        f"On the machine that exported it: {check['images_per_second']:,.0f} images per second in batches of "
        f"{check['timed_batch']} (n = {check['timed_batches']} batches, CPU, other work on the machine not excluded).",
    ]


def _calibration_lines(calibration: Mapping[str, Any] | None) -> list[str]:
    if calibration is None:
        return []
    text = (f"- Probabilities are softmax(logits / T) with T = {calibration['temperature']:.4g}, fitted on "
            f"{calibration['validation_images']:,} validation images; logits and classes are unchanged.")
    if not calibration["test_images"]:
        return [text]
    return [f"{text} On {calibration['test_images']:,} test images the expected calibration error (15 bins) goes from "
            f"{100 * calibration['ece']:.2f} to {100 * calibration['ece_after']:.2f} points, cross-entropy from "
            f"{calibration['nll']:.4f} to {calibration['nll_after']:.4f} nats."]


def _picture_lines(model: Mapping[str, Any]) -> list[str]:
    if "pictures" not in model:  # a card of an earlier version
        return []
    form = PictureForm(**{name: model["pictures"][name] for name in PictureForm.__annotations__
                          if name in model["pictures"]})
    return [f"- Pictures: turned upright by their EXIF orientation, {form}; whole levels from 0 to 255 in "
            f"{count_text(form.channels, 'channel')}, without transparency."]


def _training_lines(training: Mapping[str, Any] | None) -> list[str]:
    if training is None:
        return ["Unknown: the model was exported from memory, not from a run."]
    data = training["dataset"]
    lines = [
        f"- Run {training['run']}, recipe {training['recipe']}, configuration `{training['config_digest']}`.",
        f"- Data set: {data['name']}" + (f" ({data['citation']})" if data["citation"] else "")
        + (f", {data['train_images']:,} training images" if data["train_images"] else "")
        + (f"; {data['subset']}" if data["subset"] else "") + ".",
        f"- Network: {training['network']}, width {training['width']:g}"
        + (f"; {count_text(training['epochs'], 'epoch')}" if training["epochs"] else "")
        + f", seed {training['seed']}, {training['precision']}.",
    ]
    for split, each in training["accuracy"].items():
        low, high = each["interval_95"]
        lines.append(f"- Accuracy on {split}: {100 * each['accuracy']:.2f} % of {each['n']:,} images (95 % Wilson "
                     f"interval {100 * low:.2f} to {100 * high:.2f} %; one run).{_balanced_text(each)}")
    if training["selection"] == "test":
        lines.append("- The epoch was selected on TEST images, so the test accuracy is too high.")
    lines.append(f"- Trained with {_named(training['versions'])}.")
    return lines


def _balanced_text(accuracy: Mapping[str, Any]) -> str:
    """The balanced accuracy, where classes are unequal."""
    balanced = accuracy.get("balanced_accuracy")
    if balanced is None or math.isclose(balanced, accuracy["accuracy"]):
        return ""
    return f" Balanced accuracy, the mean over the classes: {100 * balanced:.2f} %."


def _named(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
