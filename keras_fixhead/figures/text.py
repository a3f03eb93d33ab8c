"""Text for figures, in any script: without warnings, and never interpreted as a formula."""
import functools
import logging
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

from keras_fixhead.errors import warn_once

_DEFAULT = "DejaVu Sans"  # Matplotlib's default font, which ships with it
_NO_GLYPHS = "Last Resort"  # Matplotlib's font of boxes, which claims to have all characters


def class_names(label_names: Sequence[str], indices: Sequence[int] | None = None) -> list[str]:
    """Returns the names of classes, with an index instead of any name that no installed font can show.

    Args:
        label_names: names of classes.
        indices: the index of each class; 0 to m - 1 if None.

    Example:
        >>> class_names(["cat", "кот"])
        ['cat', 'кот']
    """
    numbered = list(zip(range(len(label_names)) if indices is None else indices, label_names, strict=True))
    missing = {index for index, name in numbered if any(map(_is_missing, _one_line(name)))}
    if missing:
        names = "a class name" if len(missing) == 1 else f"{len(missing)} class names"
        warn_once(f"No installed font has the characters of {names}: figures show an index instead, such as "
                  f"'class {min(missing)}'. Install a font for that script to see the name.")
    return [f"class {index}" if index in missing else name for index, name in numbered]


def plain(text: str) -> str:
    """Returns text in the form for figures: without formulas, and with '?' for characters that no installed font has.

    Example:
        >>> plain("5 $ and\\t\\ue9f3")
        '5 \\\\$ and ?'
    """
    lines = ["".join("?" if _is_missing(each) else each for each in _one_line(line)) for line in text.split("\n")]
    return "\n".join(lines).replace("$", r"\$")  # Matplotlib would read a formula


def in_lines(title: str, width: int = 52) -> str:
    """Returns a title as `plain` does, in lines of at most `width` characters: as many as fit above a small figure.

    Example:
        >>> in_lines("Retrieval, classes of cifar100 that were not trained", 40)
        'Retrieval, classes of cifar100 that were\\nnot trained'
    """
    return textwrap.fill(plain(title), width)


def families(texts: Iterable[str]) -> list[str]:
    """Returns the names of the fonts, other than the default one, that some texts need."""
    found = {_family_of(character) for character in set("".join(texts)) - {"\n"}}
    return sorted(each for each in found if each not in (None, _DEFAULT))


def _one_line(text: str) -> str:
    return " ".join(text.encode("utf-8", "replace").decode("utf-8").split())  # file names may be invalid


def _is_missing(character: str) -> bool:
    return _family_of(character) is None


@functools.cache
def _family_of(character: str) -> str | None:
    """Returns the first font that has a character, preferring the default one; None if no font has it."""
    return next((name for name, font in _fonts() if font.get_char_index(ord(character))), None)


def _plainness(entry: Any) -> tuple[bool, bool, bool, str]:
    """Returns a sort key that puts regular fonts before bold, slanted and condensed ones of the same family."""
    return entry.weight != 400, entry.style != "normal", entry.stretch != "normal", entry.name


@functools.cache
def _fonts() -> list[tuple[str, Any]]:
    """Returns the name and glyphs of every usable installed font, the default one first."""
    from matplotlib import font_manager, ft2font

    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)  # it warns if building its list takes long
    fonts = [(_DEFAULT, ft2font.FT2Font(font_manager.findfont(_DEFAULT)))]
    for entry in sorted(font_manager.fontManager.ttflist, key=_plainness):
        if entry.name not in {name for name, _ in fonts} and not entry.name.startswith(_NO_GLYPHS):
            try:
                font = ft2font.FT2Font(entry.fname)
            except (OSError, RuntimeError, ValueError):  # it was removed, or FreeType cannot draw it
                continue
            if font.scalable:
                fonts.append((entry.name, font))
    return fonts
