"""`fixhead compare`."""
from pathlib import Path

import click

from fixhead_cli.comparing import print_compared, print_measured
from fixhead_cli.dependent import refuse_typed
from fixhead_cli.output import json_option
from fixhead_cli.paths import PNG_FILE, RUN_OR_RESULTS


@click.command("compare")
@click.argument("runs", nargs=-1, required=True, type=RUN_OR_RESULTS)
@click.option("--split", type=click.Choice(["validation", "test"]), default="test", show_default=True,
              help="Split whose accuracy is compared.")
@click.option("--figure", type=PNG_FILE, default="compare.png", show_default=True,
              help="File for the figure: of the learning curves, or of accuracy against severity.")
@click.option("--robustness", "measurement", metavar="NAME",
              help="Compare accuracy on corrupted images instead, as `fixhead robustness` wrote it to "
              "RUN/robustness/NAME.json.")
@click.option("--generalization", "outside", metavar="NAME",
              help="Compare accuracy on an outside set instead, and the drop from the run's own test set, as `fixhead "
              "evaluate RUN --dataset NAME` measured them.")
@json_option
def command(runs: tuple[Path, ...], split: str, figure: Path, measurement: str | None, outside: str | None,
            as_json: bool) -> None:
    """Compare runs, paired over seeds, with intervals.

    Runs that differ only in their seeds form a group; each group is compared with the first. A folder of runs stands
    for all complete runs in it. Results exported as JSON files are compared like runs; those of runs that failed to
    converge have no accuracy and are left out, with a message. Learning curves are drawn in one figure.

    With --robustness or --generalization, intervals are over images, or over seeds and images where several seeds are
    compared.

    \b
    Example:
        fixhead compare runs/A runs/B
        fixhead compare results/first_runs/cifar10-resnet18-*.json
        fixhead compare runs --split validation --figure curves.png
        fixhead compare runs --robustness cifar-c --figure robustness.png
        fixhead compare runs --generalization cifar10_1
    """
    if outside is not None or measurement is not None:
        refuse_typed("split", why="with --robustness or --generalization, which compare test images")
    if outside is not None:
        from fixhead_cli.generalizing import print_outside

        print_outside(runs, outside, figure, as_json=as_json, alone=measurement is None)
        return
    if measurement is not None:
        print_measured(runs, measurement, figure, as_json=as_json)
        return
    print_compared(runs, split, figure, as_json=as_json)
