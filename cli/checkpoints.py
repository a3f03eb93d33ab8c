"""The models of checkpoints, for commands with `--checkpoint`; Keras must be loaded."""
from typing import TYPE_CHECKING, Any

import click

from fixhead_cli.framework import load_reader
from keras_fixhead.runs import Run

if TYPE_CHECKING:
    from keras_fixhead.training.checkpointed import Checkpointed


def checkpoint_model(run: Run, which: str | None, data_dir: str | None = None) -> "Checkpointed | None":
    """Returns the model of a run's checkpoint, and says on standard error how far it was trained; None for None.

    Args:
        run: a run.
        which: 'best' or 'newest'.
        data_dir: folder of the run's data, whose statistics are needed.
    """
    if which is None:
        return None
    from keras_fixhead.training.checkpointed import checkpoint_predictor

    fields = run.config().data_fields
    load_reader(fields["dataset"], data_dir or fields["data_dir"])
    found = checkpoint_predictor(run, which, data_dir)
    click.echo(f"The {which} checkpoint: {found.text}.", err=True)
    return found


def checkpoint_content(which: str | None, found: "Checkpointed | None") -> dict[str, Any]:
    """Returns what checkpoint was used, for JSON; nothing for the trained model."""
    return {} if found is None else {"checkpoint": {"which": which, "epoch": found.epoch, "step": found.step}}
