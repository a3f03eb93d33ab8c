"""`fixhead analyze`."""
from pathlib import Path

import click

from fixhead_cli import dataset_paths, paths
from fixhead_cli.analyzing import analysis_content, analysis_text, prepare
from fixhead_cli.dependent import refuse_data_dir
from fixhead_cli.output import data_dir_option, json_option, print_result, quiet_option, show_progress
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
    refuse_data_dir(*(run.config().dataset for run in runs), unknown)
    show_progress(quiet)
    from keras_fixhead.run_analysis import analyze_runs

    analysis = analyze_runs(runs, out, data_dir=data_dir, unknown=unknown, prepare=prepare)
    print_result(analysis_content(analysis), as_json=as_json, text=analysis_text(analysis))
