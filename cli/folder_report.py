"""What `fixhead data check` prints."""
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fixhead_cli.output import print_result, table
from keras_fixhead.data import SPLITS

if TYPE_CHECKING:
    from keras_fixhead.data.folder_check import FolderReport

_LISTED = 10


def print_vectors(path: str, as_json: bool) -> None:
    """Prints the sizes of an embedding set, which is checked when it is read."""
    from keras_fixhead.data import load_dataset

    data = load_dataset(path)
    counts = {split: len(data.split(split)) for split in SPLITS}
    print_result({"ok": True, "classes": data.num_classes, "numbers": data.image_shape[0], **counts}, as_json=as_json,
                 text=[f"Vectors of {data.image_shape[0]} numbers, {data.num_classes:,} classes: "
                       + ", ".join(f"{count:,} {split}" for split, count in counts.items()), "No problems."])


def folder_text(report: "FolderReport", sheet: Path | None) -> list[str]:
    """Returns what was found in a folder of pictures, as lines."""
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
        *([f"Skipped: {', '.join(_some(report.passed_over))}", *_rest(report.passed_over)]
          if report.passed_over else []),
        *([f"Sheet: {sheet}"] if sheet else []), *(["No problems."] if report.ok else [])]


def _some(found: Any) -> Any:
    return found[:_LISTED]


def _rest(found: Any) -> list[str]:
    return [f"  and {len(found) - _LISTED:,} more (--json lists all)"] if len(found) > _LISTED else []
