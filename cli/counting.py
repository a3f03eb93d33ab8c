"""The progress of a command through many files."""
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

LINE_EVERY = 1_000


@contextmanager
def counting(total: int, what: str, quiet: bool) -> Iterator[Callable[[int], None]]:
    """Yields a function to call with the number of files done since the last call.

    Shows a progress bar if standard error is a terminal, otherwise prints a line for every thousand.

    Args:
        total: total number of files.
        what: label of the progress, such as 'Predicted'.
        quiet: True to show nothing.
    """
    if quiet or total < 2:
        yield lambda more: None
    elif sys.stderr.isatty():
        with click.progressbar(length=total, label=what, file=sys.stderr, show_pos=True) as bar:
            yield bar.update
    else:
        yield _lines(total, what)


def _lines(total: int, what: str) -> Callable[[int], None]:
    done = 0

    def update(more: int) -> None:
        nonlocal done
        before, done = done, done + more
        if before // LINE_EVERY != done // LINE_EVERY:
            click.echo(f"{what}: {done:,} of {total:,}", err=True)

    return update
