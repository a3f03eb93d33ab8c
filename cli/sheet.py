"""The contact sheet of `fixhead predict --sheet`."""
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fixhead_cli.output import percent
from fixhead_serving.client import encode_png, read_picture, thumbnail
from keras_fixhead.wording import count_text

PICTURES = 96
SIDE = 128


def draw_sheet(path: Path, rows: Sequence[Mapping[str, Any]], arrays: Mapping[Path, NDArray[Any]]) -> Path:
    """Writes the classified pictures with their labels and probabilities; a sample of them if there are many.

    Args:
        path: PNG file to write.
        rows: predictions, from `Predictions.rows`.
        arrays: the images of array files, by path.

    Returns:
        `path`.

    Raises:
        RunError: if the file cannot be written.
        DataError: if a picture can no longer be read.
    """
    from keras_fixhead.figures import class_names, plot_pictures

    chosen = [rows[number] for number in np.unique(np.linspace(0, len(rows) - 1, PICTURES).astype(int))]
    title = count_text(len(rows), "prediction")
    if len(chosen) < len(rows):
        title = f"{len(chosen)} of {title}"
    labels = class_names([row["label"] for row in chosen], [row["class_index"] for row in chosen])
    texts = [_text(row, label) for row, label in zip(chosen, labels, strict=True)]
    plot_pictures([_pixels(row, arrays) for row in chosen], texts, path, title=title)
    return path


def _pixels(row: Mapping[str, Any], arrays: Mapping[Path, NDArray[Any]]) -> NDArray[np.uint8]:
    path = Path(row["file"])
    if "index" not in row:
        return thumbnail(read_picture(path), SIDE)
    return thumbnail(encode_png(np.clip(arrays[path][row["index"]], 0, 255).astype(np.uint8)), SIDE)


def _text(row: Mapping[str, Any], label: str) -> str:
    name = Path(row["file"]).name + (f"[{row['index']}]" if "index" in row else "")
    return f"{_short(label)}\n{percent(row['probability'])}\n{_short(name)}"


def _short(text: str, most: int = 20) -> str:
    text = " ".join(text.split())
    return text if len(text) <= most else f"{text[:most - 8]}…{text[-7:]}"
