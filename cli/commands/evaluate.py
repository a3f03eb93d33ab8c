"""`fixhead evaluate`."""
import click

from fixhead_cli import paths
from fixhead_cli.framework import load_keras, load_reader
from fixhead_cli.output import data_dir_option, json_option, percent, print_result
from fixhead_cli.run_report import accuracy_lines
from keras_fixhead.catalog import TTA
from keras_fixhead.data import SPLITS, check_available, measured_fields
from keras_fixhead.runs import Run


@click.command("evaluate")
@click.argument("run", type=paths.RUN)
@click.option("--split", "splits", multiple=True, type=click.Choice(SPLITS),
              help="Split to evaluate; may be repeated  [default: validation and test, if the data have them].")
@click.option("--dataset", type=paths.DATASET,
              help="Another data set with the same classes, like cifar10_1 (default: the run's).")
@click.option("--tta", type=click.Choice(TTA), default="none", show_default=True,
              help="Average the logits over mirrored views, or over mirrored and shifted ones.")
@data_dir_option
@json_option
def command(run: Run, splits: tuple[str, ...], dataset: str | None, tta: str, data_dir: str | None,
            as_json: bool) -> None:
    """Measure the accuracy of a trained run.

    \b
    Example:
        fixhead evaluate runs/20261123-120000-cifar10-resnet18-cos-fixed-s0
        fixhead evaluate runs/20261123-120000-cifar10-resnet18-cos-fixed-s0 --dataset cifar10_1
    """
    fields = measured_fields(run.config().data_fields, dataset, data_dir)
    check_available(**fields)
    load_keras()
    load_reader(fields["dataset"], fields["data_dir"])
    from keras_fixhead.evaluation import evaluate_run

    evaluations = evaluate_run(run, splits, data_dir, dataset, tta)
    named = "" if tta == "none" else f" with test-time augmentation {tta}"
    measured = {f"{split}{named}": each.as_dict() for split, each in evaluations.items()}
    text = [f"{line}{_top5(each.top5)}, cosine to own class vector {each.own_cosine:.3f}"
            for line, each in zip(accuracy_lines(measured), evaluations.values(), strict=True)]
    print_result({
        "run": str(run.path),
        "tta": tta,
        "accuracy": {split: each.accuracy for split, each in evaluations.items()},
        "evaluation": {split: each.as_dict() for split, each in evaluations.items()},
    }, as_json=as_json, text=text)


def _top5(share: float | None) -> str:
    return "" if share is None else f", top-5 {percent(share)}"
