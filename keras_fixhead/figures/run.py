"""Figures of one run: its curves, and its confusion matrix."""
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_fixhead.figures.canvas import COLORS, new_figure, save_figure
from keras_fixhead.figures.text import class_names, plain

NAMED_CLASSES = 30
"""Largest number of classes for which a matrix is labelled with their names."""


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
        for color, (name, key) in zip(COLORS, lines.items(), strict=False):
            points = [(row["epoch"], row[key]) for row in rows if row.get(key) is not None]
            if points:
                epochs, values = zip(*points, strict=True)
                factor = 100 if label.startswith("accuracy") else 1
                axes.plot(epochs, [factor * value for value in values], color=color, label=name,
                          marker="o" if len(points) == 1 else None)
        axes.set(xlabel="epoch", ylabel=label)
        axes.grid(alpha=0.3)
        axes.xaxis.get_major_locator().set_params(integer=True)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(frameon=False, fontsize="small")
    save_figure(figure, path)


def plot_confusion(confusion: NDArray[np.int64], label_names: Sequence[str], path: Path, *, title: str) -> None:
    """Writes a confusion matrix: each row shows the shares of predictions for the images of one class.

    Args:
        confusion: integers, shape (m, m), from `analysis.confusion.confusion_matrix`.
        label_names: one name per class.
        path: PNG file to write.
        title: line above the figure.

    Raises:
        RunError: if the file cannot be written.
    """
    shares = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    side = min(11.0, 4.2 + 0.22 * len(shares)) if len(shares) <= NAMED_CLASSES else 8.0
    figure = new_figure(side + 1, side)
    axes = figure.subplots()
    shown = axes.imshow(100 * shares, vmin=0, vmax=100, cmap="Blues")
    axes.set(title=plain(title), xlabel="predicted", ylabel="class")
    axes.title.set_fontsize("medium")
    if len(shares) <= NAMED_CLASSES:
        names = [plain(name) for name in class_names(label_names)]
        axes.set_xticks(range(len(shares)), names, rotation=90, fontsize="small")
        axes.set_yticks(range(len(shares)), names, fontsize="small")
    if len(shares) <= 12:
        for row, column in np.argwhere(shares >= 0.005):
            axes.text(column, row, f"{100 * shares[row, column]:.0f}", ha="center", va="center", fontsize="small",
                      color="white" if shares[row, column] > 0.5 else "black")
    figure.colorbar(shown, ax=axes, shrink=0.8, label="% of the class")
    save_figure(figure, path)
