"""The pages of this project about the paper, from the results that `fixhead reproduce` has written.

    python -m keras_fixhead.reproduction claims    # each claim, and its state by the results
    python -m keras_fixhead.reproduction page      # the pages in docs/, from results/
    python -m keras_fixhead.reproduction study NAME RUNS   # a small study in results/, from its runs
"""
import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from keras_fixhead.errors import FixheadError
from keras_fixhead.reproduction import studies
from keras_fixhead.reproduction.page import claim_lines, write_pages
from keras_fixhead.reproduction.plans import PLANS
from keras_fixhead.reproduction.results import read_results
from keras_fixhead.reproduction.settings import SETTINGS
from keras_fixhead.reproduction.studies import draw_main_effect

RESULTS = Path("results")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; returns the exit status."""
    parsed = parser().parse_args(arguments)
    try:
        return int(COMMANDS[parsed.command](parsed) or 0)
    except FixheadError as error:
        click.echo("\n".join([f"Error: {error.what}", *([error.hint] if error.hint else [])]), err=True)
        return 1


def claims_command(parsed: argparse.Namespace) -> None:
    """Prints the claims."""
    setting = next(at for at in SETTINGS if at.plan == parsed.plan)
    click.echo("\n".join(claim_lines(read_results(parsed.out or RESULTS / setting.plan), setting)))


def page_command(parsed: argparse.Namespace) -> None:
    """Writes the generated parts of the pages."""
    write_pages(parsed.docs, RESULTS)


def study_command(parsed: argparse.Namespace) -> None:
    """Collects a small study from its runs."""
    click.echo(f"Wrote {studies.collect(parsed.name, parsed.runs, RESULTS)}")
    if parsed.name == "main_effect":
        draw_main_effect(parsed.runs, Path("docs/main_effect.png"))


COMMANDS = {"claims": claims_command, "page": page_command, "study": study_command}


def parser() -> argparse.ArgumentParser:
    """Returns the parser of the command line."""
    description, _, rest = (__doc__ or "").partition("\n")
    found = argparse.ArgumentParser(prog="python -m keras_fixhead.reproduction", description=description, epilog=rest,
                                    formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = found.add_subparsers(dest="command", required=True)
    claims = commands.add_parser("claims", help=COMMANDS["claims"].__doc__)
    claims.add_argument("--plan", choices=PLANS, default="gpu", help="the plan whose results decide (default: gpu)")
    claims.add_argument("--out", type=Path, help="folder of results (default: results/gpu or results/evidence)")
    page = commands.add_parser("page", help=COMMANDS["page"].__doc__)
    page.add_argument("--docs", type=Path, default=Path("docs"), help="folder of the pages to update")
    study = commands.add_parser("study", help=COMMANDS["study"].__doc__)
    study.add_argument("name", choices=studies.QUESTIONS)
    study.add_argument("runs", type=Path, help="folder of its runs")
    return found


if __name__ == "__main__":
    sys.exit(main())
