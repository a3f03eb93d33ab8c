"""Figures of one run: its curves, and its confusion matrix."""
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_fixhead.figures.arm_styles import arm_style
from keras_fixhead.figures.canvas import new_figure, save_figure
from keras_fixhead.figures.classes import GROUP_NAMES, NAMED_CLASSES, NUMBERED_CLASSES, grouped_order, label_axes
from keras_fixhead.figures.text import plain

_MARKED = 30
"""Number of epochs from which points have no markers."""


def plot_curves(rows: Sequence[Mapping[str, Any]], path: Path, *, title: str) -> None:
    """Writes the curves of a run: accuracy, cross-entropy, cosines and learning rate over epochs.

    Args:
        rows: lines of metrics.jsonl.
        path: PNG file to write.
        title: line above the figure.

    Raises:
        RunError: if the file cannot be written.
    """
    panels = {
        "accuracy, %": {"training": "accuracy", "validation": "validation_accuracy", "test": "test_accuracy"},
        "cross-entropy, nats": {"training": "cross_entropy", "validation": "validation_cross_entropy"},
        "mean cosine, validation": {"to the true class": "validation_own_cosine",
                                    "to the predicted class": "validation_predicted_cosine",
                                    "to the nearest wrong class": "validation_nearest_wrong_cosine",
                                    "largest between class vectors": "class_vectors_max_cosine"},
        "learning rate": {"at the end of the epoch": "lr"},
    }
    figure = new_figure(9.6, 6.8)
    figure.suptitle(plain(title), fontsize="medium")
    for axes, (label, lines) in zip(figure.subplots(2, 2).ravel(), panels.items(), strict=True):
        for style, (name, key) in zip(map(arm_style, range(len(lines))), lines.items(), strict=True):
            points = [(row["epoch"], row[key]) for row in rows if row.get(key) is not None]
            if points:
                epochs, values = zip(*points, strict=True)
                factor = 100 if label.startswith("accuracy") else 1
                axes.plot(epochs, [factor * value for value in values], color=style.color, label=name,
                          linestyle=style.line, marker=style.marker if len(points) < _MARKED else None, markersize=4)
        drawn = [key for key in lines.values() if any(row.get(key) is not None for row in rows)]
        axes.set(xlabel="epoch", ylabel="cosine" if drawn == ["class_vectors_max_cosine"] else label)
        axes.grid(alpha=0.3)
        axes.xaxis.get_major_locator().set_params(integer=True)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(frameon=False, fontsize="small", loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    save_figure(figure, path)


def plot_confusion(confusion: NDArray[np.integer[Any]], label_names: Sequence[str], path: Path, *, title: str,
                   groups: Mapping[str, Sequence[str]] | None = None, counts: bool = False) -> None:
    """Writes a confusion matrix: each row shows the shares of predictions for the images of one class.

    The title has the accuracy. Colours rise with the square root of a share, so that errors are seen next to a diagonal
    of nearly 100 %. Where names do not fit, classes are ordered and labelled by groups, if there are any.

    Args:
        confusion: integers, shape (m, m), from `analysis.confusion.confusion_matrix`.
        label_names: one name per class.
        path: file to write, as in `canvas.save_figure`.
        title: line above the figure.
        groups: group -> names of its classes, for more than `NAMED_CLASSES` classes.
        counts: whether to write numbers of images into the cells instead of percentages.

    Raises:
        RunError: if the file cannot be written.
    """
    from matplotlib.colors import PowerNorm

    m, images = len(confusion), int(confusion.sum())
    order = grouped_order(label_names, groups or {})
    sorted_counts = confusion if order is None else confusion[np.ix_(order, order)]
    shares = sorted_counts / np.maximum(sorted_counts.sum(axis=1, keepdims=True), 1)
    side = min(11.0, 4.2 + 0.22 * m) if m <= NAMED_CLASSES else 8.0
    figure = new_figure(side + (1 if order is None else GROUP_NAMES), side)
    axes = figure.subplots()
    shown = axes.imshow(100 * shares, norm=PowerNorm(0.5, vmin=0, vmax=100), cmap="Blues", interpolation="nearest")
    accuracy = f", accuracy {100 * confusion.trace() / images:.2f} % of {images:,}" if images else ""
    axes.set(title=plain(title) + accuracy, xlabel="predicted", ylabel="class")
    axes.title.set_fontsize("medium")
    label_axes(axes, label_names, order, groups if order is not None else None)
    if m <= NUMBERED_CLASSES:
        for row, column in np.argwhere(sorted_counts > 0 if counts else shares >= 0.005):
            text = f"{sorted_counts[row, column]:,}" if counts else f"{100 * shares[row, column]:.0f}"
            axes.text(column, row, text, ha="center", va="center", fontsize="small", in_layout=False,
                      color="white" if shares[row, column] > 0.3 else "black")
    figure.colorbar(shown, ax=axes, shrink=0.8, label="% of the class", ticks=[0, 1, 5, 10, 25, 50, 100])
    figure.set_layout_engine("compressed")
    save_figure(figure, path)
