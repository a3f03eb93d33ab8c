"""The report as Markdown, CSV and LaTeX."""
import csv
import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

from keras_fixhead.reproduction.claims.findings import NUMBER
from keras_fixhead.reproduction.report.targets import target_text

HEADER = ("claim", "comparison", "expected", "paper", "here", "here minus paper", "95 % interval", "BCa interval",
          "sign-flip p", "n", "network, recipe and scale", "data", "hours", "verdict",
          "after Holm's correction", "files", "command")
CELLS = ("block", "cell", "recipe and scale", "data", "paper, %", "here, %", "here minus paper", "95 % interval", "n",
         "failed", "minutes", "files", "command")
COLUMNS = ("plan", "claim", "comparison", "unit", "expected", "paper", "mean", "difference_from_paper", "low", "high",
           "bca_low", "bca_high", "sign_flip_p", "smallest_p", "n", "network", "recipe", "data", "hours", "counts",
           "verdict", "after_holm", "warning", "note", "files", "command", "hours_per_seed", "command_hours")


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
                  *_table(HEADER, [tuple(row.values()) for each in setting["claims"] for row in comparison_rows(each)]),
                  "", *_table(CELLS, [tuple(cell_row(each).values()) for each in setting["cells"]]), "",
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
    """Returns the measured comparisons as LaTeX tables, for the package booktabs; comments name the files."""
    shown = ("claim", "comparison", "paper", "here", "difference", "interval", "bca", "p", "n", "recipe", "verdict")
    lines = ["% needs \\usepackage{booktabs}"]
    for setting in report["settings"]:
        lines += ["\\begin{tabular}{llrrrllrrll}", "\\toprule",
                  "claim & comparison & paper & here & here $-$ paper & 95\\,\\% interval & BCa interval & "
                  "sign-flip $p$ & $n$ & protocol & verdict \\\\", "\\midrule"]
        for claim in setting["claims"]:
            for row in comparison_rows(claim, measured=True):
                lines += [" & ".join(latex_text(row[name].strip("`")) for name in shown) + " \\\\",
                          f"% {row['files']}"]
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
    rows = [[setting["plan"], each["block"], each["cell"], each["recipe"], seed, accuracy, each["paper"],
             each["seconds"][seed], each["data"], each["digests"][seed], each["files"][seed]]
            for setting in report["settings"] for each in setting["cells"]
            for seed, accuracy in each["accuracy"].items()]
    return _csv(("plan", "block", "cell", "recipe", "seed", "accuracy", "paper_percent", "seconds", "data",
                 "config_digest", "file"), [["" if value is None else value for value in row] for row in rows])


def comparison_rows(claim: Mapping[str, Any], *, measured: bool = False) -> list[dict[str, str]]:
    """Returns the comparisons of a claim as texts by column.

    Args:
        claim: from a report.
        measured: whether to leave out those without a value.
    """
    return [comparison_row(claim["id"], each) for each in claim["comparisons"] if each["values"] or not measured]


def comparison_row(claim: str, each: Mapping[str, Any]) -> dict[str, str]:
    """Returns a comparison as texts by column."""
    form = NUMBER[each["unit"]]
    p = "" if each["sign_flip_p"] is None else f"{each['sign_flip_p']:.3g} (at least {each['smallest_p']:.3g})"
    return {
        "claim": f"`{claim}`", "comparison": f"{each['label']} ({each['unit']})", "expected": each["expected"],
        "paper": number(each["paper"], form), "here": number(each["mean"], form),
        "difference": number(each["difference_from_paper"], form), "interval": interval(each["interval_95"], form),
        "bca": interval(each["bca_95"], form), "p": p,
        "n": "; ".join(filter(None, (str(each["n"]), each["warning"]))),
        "recipe": ": ".join(filter(None, (each["network"], each["recipe"]))), "data": each["data"],
        "hours": _hours_text(each), "verdict": each["verdict"], "holm": each["after_holm"] or "",
        "files": ", ".join(each["files"]), "command": f"`{each['command']}`" if each["command"] else ""}


def _hours_text(each: Mapping[str, Any]) -> str:
    """The hours that the runs of a comparison took, or about how many those would take that it still needs."""
    if is_open(each):
        return f"about {each['hours_per_seed']:g} a seed, {each['command_hours']:g} the command"
    return f"{each['hours']:g}" if each["files"] else ""


def is_open(each: Mapping[str, Any]) -> bool:
    """Returns whether a comparison has no value yet and a command would give it one, even if some of its runs exist."""
    return not each["values"] and bool(each["command"])


def cell_row(each: Mapping[str, Any]) -> dict[str, str]:
    """Returns a measured cell as texts by column."""
    values = ", ".join(f"{100 * value:.2f}" for value in each["accuracy"].values())
    here = "" if each["mean"] is None else f"{each['mean']:.2f} ({values})"
    return {"block": each["block"] or "", "cell": each["cell"], "recipe": each["recipe"], "data": each["data"],
            "paper": number(each["paper"], ".1f"), "here": here,
            "difference": number(each["difference_from_paper"], "+.2f"),
            "interval": interval(each["interval_95"], ".2f"), "n": str(len(each["accuracy"])),
            "failed": str(len(each["failed"])), "minutes": f"{minutes(each):.1f}",
            "files": ", ".join(each["files"].values()), "command": f"`{each['command']}`" if each["command"] else ""}


def minutes(each: Mapping[str, Any]) -> float:
    """Returns the mean minutes of training of a cell's runs."""
    return sum(each["seconds"].values()) / 60 / max(1, len(each["seconds"]))


def interval(pair: Sequence[float] | None, form: str) -> str:
    """Returns an interval as text; an empty string for None.

    Example:
        >>> interval([1.0, 2.5], "+.1f")
        '+1.0 to +2.5'
    """
    return "" if pair is None else f"{pair[0]:{form}} to {pair[1]:{form}}"


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
