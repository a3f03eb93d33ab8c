"""`fixhead robustness`."""
from pathlib import Path
from typing import Any

import click

from fixhead_cli import paths
from fixhead_cli.client_options import client_options
from fixhead_cli.measured_data import MeasuredData, classes_content, outside_options
from fixhead_cli.output import data_dir_option, json_option, percent, print_result, quiet_option, table
from fixhead_cli.targets import open_target
from keras_fixhead.runs import Run


@click.command("robustness")
@click.argument("target", metavar="RUN|URL", type=paths.RUN_OR_URL)
@click.option("--suite", default="paper", show_default=True, help="Corruptions and their strengths.")
@outside_options
@click.option("--labels", metavar="FILE", type=paths.LABELS_FILE,
              help="URL: names of all classes, one per line (labels.txt of the export); without it, pictures of "
              "classes that the model does not have count as wrong.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Use the first N test images.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the corruptions.")
@data_dir_option
@client_options
@quiet_option
@json_option
def command(target: Run | str, suite: str, dataset: str | None, class_map: Path | None, labels: Path | None,
            limit: int | None, seed: int, data_dir: str | None, quiet: bool, as_json: bool, **connection: Any) -> None:
    """Measure the accuracy of a run or a server on corrupted images.

    \b
    Example:
        fixhead robustness runs/20261123-120000-cifar10-resnet18-cos-fixed-s0 --suite paper --limit 1000
        fixhead robustness http://127.0.0.1:8501/v1/models/cifar10 --dataset cifar10 --limit 1000
    """
    from keras_fixhead.catalog import look_up
    from keras_fixhead.robustness import SUITES, measure_robustness, result_name

    look_up(SUITES, suite, "suite")
    run = target if isinstance(target, Run) else None
    measured = MeasuredData(run.config().data_fields if run else {}, dataset, data_dir, class_map)
    model = open_target(target, connection, labels=labels, reach=True)
    data, classes = measured.load(model.form(), model.label_names)
    report = measure_robustness(
        model.classifier(data), data.test, suite=suite, limit=limit, seed=seed,
        progress=(lambda line: None) if quiet else lambda line: click.echo(line, err=True))
    result = {"target": str(run.path if run else target), "dataset": measured.name, **classes_content(classes),
              **report.as_dict()}
    print_result({**({"run": str(run.path)} if run else {}), **result}, as_json=as_json, text=[
        *(classes.notes(measured.name) if classes else []),
        f"clean: {percent(report.clean)} of {report.n}",
        *table(["corruption", "mean", *map(str, range(1, 6))],
               [[each, percent(report.mean[each]), *map(percent, values)] for each, values in report.accuracy.items()]),
    ])
    if run:  # after printing: the result must not be lost if the run cannot be written to
        run.write(f"robustness/{result_name(suite, dataset=measured.other, limit=limit, seed=seed)}", result)
