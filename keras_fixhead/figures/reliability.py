"""Reliability diagram: accuracy against confidence."""
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from keras_fixhead.analysis.calibration import Reliability
from keras_fixhead.figures.arm_styles import arm_style
from keras_fixhead.figures.canvas import new_figure, save_figure
from keras_fixhead.figures.text import plain


def plot_reliability(bins: Mapping[str, Sequence[Reliability]], path: Path, *, title: str,
                     ceilings: Mapping[str, float] | None = None) -> None:
    """Writes accuracy against confidence for several arms, above the share of images at each confidence.

    Args:
        bins: arm -> bins of each of its runs, all with the same edges.
        path: file to write, as in `canvas.save_figure`.
        title: line above the figure.
        ceilings: text -> largest probability that a scale allows, as vertical lines.

    Raises:
        RunError: if the file cannot be written.
    """
    figure = new_figure(5.2, 5.4)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    upper.plot([0, 1], [0, 1], color="0.6", linewidth=1, label="calibrated")
    for number, (arm, runs) in enumerate(bins.items()):
        style = arm_style(number)
        middles = (runs[0].edges[1:] + runs[0].edges[:-1]) / 2
        for run in runs:
            filled = run.count > 0
            upper.plot(run.confidence[filled], run.accuracy[filled], color=style.color, linestyle=style.line,
                       marker=style.marker, markersize=4, linewidth=1.3, label=plain(arm) if run is runs[0] else None)
        shares = np.mean([100 * run.count / run.count.sum() for run in runs], axis=0)
        lower.step(middles, shares, where="mid", color=style.color, linestyle=style.line, linewidth=1.3)
    for text, position in (ceilings or {}).items():
        upper.axvline(position, color="0.3", linestyle=":", linewidth=1, label=plain(text))
        lower.axvline(position, color="0.3", linestyle=":", linewidth=1)
    upper.set(ylabel="accuracy", xlim=(0, 1), ylim=(0, 1.02))
    lower.set(xlabel="confidence: probability of the predicted class", ylabel="% of images")
    upper.set_title(plain(title), fontsize="medium")
    for axes in (upper, lower):
        axes.grid(alpha=0.3)
    figure.legend(loc="outside lower center", frameon=False, fontsize="small", ncols=2)
    save_figure(figure, path)
