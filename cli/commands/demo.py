"""`fixhead demo`."""
import logging
import time
from pathlib import Path

import click

from fixhead_cli import paths
from fixhead_cli.output import json_option, print_result, quiet_option, show_progress
from keras_fixhead.errors import ServingError

_log = logging.getLogger("keras_fixhead.demo")


@click.command("demo")
@click.option("--out", type=paths.OutputFolder("a folder to write into"), metavar="DIR", default="fixhead-demo",
              show_default=True, help="Folder for the output.")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True, help="Seed of both arms.")
@quiet_option
@json_option
def command(out: Path, seed: int, quiet: bool, as_json: bool) -> None:
    """Train, export, serve and test two small models, start to end.

    Trains fixed and learned class vectors (cosine logits, S = 1) on scikit-learn's digits, serves the model that is
    better on validation, queries it over REST, corrupts its images, and writes a figure and a summary. Takes 1 to 3
    minutes on two CPU cores and downloads nothing.

    \b
    Example:
        fixhead demo
    """
    from fixhead_cli.demonstration import demonstrate, fresh_folder, summary_text

    started = time.perf_counter()
    folder = fresh_folder(out.absolute())

    from fixhead_cli.framework import load_keras

    show_progress(quiet)
    _log.info("Loading Keras.")
    load_keras()
    from fixhead_serving.export import check_backend

    check_backend()
    summary = demonstrate(folder, seed, started)
    print_result(summary, as_json=as_json, text=summary_text(summary, folder))
    if not summary["served"]["answers_equal"]:
        raise ServingError("The server's answers differ from the model's own.", hint=f"See {folder / 'summary.json'}")
