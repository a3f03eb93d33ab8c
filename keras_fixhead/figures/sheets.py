"""Contact sheets: images with text under each."""
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_fixhead.figures.canvas import new_figure, save_figure
from keras_fixhead.figures.text import class_names, plain

_NAME = 22
_CELL, _IMAGE, _LINE = 1.35, 1.25, 0.17  # inches


def plot_images(images: Sequence[NDArray[np.uint8]] | NDArray[np.uint8], texts: Sequence[str], path: Path, *,
                title: str, columns: int = 8, colors: Sequence[str] | None = None) -> None:
    """Writes a contact sheet: images in rows, with text under each.

    Args:
        images: uint8, each of shape (H, W, 3), or (H, W, 1) of grey.
        texts: one for each image.
        path: PNG file to write.
        title: line above the sheet.
        columns: number of images per row.
        colors: a color for each text; black if None.

    Raises:
        RunError: if the file cannot be written.
    """
    rows = max(1, -(-len(images) // columns))
    lines = max((text.count("\n") + 1 for text in texts), default=1)
    height = _CELL + _LINE * lines
    axes = _axes_in_inches(_CELL * columns, height * rows, title)
    limits = axes.axis()
    for number, (image, text) in enumerate(zip(images, texts, strict=True)):
        row, column = divmod(number, columns)
        middle, top = _CELL * (column + 0.5), height * row + 0.05
        half = _IMAGE / 2 / max(image.shape[:2])
        colours = image if image.shape[2] == 3 else np.repeat(image, 3, axis=2)
        axes.imshow(colours, interpolation="nearest", extent=(
            middle - half * image.shape[1], middle + half * image.shape[1],
            top + _IMAGE / 2 + half * image.shape[0], top + _IMAGE / 2 - half * image.shape[0]))
        axes.text(middle, top + _IMAGE + 0.05, plain(text), ha="center", va="top", fontsize=7,
                  color=colors[number] if colors else "black")
        axes.axis(limits)
    save_figure(axes.figure, path)


def _axes_in_inches(width: float, height: float, title: str) -> Any:
    """Returns axes whose coordinates are inches from the top left corner: much faster than axes for each image."""
    head = 0.15 + 0.2 * (title.count("\n") + 1)
    figure = new_figure(width, height + head)
    figure.set_layout_engine("none")
    figure.text(0.5, 1 - head / 2 / (height + head), plain(title), ha="center", va="center", fontsize="medium")
    axes = figure.add_axes((0, 0, 1, height / (height + head)), frameon=False, xticks=[], yticks=[])
    axes.axis((0, width, height, 0))
    return axes


def plot_pictures(pictures: Sequence[NDArray[np.uint8]], texts: Sequence[str], path: Path, *, title: str) -> None:
    """Writes a contact sheet of pictures of any shape, each centred in a square.

    Args:
        pictures: uint8, each of shape (H, W, 3).
        texts: one for each picture.
        path: PNG file to write.
        title: line above the sheet.

    Raises:
        RunError: if the file cannot be written.
    """
    columns = min(8, math.ceil(len(pictures) ** 0.5))
    plot_images([_squared(picture) for picture in pictures], texts, path, title=title, columns=columns)


def label_texts(labels: NDArray[Any], label_names: Sequence[str]) -> list[str]:
    """Returns the texts under training images: their classes, with shares for mixed images.

    Args:
        labels: integers, shape (B,); or shape (B, 3): label, partner's label, and the share of the first in [0, 1].
        label_names: one name per class.

    Example:
        >>> label_texts(np.array([[0, 1, 0.65], [1, 1, 0.65], [0, 1, 1.0]]), ["cat", "frog"])
        ['65 % cat\\n35 % frog', 'frog', 'cat']
    """
    names = class_names(label_names)
    if labels.ndim == 1:
        return [names[label] for label in labels]
    return [names[int(label)] if label == partner or share == 1 else names[int(partner)] if share == 0
            else f"{100 * share:.0f} % {names[int(label)]}\n{100 * (1 - share):.0f} % {names[int(partner)]}"
            for label, partner, share in labels]


def plot_predictions(images: NDArray[np.uint8], labels: NDArray[np.int32], logits: NDArray[np.float32],
                     label_names: Sequence[str], path: Path, *, title: str, columns: int = 8) -> None:
    """Writes a sheet of test images: two rows of correctly classified ones, then two rows of misclassified ones.

    Both are spread evenly over the set. Each misclassified image has its predicted and its true class under it.

    Args:
        images: uint8, shape (N, H, W, 3).
        labels: int32, shape (N,).
        logits: float32, shape (N, m).
        label_names: one name per class.
        path: PNG file to write.
        title: line above the sheet.
        columns: number of images per row.

    Raises:
        RunError: if the file cannot be written.
    """
    predicted = logits.argmax(axis=1)
    right, wrong = (_spread(np.flatnonzero((predicted == labels) == same), 2 * columns) for same in (True, False))
    chosen = np.concatenate([right, np.full(-len(right) % columns, -1), wrong]).astype(int)  # misclassified: new row
    names = [name[:_NAME] for name in class_names(label_names)]
    texts, colors, shown = [], [], []
    for number in chosen:
        shown.append(images[number] if number >= 0 else np.full(images.shape[1:], 255, np.uint8))
        is_right = number >= 0 and predicted[number] == labels[number]
        texts.append("" if number < 0 else names[labels[number]] if is_right
                     else f"predicted {names[predicted[number]]},\ntrue {names[labels[number]]}")
        colors.append("#2e6b2e" if is_right else "#a11d1d")
    plot_images(np.stack(shown) if shown else images[:0], texts, path, title=title, columns=columns, colors=colors)


def _squared(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = picture.shape[:2]
    side = max(height, width)
    square = np.full((side, side, 3), 255, np.uint8)
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = picture
    return square


def _spread(indices: NDArray[np.intp], count: int) -> NDArray[np.intp]:
    if len(indices) <= count:
        return indices
    return indices[np.linspace(0, len(indices) - 1, count).astype(int)]
