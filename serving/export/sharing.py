"""Publishes the model of a run on Hugging Face or Kaggle, in the form that Keras' `hf://` reads, with our model card.

    run -> float32 model -> folder of files -> loaded again: same logits -> card -> one upload
"""
import json
import logging
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from keras_fixhead import hubs
from keras_fixhead.class_names import names_from_json
from keras_fixhead.errors import ArgumentError, RunError, ServingError
from keras_fixhead.runs import Run, open_run

IMAGES = 8  # of noise, on which the files are compared with the run's model

_log = logging.getLogger("keras_fixhead.export")  # a child of the logger whose progress the command line shows


@dataclass(frozen=True)
class Published:
    """What was published.

    Attributes:
        target: the name that `load_model` takes.
        address: the address of its page; None for a rehearsal.
        files: name -> size in bytes.
        card: the model card in Markdown, which is the README.md of the files.
    """

    target: str
    address: str | None
    files: dict[str, int]
    card: str


def publish_run(run: str | os.PathLike[str], target: str, *, private: bool = False, license: str | None = None,
                dry_run: bool = False) -> Published:
    """Publishes the trained model of a run on Hugging Face or Kaggle, with its card.

    The files are those of `keras.saving.save_model(model, "hf://...")`, with our card as README.md instead of Keras'
    empty one, and the same card as JSON. They are loaded again and compared before anything is uploaded, all at once.

    Args:
        run: a finished run directory.
        target: `hf://NAMESPACE/NAME` or `kaggle://OWNER/MODEL/keras/VARIATION`; made if it does not exist, otherwise
            a new version of it.
        private: whether a new model on Hugging Face is private; new models on Kaggle always are.
        license: the licence of the weights, as the hub names it, such as 'mit'. Without it the card has none.
        dry_run: whether to do everything except the upload, which then needs neither network nor token.

    Raises:
        ArgumentError: (a ValueError) for a target that is not a name on a hub.
        RunError: if the run has no model.
        DependencyError: if the hub's package is not installed: `pip install 'keras-fixhead[hub]'`.
        HubError: if there is no token, or the hub cannot be reached or refuses.
        ServingError: if the files do not give the model's logits.
    """
    opened = open_run(run)
    place = check_publishing(opened, target, dry_run=dry_run)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        card = _write(opened, place, folder, license)
        files = {path.name: path.stat().st_size for path in sorted(folder.iterdir()) if path.is_file()}
        if dry_run:
            return Published(str(place), None, files, card)
        _log.info("Uploading %.1f MB to %s ...", sum(files.values()) / 1e6, place)
        address = hubs.upload(place, folder, private=private, license=license,
                              message=f"Run {opened.name}, configuration {opened.digest()[:10]}")
    return Published(str(place), address, files, card)


def check_publishing(run: Run, target: str, *, dry_run: bool = False) -> hubs.Target:
    """Checks what can be checked without Keras or a network, as `publish_run` does first; returns the target."""
    place = hubs.parse_target(target)
    if not run.model_path.is_file() or not run.has("result"):
        raise RunError(f"{run.path} has no model to publish: the run is not finished.",
                       hint=f"Finish it: fixhead train --resume {run.path}")
    if not dry_run:
        hubs.check_upload(place)
    return place


def _write(run: Run, target: hubs.Target, folder: Path, license: str | None) -> str:
    """Writes model and card into a folder; returns the card."""
    from fixhead_serving.export.card import SCHEMA, card_text, describe_model, describe_run, make_card
    from keras_fixhead.data.pictures import PictureForm
    from keras_fixhead.json_files import write_bytes, write_json
    from keras_fixhead.models import head_of, load_model, precision_policy, save_folder

    with precision_policy("float32"):
        model = load_model(run.path)
        if len(model.input_shape) != 4 or head_of(model).returns != "logits":
            raise ArgumentError("Only models from pictures to logits are published; this one takes vectors, or never "
                                "has all logits.", hint=f"Serve it: fixhead export {run.path} served/{run.name}")
        save_folder(model, folder)
        again = load_model(folder)
    height, width, channels = model.input_shape[1:]
    images = np.random.default_rng(0).integers(0, 256, (IMAGES, height, width, channels)).astype("float32")
    if not np.array_equal(model.predict(images, verbose=0), again.predict(images, verbose=0)):
        raise ServingError("The files of the model do not give its logits, and nothing was published. Please report it "
                           "with this message.")
    for empty in (path for path in folder.iterdir() if path.is_dir() and not any(path.iterdir())):
        empty.rmdir()  # a hub has no empty folders
    size_bytes = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    config = run.config()
    form = PictureForm.of((height, width, channels), config.fit, config.decoding)
    described = describe_model(model, ["logits"], names_from_json(run.read("result")["label_names"]), form)
    card = make_card(target.title, "Keras 3 files", described, describe_run(run), {"reloaded_images": IMAGES},
                     size_bytes)
    text = front_matter(card, license) + "\n" + card_text(card, _use(target))
    write_json(folder / "model_card.json", card, schema=SCHEMA)
    write_bytes(folder / "README.md", text.encode())
    return text


def _use(target: hubs.Target) -> list[str]:
    return [
        "```python",
        "import keras_fixhead",
        "",
        f'model = keras_fixhead.load_model("{target}")  # needs keras-fixhead[hub]',
        "logits = model.predict(images)",
        "```",
        *(["", f'Keras\' own `keras.saving.load_model("{target}")` gives the same model once `keras_fixhead` is '
           "imported."] if target.hub == "hf" else []),
    ]


def front_matter(card: Mapping[str, Any], license: str | None = None) -> str:
    """Returns what a hub reads of a card, as YAML between two lines of dashes; each value is also valid JSON.

    Args:
        card: from `card.make_card`, of a run.
        license: the licence of the weights; None to say nothing.

    Example:
        >>> print(front_matter({"name": "m", "training": {"dataset": {"name": "digits"}, "accuracy": {}}}))
        ---
        library_name: "keras"
        pipeline_tag: "image-classification"
        tags: ["image-classification", "keras-fixhead", "fixed-classifier"]
        model-index: [{"name": "m", "results": []}]
        ---
        <BLANKLINE>
    """
    training = card["training"]
    results = [{
        "task": {"type": "image-classification"},
        "dataset": {"name": training["dataset"]["name"], "type": training["dataset"]["name"], "split": split},
        "metrics": [{"type": "accuracy", "value": each["accuracy"],
                     "name": "accuracy on {} (n = {:,}, 95 % interval {:.4f} to {:.4f}, one run)".format(
                         split, each["n"], *each["interval_95"])}],
    } for split, each in training["accuracy"].items()]
    fields = {
        "library_name": "keras",
        **({"license": license} if license else {}),
        "pipeline_tag": "image-classification",
        "tags": ["image-classification", "keras-fixhead", "fixed-classifier"],
        "model-index": [{"name": card["name"], "results": results}],
    }
    return "\n".join(["---", *(f"{name}: {json.dumps(value)}" for name, value in fields.items()), "---", ""])
