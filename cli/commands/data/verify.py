"""`fixhead data verify`."""
from pathlib import Path
from typing import Any

import click

from fixhead_cli import paths
from fixhead_cli.output import json_option, print_result, table


@click.command("verify")
@click.argument("path", type=paths.InputFolder("a packed data set, or a folder of packed data sets"))
@json_option
def verify(path: Path, as_json: bool) -> None:
    """Verify every byte, and the data set's digest, of each packed data set at or below PATH.

    \b
    Example:
        fixhead data verify packed
        fixhead data verify packed --json
    """
    from keras_fixhead.data.packing import verify_packed
    from keras_fixhead.errors import DataError

    found = verify_packed(path)
    damaged = [each for each in found if not each.ok]
    print_result({"ok": not damaged, "sets": [each.as_dict() for each in found]}, as_json=as_json, text=table(
        ["packed set", "name", "train", "test", "files", "MB", "digest", "whole"], map(_row, found)))
    if damaged:
        raise DataError(f"{len(damaged)} of {len(found)} packed sets cannot be used. "
                        + " ".join(str(each.problem) for each in damaged))


def _row(found: Any) -> list[str]:
    counts = ["?" if each is None else f"{each:,}" for each in (found.train, found.test, found.files)]
    size = "?" if found.bytes is None else f"{found.bytes / 1e6:,.1f}"
    return [found.path, found.name or "?", *counts, size, (found.digest or "?")[:12], "yes" if found.ok else "NO"]
