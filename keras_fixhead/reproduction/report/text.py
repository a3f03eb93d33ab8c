"""The report as Markdown and CSV."""
import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from keras_fixhead.reproduction.report.tables import COLUMNS, Row, about, across_text, heading, tables

_CODE = ("claim", "command")
_COMPARISONS = ("plan", "claim", "comparison", "unit", "expected", "paper", "mean", "difference_from_paper", "low",
                "high", "bca_low", "bca_high", "sign_flip_p", "smallest_p", "n", "network", "protocol", "data", "hours",
                "counts", "verdict", "after_holm", "warning", "note", "files", "command", "hours_per_seed",
                "command_hours")
_CELLS = ("plan", "block", "cell", "network", "protocol", "seed", "accuracy", "paper_percent", "seconds", "data",
          "config_digest", "file", "command")


def markdown(report: Mapping[str, Any]) -> str:
    """Returns the report as Markdown: for each setting, its tables and figures."""
    lines = [f"# The paper's claims ({report['paper']}) and what was measured"]
    for setting in report["settings"]:
        lines += ["", f"## {heading(setting)}", "", about(setting)]
        lines += [line for each in setting["across_sets"]
                  for line in ("", f"- {across_text(each)}. Files: {', '.join(each['files'])}")]
        for name, rows in tables(setting).items():
            lines += ["", f"### {name.capitalize()}", "", *_table(COLUMNS[name], rows)]
        lines += [line for entry in setting["figures"] for each in entry["pictures"]
                  for line in ("", f"![{each['caption']}](figures/{each['name']}.png)", "", each["caption"])]
    return "\n".join(lines) + "\n"


def _table(columns: Mapping[str, str], rows: Sequence[Row]) -> list[str]:
    return [f"| {' | '.join(columns.values())} |", "| --- |" + " --- |" * (len(columns) - 1),
            *(f"| {' | '.join(_cell(name, row.texts[name]) for name in columns)} |" for row in rows)]


def _cell(column: str, text: str) -> str:
    escaped = text.replace("|", "\\|")
    return f"`{escaped}`" if escaped and column in _CODE else escaped


def comparisons_csv(report: Mapping[str, Any]) -> str:
    """Returns one line per comparison, measured or not."""
    rows = []
    for setting in report["settings"]:
        for claim in setting["claims"]:
            for each in claim["comparisons"]:
                interval, bca = each["interval_95"] or ("", ""), each["bca_95"] or ("", "")
                values = {**each, "plan": setting["plan"], "claim": claim["id"], "comparison": each["label"],
                          "low": interval[0], "high": interval[1], "bca_low": bca[0], "bca_high": bca[1],
                          "files": " ".join(each["files"])}
                rows.append([values[name] for name in _COMPARISONS])
    return _csv(_COMPARISONS, rows)


def cells_csv(report: Mapping[str, Any]) -> str:
    """Returns one line per run that has an accuracy."""
    return _csv(_CELLS, [
        [setting["plan"], each["block"], each["cell"], each["network"], each["protocol"], seed, accuracy, each["paper"],
         each["seconds"][seed], each["data"], each["digests"][seed], each["files"][seed], each["command"]]
        for setting in report["settings"] for each in setting["cells"] for seed, accuracy in each["accuracy"].items()])


def _csv(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(["" if value is None else value for value in row] for row in rows)
    return text.getvalue()
