"""Figure of accuracy against the severity of corruptions, one panel per corruption."""
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_fixhead.analysis.intervals import mean_interval, wilson_interval
from keras_fixhead.figures.arm_styles import ArmStyle, arm_style
from keras_fixhead.figures.canvas import new_figure, save_figure
from keras_fixhead.figures.text import plain

_COLUMNS = 5

Measured = Mapping[str, Any]
"""The content of RUN/robustness/NAME.json."""


def plot_robustness(groups: Mapping[str, Sequence[Measured]], path: Path, *, title: str) -> None:
    """Writes accuracy against severity for each corruption, with one line and band per group of measurements.

    Severity 0 is the unchanged images. The band is the 95 % interval of the mean over the measurements of a group
    (Student); for a single measurement, that of an accuracy on its images (Wilson).

    Args:
        groups: name -> measurements of runs that differ only in their seeds, of the same corruptions and severities.
        path: PNG file to write.
        title: line above the figure.

    Raises:
        RunError: if the file cannot be written.
    """
    corruptions = list(next(iter(groups.values()))[0]["accuracy"])
    columns = min(_COLUMNS, len(corruptions))
    rows = math.ceil(len(corruptions) / columns)
    figure = new_figure(max(5.0, 2.4 * columns), 1.2 + 2.0 * rows)
    figure.suptitle(plain(title), fontsize="medium")
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for number, axes in enumerate(grid.flat):
        if number >= len(corruptions):
            axes.set_axis_off()
            continue
        for index, measured in enumerate(groups.values()):
            _plot_group(axes, measured, corruptions[number], arm_style(index))
        axes.set_title(corruptions[number].replace("_", " "), fontsize="small")
        axes.grid(alpha=0.3)
        axes.set_xticks(range(6))
        if number + columns >= len(corruptions):
            axes.set_xlabel("severity", fontsize="small")
            axes.tick_params(labelbottom=True)
    figure.supylabel("accuracy, %", fontsize="small")
    if len(groups) > 1:
        names = [f"{plain(name)} (n = {len(measured)})" for name, measured in groups.items()]
        figure.legend(grid[0, 0].get_lines(), names, loc="outside lower center", frameon=False, fontsize="small",
                      ncols=1 if max(map(len, names)) > 40 else 2)
    save_figure(figure, path)


def _plot_group(axes: Any, measured: Sequence[Measured], corruption: str, style: ArmStyle) -> None:
    severities = [0, *measured[0].get("severities", range(1, 1 + len(measured[0]["accuracy"][corruption])))]
    shares = np.array([[each["clean"], *each["accuracy"][corruption]] for each in measured])
    order = np.argsort(severities)
    bands = np.array([_band(column, measured[0]["n"]) for column in shares.T])[order]
    x = np.array(severities)[order]
    axes.plot(x, 100 * shares.mean(axis=0)[order], color=style.color, linestyle=style.line, marker=style.marker,
              markersize=3.5, linewidth=1.4)
    axes.fill_between(x, 100 * bands[:, 0], 100 * bands[:, 1], color=style.color, alpha=0.18, linewidth=0)


def _band(shares: Sequence[float], n: int) -> tuple[float, float]:
    if len(shares) > 1:
        return mean_interval(list(shares))
    return wilson_interval(round(shares[0] * n), n)
