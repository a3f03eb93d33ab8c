"""`fixhead completion`."""
import click
from click.shell_completion import get_completion_class


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print a script that completes fixhead's commands in your shell.

    \b
    Example:
        fixhead completion bash >> ~/.bashrc
        fixhead completion zsh >> ~/.zshrc
        fixhead completion fish > ~/.config/fish/completions/fixhead.fish
    """
    from fixhead_cli.main import cli

    completion = get_completion_class(shell)
    assert completion is not None  # click has these three
    click.echo(completion(cli, {}, "fixhead", "_FIXHEAD_COMPLETE").source())
