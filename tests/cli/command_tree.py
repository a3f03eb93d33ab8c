"""All commands of `fixhead`."""
import click

from fixhead_cli.main import cli


def leaves(command=cli, words=()):
    """Yields each runnable command with the words that call it."""
    if isinstance(command, click.Group):
        for name in command.list_commands(None):
            yield from leaves(command.get_command(None, name), (*words, name))
    else:
        yield words, command
