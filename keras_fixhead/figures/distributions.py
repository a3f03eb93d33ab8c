"""Distributions of cosines and angles, and mean values of arms as points with the spread of their seeds."""
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_fixhead.figures.arm_styles import arm_style
from keras_fixhead.figures.canvas import new_figure, plain_logarithms, save_figure
from keras_fixhead.figures.text import in_lines, plain

Values = Mapping[str, Sequence[NDArray[np.floating]]]


def plot_distributions(values: Values, path: Path, *, title: str, label: str, limits: tuple[float, float],
                       bins: int = 60, marks: Mapping[str, float] | None = None, log: bool = False) -> None:
    """Writes the distribution of a value over images for several arms: the mean over seeds, with a band of their range.

    Args:
        values: arm -> values of each run, shape (N,).
        path: file to write, as in `canvas.save_figure`.
        title: line above the figure.
        label: label of the horizontal axis.
        limits: range of the horizontal axis; values outside count in the first or the last bin.
        bins: number of bins.
        marks: text -> position of a vertical line.
        log: whether the axis and the bins are logarithmic.

    Raises:
        RunError: if the file cannot be written.
    """
    figure = new_figure(5.2, 4.2)
    axes = figure.subplots()
    edges = np.geomspace(*limits, bins + 1) if log else np.linspace(*limits, bins + 1)
    middles = np.sqrt(edges[1:] * edges[:-1]) if log else (edges[1:] + edges[:-1]) / 2
    for number, (arm, runs) in enumerate(values.items()):
        style = arm_style(number)
        shares = np.stack([100 * np.histogram(np.clip(each, *limits), edges)[0] / max(1, len(each)) for each in runs])
        axes.plot(middles, shares.mean(axis=0), color=style.color, linestyle=style.line, linewidth=1.6,
                  label=_counted(arm, runs))
        _band(axes, middles, shares, style.color)
    for number, (text, position) in enumerate((marks or {}).items()):
        axes.axvline(position, color="0.3", linestyle=("-", ":", "--")[number % 3], linewidth=1, label=plain(text))
    if log:
        axes.set_xscale("log")
    axes.set(xlabel=label, ylabel=f"% of images in each of {bins} bins", xlim=limits)
    if log:
        plain_logarithms(axes.xaxis)
    axes.set_ylim(bottom=0)
    axes.set_title(in_lines(title), fontsize="medium")
    axes.grid(alpha=0.3)
    figure.legend(loc="outside lower center", frameon=False, fontsize="small", ncols=2)
    save_figure(figure, path)


def plot_points(values: Mapping[str, Mapping[str, Sequence[float]]], path: Path, *, title: str, label: str,
                log: bool = False) -> None:
    """Writes a value of several kinds for several arms: a point per run, and a bar at the mean of an arm's runs.

    Args:
        values: kind -> arm -> value of each run.
        path: file to write, as in `canvas.save_figure`.
        title: line above the figure.
        label: label of the vertical axis.
        log: whether the vertical axis is logarithmic.

    Raises:
        RunError: if the file cannot be written.
    """
    figure = new_figure(5.2, 4.4)
    axes = figure.subplots()
    arms = list(dict.fromkeys(arm for each in values.values() for arm in each))
    step = 0.8 / max(1, len(arms))
    for number, arm in enumerate(arms):
        style = arm_style(number)
        for place, by_arm in enumerate(values.values()):
            if numbers := list(by_arm.get(arm, ())):
                x = place + (number - (len(arms) - 1) / 2) * step
                axes.plot([x] * len(numbers), numbers, style.marker, color=style.color, markersize=5, alpha=0.85,
                          label=_counted(arm, numbers) if place == 0 else None)
                axes.plot([x - 0.35 * step, x + 0.35 * step], [np.mean(numbers)] * 2, color=style.color, linewidth=2)
    axes.set_xticks(range(len(values)), [plain(each) for each in values], fontsize="small")
    axes.set(ylabel=label)
    if log:
        axes.set_yscale("log")
        plain_logarithms(axes.yaxis)
    axes.set_title(in_lines(title), fontsize="medium")
    axes.grid(axis="y", alpha=0.3)
    figure.legend(loc="outside lower center", frameon=False, fontsize="small", ncols=2)
    save_figure(figure, path)


def _counted(arm: str, runs: Sequence[Any]) -> str:
    return plain(arm) + (f" (n = {len(runs)})" if len(runs) > 1 else "")


def _band(axes: Any, x: NDArray[np.floating], rows: NDArray[np.floating], color: str) -> None:
    if len(rows) > 1:
        axes.fill_between(x, rows.min(axis=0), rows.max(axis=0), color=color, alpha=0.2, linewidth=0)
