"""`fixhead analyze`."""
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from fixhead_cli import dataset_paths, paths
from fixhead_cli.framework import load_keras, load_reader
from fixhead_cli.output import data_dir_option, json_option, percent, print_result, quiet_option, show_progress, table
from keras_fixhead.data import check_available
from keras_fixhead.runs import Run


@click.command("analyze")
@click.argument("runs", nargs=-1, required=True, metavar="RUN...", type=paths.RUN)
@click.option("--out", type=paths.OutputFolder("a folder for the numbers, figures and page"), metavar="DIR",
              help="Folder to write into (default: RUN/analysis; for several runs RUN/analysis/compared of the first).")
@click.option("--unknown", type=dataset_paths.DATASET, metavar="DATASET",
              help="Data set of unknown classes, such as cifar100 for cifar10 (default: classes that a run left out).")
@data_dir_option
@quiet_option
@json_option
def command(runs: tuple[Run, ...], out: Path | None, unknown: str | None, data_dir: str | None, quiet: bool,
            as_json: bool) -> None:
    """Measure and draw what class vectors and features of runs look like.

    Writes numbers.json, figures (PNG and SVG) and index.html, a page that needs no network. Runs that differ only in
    their seeds form an arm; arms are drawn side by side.

    \b
    Example:
        fixhead analyze runs/20261123-120000-cifar10-resnet18-cos-fixed-s0
        fixhead analyze runs/20261123-120000-cifar10-resnet18-cos-fixed-s0 --unknown cifar100
        fixhead analyze runs/*-cos-fixed-* runs/*-cos-learned-* --out fixed-against-learned
    """
    show_progress(quiet)
    from keras_fixhead.run_analysis import analyze_runs

    analysis = analyze_runs(runs, out, data_dir=data_dir, unknown=unknown, prepare=_prepare)
    rows = [[each.arm, each.config.seed, percent(each.numbers["accuracy"]["accuracy"] or 0),
             *(_cell(each.numbers[section][name]) for section, name, _ in _SHOWN)] for each in analysis.runs]
    print_result({"folder": str(analysis.folder.absolute()), "page": str(analysis.page.absolute()),
                  "figures": [each.name for each in analysis.pictures], **analysis.numbers}, as_json=as_json, text=[
        *table(["arm", "seed", "accuracy", *(label for _, _, label in _SHOWN)], rows), f"page: {analysis.page}"])


def _prepare(fields: Mapping[str, Any]) -> None:
    check_available(**fields)
    load_reader(fields["dataset"], fields["data_dir"])
    load_keras()


_SHOWN = (("compactness", "own", "own cosine"), ("class_vectors", "max_cosine", "largest cosine"),
          ("confusion", "unordered_correlation", "confusion vs similarity"), ("calibration", "ece", "ECE"))


def _cell(value: float | None) -> str:
    return "—" if value is None else f"{value:.3f}"
