"""Figure of the learning curves of several runs, grouped by arm."""
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_fixhead.figures.canvas import COLORS, new_figure, save_figure
from keras_fixhead.figures.text import plain

Rows = Sequence[Mapping[str, Any]]


def plot_comparison(groups: Mapping[str, Sequence[Rows]], path: Path, *, title: str) -> None:
    """Writes the curves of groups of runs: a thin line per run, a thick line for the mean of each group.

    Args:
        groups: name -> lines of metrics.jsonl of each of its runs.
        path: PNG file to write.
        title: line above the figure.

    Raises:
        RunError: if the file cannot be written.
    """
    figure = new_figure(10.5, 4.6)
    figure.suptitle(plain(title), fontsize="medium")
    panels = figure.subplots(1, 2)
    for axes, key, label, factor in ((panels[0], "validation_accuracy", "validation accuracy, %", 100),
                                     (panels[1], "cross_entropy", "training cross-entropy, nats", 1)):
        for number, (name, runs) in enumerate(groups.items()):
            color = COLORS[number % len(COLORS)]
            for rows in runs:
                axes.plot(*_points(rows, key, factor), color=color, linewidth=0.8, alpha=0.5)
            axes.plot(*_mean(runs, key, factor), color=color, linewidth=2, label=f"{plain(name)} (n = {len(runs)})",
                      marker="o" if all(len(rows) == 1 for rows in runs) else None)
        axes.set(xlabel="epoch", ylabel=label)
        axes.grid(alpha=0.3)
        axes.xaxis.get_major_locator().set_params(integer=True)
    panels[0].legend(frameon=False, fontsize="small")
    save_figure(figure, path)


def _points(rows: Rows, key: str, factor: float) -> tuple[list[int], list[float]]:
    found = [(row["epoch"], factor * row[key]) for row in rows if row.get(key) is not None]
    return [epoch for epoch, _ in found], [value for _, value in found]


def _mean(runs: Sequence[Rows], key: str, factor: float) -> tuple[list[int], list[float]]:
    """Returns the mean over runs, for the epochs that all of them have."""
    points = [dict(zip(*_points(rows, key, factor), strict=True)) for rows in runs]
    epochs = sorted(set.intersection(*(set(each) for each in points))) if points else []
    return epochs, [float(np.mean([each[epoch] for each in points])) for epoch in epochs]
