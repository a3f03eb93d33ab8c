"""`fixhead`: the group of commands, and the handling of errors, warnings and signals."""
import contextlib
import difflib
import importlib
import logging
import os
import signal
import sys
import threading
import traceback
import warnings
from types import FrameType
from typing import TextIO

import click

from fixhead_cli.commands import COMMANDS
from keras_fixhead.errors import ArgumentError, FixheadError, FixheadWarning


class LazyGroup(click.Group):
    """Imports a command's module only when it is called, so that `fixhead --help` is quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"fixhead_cli.commands.{cmd_name}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        near = difflib.get_close_matches(args[0], COMMANDS, n=1)
        if args[0] not in COMMANDS and near:
            raise click.UsageError(f"No such command {args[0]!r}. Did you mean {near[0]!r}?", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="keras-fixhead", prog_name="fixhead")
@click.option("--debug", is_flag=True, help="Show tracebacks.")
def cli(debug: bool) -> None:
    """Image classifiers whose class vectors are drawn at random and stay fixed.

    \b
    Example:
        fixhead demo
        fixhead train --dataset cifar10 --head cos --fixed --recipe cpu
    """


def main() -> None:
    """Runs the command line; exits with 0 for success, 1 for failure, 2 for a wrong call, 130 or 143 for a signal."""
    try:
        _main()
    except SystemExit as stop:
        if stop.code:
            _leave_others(int(stop.code))
        raise
    except BaseException:  # with --debug
        _leave_others(1)
        raise


def _leave_others(code: int) -> None:
    """Exits immediately if this is one of several training processes: JAX would wait five minutes for the others."""
    jax = sys.modules.get("jax")
    if jax is None or not jax.distributed.is_initialized():
        return
    if not isinstance(sys.exception(), SystemExit):
        traceback.print_exc()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # closed, or gone
            stream.flush()
    os._exit(code)


def _main() -> None:
    terminated = threading.Event()

    def on_sigterm(number: int, frame: FrameType | None) -> None:
        terminated.set()  # not a subclass of KeyboardInterrupt: frameworks re-raise it as the plain one
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, on_sigterm)
    silence_libraries()
    try:
        sys.exit(cli(standalone_mode=False) or 0)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.UsageError as error:
        called = error.ctx.command_path if error.ctx else "fixhead"
        _say(f"Error: {error.format_message()}", f"Try: {called} --help")
        sys.exit(error.exit_code)
    except click.ClickException as error:
        _say(f"Error: {error.format_message()}", None)
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        _say("Stopped by SIGTERM." if terminated.is_set() else "Stopped.", None)
        sys.exit(143 if terminated.is_set() else 130)
    except BrokenPipeError:
        sys.stdout = None  # the reader is gone (`fixhead list runs | head`): there is nothing to flush to
        sys.exit(1)
    except Exception as error:
        if _debugging():
            raise
        if isinstance(error, FixheadError):
            _say(f"Error: {error.what}", error.hint)
        elif isinstance(error, OSError):
            _say(f"Error: {error}", None)
        else:
            first_line = (str(error).strip().splitlines() or [""])[0]
            _say(f"Error: {type(error).__name__}: {first_line}", "For the traceback, run it as `fixhead --debug ...`.")
        sys.exit(2 if isinstance(error, ArgumentError) else 1)


def silence_libraries() -> None:
    """Lets only our own warnings and log messages reach the terminal, except with --debug."""
    warnings.showwarning = _show_warning
    if not _debugging():
        logging.lastResort = logging.NullHandler()


def _show_warning(message: Warning | str, category: type[Warning], filename: str, lineno: int,
                  file: TextIO | None = None, line: str | None = None) -> None:
    """Shows our own warnings on one line; those of libraries, which name their source files, only with --debug."""
    if issubclass(category, FixheadWarning):
        _say(f"Warning: {message}", None)
    elif _debugging():
        click.echo(warnings.formatwarning(message, category, filename, lineno, line), err=True, nl=False)


def _debugging() -> bool:
    return "--debug" in sys.argv


def _say(what: str, hint: str | None) -> None:
    for line in (what, hint):
        if line:
            click.echo(line, err=True)
