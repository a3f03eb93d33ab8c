"""Figures without a display and without global state."""
import io
from pathlib import Path
from typing import Any

from keras_fixhead.figures.text import families
from keras_fixhead.json_files import write_bytes

COLORS = ("#0b62a4", "#d1651b", "#3b8b3b", "#8c4799", "#b8860b", "#5f6b6d", "#c2185b", "#00838f")


def new_figure(width: float, height: float) -> Any:
    """Returns an empty figure of the given size in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # takes a second to import; no display, no global state
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def plain_logarithms(axis: Any) -> None:
    """Labels a logarithmic axis of Matplotlib with plain numbers; at 1, 2 and 5 of each decade if it has few decades.

    Call it when the axis has its limits.
    """
    from matplotlib.ticker import LogLocator, NullFormatter

    low, high = axis.get_view_interval()
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 200 * low else (1,)))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter(NullFormatter())


def save_figure(figure: Any, path: Path) -> None:
    """Writes a figure as a PNG file, or as an SVG file if the name ends in .svg, with the fonts that its texts need.

    With a name that ends in neither, both are written. The same figure gives the same bytes.

    Raises:
        RunError: if the file cannot be written.
    """
    from matplotlib import rc_context
    from matplotlib.text import Text

    for axes in figure.axes:
        axes.get_xticklabels(), axes.get_yticklabels()  # creates the tick labels
    texts = figure.findobj(Text)
    if others := families(text.get_text() for text in texts):
        for text in texts:
            text.set_fontfamily(["sans-serif", *others])
    endings = [path.suffix.lower()] if path.suffix.lower() in (".png", ".svg") else [".png", ".svg"]
    for ending in endings:
        content = io.BytesIO()
        with rc_context({"svg.hashsalt": path.stem}):  # names of clipping paths are random otherwise
            figure.savefig(content, format=ending[1:], dpi=120, metadata={"Date": None} if ending == ".svg" else None)
        write_bytes(path if len(endings) == 1 else path.with_name(path.name + ending), content.getvalue())
        figure.set_layout_engine("none")  # a second file has the places that the first one found
