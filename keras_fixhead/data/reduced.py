"""JPEG files decoded at 1/2, 1/4 or 1/8 of their size, where the pixels that are made of them are fewer still.

A decoder that leaves out the high frequencies of a file's 8x8 blocks has less to compute, and so has the resizing after
it. The last row and column of such a picture may reach beyond the file's edge, so that what is cut out of it begins and
ends between two pixels: it lies where it would in the whole picture.

The functions are written for integers, and for scalar tensors of a graph.
"""
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

DECODINGS = ("full", "reduced")
GAP = (3, 2)
"""A reduced picture still has at least 3/2 times the pixels that are needed, in both directions. Compared with full
decoding, pixels then differ by 1 to 1.5 of 255 levels in the mean, as with another anti-aliasing filter (docs/data.md).
"""
_RATIOS = (1, 1, 2, 2, 4, 4, 4, 4, 8)  # by how often the needed pixels, times the gap, fit into the picture


@dataclass(frozen=True)
class Upright:
    """A decoded picture, turned upright.

    Attributes:
        pixels: a Pillow image, or a uint8 tensor (H, W, C).
        rows, columns: size of the whole picture, upright.
        ratio: 1, or at which part of its size it was decoded: 2, 4 or 8.
        above, before: rows and columns beyond the file's edge, in pixels of the whole picture, that decoding added at
            the top and on the left. Those at the bottom and on the right do not matter.
    """

    pixels: Any
    rows: Any
    columns: Any
    ratio: Any = 1
    above: Any = 0
    before: Any = 0


@dataclass(frozen=True)
class Part:
    """A part of a decoded picture along one axis.

    Attributes:
        first, last: the first of its pixels, and the one after its last.
        start, length: where the part begins between them, and its length; not whole if the picture is reduced.
    """

    first: Any
    last: Any
    start: Any
    length: Any


def ratio_of(rows: Any, columns: Any, height: Any, width: Any, at_most: Callable[[Any, Any], Any] = min,
             pick: Callable[[tuple[int, ...], Any], Any] = tuple.__getitem__) -> Any:
    """Returns the largest of 1, 2, 4 and 8 by which a part of a picture can be reduced with `GAP` times its place left.

    Args:
        rows, columns: size of the part.
        height, width: size of its place in an array.
        at_most: minimum of two of these numbers.
        pick: element of a tuple at such a number.

    Example:
        >>> ratio_of(300, 400, 96, 96), ratio_of(287, 400, 96, 96), ratio_of(3000, 4000, 224, 224)
        (2, 1, 8)
    """
    more, over = GAP
    times = at_most(over * rows // (more * height), over * columns // (more * width))
    return pick(_RATIOS, at_most(times, len(_RATIOS) - 1))


def part_of(start: Any, length: Any, ratio: Any, added: Any = 0) -> Part:
    """Returns a part of a whole picture as the same part of the decoded one, along one axis.

    Args:
        start, length: of the part in the whole picture, in pixels.
        ratio: at which part of its size the picture was decoded.
        added: pixels before the first one, beyond the file's edge.

    Example:
        >>> part_of(25, 100, 2), part_of(25, 100, 1)
        (Part(first=12, last=63, start=0.5, length=50.0), Part(first=25, last=125, start=0.0, length=100.0))
    """
    first, end = (start + added) // ratio, start + added + length
    return Part(first, -(-end // ratio), (start + added) % ratio / ratio, length / ratio)
