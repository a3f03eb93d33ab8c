"""`fixhead compare`."""
from pathlib import Path

import click

from fixhead_cli.output import json_option, percent, print_result, table
from fixhead_cli.paths import PNG_FILE, RUN_OR_RESULTS
from keras_fixhead.analysis.paired import PairedDifference
from keras_fixhead.experiments.compare import compare_results
from keras_fixhead.runs import list_runs
from keras_fixhead.runs.result import Result, read_result


@click.command("compare")
@click.argument("runs", nargs=-1, required=True, type=RUN_OR_RESULTS)
@click.option("--split", type=click.Choice(["validation", "test"]), default="test", show_default=True,
              help="Split whose accuracy is compared.")
@click.option("--figure", type=PNG_FILE, default="compare.png", show_default=True,
              help="File for the figure of the learning curves.")
@json_option
def command(runs: tuple[Path, ...], split: str, figure: Path, as_json: bool) -> None:
    """Compare runs, paired over seeds, with intervals.

    Runs that differ only in their seeds form a group; each group is compared with the first. A folder of runs stands
    for all complete runs in it. Results exported as JSON files are compared like runs; those of runs that failed to
    converge have no accuracy and are left out, with a message. Learning curves are drawn in one figure.

    \b
    Example:
        fixhead compare runs/A runs/B
        fixhead compare results/first_runs/cifar10-resnet18-*.json
        fixhead compare runs --split validation --figure curves.png
    """
    (first, *others), shared = compare_results([result for path in runs for result in _results(path)], split)
    from keras_fixhead.figures import plot_comparison

    plot_comparison({group.name: [each.curves for each in group.results.values()] for group in (first, *others)},
                    figure, title=f"{Path(shared.get('dataset', '')).name} {shared.get('model', '')}".strip())
    differences = {group.name: group.minus(first) for group in others}
    rows = [[group.name, len(group.results), percent(group.mean), _text(differences.get(group.name))]
            for group in (first, *others)]
    print_result(
        {"split": split, "shared": shared, "figure": str(figure.absolute()),
         "groups": [{"name": group.name, "accuracy": {str(seed): value for seed, value in group.accuracy.items()},
                     "mean": group.mean, "runs": [str(each.path) for each in group.results.values()]}
                    for group in (first, *others)],
         "differences": [{"group": name, "compared_with": first.name, **each.as_dict(),
                          "values": {str(seed): value for seed, value in each.values.items()}}
                         for name, each in differences.items()]},
        as_json=as_json,
        text=[*table(["runs", "n", f"{split} accuracy", "difference in points, paired by seed"], rows),
              f"Figure: {figure}"])


def _results(path: Path) -> list[Result]:
    found = [read_result(run.path) for run in list_runs(path) if run.has("result")] or [read_result(path)]
    for each in found:
        if not each.converged:
            click.echo(f"Left out: {each.path} has no accuracy: {each.content['reason']}", err=True)
    return [each for each in found if each.converged]


def _text(difference: PairedDifference | None) -> str:
    if difference is None:
        return "reference"
    if difference.mean is None:
        return "no common seed"
    if difference.interval is None:
        return f"{difference.mean:+.1f} (one seed: no interval)"
    low, high = difference.interval
    return f"{difference.mean:+.1f} (95 % interval {low:+.1f} to {high:+.1f}, n = {difference.n})"
