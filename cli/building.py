"""What `fixhead data build` reads and prints."""
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fixhead_cli.framework import load_reader
from keras_fixhead.data import Dataset, check_available, load_dataset
from keras_fixhead.data.open_images.class_maps import gathered_set


def training_set(name: str, data_dir: str | None) -> Dataset:
    """Returns the data set, whole, whose models are tested on a gathered set.

    Raises:
        DataError: if it is neither on this machine nor can be downloaded.
    """
    trained = gathered_set(name).trained
    check_available(trained, data_dir)
    load_reader(trained, data_dir)
    return load_dataset(trained, data_dir, hold_out=False)


def built_content(content: Mapping[str, Any], out: Path) -> dict[str, Any]:
    """Returns what was gathered, for JSON; the images are in the manifest."""
    return {"path": str(out.absolute()), "n": len(content["images"]), "class_count": len(content["classes"]),
            **{key: value for key, value in content.items() if key != "images"}}


def built_text(content: Mapping[str, Any], out: Path) -> list[str]:
    """Returns what was gathered, as lines of text."""
    without = content["without_counterpart"]
    lines = [
        f"{out}: {len(content['images']):,} images of {content['side']}x{content['side']} pixels, "
        f"{content['per_class']} of each of {len(content['classes'])} classes",
        content["note"],
        f"Near-duplicates left out: {_duplicates(content['left_out']):,}, compared with "
        f"{content['training_set']['images']:,} training images of {content['trained']}."]
    if subset := content["training_set"]["subset"]:
        lines.append(f"Those are {subset}: near-duplicates of the others remain.")
    lines += [f"Without a counterpart, {words}: {', '.join(names)}." for words, names in without.items() if names]
    lines += [f"Near, not the same: {name} ({why})." for name, why in content["near"].items()]
    if content["left_out_classes"]:
        lines.append(f"Left out as asked: {', '.join(content['left_out_classes'])}.")
    if content["missing_pictures"]:
        lines.append(f"{len(content['missing_pictures']):,} pictures that would have been used are not in the folder "
                     "(missing_pictures in manifest.json).")
    return lines


def _duplicates(left_out: Mapping[str, int]) -> int:
    return sum(count for reason, count in left_out.items() if reason.startswith("near-duplicate"))
