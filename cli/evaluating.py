"""What `fixhead evaluate` measures, prints and writes."""
import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fixhead_cli.checkpoints import checkpoint_content, checkpoint_model
from fixhead_cli.framework import load_keras
from fixhead_cli.measured_data import MeasuredData, classes_content
from fixhead_cli.output import percent
from fixhead_cli.run_report import accuracy_lines, class_lines
from keras_fixhead.config import TrainConfig
from keras_fixhead.data.sources import dataset_version
from keras_fixhead.json_files import write_bytes
from keras_fixhead.runs import Run

if TYPE_CHECKING:
    from keras_fixhead.evaluation import MeasuredRun, MeasuredSplit

TOP = 5
"""Most classes in a row of `write_predictions`."""


def evaluate(run: Run, data: MeasuredData, splits: Sequence[str], *, tta: str, checkpoint: str | None,
             data_dir: str | None) -> tuple["MeasuredRun", dict[str, Any], list[str]]:
    """Returns the measures of a run's model; the same for JSON; and as lines of text.

    Args:
        run: a run.
        data: the data to measure on.
        splits: names of splits; if empty, validation and test.
        tta: kind of test-time augmentation.
        checkpoint: 'best' or 'newest' for the model of a checkpoint; None for the trained model.
        data_dir: folder of the data.
    """
    load_keras()
    data.load_reader()
    from keras_fixhead.evaluation import measure_run, run_predictor

    model = checkpoint_model(run, checkpoint, data_dir)
    predictor = model.predictor if model else run_predictor(run)
    measured = measure_run(run, splits, data_dir, data.outside, tta, class_map=data.class_map, predictor=predictor,
                           skip_broken=data.skip_broken)
    content = {"run": str(run.path), "dataset": data.name, **dataset_version(data.name), "tta": tta,
               **_content(measured), **classes_content(measured.classes), **checkpoint_content(checkpoint, model)}
    text = _text(measured, tta, run.config())
    if data.other and model is None and tta == "none" and "test" in measured.splits and not predictor.streams:
        from fixhead_cli.generalizing import keep_generalization

        kept, lines = keep_generalization(run, predictor, measured, data.other, data_dir)
        return measured, {**content, **kept}, text + lines
    return measured, content, text


def _content(measured: "MeasuredRun") -> dict[str, Any]:
    """Returns the measures of a run, for JSON."""
    splits = measured.splits.items()
    content = {
        "accuracy": {split: each.evaluation.accuracy for split, each in splits},
        "evaluation": {split: each.evaluation.as_dict() for split, each in splits},
    }
    common = {split: each.common_accuracy for split, each in splits if each.common_accuracy is not None}
    return {**content, **({"common_accuracy": common} if common else {}),
            **({"skipped_pictures": measured.skipped} if measured.skipped else {}),
            **({"notes": list(measured.notes)} if measured.notes else {})}


def _text(measured: "MeasuredRun", tta: str, config: TrainConfig) -> list[str]:
    """Returns the measures of a run with a configuration as lines of text."""
    named = "" if tta == "none" else f" with test-time augmentation {tta}"
    lines = accuracy_lines({f"{split}{named}": each.evaluation.as_dict() for split, each in measured.splits.items()})
    classes = class_lines({split: each.evaluation.as_dict() for split, each in measured.splits.items()},
                          measured.label_names, config)
    return [*measured.notes, *(f"{line}{_more(each)}"
                               for line, each in zip(lines, measured.splits.values(), strict=True)), *classes]


def _more(each: "MeasuredSplit") -> str:
    evaluation = each.evaluation
    common = "" if each.common_accuracy is None else f", among the common classes {percent(each.common_accuracy)}"
    top5 = "" if evaluation.top5 is None else f", top-5 {percent(evaluation.top5)}"
    return f"{common}{top5}, cosine to own class vector {evaluation.own_cosine:.3f}"


def write_predictions(path: Path, measured: "MeasuredRun") -> None:
    """Writes a CSV file with one row for each measured picture.

    The columns: split, index in it, file (empty if the images have no files of their own), label, correct (1 or 0),
    then the most probable classes and their probabilities, at most five of each.

    Raises:
        RunError: if it cannot be written.
    """
    names = measured.label_names
    top = min(TOP, len(names))
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["split", "index", "file", "label", "correct",
                     *(f"{what}{rank}" for rank in range(1, top + 1) for what in ("class", "probability"))])
    for split, each in measured.splits.items():
        order, probabilities = each.top(top)
        files = each.split.files if each.split.files is not None else [""] * len(each.split)
        for index, (file, label) in enumerate(zip(files, each.split.labels, strict=True)):
            found = [(names[number], f"{share:.6f}")
                     for number, share in zip(order[index], probabilities[index], strict=True)]
            writer.writerow([split, index, file, names[label], int(order[index, 0] == label), *sum(found, ())])
    write_bytes(path, table.getvalue().encode())

