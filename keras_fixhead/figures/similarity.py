"""Figure of confusions against similarity: one point for each pair of classes."""
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from keras_fixhead.analysis.geometry import different_pairs
from keras_fixhead.figures.canvas import COLORS, new_figure, plain_logarithms, save_figure
from keras_fixhead.figures.text import class_names, plain


def error_limits(errors: Iterable[NDArray[np.integer]]) -> tuple[int, int]:
    """Returns the smallest and largest number of errors of a pair of classes, to be the same for several arms.

    Args:
        errors: images of each class (rows) by predicted class (columns), of shape (m, m).

    Example:
        >>> error_limits([np.array([[9, 1], [2, 9]]), np.array([[8, 0], [5, 8]])])
        (3, 5)
    """
    both = np.concatenate([(each + each.T)[different_pairs(len(each))] for each in errors])
    return int(both.min()), int(both.max())


def plot_confusion_similarity(cosines: NDArray[np.floating], confusion: NDArray[np.integer], label_names: Sequence[str],
                              path: Path, *, title: str, together: NDArray[np.bool_] | None = None,
                              limits: tuple[float, float] | None = None,
                              counts: tuple[int, int] | None = None) -> None:
    """Writes the errors of each unordered pair of classes against the cosine of their class vectors.

    Pairs inside a group of look-alike classes have another marker; the most confused pair is named.

    Args:
        cosines: between class vectors, shape (m, m).
        confusion: shape (m, m).
        label_names: one name per class.
        path: file to write, as in `canvas.save_figure`.
        title: line above the figure.
        together: pairs inside a group, shape (m, m).
        limits: smallest and largest cosine on the axis, to be the same for several arms.
        counts: smallest and largest number of errors on the axis, in the same way.

    Raises:
        RunError: if the file cannot be written.
    """
    rows, columns = np.triu_indices(len(cosines), k=1)
    x, y = cosines[rows, columns], (confusion + confusion.T)[rows, columns]
    inside = np.zeros(len(x), bool) if together is None else together[rows, columns]
    figure = new_figure(5.2, 4.4)
    axes = figure.subplots()
    few = len(x) < 500
    for chosen, color, marker, label in ((~inside, COLORS[0], "o", "different groups"),
                                         (inside, COLORS[1], "^", "same group of look-alikes")):
        if chosen.any():
            axes.scatter(x[chosen], y[chosen], s=22 if few else 16 if marker == "^" else 6, color=color, marker=marker,
                         alpha=0.75 if few else 0.4, linewidths=0, rasterized=not few,
                         label=label if inside.any() else None)
    least, most = counts or (int(y.min()), int(y.max()))
    if least > 0:
        axes.set_yscale("log")
    else:
        axes.set_yscale("symlog", linthresh=1)
    axes.set_ylim(0.7 * least or -0.3, 2 * max(1, most))
    if least > 0:
        plain_logarithms(axes.yaxis)
    else:
        axes.yaxis.set_major_formatter("{x:g}")
    if limits is not None:
        pad = 0.04 * (limits[1] - limits[0] or 1)
        axes.set_xlim(limits[0] - pad, limits[1] + pad)
    names, worst = [plain(each)[:18] for each in class_names(label_names)], int(y.argmax())
    left = x[worst] > np.mean(axes.get_xlim())
    axes.annotate(f"{names[rows[worst]]}, {names[columns[worst]]}", (x[worst], y[worst]), fontsize="small",
                  xytext=(-5 if left else 5, 4), textcoords="offset points", ha="right" if left else "left")
    axes.set(xlabel="cosine between class vectors", ylabel="images confused, both directions")
    axes.set_title(plain(title), fontsize="medium")
    axes.grid(alpha=0.3)
    if inside.any():
        figure.legend(loc="outside lower center", frameon=False, fontsize="small", ncols=2, markerscale=1 if few else 2)
    save_figure(figure, path)
