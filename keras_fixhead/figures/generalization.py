"""Figure of accuracy on an outside set against accuracy on the own test set, one point per run."""
from collections.abc import Mapping, Sequence
from pathlib import Path

from keras_fixhead.analysis.intervals import wilson_interval
from keras_fixhead.figures.arm_styles import arm_style
from keras_fixhead.figures.canvas import new_figure, save_figure
from keras_fixhead.figures.text import plain

Point = tuple[float, int, float, int]
"""Accuracy on the own test set and its number of images, and the same of the outside set."""


def plot_generalization(groups: Mapping[str, Sequence[Point]], path: Path, *, title: str, outside: str) -> None:
    """Writes a point per run, with 95 % intervals (Wilson); on the line, both accuracies are the same.

    Args:
        groups: name -> points of its runs.
        path: file to write, as in `canvas.save_figure`.
        title: line above the figure.
        outside: name of the outside set.

    Raises:
        RunError: if the file cannot be written.
    """
    figure = new_figure(6.5, 6.0)
    axes = figure.subplots()
    ends = []
    for number, (name, points) in enumerate(groups.items()):
        style = arm_style(number)
        for index, (own, n_own, there, n_there) in enumerate(points):
            bars = [[[100 * (share - low)], [100 * (high - share)]] for share, (low, high) in (
                (own, wilson_interval(round(own * n_own), n_own)),
                (there, wilson_interval(round(there * n_there), n_there)))]
            axes.errorbar([100 * own], [100 * there], yerr=bars[1], xerr=bars[0], fmt=style.marker, color=style.color,
                          markersize=7, elinewidth=0.8, capsize=2,
                          label=f"{plain(name)} (n = {len(points)})" if index == 0 else None)
            ends += [100 * own, 100 * there]
    low, high = max(0.0, min(ends) - 4), min(100.0, max(ends) + 4)
    axes.plot([low, high], [low, high], color="0.5", linewidth=1, linestyle="--", label="no drop")
    axes.set(xlabel="accuracy on the own test set, %", ylabel=f"accuracy on {plain(outside)}, %", aspect="equal",
             xlim=(low, high), ylim=(low, high))
    axes.grid(alpha=0.3)
    figure.suptitle(plain(title), fontsize="medium")
    figure.legend(loc="outside lower center", frameon=False, fontsize="small")
    save_figure(figure, path)
