"""Figures of features in a plane: points by class with class vectors, and the angles of features of two dimensions."""
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_fixhead.figures.canvas import COLORS, new_figure, save_figure
from keras_fixhead.figures.text import class_names, plain

_MARKERS = "os^DvPX*<>hp"
_IN_LEGEND = 15
"""Largest number of classes in a legend."""


def plot_features(points: NDArray[np.floating], labels: NDArray[np.integer[Any]], label_names: Sequence[str],
                  path: Path, *, title: str, vectors: NDArray[np.floating] | None = None, origin: bool = False) -> None:
    """Writes a point per image, with a colour and a marker per class, named in a legend and where its middle is.

    A name that would lie on another one is in the legend alone.

    Args:
        points: shape (N, 2).
        labels: integers in [0, m), shape (N,).
        label_names: one name per class.
        path: file to write, as in `canvas.save_figure`.
        title: line above the figure.
        vectors: class vectors in the same plane, shape (m, 2), drawn as lines from the origin.
        origin: whether the origin belongs to the figure.

    Raises:
        RunError: if the file cannot be written.
    """
    figure = new_figure(5.4, 5.8)
    axes = figure.subplots()
    names = [plain(name)[:16] for name in class_names(label_names)]
    shown = np.unique(labels)
    handles = []
    for number, each in enumerate(shown):
        mine = points[labels == each]
        color = COLORS[number % len(COLORS)]
        axes.scatter(*mine.T, s=9, color=color, marker=_MARKERS[number % len(_MARKERS)], alpha=0.5, linewidths=0,
                     rasterized=True)
        if vectors is not None:
            axes.plot([0, vectors[each, 0]], [0, vectors[each, 1]], color=color, linewidth=1.5)
            axes.plot(*vectors[each], marker=_MARKERS[number % len(_MARKERS)], color=color, markersize=8,
                      markeredgecolor="black", zorder=4)
        handles += axes.plot([], [], _MARKERS[number % len(_MARKERS)], color=color, markersize=6, label=names[each])
    texts = [_label(axes, np.median(points[labels == each], axis=0), names[each]) for each in shown]
    if origin or vectors is not None:
        axes.plot(0, 0, "+", color="black", markersize=10)
    axes.set_aspect("equal", adjustable="datalim")
    axes.set(xticks=[], yticks=[])
    axes.set_title(plain(title), fontsize="medium")
    if len(shown) <= _IN_LEGEND:
        figure.legend(handles=handles, loc="outside lower center", frameon=False, fontsize="small", ncols=5,
                      handletextpad=0.1, columnspacing=1.0)
        _remove_covered(figure, texts)
    save_figure(figure, path)


def plane_text(facts: Mapping[str, Any]) -> str:
    """Returns the caption of features in a plane, after the name of the arm.

    Args:
        facts: from `analysis.projection.Plane.facts`.

    Example:
        >>> plane_text({"images": 1000, "classes": 10, "of": 10, "share": 1.0, "directions": False, "flat": True})
        'features of 1,000 test images, all of them. Lines lead from the origin to class vectors, which are scaled to \
the mean length of the features.'
    """
    some = "" if facts["classes"] == facts["of"] else f" of {facts['classes']} of {facts['of']} classes"
    seen = "all of them" if facts["flat"] else (
        "divided by their lengths, which cosine logits do not see, " if facts["directions"] else "") + (
        f"in the plane that has {100 * facts['share']:.0f} % of their variance")
    return (f"features of {facts['images']:,} test images{some}, {seen}. Lines lead from the origin to class vectors, "
            "which are scaled to the mean length of the features.")


def plot_turns(turns: NDArray[np.floating], labels: NDArray[np.integer[Any]], label_names: Sequence[str], path: Path, *,
               title: str, vectors: NDArray[np.floating]) -> None:
    """Writes the angular histogram of features of two dimensions: a line per class, and its class vector as a mark.

    Args:
        turns: angles of the features, in degrees in [0, 360), shape (N,).
        labels: integers in [0, m), shape (N,).
        label_names: one name per class.
        path: file to write, as in `canvas.save_figure`.
        title: line above the figure.
        vectors: angles of the class vectors, in degrees, shape (m,).

    Raises:
        RunError: if the file cannot be written.
    """
    figure = new_figure(5.4, 4.4)
    axes = figure.subplots()
    names = [plain(name)[:16] for name in class_names(label_names)]
    edges = np.linspace(0, 360, 73)
    for number, each in enumerate(np.unique(labels)):
        color = COLORS[number % len(COLORS)]
        counts = np.histogram(turns[labels == each], edges)[0]
        axes.step(edges[:-1], counts, where="post", color=color, linewidth=1.2,
                  linestyle=("-", "--")[number // len(COLORS) % 2])
        axes.plot(vectors[each], 0, marker=_MARKERS[number % len(_MARKERS)], color=color, markeredgecolor="black",
                  clip_on=False, zorder=3)
        _label(axes, np.array([edges[counts.argmax()], counts.max()]), names[each])
    axes.set(xlabel="angle, degrees; marks: class vectors", ylabel="images", xlim=(0, 360))
    axes.set_ylim(bottom=0)
    axes.set_title(plain(title), fontsize="medium")
    axes.grid(alpha=0.3)
    save_figure(figure, path)


def _label(axes: Any, place: NDArray[np.floating], name: str) -> Any:
    """Writes a name above a place, so that a marker there stays visible, and returns its text."""
    from matplotlib.patheffects import withStroke

    return axes.annotate(name, place, xytext=(0, 7), textcoords="offset points", ha="center", va="bottom",
                         fontsize="small", path_effects=[withStroke(linewidth=2.5, foreground="white")])


def _remove_covered(figure: Any, texts: Sequence[Any]) -> None:
    """Removes each text that would lie on an earlier one."""
    figure.draw_without_rendering()  # places everything
    kept: list[Any] = []
    for text in texts:
        box = text.get_window_extent()
        if any(box.overlaps(other) for other in kept):
            text.remove()
        else:
            kept.append(box)
