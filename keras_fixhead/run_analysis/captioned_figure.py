"""A figure of an analysis, with a caption that says what is seen."""
import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """A figure of an analysis.

    Attributes:
        name: name of its files, without ending.
        section: section of the page.
        caption: what is seen.
    """

    name: str
    section: str
    caption: str


def file_name(*words: str) -> str:
    """Returns words as the name of a file.

    Example:
        >>> file_name("cosines", "cos-fixed, S = 20")
        'cosines-cos-fixed-S-20'
    """
    return re.sub(r"[^A-Za-z0-9.-]+", "-", "-".join(words)).strip("-")
