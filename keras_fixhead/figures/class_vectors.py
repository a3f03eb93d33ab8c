"""Figures of class vectors: their cosines as a heat map, and the distribution of the cosines."""
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from keras_fixhead.analysis.class_vectors import cosine_density
from keras_fixhead.analysis.geometry import different_pairs
from keras_fixhead.figures.arm_styles import arm_style
from keras_fixhead.figures.canvas import new_figure, save_figure
from keras_fixhead.figures.classes import (
    GROUP_NAMES,
    GROUPED_SIDE,
    LARGEST_SIDE,
    NUMBERED_CLASSES,
    label_axes,
    matrix_side,
)
from keras_fixhead.figures.text import plain

COSINE_MAP = "cividis"
"""A colour map whose lightness rises throughout, also for colour-blind readers and in grey."""


def cosine_limits(matrices: Iterable[NDArray[np.floating]]) -> tuple[float, float]:
    """Returns the smallest and largest cosine between different classes, to be the same for several arms.

    Args:
        matrices: of shape (m, m).

    Example:
        >>> cosine_limits([np.array([[1.0, 0.5], [0.5, 1.0]]), np.array([[1.0, -0.25], [-0.25, 1.0]])])
        (-0.25, 0.5)
    """
    pairs = np.concatenate([matrix[different_pairs(len(matrix))] for matrix in matrices])
    return float(pairs.min()), float(pairs.max())


def plot_cosine_matrix(cosines: NDArray[np.floating], label_names: Sequence[str], path: Path, *, title: str,
                       order: NDArray[np.int64] | None = None, groups: Mapping[str, Sequence[str]] | None = None,
                       limits: tuple[float, float] | None = None) -> None:
    """Writes the cosines between classes as a heat map; the diagonal, which is 1, is left white.

    Args:
        cosines: shape (m, m).
        label_names: one name per class.
        path: file to write, as in `canvas.save_figure`.
        title: line above the figure.
        order: the order of the classes; None for that of the data set.
        groups: group -> names of its classes, if the order is that of `classes.grouped_order`.
        limits: smallest and largest cosine of the colours; None for those of the matrix.

    Raises:
        RunError: if the file cannot be written.
    """
    m = len(cosines)
    order = np.arange(m) if order is None else order
    shown = np.ma.masked_array(cosines[np.ix_(order, order)], ~different_pairs(m))
    low, high = limits or (float(shown.min()), float(shown.max()))
    side = matrix_side(m, GROUPED_SIDE if groups else LARGEST_SIDE)
    size = 10 * max(1.0, side / GROUPED_SIDE)  # of the letters: large figures are shown smaller
    figure = new_figure(side + (GROUP_NAMES if groups else 1), side)
    axes = figure.subplots()
    image = axes.imshow(shown, vmin=low, vmax=high, cmap=COSINE_MAP, interpolation="nearest")
    axes.set_title(plain(title), fontsize=size)
    label_axes(axes, label_names, order, groups)
    if m <= NUMBERED_CLASSES:
        for row, column in zip(*np.nonzero(different_pairs(m)), strict=True):
            light = shown[row, column] > (low + high) / 2
            axes.text(column, row, f"{shown[row, column]:.2f}".replace("0.", "."), ha="center", va="center",
                      fontsize=6, in_layout=False, color="black" if light else "white")
    bar = figure.colorbar(image, ax=axes, shrink=0.8)
    bar.set_label("cosine", fontsize=size)
    bar.ax.tick_params(labelsize=size)
    figure.set_layout_engine("compressed")  # names are cut off otherwise, and bands stay white
    save_figure(figure, path)


def plot_cosine_distribution(cosines: Mapping[str, NDArray[np.floating]], dim: int, path: Path, *, title: str) -> None:
    """Writes the distribution of the cosines between class vectors of several arms, next to that of random directions.

    Args:
        cosines: arm -> cosines of pairs of different classes, shape (P,).
        dim: number of features d.
        path: file to write, as in `canvas.save_figure`.
        title: line above the figure.

    Raises:
        RunError: if the file cannot be written.
    """
    figure = new_figure(5.2, 4.2)
    axes = figure.subplots()
    values = np.concatenate([np.asarray(each) for each in cosines.values()])
    low, high = max(-1, float(values.min()) - 0.05), min(1, float(values.max()) + 0.05)
    if dim > 2:  # with two dimensions, the density has no bound
        grid = np.linspace(max(-1, min(low, -4 / dim**0.5)), min(1, max(high, 4 / dim**0.5)), 400)
        axes.fill_between(grid, cosine_density(grid, dim), color="0.85", label=f"random directions, d = {dim}")
    for number, (arm, each) in enumerate(cosines.items()):
        style = arm_style(number)
        axes.hist(np.asarray(each), bins=min(60, max(10, len(each) // 8)), range=(low, high), density=True,
                  histtype="step", color=style.color, linestyle=style.line, linewidth=1.6, label=plain(arm))
    axes.set(xlabel="cosine between two class vectors", ylabel="density")
    axes.set_title(plain(title), fontsize="medium")
    figure.legend(loc="outside lower center", frameon=False, fontsize="small", ncols=2)
    save_figure(figure, path)
