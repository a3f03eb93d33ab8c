"""What `fixhead evaluate` keeps, and `fixhead compare --generalization` prints, about outside sets."""
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fixhead_cli.comparing import converged_results
from fixhead_cli.output import percent, print_result, table
from keras_fixhead.analysis.over_images import Difference
from keras_fixhead.errors import ArgumentError, DataError, RunError
from keras_fixhead.experiments.generalizing import OutsideGroup, compare_outside
from keras_fixhead.runs import Run

if TYPE_CHECKING:
    from keras_fixhead.evaluation import MeasuredRun, Predictor


def keep_generalization(run: Run, predictor: "Predictor", measured: "MeasuredRun", dataset: str,
                        data_dir: str | None) -> tuple[dict[str, Any], list[str]]:
    """Measures the drop from the run's own test set, keeps it in RUN/generalization, and returns JSON and text.

    If the run's own data are missing, or the run cannot be written, the text says so. With one common class there is
    no drop to measure, as the notes of `measured` say.
    """
    if measured.classes is not None and len(measured.classes.common) < 2:
        return {"drop": None}, []
    from keras_fixhead.evaluation.outside import measure_generalization
    from keras_fixhead.runs.generalization import write_generalization

    try:
        found = measure_generalization(run, predictor, measured, dataset, data_dir)
    except DataError as error:
        return {"drop": None}, [f"The drop from the run's own test set was not measured: {error.what}"]
    content = found.content
    low, high = content["drop_interval_95"]
    common = " among the common classes" if content["classes"]["missing"] else ""
    lines = [f"own test set{common} {percent(content['own_common_accuracy'])} ({content['n_own']:,} images; outside "
             f"{content['n_outside']:,}): {_drop_text(content['drop_points'], low, high)}"]
    kept: dict[str, Any] = {}
    try:
        kept["kept"] = str(write_generalization(run.path, dataset, found))
    except RunError as error:
        lines.append(f"Not kept for `fixhead compare --generalization NAME`: {error.what}")
    return {"drop": {key: value for key, value in content.items() if key not in ("classes", "notes")}, **kept}, lines


def print_outside(paths: Sequence[Path], name: str, figure: Path, *, as_json: bool, alone: bool = True) -> None:
    """Compares measurements on an outside set, draws them in one figure, and prints the comparison.

    Raises:
        ArgumentError: (a ValueError) unless it is the only comparison asked for.
    """
    if not alone:
        raise ArgumentError("--generalization and --robustness are different comparisons.", hint="Give one at a time.")
    from keras_fixhead.figures.generalization import plot_generalization
    from keras_fixhead.runs.generalization import measurement_name

    groups, shared = compare_outside([result for path in paths for result in converged_results(path)], name)
    name = measurement_name(name)
    first, *others = groups
    differences = {group.name: group.minus(first) for group in others}
    plot_generalization({group.name: [(float(each.own.mean()), len(each.own), float(each.outside.mean()),
                                       len(each.outside)) for each in group.found.values()] for group in groups},
                        figure, title=f"{Path(shared.get('dataset', '')).name} {shared.get('model', '')}".strip(),
                        outside=name)
    notes = next(iter(first.found.values())).content["notes"]
    print_result({"generalization": name, "shared": shared, "figure": str(figure.absolute()), "notes": notes,
                  "groups": [_group_content(group) for group in groups],
                  "differences": [{"group": each, "compared_with": first.name, **_difference_content(found)}
                                  for each, found in differences.items()]},
                 as_json=as_json, text=[*notes, *_lines(groups, differences), f"Figure: {figure}"])


def _lines(groups: Sequence[OutsideGroup],
           differences: Mapping[str, tuple[Difference, Difference] | None]) -> list[str]:
    rows = []
    for group in groups:
        drop, found = group.drop, differences.get(group.name)
        said = [_text(each) for each in found] if found else [
            "no common seed" if group.name in differences else "reference", ""]
        first = next(iter(group.found.values()))
        rows.append([group.name, len(group.found), f"{percent(group.own)} of {len(first.own):,}",
                     f"{percent(group.outside)} of {len(first.outside):,}", _drop_text(drop.mean, *drop.interval),
                     *said])
    return table(["runs", "n", "own test set", "outside", "drop (95 % interval, BCa)", "difference outside, paired",
                  "difference of the drops, paired"], rows)


def _drop_text(mean: float, low: float, high: float) -> str:
    return f"drop {mean:.2f} points ({low:+.2f} to {high:+.2f})"


def _text(found: Difference) -> str:
    low, high = found.interval
    over = "images" if found.n_seeds is None else f"{found.n_seeds} seeds and images"
    return f"{found.mean:+.2f} ({low:+.2f} to {high:+.2f}, over {over}): {found.verdict}"


def _group_content(group: OutsideGroup) -> dict[str, Any]:
    first = next(iter(group.found.values()))
    return {"name": group.name, "own": group.own, "outside": group.outside, "drop": group.drop.as_dict(),
            "n_own": len(first.own), "n_outside": len(first.outside),
            "seeds": {str(seed): {key: each.content[key] for key in ("accuracy", "own_accuracy", "drop_points")}
                      for seed, each in group.found.items()}}


def _difference_content(found: tuple[Difference, Difference] | None) -> dict[str, Any]:
    if found is None:
        return {"outside": None, "drop": None}
    return {"outside": found[0].as_dict(), "drop": found[1].as_dict()}
