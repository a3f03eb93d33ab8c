"""`fixhead data`: one module per command."""
import click

from fixhead_cli.commands.data.build import build
from fixhead_cli.commands.data.cache import cache
from fixhead_cli.commands.data.check import check
from fixhead_cli.commands.data.corrupt import corrupt
from fixhead_cli.commands.data.pack import pack
from fixhead_cli.commands.data.show import show
from fixhead_cli.commands.data.verify import verify


@click.group("data")
def command() -> None:
    """Show, check, pack and verify data sets, write corrupted images, and gather test sets.

    \b
    Example:
        fixhead data show cifar10
        fixhead data check ./photographs
        fixhead data pack cifar10 packed
        fixhead data verify packed
        fixhead data corrupt cifar10 cifar10-made
        fixhead data build cifar100_gen ./open-images cifar100-gen
    """


for each in (show, check, pack, verify, corrupt, build, cache):
    command.add_command(each)
