"""Plan and run the paper's cells, and report their results.

    python -m keras_fixhead.reproduction list                            # the plan, what is done, GPU seconds
    python -m keras_fixhead.reproduction run --data-dir DATA --minutes 30   # into results/gpu, one small JSON per run
    python -m keras_fixhead.reproduction run --data-dir DATA --blocks E0,E1,E2,E3 --commit   # into results/evidence
    python -m keras_fixhead.reproduction run --data-dir DATA --rehearse --runs 2   # small and short
    python -m keras_fixhead.reproduction claims                          # each claim, and its state by the results
    python -m keras_fixhead.reproduction page                            # docs/evidence.md, from results/

With KERAS_BACKEND=jax, neither TensorFlow nor TensorFlow Datasets is needed if DATA has packed data sets. All runs
share one process. JAX compiles a step once for all seeds and caches it on disk; TensorFlow compiles it for each run.
"""
import argparse
import logging
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import click

from keras_fixhead.errors import FixheadError
from keras_fixhead.reproduction import studies
from keras_fixhead.reproduction.page import claim_lines, write_page
from keras_fixhead.reproduction.plans import PLANS, plan_named
from keras_fixhead.reproduction.results import read_results
from keras_fixhead.reproduction.run import Options, Work, keep_compiled_steps, listed, run_all
from keras_fixhead.reproduction.settings import SETTINGS
from keras_fixhead.reproduction.studies import draw_main_effect

RESULTS = Path("results")
RUNS = {"gpu": "full_size", "evidence": "evidence"}
"""Plan -> folder of its run directories, in runs/."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; returns the exit status."""
    parsed = parser().parse_args(arguments)
    try:
        return int(COMMANDS[parsed.command](parsed) or 0)
    except FixheadError as error:
        click.echo("\n".join([f"Error: {error.what}", *([error.hint] if error.hint else [])]), err=True)
        return 1


def run_command(parsed: argparse.Namespace) -> int:
    """Runs the remaining runs of the plan."""
    logging.basicConfig(level=logging.WARNING if parsed.quiet else logging.INFO, format="%(message)s")
    for noisy in ("jax", "absl"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    options = options_of(parsed)  # the time limit starts here and includes the import of Keras
    keep_compiled_steps()
    return run_all(options, keras_work())


def list_command(parsed: argparse.Namespace) -> None:
    """Prints the plan."""
    click.echo("\n".join(listed(options_of(parsed))))


def claims_command(parsed: argparse.Namespace) -> None:
    """Prints the claims."""
    setting = next(at for at in SETTINGS if at.plan == parsed.plan)
    click.echo("\n".join(claim_lines(read_results(parsed.out or RESULTS / setting.plan), setting)))


def page_command(parsed: argparse.Namespace) -> None:
    """Writes the generated parts of the page."""
    write_page(parsed.page, RESULTS)


def study_command(parsed: argparse.Namespace) -> None:
    """Collects a small study from its runs."""
    click.echo(f"Wrote {studies.collect(parsed.name, parsed.runs, RESULTS)}")
    if parsed.name == "main_effect":
        draw_main_effect(parsed.runs, Path("docs/main_effect.png"))


COMMANDS = {"run": run_command, "list": list_command, "claims": claims_command, "page": page_command,
            "study": study_command}


def keras_work() -> Work:
    """Returns the functions that need Keras, and loads Keras."""
    from keras_fixhead.measurement import current_device, forget_models, measure_run
    from keras_fixhead.training import train

    return Work(train=lambda config, resume: train(config, resume=resume), measure=measure_run, device=current_device,
                forget=forget_models, say=click.echo)


def options_of(parsed: argparse.Namespace) -> Options:
    """Returns which cells to run, and where."""
    rehearsal = parsed.rehearse is not None
    blocks = block_names(parsed.blocks)
    plan = plan_named(blocks)
    return Options(
        out=parsed.out or (Path("runs/rehearsal") if rehearsal else RESULTS / plan),
        runs_dir=parsed.runs_dir or Path("runs", "rehearsed" if rehearsal else RUNS[plan]),
        data_dir=parsed.data_dir, blocks=blocks, commit=parsed.command == "run" and parsed.commit,
        deadline=None if parsed.minutes is None else time.monotonic() + 60 * parsed.minutes,
        most_runs=parsed.runs, rehearsal=rehearsal, rehearsal_dataset=parsed.rehearse or None)


def block_names(text: str | None) -> tuple[str, ...]:
    """Returns the names in a list like '1,2,5b'."""
    return tuple(each.strip() for each in text.split(",")) if text else ()


def parser() -> argparse.ArgumentParser:
    """Returns the parser of the command line."""
    description, _, rest = (__doc__ or "").partition("\n")
    found = argparse.ArgumentParser(prog="python -m keras_fixhead.reproduction", description=description, epilog=rest,
                                    formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = found.add_subparsers(dest="command", required=True)
    for name in ("run", "list"):
        each = commands.add_parser(name, help=COMMANDS[name].__doc__)
        each.add_argument("--blocks", metavar="1,2,5b", help="only these blocks, all of one plan: 1, 2, ... for a GPU "
                          "(default: all of them), E0, E1, ... for two CPU cores")
        each.add_argument("--minutes", type=float, help="stop within this many minutes")
        each.add_argument("--runs", type=int, metavar="N", help="stop after this many runs")
        each.add_argument("--data-dir", type=Path, help="folder of prepared or packed data sets")
        each.add_argument("--out", type=Path, help="folder of results (default: results/gpu or results/evidence; "
                          "runs/rehearsal)")
        each.add_argument("--runs-dir", type=Path, help="folder of run directories (default: runs/full_size or "
                          "runs/evidence)")
        each.add_argument("--rehearse", nargs="?", const="", metavar="DATASET", help="small runs, marked as not "
                          "evidence: an eighth of the width, 2 epochs, 2,000 images; all on DATASET, if given")
        each.add_argument("--quiet", action="store_true", help="print no line per epoch")
        if name == "run":
            each.add_argument("--commit", action="store_true", help="commit each result to Git once it is written")
    claims = commands.add_parser("claims", help=COMMANDS["claims"].__doc__)
    claims.add_argument("--plan", choices=PLANS, default="gpu", help="the plan whose results decide (default: gpu)")
    claims.add_argument("--out", type=Path, help="folder of results (default: results/gpu or results/evidence)")
    page = commands.add_parser("page", help=COMMANDS["page"].__doc__)
    page.add_argument("--page", type=Path, default=Path("docs/evidence.md"), help="page to update")
    study = commands.add_parser("study", help=COMMANDS["study"].__doc__)
    study.add_argument("name", choices=studies.QUESTIONS)
    study.add_argument("runs", type=Path, help="folder of its runs")
    return found


if __name__ == "__main__":
    sys.exit(main())
