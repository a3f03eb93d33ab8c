"""Analyses runs: numbers, figures and one page."""
import logging
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keras_fixhead.analysis.definitions import DEFINITIONS
from keras_fixhead.errors import FixheadError
from keras_fixhead.json_files import read_json, strict_json, write_bytes, write_json
from keras_fixhead.run_analysis.answered_claims import answer_claims
from keras_fixhead.run_analysis.captioned_figure import Figure
from keras_fixhead.run_analysis.draw_figures import draw_figures
from keras_fixhead.run_analysis.measured import (
    FailedRun,
    MeasuredRun,
    arm_differences,
    arm_means,
    arm_names,
    measure_runs,
)
from keras_fixhead.run_analysis.outputs import FOLDER, Prepare
from keras_fixhead.run_analysis.page import page
from keras_fixhead.runs import Run, make_folder
from keras_fixhead.runs.result import FAILED_TO_CONVERGE

SCHEMA = 1
NUMBERS = "numbers.json"
PAGE = "index.html"

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Analysis:
    """What an analysis wrote.

    Attributes:
        folder: the folder with numbers.json, index.html and the figures.
        runs: the runs with their numbers.
        pictures: the figures.
        command: the command that measures the same.
        left_out: runs that failed and have no model, with the reasons.
        failed: those of them that failed to converge, which is a result for the claims.
    """

    folder: Path
    runs: Sequence[MeasuredRun]
    pictures: Sequence[Figure]
    command: str
    left_out: Sequence[Mapping[str, str]] = ()
    failed: Sequence[FailedRun] = ()

    @property
    def page(self) -> Path:
        """The HTML page."""
        return self.folder / PAGE

    @property
    def numbers(self) -> dict[str, Any]:
        """The content of numbers.json."""
        every: list[Any] = [*self.runs, *self.failed]
        return {"command": self.command, "figures": [each.name for each in self.pictures],
                "runs": [strict_json(each.as_dict()) for each in self.runs], "left_out": list(self.left_out),
                "arms": strict_json(arm_means(self.runs)),
                "differences": strict_json(arm_differences(self.runs)),
                "claims": [each.as_dict() for each in answer_claims(every)],
                "definitions": DEFINITIONS}


def analyze_runs(runs: Sequence[Run], folder: Path | None = None, *, data_dir: str | None = None,
                 unknown: str | None = None, prepare: Prepare | None = None) -> Analysis:
    """Measures and draws runs side by side; writes numbers.json, figures (PNG and SVG) and index.html.

    Features and logits are computed once for each run and split, and kept in RUN/analysis under their data (folder,
    choice and state of the files) and the digest of the model file.

    Args:
        runs: runs; those that differ only in their seeds form an arm. A run that failed and has no model is named and
            left out if there are others.
        folder: where to write; None for `default_folder`.
        data_dir: folder of the data, if it is not the one used in training.
        unknown: data set of unknown classes, for open-set recognition and for retrieval on classes that were not
            trained; None for the classes that a run was not trained on, if there are any.
        prepare: as in `RunOutputs`.

    Raises:
        ArgumentError: (a ValueError) if no run is given, one is given twice, two of an arm have the same seed, or one
            has no test images.
        RunError: if a run has no model, or a file cannot be written.
        DataError: if its data cannot be found or read.

    Example:
        >>> from keras_fixhead.recipes import build_config
        >>> from keras_fixhead.training import train
        >>> run = train(build_config({"recipe": "smoke", "epochs": 1, "limit_train": 200, "width": 1 / 16}))
        >>> analysis = analyze_runs([run])
        >>> 0 < analysis.runs[0].numbers["calibration"]["ece"] < 1, analysis.page.name
        (True, 'index.html')
    """
    command = _command(runs, folder, data_dir, unknown)
    folder = folder or default_folder(runs)
    left_out = _failed(runs)
    kept = [run for run in runs if run not in left_out] or runs
    measured = measure_runs(kept, data_dir, unknown, prepare, left_out)
    make_folder(folder)
    _log.info("Measured %d runs. Drawing them.", len(measured))
    earlier = _figures_of(folder)
    pictures = draw_figures(measured, folder)
    reasons = [str(run.read("status").get("reason") or "not known") for run in left_out]
    analysis = Analysis(folder, measured, pictures, command, [
        {"run": run.name, "reason": reason} for run, reason in zip(left_out, reasons, strict=True)],
        _failed_to_converge(kept, left_out, reasons))
    numbers = analysis.numbers
    write_json(folder / NUMBERS, numbers, schema=SCHEMA)
    write_bytes(folder / PAGE, page(numbers, pictures, folder).encode())
    for name in earlier - set(numbers["figures"]):
        for ending in ("png", "svg"):
            (folder / f"{name}.{ending}").unlink(missing_ok=True)
    return analysis


def _failed(runs: Sequence[Run]) -> list[Run]:
    """The runs that failed and left no model, such as one whose loss became NaN."""
    found = [run for run in runs if not run.model_path.is_file() and run.has("status")
             and run.read("status")["state"] == "failed"]
    if found and len(found) < len(runs):
        _log.warning("Left out, because they failed and have no model: %s.", ", ".join(run.name for run in found))
    return found


def _failed_to_converge(kept: Sequence[Run], left_out: Sequence[Run], reasons: Sequence[str]) -> list[FailedRun]:
    configs = [run.config() for run in left_out]
    names = arm_names([*(run.config() for run in kept), *configs])[len(kept) :]
    return [FailedRun(config, name) for config, name, reason in zip(configs, names, reasons, strict=True)
            if FAILED_TO_CONVERGE in reason]


def default_folder(runs: Sequence[Run]) -> Path:
    """Returns the folder of an analysis: RUN/analysis of one run, RUN/analysis/compared of the first of several."""
    own = runs[0].path / FOLDER if runs else Path(FOLDER)
    return own if len(runs) < 2 else own / "compared"


def _figures_of(folder: Path) -> set[str]:
    """The names of the figures that an earlier analysis wrote into a folder."""
    try:
        names = read_json(folder / NUMBERS, schema=SCHEMA).get("figures", [])
    except FixheadError:
        return set()
    return {name for name in names if isinstance(name, str) and Path(name).name == name}


def _command(runs: Sequence[Run], folder: Path | None, data_dir: str | None, unknown: str | None) -> str:
    """The command that analyses these runs; folders below the current one are given relative to it."""
    options = {"--out": folder, "--data-dir": data_dir, "--unknown": unknown}
    return shlex.join(["fixhead", "analyze", *(_shown(run.path) for run in runs),
                       *(text for option, value in options.items() if value for text in (option, _shown(value)))])


def _shown(path: str | Path) -> str:
    absolute = Path(path)
    return str(absolute.relative_to(Path.cwd()) if absolute.is_relative_to(Path.cwd()) else path)
