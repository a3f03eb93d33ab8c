"""The command-line reference: a page per command, from the commands themselves."""
import inspect
import re
from collections.abc import Iterator

import click

from fixhead_cli.commands import COMMANDS
from fixhead_cli.main import cli


def pages() -> dict[str, str]:
    """Returns the text of each page of the command-line reference, by its file's name."""
    context = click.Context(cli)
    found = {"README.md": _index()}
    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None
        found[f"{name}.md"] = "\n".join(_lines(command, ("fixhead", name))).rstrip() + "\n"
    return found


def undocumented() -> list[str]:
    """Returns the commands without help, and the options without a text."""
    found = []
    for words, command in commands(cli, ("fixhead",)):
        found += [] if command.help else [" ".join(words)]
        found += [f"{' '.join(words)} {option.opts[0]}" for option in options_of(command) if not option.help]
    return found


def commands(command: click.Command, words: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Yields a command and all commands in it, with the words that call them."""
    yield words, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            each = command.get_command(context, name)
            assert each is not None
            yield from commands(each, (*words, name))


def _index() -> str:
    lines = ["# Command-line reference", "", "Generated from the commands by `python website/write.py`. "
             "[Commands](../../commands.md) shows them at work.", "", "| command | |", "| --- | --- |"]
    lines += [f"| [`fixhead {name}`]({name}.md) | {_cell(text)} |" for name, text in COMMANDS.items()]
    return "\n".join([*lines, "", "## fixhead", "", *_list(cli)]) + "\n"


def _lines(command: click.Command, words: tuple[str, ...], level: str = "#") -> list[str]:
    lines = [f"{level} {' '.join(words)}", "", *_help(command.help or ""), "", "```", _usage(command, words), "```", ""]
    lines += _list(command)
    for inner, each in commands(command, words):
        if len(inner) == len(words) + 1:
            lines += _lines(each, inner, f"{level}#")
    return lines


def _usage(command: click.Command, words: tuple[str, ...]) -> str:
    return " ".join([*words, *command.collect_usage_pieces(click.Context(command))])


def _help(text: str) -> list[str]:
    """Returns a help text as Markdown: its examples become code."""
    about, _, example = inspect.cleandoc(text).partition("\b\nExample:\n")
    lines = [_escaped(line) for line in about.replace("\b\n", "").strip().splitlines()]
    return [*lines, "", "```sh", *inspect.cleandoc(example).splitlines(), "```"] if example else lines


def options_of(command: click.Command) -> list[click.Option]:
    """Returns the options of a command that its help shows."""
    return [each for each in command.params if isinstance(each, click.Option) and not each.hidden]


def _list(command: click.Command) -> list[str]:
    """Returns the options as a list, which is readable on a narrow screen too."""
    lines = []
    for option in options_of(command):
        value = "" if option.is_flag or option.count else f" {_metavar(option, command)}"
        names = " / ".join(f"`{name}{value}`" for name in (*option.opts, *option.secondary_opts))
        text, default = _split_default(option.help or "")
        default = default or _default(option)
        lines.append(f"- {names}: {_escaped(text)}" + (f" Default: `{default}`." if default else ""))
    return [*lines, ""]


def _metavar(option: click.Option, command: click.Command) -> str:
    shown = option.make_metavar(click.Context(command)).strip("[]<>")
    return {"TEXT": "VALUE", "INTEGER": "N", "INTEGER RANGE": "N", "FLOAT": "X", "FLOAT RANGE": "X"}.get(shown, shown)


def _split_default(text: str) -> tuple[str, str]:
    """Returns a help text as a sentence, and the default that it states in brackets at its end.

    Example:
        >>> _split_default("May be repeated  [default: all].")
        ('May be repeated.', 'all')
    """
    text, _, stated = text.partition("  [default: ")
    return text + "." * (not text.endswith(".")), stated.removesuffix(".").removesuffix("]")


def _default(option: click.Option) -> str:
    if not option.show_default:
        return ""
    return str(option.default).lower() if isinstance(option.default, bool) else str(option.default)


def _cell(text: str) -> str:
    return _escaped(text).replace("|", "\\|")


def _escaped(text: str) -> str:
    return re.sub(r"(?<!`)<(?![^`]*`)", "&lt;", text.replace("*", "\\*"))
