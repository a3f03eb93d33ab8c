"""`fixhead check parity`."""
import click

from fixhead_cli import paths
from fixhead_cli.corruption_options import corruption_seed_option
from fixhead_cli.dependent import refuse_data_dir
from fixhead_cli.output import data_dir_option, json_option, print_result, quiet_option
from fixhead_serving.checks.parity import LIMIT
from keras_fixhead.runs import Run


@click.command("parity")
@click.argument("run", type=paths.RUN)
@click.argument("url")
@click.option("--limit", type=click.IntRange(min=1), default=LIMIT, show_default=True,
              help="Use the first N test images.")
@click.option("--suite", default="paper", show_default=True, help="Corruptions and their strengths.")
@corruption_seed_option
@click.option("--calibrated", is_flag=True, help="The model was exported with --calibrate.")
@data_dir_option
@quiet_option
@json_option
def parity(run: Run, url: str, limit: int, suite: str, seed: int, calibrated: bool, data_dir: str | None, quiet: bool,
           as_json: bool) -> None:
    """Compare a server's answers with those of the run that its model was exported from.

    Both classify the same test images, unchanged and corrupted as by `fixhead robustness`. Exits with 0 if the answers
    agree, and with 1 if they differ.

    \b
    Example:
        fixhead check parity runs/20261123-120000-digits-resnet18-cos-fixed-s0 http://127.0.0.1:8501/v1/models/digits
    """
    from fixhead_cli.framework import load_keras, load_reader
    from fixhead_serving.checks import parity as checks

    config = run.config()
    refuse_data_dir(config.dataset)
    checks.check_call(url, suite)  # reported before anything is loaded
    load_keras()
    load_reader(config.dataset, data_dir or config.data_dir)
    report = checks.check_parity(run.path, url, data_dir=data_dir, limit=limit, suite=suite, seed=seed,
                                 calibrated=calibrated,
                                 progress=lambda line: click.echo(line, err=True) if not quiet else None)
    print_result(report, as_json=as_json, text=[checks.verdict(report)])
    raise click.exceptions.Exit(int(not report["equal"]))
