"""Learning dynamics of several arms: a value per epoch, the mean over seeds with a band of their range."""
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_fixhead.figures.arm_styles import arm_style
from keras_fixhead.figures.canvas import new_figure, save_figure
from keras_fixhead.figures.text import plain

Rows = Sequence[Mapping[str, Any]]


def plot_dynamics(runs: Mapping[str, Sequence[Rows]], key: str, path: Path, *, title: str, label: str,
                  factor: float = 1, levels: Mapping[str, float] | None = None) -> bool:
    """Writes a value per epoch of several arms; returns whether any run has it (without one, no file is written).

    Args:
        runs: arm -> lines of metrics.jsonl of each of its runs.
        key: name of the value in these lines.
        path: file to write, as in `canvas.save_figure`.
        title: line above the figure.
        label: label of the vertical axis.
        factor: factor on the value.
        levels: arm -> the smallest value that is possible, a dotted line in the arm's colour.

    Raises:
        RunError: if the file cannot be written.
    """
    figure = new_figure(5.2, 4.2)
    axes = figure.subplots()
    drawn = False
    for number, (arm, each) in enumerate(runs.items()):
        points = [{row["epoch"]: factor * row[key] for row in rows if row.get(key) is not None} for rows in each]
        epochs = sorted(set.intersection(*map(set, points))) if points else []
        if not epochs:
            continue
        drawn, style = True, arm_style(number)
        lines = np.array([[run[epoch] for epoch in epochs] for run in points])
        axes.plot(epochs, lines.mean(axis=0), color=style.color, linestyle=style.line, linewidth=1.8, label=plain(arm),
                  marker=style.marker if len(epochs) < 15 else None, markersize=4)
        if len(lines) > 1:
            axes.fill_between(epochs, lines.min(axis=0), lines.max(axis=0), color=style.color, alpha=0.2, linewidth=0)
    for number, arm in enumerate(runs):
        if arm in (levels or {}):
            axes.axhline((levels or {})[arm], color=arm_style(number).color, linestyle=":", linewidth=1.5,
                         label=f"smallest possible, {plain(arm)}")
    if drawn:
        axes.set(xlabel="epoch", ylabel=label)
        axes.set_title(plain(title), fontsize="medium")
        axes.grid(alpha=0.3)
        axes.xaxis.get_major_locator().set_params(integer=True)
        figure.legend(loc="outside lower center", frameon=False, fontsize="small", ncols=2)
        save_figure(figure, path)
    return drawn
