"""`fixhead evaluate`."""
from pathlib import Path

import click

from fixhead_cli import paths
from fixhead_cli.dependent import refuse_data_dir
from fixhead_cli.evaluating import evaluate, write_predictions
from fixhead_cli.measured_data import MeasuredData, outside_options
from fixhead_cli.output import checkpoint_option, data_dir_option, json_option, print_result
from keras_fixhead.catalog import TTA
from keras_fixhead.data import SPLITS
from keras_fixhead.runs import Run


@click.command("evaluate")
@click.argument("run", type=paths.RUN)
@click.option("--split", "splits", multiple=True, type=click.Choice(SPLITS),
              help="Split to evaluate; may be repeated  [default: validation and test, if the data have them].")
@outside_options
@click.option("--tta", type=click.Choice(TTA), default="none", show_default=True,
              help="Average the logits over mirrored views, or over mirrored and shifted ones.")
@click.option("--predictions", metavar="FILE.csv", type=paths.CSV_FILE,
              help="Write one row for each picture: file, label, the most probable classes and their probabilities.")
@checkpoint_option
@data_dir_option
@json_option
def command(run: Run, splits: tuple[str, ...], dataset: str | None, class_map: Path | None, skip_broken: bool,
            tta: str, predictions: Path | None, checkpoint: str | None, data_dir: str | None, as_json: bool) -> None:
    """Measure the accuracy of a trained run, on its own data or on others.

    Another data set, or a folder of pictures, needs only some of the run's classes. They are matched by name, and
    pictures are brought to the run's image size. The drop from the run's own test set, with its interval, is kept in
    RUN/generalization for `fixhead compare --generalization`.

    \b
    Example:
        fixhead evaluate runs/20261123-120000-cifar10-resnet18-cos-fixed-s0
        fixhead evaluate runs/20261123-120000-cifar10-resnet18-cos-fixed-s0 --dataset photographs
    """
    refuse_data_dir(run.config().dataset, dataset)
    data = MeasuredData(run.config().data_fields, dataset, data_dir, class_map, skip_broken)
    measured, result, text = evaluate(run, data, splits, tta=tta, checkpoint=checkpoint, data_dir=data_dir)
    if predictions:
        write_predictions(predictions, measured)
        result["predictions"] = str(predictions)
        text.append(f"Predictions: {predictions}")
    print_result(result, as_json=as_json, text=text)
