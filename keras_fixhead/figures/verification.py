"""Verification: how many pairs of one class are accepted when few others are."""
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from keras_fixhead.figures.arm_styles import arm_style
from keras_fixhead.figures.canvas import new_figure, plain_logarithms, save_figure
from keras_fixhead.figures.text import in_lines, plain

Curve = tuple[NDArray[np.floating], NDArray[np.floating]]


def plot_verification(curves: Mapping[str, Sequence[Curve]], path: Path, *, title: str) -> None:
    """Writes ROC curves on a logarithmic axis of false accepts: the mean of an arm's runs, with a band of their range.

    Args:
        curves: arm -> shares of accepted pairs of different and of one class, rising, of each of its runs.
        path: file to write, as in `canvas.save_figure`.
        title: line above the figure.

    Raises:
        RunError: if the file cannot be written.
    """
    figure = new_figure(5.2, 4.4)
    axes = figure.subplots()
    grid = np.logspace(-4, 0, 120)
    axes.plot(grid, grid, color="0.6", linewidth=1, label="chance")
    for number, (arm, runs) in enumerate(curves.items()):
        style = arm_style(number)
        lines = np.stack([np.interp(grid, false, true) for false, true in runs])
        axes.plot(grid, lines.mean(axis=0), color=style.color, linestyle=style.line, linewidth=1.7, label=plain(arm))
        if len(lines) > 1:
            axes.fill_between(grid, lines.min(axis=0), lines.max(axis=0), color=style.color, alpha=0.2, linewidth=0)
    axes.set(xscale="log", xlim=(1e-4, 1), ylim=(0, 1.02), xlabel="accepted pairs of different classes, share",
             ylabel="accepted pairs of one class, share")
    plain_logarithms(axes.xaxis)
    axes.set_title(in_lines(title), fontsize="medium")
    axes.grid(alpha=0.3)
    figure.legend(loc="outside lower center", frameon=False, fontsize="small", ncols=2)
    save_figure(figure, path)
