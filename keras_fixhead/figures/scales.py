"""Figures of numbers against the scale S, one panel per number, one line per arm."""
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from keras_fixhead.figures.arm_styles import arm_style
from keras_fixhead.figures.canvas import new_figure, save_figure
from keras_fixhead.figures.text import plain


@dataclass(frozen=True)
class Panel:
    """One number against S.

    Attributes:
        title, label: above the panel, and at its vertical axis.
        lines: arm -> S -> its value in each run.
        curve: text and, for each S, the value of a dotted line; such as a limit.
    """

    title: str
    label: str
    lines: Mapping[str, Mapping[float, Sequence[float]]]
    curve: tuple[str, Mapping[float, float]] | None = field(default=None)


def plot_scales(panels: Sequence[Panel], path: Path, *, title: str) -> None:
    """Writes numbers against S, on a logarithmic axis: the mean over runs, with a band of their range.

    Args:
        panels: the numbers; all have the same arms.
        path: file to write, as in `canvas.save_figure`.
        title: line above the figure.

    Raises:
        RunError: if the file cannot be written.
    """
    columns = min(2, len(panels))
    rows = -(-len(panels) // columns)
    figure = new_figure(3.6 * columns, 0.9 + 3.0 * rows)
    figure.suptitle(plain(title), fontsize="medium")
    scales = sorted({scale for panel in panels for found in panel.lines.values() for scale in found})
    handles: dict[str, Any] = {}
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat[len(panels) :]:
        axes.set_axis_off()
    for axes, panel in zip(grid.flat, panels, strict=False):
        for number, (arm, found) in enumerate(panel.lines.items()):
            style, x = arm_style(number), sorted(found)
            means = [sum(found[scale]) / len(found[scale]) for scale in x]
            (handles[plain(arm)],) = axes.plot(x, means, color=style.color, linestyle=style.line, marker=style.marker,
                                               markersize=5, linewidth=1.8)
            axes.fill_between(x, [min(found[scale]) for scale in x], [max(found[scale]) for scale in x],
                              color=style.color, alpha=0.2, linewidth=0)
        if panel.curve is not None:
            text, values = panel.curve
            x = sorted(values)
            (handles[plain(text)],) = axes.plot(x, [values[scale] for scale in x], color="0.3", linestyle=":",
                                                linewidth=1.5)
        axes.set_xscale("log")
        axes.set_xticks(scales, [f"{scale:.3g}" for scale in scales])
        axes.minorticks_off()
        axes.set(xlabel="scale S", ylabel=panel.label)
        axes.set_title(plain(panel.title), fontsize="medium")
        axes.grid(alpha=0.3)
    figure.legend(list(handles.values()), list(handles), loc="outside lower center", frameon=False, fontsize="small",
                  ncols=2)
    save_figure(figure, path)
