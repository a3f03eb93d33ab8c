"""`fixhead publish`."""
import dataclasses

import click

from fixhead_cli import paths
from fixhead_cli.dependent import refuse_typed
from fixhead_cli.output import json_option, print_result, quiet_option, show_progress
from keras_fixhead.runs import Run
from keras_fixhead.wording import count_text


@click.command("publish")
@click.argument("run", type=paths.RUN)
@click.argument("target")
@click.option("--private", is_flag=True, help="Hugging Face: make a new model private (on Kaggle it always is).")
@click.option("--license", metavar="NAME", help="Licence of the weights, as the hub names it, such as mit (default: "
              "none is stated).")
@click.option("--dry-run", is_flag=True, help="Do everything except the upload; print the model card.")
@quiet_option
@json_option
def command(run: Run, target: str, private: bool, license: str | None, dry_run: bool, quiet: bool,
            as_json: bool) -> None:
    """Publish a trained run's model on Hugging Face or Kaggle, with its model card.

    TARGET is hf://NAMESPACE/NAME or kaggle://OWNER/MODEL/keras/VARIATION; a model that exists gets a new version.
    Needs the extra [hub], and a token. `load_model(TARGET)` loads the model anywhere.

    \b
    Example:
        fixhead publish RUN hf://me/cifar10-fixed --dry-run
        fixhead publish RUN hf://me/cifar10-fixed --private
    """
    from fixhead_cli.framework import load_keras
    from fixhead_serving.export.sharing import check_publishing, publish_run

    show_progress(quiet)
    if check_publishing(run, target, dry_run=dry_run).hub == "kaggle":  # before anything slow
        refuse_typed("private", why="on Kaggle, where new models are private and others stay as they are")
    load_keras()
    published = publish_run(run.path, target, private=private, license=license, dry_run=dry_run)
    size = f"{sum(published.files.values()) / 1e6:.1f} MB in {count_text(len(published.files), 'file')}"
    print_result({"run": str(run.path), **dataclasses.asdict(published)}, as_json=as_json, text=[
        published.card, f"Not uploaded: {size}, for {target}."] if dry_run else [
        f"{published.address}: {size}", f'Load it: keras_fixhead.load_model("{target}")'])
