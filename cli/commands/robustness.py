"""`fixhead robustness`."""
from pathlib import Path
from typing import Any

import click

from fixhead_cli import paths
from fixhead_cli.baselines import read_measurements
from fixhead_cli.client_options import client_options
from fixhead_cli.corruption_options import ChosenSuite, corruption_options, corruption_seed_option
from fixhead_cli.measured_data import outside_options
from fixhead_cli.output import data_dir_option, json_option, quiet_option
from keras_fixhead.runs import Run


@click.command("robustness")
@click.argument("targets", metavar="RUN|URL...", nargs=-1, required=True, type=paths.RUN_OR_URL)
@corruption_options
@outside_options
@click.option("--labels", metavar="FILE", type=paths.LABELS_FILE,
              help="URL: names of all classes, one per line (labels.txt of the export); without it, pictures of "
              "classes that the model does not have count as wrong.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N",
              help="Use the first N test images; of images in the order of their classes, N of all.")
@corruption_seed_option
@click.option("--baseline", type=paths.BASELINE, metavar="RUN|FILE",
              help="Divide the errors in the mean corruption error by those of this run, measured on the same images "
              "and corruptions.")
@click.option("--out", type=paths.OUT_DIR, metavar="DIR",
              help="Folder for JSON, CSV, predicted classes and figure  [default: RUN/robustness; nothing for a URL].")
@data_dir_option
@client_options
@quiet_option
@json_option
def command(targets: tuple[Run | str, ...], suite: str | Path | None, corruptions: tuple[str, ...],
            severities: str | None, engine: str, augmenter: str | None, dataset: str | None, class_map: Path | None,
            skip_broken: bool, labels: Path | None, limit: int | None, seed: int, baseline: Path | None,
            out: Path | None, data_dir: str | None, quiet: bool, as_json: bool, **connection: Any) -> None:
    """Measure the accuracy of runs or servers on corrupted images.

    An interrupted measurement continues when the command is repeated; that of a URL needs --out. Several models that
    are measured on the same images share the corrupted ones.

    \b
    Example:
        fixhead robustness runs/20261123-120000-cifar10-resnet18-cos-fixed-s0 --suite cifar-c
        fixhead robustness runs/* --suite cifar-c --corruption fog --severities 3-5
        fixhead robustness runs/* --suite CIFAR-10-C
        fixhead robustness http://127.0.0.1:8501/v1/models/cifar10 --dataset cifar10 --limit 1000
    """
    chosen = ChosenSuite(suite, corruptions, severities, engine, augmenter)
    given = read_measurements(baseline, chosen.options(dataset=dataset, limit=limit, seed=seed)) if baseline else None
    from fixhead_cli.corrupting import find_targets, measure_targets, report_results

    found = find_targets(targets, connection, labels, limit, dataset=dataset, data_dir=data_dir,
                         class_map=class_map, skip_broken=skip_broken)
    results = measure_targets(found, chosen, limit=limit, seed=seed, out=out, baseline=given,
                              say=(lambda line: None) if quiet else lambda line: click.echo(line, err=True))
    report_results(results, limit, as_json=as_json)
