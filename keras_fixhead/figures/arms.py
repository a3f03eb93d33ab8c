"""Figure of several arms side by side: their curves, and the cosines between their class vectors."""
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_fixhead.analysis.geometry import cosine_matrix, different_pairs
from keras_fixhead.figures.arm_styles import arm_style
from keras_fixhead.figures.canvas import new_figure, save_figure
from keras_fixhead.figures.class_vectors import COSINE_MAP
from keras_fixhead.figures.text import class_names, plain


def plot_arms(metrics: Mapping[str, Sequence[Mapping[str, Any]]], class_vectors: Mapping[str, NDArray[np.float32]],
              label_names: Sequence[str], path: Path, *, title: str) -> None:
    """Writes a figure of several arms: their curves on top, the cosines between their class vectors below.

    Args:
        metrics: arm -> lines of metrics.jsonl.
        class_vectors: arm -> array of shape (m, d), after training.
        label_names: one name per class.
        path: PNG file to write.
        title: line above the figure.

    Raises:
        RunError: if the file cannot be written.
    """
    figure = new_figure(4.6 * max(2, len(class_vectors)), 8.4)
    figure.suptitle(plain(title))
    parts: Any = figure.subfigures(2, 1, height_ratios=(1, 1.25))
    _plot_curves(parts[0], metrics)
    _plot_cosines(parts[1], class_vectors, label_names)
    save_figure(figure, path)


def _plot_curves(figure: Any, metrics: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    accuracy, loss = figure.subplots(1, 2)
    for number, (arm, rows) in enumerate(metrics.items()):
        style, epochs = arm_style(number), [row["epoch"] for row in rows]
        accuracy.plot(epochs, [100 * row["validation_accuracy"] for row in rows], color=style.color,
                      linestyle=style.line, marker=style.marker, markersize=4, label=plain(arm))
        for part, key, face in (("training", "cross_entropy", style.color),
                                ("validation", "validation_cross_entropy", "white")):
            loss.plot(epochs, [row[key] for row in rows], color=style.color, linestyle=style.line, marker=style.marker,
                      markersize=4, markerfacecolor=face, label=f"{plain(arm)}, {part}")
    accuracy.set(xlabel="epoch", ylabel="validation accuracy, %", ylim=(0, 101))
    loss.set(xlabel="epoch", ylabel="cross-entropy, nats")
    for axes in (accuracy, loss):
        axes.grid(alpha=0.3)
        axes.legend(frameon=False, fontsize="small", loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
        axes.xaxis.get_major_locator().set_params(integer=True)


def _plot_cosines(figure: Any, class_vectors: Mapping[str, NDArray[np.float32]], label_names: Sequence[str]) -> None:
    grid = figure.subplots(1, len(class_vectors), squeeze=False)[0]
    names = [plain(name) for name in class_names(label_names)]
    cosines = {arm: np.ma.masked_array(found := cosine_matrix(vectors), ~different_pairs(len(found)))
               for arm, vectors in class_vectors.items()}
    low = min(float(each.min()) for each in cosines.values())
    high = max(float(each.max()) for each in cosines.values())
    for axes, (arm, matrix) in zip(grid, cosines.items(), strict=True):
        shown = axes.imshow(matrix, vmin=low, vmax=high, cmap=COSINE_MAP, interpolation="nearest")
        axes.set_title(f"cosines between class vectors, {arm}", fontsize="medium")
        if len(names) <= 20:
            axes.set_xticks(range(len(names)), names, rotation=90, fontsize="small")
            axes.set_yticks(range(len(names)), names, fontsize="small")
    figure.colorbar(shown, ax=list(grid), shrink=0.8)
