"""`fixhead data check`."""
from pathlib import Path
from typing import Any

import click

from fixhead_cli import dataset_paths, paths
from fixhead_cli.dependent import refuse_typed
from fixhead_cli.output import json_option, print_result, table
from keras_fixhead.data import SPLITS
from keras_fixhead.errors import DataError

_LISTED = 10


@click.command("check")
@click.argument("path", type=dataset_paths.DATASET)
@click.option("--sheet", type=paths.PNG_FILE, metavar="FILE.png", help="Draw a contact sheet of every class.")
@click.option("--each", default=4, show_default=True, type=click.IntRange(1, 100),
              help="Pictures of each class on the sheet.")
@json_option
def check(path: str, sheet: Path | None, each: int, as_json: bool) -> None:
    """Look at every picture of a folder or list of pictures, or every vector, and report all problems at once.

    PATH has one subfolder per class, also in train, val and test; or it is a CSV or JSON-lines file of path, label and
    split. The exit status is 1 if it cannot be trained on as it is.

    \b
    Example:
        fixhead data check ./photographs
        fixhead data check ./photographs --sheet sheet.png
    """
    from keras_fixhead.data.folder_check import check_folder, sheet_pictures, thumbnail
    from keras_fixhead.data.sources import has_vectors

    if has_vectors(path):
        refuse_typed("sheet", "each", why=f"on {path}, which has vectors instead of pictures")
        _print_vectors(path, as_json)
        return
    if sheet is None:
        refuse_typed("each", why="without --sheet", hint="Add --sheet FILE.png, or leave out --each.")
    report, seen = check_folder(path)
    result: dict[str, Any] = report.as_dict()
    if sheet:
        from keras_fixhead.figures import plot_images

        shown = sheet_pictures(seen, each)
        plot_images([thumbnail(one) for one in shown],
                    [f"{one.label}\n{one.part} {one.width}x{one.height}" for one in shown], sheet, title=path)
        result["sheet"] = str(sheet.absolute())
    print_result(result, as_json=as_json, text=_text(report, sheet))
    if not report.ok:
        count = len(report.problems)
        raise DataError(f"{path} cannot be trained on as it is: {count} problem{'s' if count > 1 else ''}.",
                        hint="Fix what is listed, and check it again.")


def _print_vectors(path: str, as_json: bool) -> None:
    """Prints the sizes of an embedding set, which is checked when it is read."""
    from keras_fixhead.data import load_dataset

    data = load_dataset(path)
    counts = {split: len(data.split(split)) for split in SPLITS}
    print_result({"ok": True, "classes": data.num_classes, "numbers": data.image_shape[0], **counts}, as_json=as_json,
                 text=[f"Vectors of {data.image_shape[0]} numbers, {data.num_classes:,} classes: "
                       + ", ".join(f"{count:,} {split}" for split, count in counts.items()), "No problems."])


def _text(report: Any, sheet: Path | None) -> list[str]:
    labels = list(dict.fromkeys(label for classes in report.parts.values() for label in classes))
    rows = [[label, *(f"{classes.get(label, 0):,}" for classes in report.parts.values())] for label in labels]
    sizes = ", ".join(f"{name} {low} to {high} (median {middle})" for name, (low, middle, high) in (
        (name, three) for name, three in report.sizes.items() if three))
    return [
        *(table(["class", *report.parts], rows) if rows else []), *([f"Pixels: {sizes}"] if sizes else []),
        *(f"{name}: {', '.join(f'{key} {count:,}' for key, count in counts.items())}" for name, counts in (
            ("Formats", report.formats), ("Modes", report.modes)) if counts),
        *(f"Problem: {line}" for line in report.problems),
        *(f"  {file} {reason}" for file, reason in _some(list(report.broken.items()))), *_rest(report.broken),
        *(f"Note: {line}" for line in report.warnings),
        *(f"  {' = '.join(group)}" for group in _some(report.duplicates)), *_rest(report.duplicates),
        *([f"Passed over: {', '.join(_some(report.passed_over))}", *_rest(report.passed_over)]
          if report.passed_over else []),
        *([f"Sheet: {sheet}"] if sheet else []), *(["No problems."] if report.ok else [])]


def _some(found: Any) -> Any:
    return found[:_LISTED]


def _rest(found: Any) -> list[str]:
    return [f"  and {len(found) - _LISTED:,} more (--json lists all)"] if len(found) > _LISTED else []
