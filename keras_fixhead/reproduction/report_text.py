"""The report as Markdown, CSV and LaTeX."""
import csv
import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

from keras_fixhead.reproduction.findings import NUMBER
from keras_fixhead.reproduction.report_targets import target_text

HEADER = ("claim", "comparison", "expected", "paper", "here", "95 % interval", "n", "recipe and scale", "verdict",
          "after Holm's correction")
COLUMNS = ("plan", "claim", "comparison", "unit", "expected", "paper", "mean", "low", "high", "bca_low", "bca_high",
           "sign_flip_p", "smallest_p", "n", "recipe", "counts", "verdict", "after_holm", "note", "files", "command")


def markdown(report: Mapping[str, Any]) -> str:
    """Returns the report as Markdown: for each setting, the claims, the comparisons, and the tables and figures."""
    lines = [f"# The paper's claims ({report['paper']}) and what was measured"]
    for setting in report["settings"]:
        lines += ["", f"## {heading(setting)}", "",
                  f"Network {setting['network']}, {setting['runs']} runs on {', '.join(setting['devices'])}. The "
                  f"paper's numbers are of {setting['paper_network']}.", "",
                  *_table(("claim", "in the paper", "verdict"),
                          [(f"`{each['id']}`", each["statement"], each["verdict"]) for each in setting["claims"]]), "",
                  *(f"- {across_text(each)}" for each in setting["across_sets"]), "",
                  *_table(HEADER, [row for each in setting["claims"] for row in _rows(each)]), "",
                  *_table(("table or figure", "measured", "the rest"),
                          [(each["target"], target_text(each), f"`{each['command']}`" if each["command"] else "")
                           for each in setting["targets"]]),
                  *(line for entry in setting["figures"] for each in entry["pictures"]
                    for line in ("", f"![{each['caption']}](figures/{each['name']}.png)", "", each["caption"]))]
    return "\n".join(lines) + "\n"


def heading(setting: Mapping[str, Any]) -> str:
    """Returns the title of a setting as it begins a line.

    Example:
        >>> heading({"title": "at full size"})
        'At full size'
    """
    title = str(setting["title"])
    return title[0].upper() + title[1:]


def across_text(each: Mapping[str, Any]) -> str:
    """Returns the interquartile mean over data sets as text."""
    low, high = each["interval_95"]
    return (f"Over {' and '.join(each['sets'])}: {each['what']}: interquartile mean {each['interquartile_mean']:+.2f} "
            f"[{low:+.2f}, {high:+.2f}] (95 % bootstrap interval, seeds resampled within data sets; n = "
            f"{', '.join(map(str, each['n']))})")


def latex(report: Mapping[str, Any]) -> str:
    """Returns the measured comparisons as LaTeX tables, for the package booktabs."""
    lines = ["% needs \\usepackage{booktabs}"]
    for setting in report["settings"]:
        lines += ["\\begin{tabular}{llrrlrl}", "\\toprule",
                  "claim & comparison & paper & here & 95\\,\\% interval & $n$ & verdict \\\\", "\\midrule"]
        for each in setting["claims"]:
            for claim, comparison, _, paper, here, interval, n, _, verdict, _ in _rows(each, measured=True):
                cells = (claim.strip("`"), comparison, paper, here, interval, n, verdict)
                lines.append(" & ".join(latex_text(cell) for cell in cells) + " \\\\")
        lines += ["\\bottomrule", "\\end{tabular}", ""]
    return "\n".join(lines)


def latex_text(text: str) -> str:
    """Returns text with the characters escaped that LaTeX reserves.

    Example:
        >>> latex_text("95 % of cifar_10")
        '95 \\\\% of cifar\\\\_10'
    """
    escaped = re.sub(r"([&%$#_{}])", r"\\\1", text.replace("\\", "/"))
    return escaped.replace("~", "\\textasciitilde{}").replace("^", "\\textasciicircum{}")


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
                rows.append(["" if values[name] is None else values[name] for name in COLUMNS])
    return _csv(COLUMNS, rows)


def cells_csv(report: Mapping[str, Any]) -> str:
    """Returns one line per run that has an accuracy."""
    rows = [[setting["plan"], each["block"], each["cell"], each["recipe"], seed, accuracy, each["seconds"][seed],
             each["data"], each["digests"][seed]]
            for setting in report["settings"] for each in setting["cells"]
            for seed, accuracy in each["accuracy"].items()]
    return _csv(("plan", "block", "cell", "recipe", "seed", "accuracy", "seconds", "data", "config_digest"), rows)


def _rows(claim: Mapping[str, Any], *, measured: bool = False) -> list[tuple[str, ...]]:
    """Returns the comparisons of a claim as texts."""
    rows: list[tuple[str, ...]] = []
    for each in claim["comparisons"]:
        if each["values"] or not measured:
            form = NUMBER[each["unit"]]
            interval = each["interval_95"]
            rows.append((
                f"`{claim['id']}`", f"{each['label']} ({each['unit']})", each["expected"], number(each["paper"], form),
                number(each["mean"], form), "" if interval is None else f"{interval[0]:{form}} to {interval[1]:{form}}",
                str(each["n"]), each["recipe"], each["verdict"], each["after_holm"] or ""))
    return rows


def number(value: float | None, form: str) -> str:
    """Returns a number as text; an empty string for None."""
    return "" if value is None else format(value, form)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(header)} |", "| --- |" + " --- |" * (len(header) - 1),
            *(f"| {' | '.join(row)} |" for row in rows)]


def _csv(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()
