"""What `fixhead compare` reads and prints."""
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from fixhead_cli.output import percent, table
from keras_fixhead.analysis.exact import smallest_p
from keras_fixhead.analysis.paired import PairedDifference
from keras_fixhead.experiments.compare import Group
from keras_fixhead.runs import list_runs
from keras_fixhead.runs.result import Result, read_result

ALPHA = 0.05
"""p below which an exact test decides."""


def converged_results(path: Path) -> list[Result]:
    """Returns the results of a run, a folder of runs or an exported result; names those without an accuracy."""
    found = [read_result(run.path) for run in list_runs(path) if run.has("result")] or [read_result(path)]
    for each in found:
        if not each.converged:
            click.echo(f"Left out: {each.path} has no accuracy: {each.content['reason']}", err=True)
    return [each for each in found if each.converged]


def comparison_table(groups: Sequence[Group], split: str) -> list[str]:
    """Returns the lines of a table of groups, each compared with the first."""
    first, *others = groups
    differences = {group.name: group.minus(first) for group in others}
    rows = [[group.name, len(group.results), percent(group.mean), _text(differences.get(group.name))]
            for group in groups]
    return table(["runs", "n", f"{split} accuracy", "difference in points, paired by seed"], rows)


def comparison_content(groups: Sequence[Group]) -> dict[str, Any]:
    """Returns the groups and their differences from the first, ready for JSON."""
    first, *others = groups
    differences = {group.name: group.minus(first) for group in others}
    return {
        "groups": [{"name": group.name, "accuracy": {str(seed): value for seed, value in group.accuracy.items()},
                    "mean": group.mean, "runs": [str(each.path) for each in group.results.values()]}
                   for group in groups],
        "differences": [{"group": name, "compared_with": first.name, **each.as_dict(),
                         "values": {str(seed): value for seed, value in each.values.items()}}
                        for name, each in differences.items()],
    }


def _text(difference: PairedDifference | None) -> str:
    if difference is None:
        return "reference"
    if difference.mean is None:
        return "no common seed"
    if difference.interval is None:
        return f"{difference.mean:+.1f} (one seed: no interval)"
    low, high = difference.interval
    text = f"{difference.mean:+.1f} (95 % interval {low:+.1f} to {high:+.1f}, n = {difference.n}"
    if difference.sign_flip_p is not None:
        text += f"; exact p = {difference.sign_flip_p:.2g}"
        if smallest_p(difference.n) > ALPHA:
            text += f", at least {smallest_p(difference.n):.2g} for {difference.n} seeds"
    return f"{text})"
