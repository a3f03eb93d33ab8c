"""`fixhead evaluate`."""
from pathlib import Path

import click

from fixhead_cli import paths
from fixhead_cli.checkpoints import checkpoint_content, checkpoint_model
from fixhead_cli.framework import load_keras
from fixhead_cli.measured_data import MeasuredData, classes_content, outside_options
from fixhead_cli.measures import measured_content, measured_text
from fixhead_cli.output import checkpoint_option, data_dir_option, json_option, print_result
from keras_fixhead.catalog import TTA
from keras_fixhead.data import SPLITS
from keras_fixhead.data.sources import dataset_version
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
    data = MeasuredData(run.config().data_fields, dataset, data_dir, class_map, skip_broken)
    load_keras()
    data.load_reader()
    from keras_fixhead.evaluation import measure_run, run_predictor

    model = checkpoint_model(run, checkpoint, data_dir)
    predictor = model.predictor if model else run_predictor(run)
    measured = measure_run(run, splits, data_dir, data.outside, tta, class_map=data.class_map, predictor=predictor,
                           skip_broken=data.skip_broken)
    result = {"run": str(run.path), "dataset": data.name, **dataset_version(data.name), "tta": tta,
              **measured_content(measured), **classes_content(measured.classes),
              **checkpoint_content(checkpoint, model)}
    text = measured_text(measured, tta, run.config())
    if data.other and model is None and tta == "none" and "test" in measured.splits and not predictor.streams:
        from fixhead_cli.generalizing import keep_generalization

        kept, lines = keep_generalization(run, predictor, measured, data.other, data_dir)
        result, text = {**result, **kept}, text + lines
    if predictions:
        from fixhead_cli.measures import write_predictions

        write_predictions(predictions, measured)
        result["predictions"] = str(predictions)
        text.append(f"Predictions: {predictions}")
    print_result(result, as_json=as_json, text=text)
