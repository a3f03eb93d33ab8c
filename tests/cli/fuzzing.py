"""Seeded random calls of the command line, with options and values from the Click commands."""
import random
from pathlib import Path

import click

from fixhead_cli import paths

DOWN = "http://127.0.0.1:9/v1/models/m"
TEXTS = ("", " ", "a,b", "=", "0-2", "1,2", "lr=0.1", "lr=0.1,x", "fixed=yes,no", "latest:2", "m=all", "a:b=1", "%s%n",
         "猫🐈", "line\nbreak", "x" * 300, "None", "uniform", "digits", "learned", "localhost", "evaluate", "../..")
GOOD = 0.8
"""Share of values chosen to be valid: a call stops at its first invalid value and never checks the others."""
NUMBERS = ("0", "1", "2", "-1", "0.5", "1e-3", "1e9", "nan", "inf", "-inf", "1e400", "9" * 30, "0x10", "1_000", "x", "")


def call(draw: random.Random, words, command, folder: Path, last=()) -> list[str]:
    """Returns the arguments of one call: 2 to 5 options (fewer if the command has fewer) and each required argument.

    Args:
        draw: the random generator.
        words: the words that call the command.
        command: the Click command.
        folder: the folder filled by `make_files`.
        last: options that override the drawn ones.
    """
    options = [each for each in command.params if isinstance(each, click.Option) and not each.is_eager]
    chosen = draw.sample(options, min(len(options), draw.randint(2, 5)))
    arguments = [each for each in command.params if isinstance(each, click.Argument) and (
        each.required or draw.random() < 0.7)]
    return [*words, *(word for each in chosen for word in _option(draw, each, folder)), *last, "--",
            *(_value(draw, each.type, folder) for each in arguments)]


def make_files(folder: Path) -> None:
    """Makes the files and folders that calls refer to."""
    (folder / "file.txt").write_text("some text\n")
    (folder / "file.json").write_text('{"schema": 1}\n')
    (folder / "empty.txt").write_bytes(b"")
    (folder / "binary.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0")
    (folder / "an empty folder").mkdir()
    (folder / "pictures" / "名 %s").mkdir(parents=True)


def _option(draw, option, folder):
    name = draw.choice([*option.opts, *option.secondary_opts])
    if option.is_flag or option.count:
        return [name]
    listed = (option.metavar or "").split("|")  # the names listed in the help, such as digits|cifar10
    good = len(listed) > 1 and draw.random() < GOOD
    return [name, draw.choice(listed) if good else _value(draw, option.type, folder)]


def _value(draw, kind, folder):
    if isinstance(kind, click.Choice):
        return draw.choice(kind.choices) if draw.random() < GOOD else "nonsense"
    if isinstance(kind, paths.PathType):
        files = ["file.txt", "file.json", "empty.txt", "binary.png", "an empty folder", "pictures", "nothing",
                 "file.txt/below", "new.png", "run"]
        texts = ["", "digits", "cifar01", DOWN, f"m={folder / 'an empty folder'}", f"{folder / 'x'}{'y' * 300}"]
        return draw.choice([*(str(folder / each) for each in files), *texts])
    if kind in (click.INT, click.FLOAT) or isinstance(kind, (click.IntRange, click.FloatRange)):
        return draw.choice(("0", "1", "2", "3", "10")) if draw.random() < GOOD else draw.choice(NUMBERS)
    return draw.choice(TEXTS)
