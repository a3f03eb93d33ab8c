"""Figure of the learning curves of several runs, grouped by arm."""
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_fixhead.analysis.intervals import mean_interval
from keras_fixhead.figures.arm_styles import arm_style
from keras_fixhead.figures.canvas import new_figure, save_figure
from keras_fixhead.figures.text import plain

Rows = Sequence[Mapping[str, Any]]


def plot_comparison(groups: Mapping[str, Sequence[Rows]], path: Path, *, title: str,
                    accuracies: Mapping[str, Sequence[float]] | None = None, split: str = "test") -> None:
    """Writes the curves of groups of runs, the mean with a band from the smallest to the largest, and their accuracies.

    Args:
        groups: name -> lines of metrics.jsonl of each of its runs.
        path: file to write, as in `canvas.save_figure`.
        title: line above the figure.
        accuracies: name -> accuracy of each of its runs, a share; drawn as points, with Student's 95 % interval of the
            mean where there are several.
        split: what the accuracies were measured on.

    Raises:
        RunError: if the file cannot be written.
    """
    figure = new_figure(10.5 if accuracies is None else 14.0, 5.0)
    figure.suptitle(plain(title), fontsize="medium")
    panels = figure.subplots(1, 2 if accuracies is None else 3)
    for axes, key, label, factor in ((panels[0], "validation_accuracy", "validation accuracy, %", 100),
                                     (panels[1], "cross_entropy", "training cross-entropy, nats", 1)):
        for number, (name, runs) in enumerate(groups.items()):
            style = arm_style(number)
            epochs, lines = _common(runs, key, factor)
            axes.plot(epochs, lines.mean(axis=0), color=style.color, linestyle=style.line, linewidth=2,
                      marker=style.marker if all(len(rows) == 1 for rows in runs) else None,
                      label=f"{plain(name)} (n = {len(runs)})" if axes is panels[0] else None)
            if len(lines) > 1:
                axes.fill_between(epochs, lines.min(axis=0), lines.max(axis=0), color=style.color, alpha=0.2,
                                  linewidth=0)
        axes.set(xlabel="epoch", ylabel=label)
        axes.grid(alpha=0.3)
        axes.xaxis.get_major_locator().set_params(integer=True)
    if accuracies is not None:
        _plot_accuracies(panels[2], list(groups), accuracies, f"{split} accuracy, %")
    figure.legend(loc="outside lower center", frameon=False, fontsize="small", ncols=2)
    save_figure(figure, path)


def _plot_accuracies(axes: Any, names: Sequence[str], accuracies: Mapping[str, Sequence[float]], label: str) -> None:
    """A point per run, and the mean with its interval next to them."""
    for number, name in enumerate(names):
        style, values = arm_style(number), [100 * each for each in accuracies.get(name, ())]
        if not values:
            continue
        axes.plot([number - 0.12] * len(values), values, style.marker, color=style.color, alpha=0.6, markersize=6)
        mean = float(np.mean(values))
        low, high = mean_interval(values) if len(values) > 1 else (mean, mean)
        axes.errorbar(number + 0.12, mean, [[mean - low], [high - mean]], fmt="_", markersize=16, capsize=5,
                      color=style.color)
    axes.set_xticks(range(len(names)), [plain(name) for name in names], rotation=15, ha="right", fontsize="small")
    axes.set(ylabel=label, xlim=(-0.6, len(names) - 0.4))
    axes.grid(axis="y", alpha=0.3)


def _common(runs: Sequence[Rows], key: str, factor: float) -> tuple[list[int], NDArray[np.float64]]:
    """Returns the epochs that all runs of a group have, and the values of each run there, (runs, epochs)."""
    points = [{row["epoch"]: factor * row[key] for row in rows if row.get(key) is not None} for rows in runs]
    epochs = sorted(set.intersection(*map(set, points))) if points else []
    return epochs, np.array([[each[epoch] for epoch in epochs] for each in points]).reshape(len(points), len(epochs))
