"""`fixhead evaluate`."""
import click

from fixhead_cli.output import data_dir_option, json_option, percent, print_result
from fixhead_cli.run_report import accuracy_lines
from keras_fixhead.catalog import TTA
from keras_fixhead.runs import open_run


@click.command("evaluate")
@click.argument("run")
@click.option("--split", "splits", multiple=True, type=click.Choice(["train", "validation", "test"]),
              help="Part of the data; may be given several times  [default: validation and test, where they are].")
@click.option("--dataset", help="Another data set with the same classes, like cifar10_1 (default: the run's).")
@click.option("--tta", type=click.Choice(TTA), default="none", show_default=True,
              help="Average the logits of mirrored views, or of mirrored and shifted ones.")
@data_dir_option
@json_option
def command(run: str, splits: tuple[str, ...], dataset: str | None, tta: str, data_dir: str | None,
            as_json: bool) -> None:
    """Measure the accuracy of a trained run.

    \b
    Example:
        fixhead evaluate runs/20261123-120000-cifar10-resnet18-cos-fixed-s0
        fixhead evaluate runs/20261123-120000-cifar10-resnet18-cos-fixed-s0 --dataset cifar10_1
    """
    opened = open_run(run)
    config = opened.config()

    from fixhead_cli.framework import load_keras, load_reader
    from keras_fixhead.data import check_available

    name = dataset or config.dataset
    check_available(name, data_dir or config.data_dir, image_size=None if dataset else config.image_size)
    load_keras()
    load_reader(name, data_dir or config.data_dir)
    from keras_fixhead.evaluation import evaluate_run

    evaluations = evaluate_run(opened, splits, data_dir, dataset, tta)
    named = "" if tta == "none" else f" with test-time augmentation {tta}"
    measured = {f"{split}{named}": each.as_dict() for split, each in evaluations.items()}
    text = [f"{line}{_top5(each.top5)}, cosine to the own class vector {each.own_cosine:.3f}"
            for line, each in zip(accuracy_lines(measured), evaluations.values(), strict=True)]
    print_result({
        "run": str(opened.path),
        "tta": tta,
        "accuracy": {split: each.accuracy for split, each in evaluations.items()},
        "evaluation": {split: each.as_dict() for split, each in evaluations.items()},
    }, as_json=as_json, text=text)


def _top5(share: float | None) -> str:
    return "" if share is None else f", top-5 {percent(share)}"
