"""Options that were typed, but do nothing in this call: they are refused in one line."""
import click
from click.core import ParameterSource

from keras_fixhead.data.sources import is_folder
from keras_fixhead.errors import ArgumentError


def refuse_typed(*names: str, why: str, hint: str | None = None) -> None:
    """Raises an ArgumentError if one of these options was typed; defaults and environment variables are left alone.

    Args:
        names: the options' parameters of the running command.
        why: what makes it useless, after "has no effect".
        hint: what to do about it; None for leaving it out.
    """
    context = click.get_current_context()
    for each in context.command.params:
        if each.name in names and context.get_parameter_source(each.name) is ParameterSource.COMMANDLINE:
            option = each.opts[0]
            raise ArgumentError(f"{option} has no effect {why}.", hint=hint or f"Leave out {option}.")


def refuse_data_dir(*datasets: str | None) -> None:
    """Raises an ArgumentError if `--data-dir` was typed, but each of these data sets is given by its path.

    Args:
        datasets: names and paths of data sets; None is ignored.
    """
    given = [each for each in datasets if each is not None]
    if given and all(map(is_folder, given)):
        refuse_typed("data_dir", why=f"on {given[-1]}, which is a path")
