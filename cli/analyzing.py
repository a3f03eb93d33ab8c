"""What `fixhead analyze` loads before it computes, and what it prints."""
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fixhead_cli.framework import load_keras, load_reader
from fixhead_cli.output import percent, table
from keras_fixhead.data import check_available

if TYPE_CHECKING:
    from keras_fixhead.run_analysis import Analysis

_SHOWN = (("compactness", "own", "own cosine"), ("class_vectors", "max_cosine", "largest cosine"),
          ("confusion", "unordered_correlation", "confusion vs similarity"), ("calibration", "ece", "ECE"))


def prepare(fields: Mapping[str, Any]) -> None:
    """Checks that data are available, and loads what computes features of them."""
    check_available(**fields)
    load_reader(fields["dataset"], fields["data_dir"])
    load_keras()


def analysis_content(analysis: "Analysis") -> dict[str, Any]:
    """Returns the files and numbers of an analysis, for JSON."""
    return {"folder": str(analysis.folder.absolute()), "page": str(analysis.page.absolute()),
            "figures": [each.name for each in analysis.pictures], **analysis.numbers}


def analysis_text(analysis: "Analysis") -> list[str]:
    """Returns a row of numbers for each run, and the path of the page, as lines."""
    rows = [[each.arm, each.config.seed, percent(each.numbers["accuracy"]["accuracy"] or 0),
             *(_cell(each.numbers[section][name]) for section, name, _ in _SHOWN)] for each in analysis.runs]
    return [*table(["arm", "seed", "accuracy", *(label for _, _, label in _SHOWN)], rows), f"page: {analysis.page}"]


def _cell(value: float | None) -> str:
    return "—" if value is None else f"{value:.3f}"
