"""How arms are told apart: by colour, and by line and marker for readers in grey."""
from dataclasses import dataclass

from keras_fixhead.figures.canvas import COLORS

_LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (3, 3)), (0, (1, 1)), (0, (8, 2)))
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")


@dataclass(frozen=True)
class ArmStyle:
    """The colour, line and marker of an arm."""

    color: str
    line: object
    marker: str


def arm_style(number: int) -> ArmStyle:
    """Returns the style of the arm with this number; after eight, colours repeat with other lines.

    Example:
        >>> arm_style(0).marker, arm_style(8).color == arm_style(0).color, arm_style(8).line == arm_style(0).line
        ('o', True, False)
    """
    shift = number // len(COLORS)
    return ArmStyle(COLORS[number % len(COLORS)], _LINES[(number + shift) % len(_LINES)],
                    _MARKERS[(number + shift) % len(_MARKERS)])
