"""What `fixhead robustness` does with its targets: measures them together, writes and prints their results."""
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from fixhead_cli.baselines import Divided, Measurements, fitting_baseline
from fixhead_cli.corruption_options import ChosenSuite
from fixhead_cli.dependent import refuse_data_dir, refuse_typed
from fixhead_cli.measured_data import MeasuredData, classes_content
from fixhead_cli.output import percent, print_result, table
from fixhead_cli.targets import Array, open_target
from keras_fixhead import hardware
from keras_fixhead.data import Dataset
from keras_fixhead.data.choice import represented_first
from keras_fixhead.data.outside import outside_notes
from keras_fixhead.data.pictures import in_channels
from keras_fixhead.data.sources import dataset_version
from keras_fixhead.errors import ArgumentError
from keras_fixhead.robustness.measure import RobustnessReport, measure_models, result_name
from keras_fixhead.robustness.record import Record, data_digest, measured_digest, suite_digest
from keras_fixhead.robustness.scores import Baseline, error_line
from keras_fixhead.robustness.suites import NATIVE, Suite
from keras_fixhead.runs import Run
from keras_fixhead.runs.generalization import kept_name

NO_NAMES = "Without --labels, pictures of classes that the server's model does not have count as wrong."


@dataclass
class Target:
    """A model to measure.

    Attributes:
        name: the path of its run, or its address.
        run: its run; None for a server.
        data: its test images, and what they are called.
        classify: function from images to classes.
        content: what its result says besides the measurement.
        notes: lines to print with it.
    """

    name: str
    run: Run | None
    data: Dataset
    other: str | None
    classify: Callable[[Array], Array]
    content: dict[str, Any]
    notes: list[str]


@dataclass(frozen=True)
class Measured:
    """A measured model: its report, the content of its result, and where that is written, if anywhere."""

    target: Target
    report: RobustnessReport
    content: dict[str, Any]
    record: Record | None
    labels: Any


@dataclass(frozen=True)
class Together:
    """Models that are measured on the same images.

    Attributes:
        targets: the models.
        suite: what corrupts the images.
        data: digest of the whole test set.
        own: digest of the suite, if its name does not identify it.
        images: digest of the images that are measured.
        labels: labels of the corrupted images, (N,).
    """

    targets: list[Target]
    suite: Suite
    data: str
    own: str | None
    images: str
    labels: Any


def find_targets(targets: Sequence[Run | str], connection: Mapping[str, Any], labels: Path | None,
                 limit: int | None = None, **asked: Any) -> list[Target]:
    """Returns the models and the data to measure them on.

    Args:
        targets: runs and addresses of served models.
        connection: options of `client_options`.
        labels: names of a server's classes.
        limit: number of images to measure on, if not all (see `represented_first`).
        asked: `dataset`, `data_dir`, `class_map` and `skip_broken` of `MeasuredData`.
    """
    runs = [each for each in targets if isinstance(each, Run)]
    if len(runs) == len(targets):
        refuse_typed("labels", "token", "ca_cert", "timeout", why="with runs: it is for a server")
    refuse_data_dir(*(each.config().dataset for each in runs), asked["dataset"])
    found = []
    checked = [MeasuredData(target.config().data_fields if isinstance(target, Run) else {}, **asked)
               for target in targets]
    for target, measured in zip(targets, checked, strict=True):
        run = target if isinstance(target, Run) else None
        model = open_target(target, connection, labels if run is None else None, reach=True)
        data, classes = measured.load(model.form(), model.label_names)
        data = data.with_test(represented_first(data.test, limit))
        name = str(run.path) if run else str(target)
        notes = [*outside_notes(measured.name, data), *(classes.notes(measured.name) if classes else []),
                 *([NO_NAMES] if model.label_names is None else [])]
        found.append(Target(name, run, data, measured.other, model.classifier(data), {
            **({"run": name} if run else {}), "target": name, "dataset": measured.name,
            **dataset_version(measured.name), **classes_content(classes),
            **({"skipped_pictures": data.skipped} if data.skipped else {}), **({"notes": notes} if notes else {}),
        }, notes))
    return found


def measure_targets(targets: Sequence[Target], chosen: ChosenSuite, *, limit: int | None, seed: int, out: Path | None,
                    baseline: Measurements | None, say: Callable[[str], None]) -> list[Measured]:
    """Returns the measurements of models; those on the same images are measured together.

    An interrupted measurement continues with what it has in RUN/robustness, or in `out`. Nothing is kept of a server's
    without `out`.
    """
    if out is None and any(target.run is None for target in targets):
        say("Of a server's measurement, nothing is kept without --out DIR.")
    results = []
    groups = _together(targets, chosen, limit)
    divided = [_baseline(baseline, group, chosen, seed) for group in groups]
    of_groups = [[_record(target, group, chosen, limit, seed, out, alone=len(targets) == 1)
                  for target in group.targets] for group in groups]
    _check_apart([record for records in of_groups for record in records if record])
    for group, normaliser, records in zip(groups, divided, of_groups, strict=True):
        started = time.monotonic()
        with ExitStack() as stack:
            for record in records:
                if record:
                    stack.enter_context(record)
            reports = _measure(group, chosen, records, limit, seed, say)
        seconds = time.monotonic() - started
        for target, report, record in zip(group.targets, reports, records, strict=True):
            report = replace(report, baseline=normaliser or report.baseline)
            content = {**target.content, **report.as_dict(), "images": group.images, "seconds": seconds,
                       "images_per_second": _corrupted(report) * len(group.targets) / seconds}
            results.append(Measured(target, report, content, record, group.labels))
    return results


