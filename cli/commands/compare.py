"""`fixhead compare`."""
from pathlib import Path

import click

from fixhead_cli.output import json_option, percent, print_result, table
from keras_fixhead.experiments.comparison import Difference, compare_runs
from keras_fixhead.runs import ExportedRun, Run, list_runs, open_run


@click.command("compare")
@click.argument("runs", nargs=-1, required=True)
@click.option("--split", type=click.Choice(["validation", "test"]), default="test", show_default=True,
              help="Whose accuracy is compared.")
@click.option("--figure", type=click.Path(path_type=Path), default=Path("compare.png"), show_default=True,
              help="Picture of the learning curves to write.")
@json_option
def command(runs: tuple[str, ...], split: str, figure: Path, as_json: bool) -> None:
    """Compare runs, paired over seeds, with intervals.

    Runs that differ in seeds alone are one group; each group is compared with the first. A folder of runs stands for
    all complete ones in it. Results exported as JSON files are compared like runs; those of runs that failed to
    converge have no accuracy, and are named and left out. Learning curves are drawn in one figure.

    \b
    Example:
        fixhead compare runs/A runs/B
        fixhead compare results/first_runs/cifar10-resnet18-*.json
        fixhead compare runs --split validation --figure curves.png
    """
    groups, differences, shared = compare_runs([run for each in runs for run in _runs(each)], split)
    from keras_fixhead.figures import plot_comparison

    plot_comparison({group.name: [run.metrics() for run in group.runs.values()] for group in groups}, figure,
                    title=f"{Path(shared['dataset']).name if 'dataset' in shared else ''} "
                    f"{shared.get('model', '')}".strip())
    by_name = {each.name: each for each in differences}
    rows = [[group.name, len(group.runs), percent(group.mean),
             _text(by_name[group.name]) if group.name in by_name else "compared with"] for group in groups]
    print_result(
        {"split": split, "shared": shared, "figure": str(figure.absolute()),
         "groups": [{"name": group.name, "accuracy": {str(seed): value for seed, value in group.accuracy.items()},
                     "mean": group.mean, "runs": [str(run.path) for run in group.runs.values()]} for group in groups],
         "differences": [{"group": each.name, "compared_with": each.other,
                          "values": {str(seed): value for seed, value in each.values.items()}, "n": len(each.values),
                          "mean": each.mean, "interval_95": each.interval} for each in differences]},
        as_json=as_json,
        text=[*table(["runs", "n", f"{split} accuracy", "difference in points, paired by seed"], rows),
              f"Figure: {figure}"])


def _runs(path: str) -> list[Run]:
    if path.endswith(".json") and Path(path).is_file():
        exported = ExportedRun(Path(path).absolute())
        if reason := exported.why_no_accuracy:
            click.echo(f"Left out: {path} has no accuracy: {reason}", err=True)
            return []
        return [exported]
    inside = [run for run in list_runs(path) if run.has("result")]
    return inside or [open_run(path)]


def _text(each: Difference) -> str:
    if each.mean is None:
        return "no common seed"
    if each.interval is None:
        return f"{each.mean:+.1f} (one seed: no interval)"
    low, high = each.interval
    return f"{each.mean:+.1f} (95 % interval {low:+.1f} to {high:+.1f}, n = {len(each.values)})"
