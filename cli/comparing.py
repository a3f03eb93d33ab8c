"""What `fixhead compare` reads and prints."""
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from fixhead_cli.output import percent, print_result, table
from keras_fixhead.analysis.exact import smallest_p
from keras_fixhead.analysis.over_images import Difference
from keras_fixhead.analysis.paired import PairedDifference
from keras_fixhead.experiments.compare import Group, compare_results
from keras_fixhead.experiments.measured import MeasuredGroup, compare_measured
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


def print_compared(paths: Sequence[Path], split: str, figure: Path, *, as_json: bool) -> None:
    """Compares accuracies of runs, draws their learning curves in one figure, and prints the comparison."""
    from keras_fixhead.figures import plot_comparison

    groups, shared = compare_results([result for path in paths for result in converged_results(path)], split)
    plot_comparison({group.name: [each.curves for each in group.results.values()] for group in groups}, figure,
                    title=f"{Path(shared.get('dataset', '')).name} {shared.get('model', '')}".strip(), split=split,
                    accuracies={group.name: list(group.accuracy.values()) for group in groups})
    print_result({"split": split, "shared": shared, "figure": str(figure.absolute()),
                  **comparison_content(groups, split)}, as_json=as_json,
                 text=[*comparison_table(groups, split), f"Figure: {figure}"])


def comparison_table(groups: Sequence[Group], split: str) -> list[str]:
    """Returns the lines of a table of groups, each compared with the first."""
    first, *others = groups
    differences = {group.name: group.minus(first) for group in others}
    balanced = [group.balanced(split) for group in groups]
    unequal = any(each is not None for each in balanced)
    rows = [[group.name, len(group.results), percent(group.mean),
             *(["" if own is None else percent(own)] if unequal else []), _text(differences.get(group.name))]
            for group, own in zip(groups, balanced, strict=True)]
    return table(["runs", "n", f"{split} accuracy", *(["balanced accuracy"] if unequal else []),
                  "difference in points, paired by seed"], rows)


def comparison_content(groups: Sequence[Group], split: str) -> dict[str, Any]:
    """Returns the groups and their differences from the first, ready for JSON."""
    first, *others = groups
    differences = {group.name: group.minus(first) for group in others}
    return {
        "groups": [{"name": group.name, "accuracy": {str(seed): value for seed, value in group.accuracy.items()},
                    "mean": group.mean, "balanced_accuracy": group.balanced(split),
                    "runs": [str(each.path) for each in group.results.values()]}
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


def measured_lines(groups: Sequence[MeasuredGroup], differences: Mapping[str, Difference | None]) -> list[str]:
    """Returns the lines of a table of measured groups, each compared with the first."""
    rows = [[group.name, len(group.correct), percent(group.mean), _measured_text(differences[group.name])
             if group.name in differences else "reference"] for group in groups]
    return table(["runs", "n", "accuracy under corruptions", "difference in points, paired (95 % interval, BCa)"], rows)


def _measured_text(difference: Difference | None) -> str:
    if difference is None:
        return "no common seed"
    low, high = difference.interval
    over = "images" if difference.n_seeds is None else f"{difference.n_seeds} seeds and images"
    return f"{difference.mean:+.2f} ({low:+.2f} to {high:+.2f}, over {over}): {difference.verdict}"


def print_measured(paths: Sequence[Path], name: str, figure: Path, *, as_json: bool) -> None:
    """Compares measurements of robustness, draws them in one figure, and prints the comparison."""
    from keras_fixhead.figures import plot_robustness

    groups, shared = compare_measured([result for path in paths for result in converged_results(path)], name)
    first, *others = groups
    differences = {group.name: group.minus(first) for group in others}
    plot_robustness({group.name: list(group.contents.values()) for group in groups}, figure,
                    title=f"{Path(shared.get('dataset', '')).name} {shared.get('model', '')} under {name}".strip())
    print_result({"robustness": name, "shared": shared, "figure": str(figure.absolute()), "groups": [
        {"name": group.name, "mean": group.mean, "accuracy": {
            str(seed): content["mean_accuracy"] for seed, content in group.contents.items()}} for group in groups],
        "differences": [{"group": each, "compared_with": first.name, **(found.as_dict() if found else {"mean": None})}
                        for each, found in differences.items()],
    }, as_json=as_json, text=[*measured_lines(groups, differences), f"Figure: {figure}"])