def _together(targets: Sequence[Target], chosen: ChosenSuite, limit: int | None) -> list[Together]:
    """Returns the models in groups of those that are measured on the same images."""
    found: dict[str, list[Target]] = {}
    for target in targets:
        found.setdefault(data_digest(target.data.test.images, target.data.test.labels), []).append(target)
    groups = []
    for data, group in found.items():
        test, suite = group[0].data.test, chosen.suite(group[0].data, limit)
        own = suite_digest(suite, in_channels(test.images[:limit], 3))
        labels = test.labels[:limit]
        groups.append(Together(group, suite, data, own, measured_digest(test.images[:limit], labels, own),
                               labels if suite.labels is None else suite.labels))
    return groups


def _check_apart(records: Sequence[Record]) -> None:
    """Refuses to measure models whose results would have the same names: one would overwrite the other."""
    paths = [record.path("json") for record in records]
    if twice := [path for path in paths if paths.count(path) > 1]:
        raise ArgumentError(f"Two of the models would write {twice[0]}.",
                            hint="Measure them one after the other, each with a folder of its own: --out DIR")


def _baseline(given: Measurements | None, group: Together, chosen: ChosenSuite, seed: int) -> Baseline | None:
    if given is None:
        return None
    suite = group.suite
    names = list(dict.fromkeys(name for name, _ in suite.keys(chosen.corruptions, chosen.severities)))
    return fitting_baseline(given, Divided(
        suite=suite.name, engine=suite.engine, seed=seed, n=len(group.labels),
        dataset=group.targets[0].content["dataset"], images=group.images,
        severities=chosen.severities or suite.severities, corruptions=suite.averaged(names) or names))


def _measure(group: Together, chosen: ChosenSuite, records: Sequence[Record | None], limit: int | None, seed: int,
             say: Callable[[str], None]) -> list[RobustnessReport]:
    suite, targets = group.suite, group.targets
    number, total = 0, len(targets) * (1 + len(suite.keys(chosen.corruptions, chosen.severities)))

    def progress(model: int, line: str) -> None:
        nonlocal number
        number += 1
        say(f"[{number}/{total}] " + (f"{Path(targets[model].name).name}: " if len(targets) > 1 else "") + line)

    def save(model: int, key: Any, predicted: Any) -> None:
        if record := records[model]:
            record.save(key, predicted)

    return measure_models([each.classify for each in targets], targets[0].data.test, suite=suite, limit=limit,
                          seed=seed, severities=chosen.severities, corruptions=chosen.corruptions,
                          threads=hardware.cpu_count(), save=save, progress=progress,
                          kept=[record.kept() if record else {} for record in records])


def _record(target: Target, group: Together, chosen: ChosenSuite, limit: int | None, seed: int, out: Path | None, *,
            alone: bool) -> Record | None:
    if out is None and target.run is None:
        return None
    suite = group.suite
    name = result_name(suite.name, dataset=target.other, limit=limit, seed=seed, engine=suite.engine,
                       severities=chosen.severities, corruptions=chosen.corruptions, digest=group.own)
    question = {"suite": suite.name, "engine": suite.engine, "seed": seed, "n": limit, "data": group.data,
                "own": group.own}
    if out is not None and (target.run is not None or not alone):
        name = f"{Path(target.name).name}-{name}"
    folder = out or target.run.path / "robustness"  # type: ignore[union-attr]
    return Record(folder, kept_name(folder, target.other, name) if target.other else name, question)


def _corrupted(report: RobustnessReport) -> int:
    return sum(len(each) for each in report.predictions.values())


def report_results(results: Sequence[Measured], limit: int | None, *, as_json: bool) -> None:
    """Prints one measurement, or several with the names of their models, and then writes them: what was measured must
    not be lost if a folder cannot be written to."""
    contents = [each.content for each in results]
    print_result(contents[0] if len(contents) == 1 else {"measurements": contents}, as_json=as_json, text=[
        line for each in results
        for line in [*([each.target.name] if len(results) > 1 else []), *report_text(each)]])
    _write(results, limit)


def report_text(measured: Measured) -> list[str]:
    """Returns the lines that are printed for a model."""
    target, report = measured.target, measured.report
    left_out = [name for name in report.accuracy if name not in report.in_mean]
    return [
        *target.notes,
        f"clean: {percent(report.clean)} of {report.n_clean or report.n}",
        *table(["corruption", "mean", *map(str, report.severities)],
               [[each, percent(report.mean[each]), *map(percent, values)] for each, values in report.accuracy.items()]),
        error_line(measured.content["mean_corruption_error"]),
        *([f"not in the mean: {', '.join(left_out)}"] if left_out else []),
        *(["frost is from generated textures; the published ones are photographs"] if _is_generated(report) else []),
    ]


def _is_generated(report: RobustnessReport) -> bool:
    return report.engine == NATIVE and "frost" in report.accuracy


def _write(results: Sequence[Measured], limit: int | None) -> None:
    from keras_fixhead.figures import plot_robustness

    for each in results:
        if each.record is None:
            continue
        name = Path(each.target.name).name
        each.record.write(each.content, each.report, each.labels, each.target.data.test.labels[:limit])
        plot_robustness({name: [each.content]}, each.record.path("png"),
                        title=f"{name}: accuracy under {each.report.suite}")
        click.echo(f"Written: {each.record.path('json')} (.csv, .npz, .png)", err=True)
