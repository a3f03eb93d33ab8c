"""What commands print: results on standard output, everything else on standard error."""
import itertools
import json
import logging
import shlex
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from fixhead_cli import paths
from keras_fixhead.json_files import strict_json

Function = TypeVar("Function", bound=Callable[..., Any])

PLAIN_WIDTH = 100
"""Width of a list that is not printed on a terminal."""


def json_option(command: Function) -> Function:
    """Adds `--json` to a command, as `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")(command)


def data_dir_option(command: Function) -> Function:
    """Adds `--data-dir` to a command."""
    return click.option("--data-dir", type=paths.DATA_DIR, metavar="DIR",
                        help="Folder of packed or prepared data sets (default: the run's, $TFDS_DATA_DIR, TFDS's "
                        "own).")(command)


def checkpoint_option(command: Function) -> Function:
    """Adds `--checkpoint` to a command."""
    return click.option("--checkpoint", type=click.Choice(["best", "newest"]),
                        help="Use the model of this checkpoint, of a run that may be unfinished (default: the trained "
                        "model).")(command)


def quiet_option(command: Function) -> Function:
    """Adds `--quiet` to a command."""
    return click.option("--quiet", is_flag=True, help="Print no progress.")(command)


def print_result(result: Mapping[str, Any], *, as_json: bool, text: Iterable[str] = ()) -> None:
    """Prints a result: one JSON object, or lines of text."""
    if as_json:
        click.echo(json.dumps(strict_json(result), indent=1))
    else:
        for line in text:
            click.echo(line)


def table(header: Sequence[str], rows: Iterable[Sequence[Any]], *, width: int | None = None) -> list[str]:
    """Returns a table with aligned columns, as lines.

    Args:
        width: width of the terminal; long cells are wrapped between words to fit. None for lines of any length.

    Example:
        >>> table(["name", "n"], [["a", 10]])
        ['name  n', 'a     10']
        >>> table(["name", "what"], [["a", "some words"]], width=12)
        ['name  what', 'a     some', '      words']
    """
    cells = [list(header), *[[str(cell) for cell in row] for row in rows]]
    widths = _widths(cells, width)
    lines = []
    for row in cells:
        wrapped = [textwrap.wrap(cell, most, break_long_words=False, break_on_hyphens=False) or [""]
                   if len(cell) > most else [cell] for cell, most in zip(row, widths, strict=True)]
        for parts in itertools.zip_longest(*wrapped, fillvalue=""):
            lines.append("  ".join(part.ljust(most) for part, most in zip(parts, widths, strict=True)).rstrip())
    return lines


def _widths(cells: Sequence[Sequence[str]], width: int | None) -> list[int]:
    """Returns the widths of columns: those of their cells, narrowed widest first, but never narrower than a word."""
    columns = list(zip(*cells, strict=True))
    widths = [max(map(len, column)) for column in columns]
    least = [max((len(word) for cell in column for word in cell.split()), default=1) for column in columns]
    while width is not None and sum(widths) + 2 * (len(widths) - 1) > width:
        wide = [number for number in range(len(widths)) if widths[number] > max(least[number], 1)]
        if not wide:
            break
        widths[max(wide, key=widths.__getitem__)] -= 1
    return widths


def terminal_width() -> int:
    """Returns the width of the terminal, or 100 if the output is not a terminal."""
    return shutil.get_terminal_size((PLAIN_WIDTH, 24)).columns


def percent(share: float) -> str:
    """Returns a share as a percentage.

    Example:
        >>> percent(0.7319)
        '73.19 %'
    """
    return f"{100 * share:.2f} %"


def command_line(*words: object) -> str:
    """Returns a command line that can be pasted into a shell, with the program's full path if it is not on PATH.

    Example:
        >>> command_line("show", "my runs/1").endswith("fixhead show 'my runs/1'")
        True
    """
    program = "fixhead" if shutil.which("fixhead") else str(Path(sys.executable).with_name("fixhead"))
    return shlex.join([program, *map(str, words)])


def show_progress(quiet: bool = False) -> None:
    """Sends the library's progress to standard error, one line each."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    for name in ("keras_fixhead", "fixhead_serving"):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.propagate = False
        logger.setLevel(logging.WARNING if quiet else logging.INFO)
