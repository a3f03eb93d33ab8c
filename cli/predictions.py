"""Rows of predictions: the outputs of a model, collected batch by batch, with the names of their classes."""
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from numpy.typing import NDArray

from fixhead_cli.output import percent, print_result
from keras_fixhead.errors import ArgumentError, DataError, ServingError
from keras_fixhead.runs import Run
from keras_fixhead.wording import count_text

if TYPE_CHECKING:
    from fixhead_cli.inputs import Inputs

Array = NDArray[Any]
_SHOWN_REASONS = 20
_NEEDED = ("class_index", "label", "probabilities")


@dataclass
class Predictions:
    """The predictions of a model for files and images, one row each.

    Args:
        top_k: classes per row.
        label_names: one name per class; if None, names are taken from the answers, for the classes predicted there.
    """

    top_k: int
    label_names: Sequence[str] | None = None
    _rows: list[dict[str, Any]] = field(default_factory=list)
    _names: dict[int, str] = field(default_factory=dict)

    def add(self, sources: Sequence[Mapping[str, Any]], outputs: Mapping[str, Array]) -> None:
        """Adds a batch.

        Args:
            sources: the file or image of each row: the first keys of the row.
            outputs: `class_index` (N,), `label` (N,) and `probabilities` (N, m); or, of a model that never has all
                probabilities, `top_classes`, `top_labels` and `top_probabilities` (N, k).

        Raises:
            ServingError: if these are missing or inconsistent.
            ArgumentError: if `label_names` do not match the answers.
        """
        from fixhead_serving.client import top_classes

        if "top_classes" in outputs:
            self._add_best(sources, outputs)
            return
        _check(outputs)
        probabilities = outputs["probabilities"]
        top = top_classes(probabilities, self.top_k)
        for number, source in enumerate(sources):
            index, label = int(outputs["class_index"][number]), str(outputs["label"][number])
            self._check_name(index, label, probabilities.shape[1])
            self._names[index] = label
            row = {**source, "label": label, "class_index": index, "probability": float(probabilities[number, index])}
            row |= {"top": [{"class_index": int(each), "probability": float(probabilities[number, each])}
                            for each in top[number]]} if self.top_k > 1 else {}
            self._rows.append(row)

    def _add_best(self, sources: Sequence[Mapping[str, Any]], outputs: Mapping[str, Array]) -> None:
        if missing := {"top_labels", "top_probabilities"} - set(outputs):
            raise ServingError(f"The model does not return {', '.join(sorted(missing))}.",
                               hint="Export it with fixhead export.")
        classes, names, shares = (outputs[name] for name in ("top_classes", "top_labels", "top_probabilities"))
        if self.top_k > classes.shape[1]:
            raise ArgumentError(f"The model returns its {classes.shape[1]} best classes, not {self.top_k}.",
                                hint=f"Use --top-k {classes.shape[1]}, or fewer.")
        for number, source in enumerate(sources):
            best = [{"label": str(names[number, rank]), "class_index": int(classes[number, rank]),
                     "probability": float(shares[number, rank])} for rank in range(self.top_k)]
            self._rows.append({**source, **best[0], **({"top": best} if self.top_k > 1 else {})})

    def rows(self) -> list[dict[str, Any]]:
        """Returns all rows; the label of a class is None if its name is not known."""
        for row in self._rows:
            if "top" in row:
                row["top"] = [each if "label" in each else {"label": self._name(each["class_index"]), **each}
                              for each in row["top"]]
        return self._rows

    def _name(self, index: int) -> str | None:
        return self._names.get(index) if self.label_names is None else self.label_names[index]

    def _check_name(self, index: int, label: str, classes: int) -> None:
        if self.label_names is None:
            return
        if len(self.label_names) != classes:
            raise ArgumentError(f"There are {len(self.label_names)} label names for a model with {classes} classes.",
                                hint="Give the labels.txt of the same export.")
        if self.label_names[index] != label:
            raise ArgumentError(f"Class {index} is {label!r} in the model's answer and {self.label_names[index]!r} in "
                                "the given names.", hint="Give the labels.txt of the same export.")


def line(row: Mapping[str, Any]) -> str:
    """Returns a row as a line of text.

    Example:
        >>> line({"file": "a.png", "label": "cat", "class_index": 3, "probability": 0.5})
        'a.png: cat (50.00 %)'
    """
    source = row["file"] if "index" not in row else f"{row['file']}[{row['index']}]"
    classes = row.get("top", [row])
    return f"{source}: " + ", ".join(
        f"{each['label'] or 'class ' + str(each['class_index'])} ({percent(each['probability'])})" for each in classes)


def print_predictions(target: Run | str, predictions: Predictions, inputs: "Inputs", skipped: Mapping[str, str],
                      sheet: Path | None, *, as_json: bool) -> int:
    """Prints predictions, draws them if asked, and reports files that were left out; returns the exit status.

    Args:
        target: what was asked: a run, or a server's address.
        predictions: the predictions.
        inputs: the pictures and images.
        skipped: file -> the reason why it was left out.
        sheet: file of a contact sheet to draw.

    Raises:
        DataError: if no file could be read.
    """
    rows = predictions.rows()
    if not rows:
        raise _nothing_read(skipped)
    result = {"target": str(target.path) if isinstance(target, Run) else target, "predictions": rows, "skipped": [
        {"file": file, "reason": reason} for file, reason in skipped.items()]}
    text = [line(row) for row in rows]
    if sheet:
        from fixhead_cli.sheet import draw_sheet

        result["sheet"] = str(draw_sheet(sheet, rows, inputs.arrays))
        text.append(f"Sheet: {sheet}")
    print_result(result, as_json=as_json, text=text)
    _report_skipped(skipped, len(inputs.files))
    return 1 if skipped else 0


def _nothing_read(skipped: Mapping[str, str]) -> DataError:
    first, *others = skipped.values()
    return DataError(first + "".join(f" {each}" for each in others[:_SHOWN_REASONS]),
                     hint="Give PNG, JPEG, BMP, GIF, WebP, TIFF or AVIF files.")


def _report_skipped(skipped: Mapping[str, str], total: int) -> None:
    if skipped:
        click.echo(f"Left out {len(skipped):,} of {count_text(total, 'file')}:", err=True)
    for reason in list(skipped.values())[:_SHOWN_REASONS]:
        click.echo(f"  {reason}", err=True)
    if len(skipped) > _SHOWN_REASONS:
        click.echo(f"  and {len(skipped) - _SHOWN_REASONS:,} more (--json names all)", err=True)


def _check(outputs: Mapping[str, Array]) -> None:
    missing = [name for name in _NEEDED if name not in outputs]
    if missing:
        raise ServingError(f"The model does not return {', '.join(missing)}; it returns "
                           f"{', '.join(sorted(outputs)) or 'nothing'}.", hint="Export it with fixhead export.")
    index, probabilities = outputs["class_index"], outputs["probabilities"]
    if (probabilities.ndim != 2 or index.ndim != 1 or index.dtype.kind not in "iu" or probabilities.dtype.kind != "f"
            or not ((index >= 0) & (index < probabilities.shape[1])).all()):
        raise ServingError("The model's class_index and probabilities are inconsistent.",
                           hint="Export it with fixhead export.")
