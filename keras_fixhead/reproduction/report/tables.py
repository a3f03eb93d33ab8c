"""The report's tables as texts: the one source of its Markdown, LaTeX and HTML."""
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from keras_fixhead.reproduction.claims.findings import NUMBER
from keras_fixhead.reproduction.report.targets import target_text

BESIDE = "stands next to the others and does not count for the claim"
COLUMNS: dict[str, dict[str, str]] = {
    "claims": {"claim": "claim", "section": "section", "statement": "in the paper", "verdict": "verdict",
               "measured": "seeds, comparisons measured", "note": "note"},
    "comparisons": {
        "claim": "claim", "comparison": "comparison", "verdict": "verdict", "unit": "unit", "expected": "expected",
        "paper": "paper", "here": "here", "difference": "here − paper", "interval": "95 % interval",
        "bca": "BCa interval", "p": "sign-flip p (mean 0)", "n": "n", "note": "note", "network": "network",
        "protocol": "protocol", "data": "data", "holm": "after Holm", "hours": "hours", "files": "files",
        "command": "command"},
    "tables and figures": {"target": "table or figure", "blocks": "blocks", "runs": "runs", "done": "done",
                           "hours": "hours left", "measured": "measured", "command": "command for the rest"},
    "cells": {"block": "block", "cell": "cell", "network": "network", "protocol": "protocol", "data": "data",
              "paper": "paper, %", "here": "here, %", "difference": "here − paper", "interval": "95 % interval",
              "n": "n", "failed": "failed", "minutes": "minutes", "files": "files", "figures": "figures",
              "command": "command"},
}
"""Table -> its columns, each with its title."""


@dataclass(frozen=True)
class Row:
    """A line of a table.

    Attributes:
        texts: column -> text.
        numbers: column -> the number that it is sorted by, for columns of numbers.
        names: column -> names of which its text is a list.
        counts: whether it counts for its claim.
    """

    texts: Mapping[str, str]
    numbers: Mapping[str, float | None] = field(default_factory=dict)
    names: Mapping[str, Sequence[str]] = field(default_factory=dict)
    counts: bool = True


def tables(setting: Mapping[str, Any]) -> dict[str, list[Row]]:
    """Returns the rows of each of `COLUMNS` for a setting of a report."""
    return {"claims": [_claim(each) for each in setting["claims"]],
            "comparisons": [comparison_row(claim["id"], each) for claim in setting["claims"]
                            for each in claim["comparisons"]],
            "tables and figures": [_target(each, setting) for each in setting["targets"]],
            "cells": [_cell(each) for each in setting["cells"]]}


def heading(setting: Mapping[str, Any]) -> str:
    """Returns the title of a setting as it begins a line.

    Example:
        >>> heading({"title": "at full size"})
        'At full size'
    """
    title = str(setting["title"])
    return title[0].upper() + title[1:]


def about(setting: Mapping[str, Any]) -> str:
    """Returns what the runs of a setting have in common."""
    return (f"Network {setting['network']}, {setting['runs']} runs on {', '.join(setting['devices'])}. The paper's "
            f"numbers are of {setting['paper_network']}.")


def across_text(each: Mapping[str, Any]) -> str:
    """Returns the interquartile mean over data sets as text."""
    low, high = each["interval_95"]
    return (f"Over {' and '.join(each['sets'])}: {each['what']}: interquartile mean {each['interquartile_mean']:+.2f} "
            f"[{low:+.2f}, {high:+.2f}] (95 % bootstrap interval, seeds resampled within data sets; n = "
            f"{', '.join(map(str, each['n']))})")


def _claim(each: Mapping[str, Any]) -> Row:
    return Row({"claim": each["id"], "section": each["section"], "statement": each["statement"],
                "verdict": each["verdict"], "measured": each["measured"],
                "note": each["arithmetic"] or each["lacking"]})


def comparison_row(claim: str, each: Mapping[str, Any]) -> Row:
    """Returns the line of a comparison.

    Args:
        claim: id of its claim.
        each: the comparison, from a report.
    """
    form = NUMBER[each["unit"]]
    p = "" if each["sign_flip_p"] is None else f"{each['sign_flip_p']:.3g} (at least {each['smallest_p']:.3g})"
    texts = {
        "claim": claim, "comparison": each["label"], "verdict": each["verdict"], "unit": each["unit"],
        "expected": each["expected"], "paper": number(each["paper"], form), "here": number(each["mean"], form),
        "difference": number(each["difference_from_paper"], form), "interval": interval(each["interval_95"], form),
        "bca": interval(each["bca_95"], form), "p": p, "n": str(each["n"]),
        "note": "; ".join(filter(None, (each["note"], each["warning"], "" if each["counts"] else BESIDE))),
        "network": each["network"], "protocol": each["protocol"], "data": each["data"],
        "holm": each["after_holm"] or "", "hours": _hours_text(each), "files": ", ".join(each["files"]),
        "command": each["command"]}
    lows = {name: None if pair is None else pair[0] for name, pair in (
        ("interval", each["interval_95"]), ("bca", each["bca_95"]))}
    hours = each["hours_per_seed"] if _is_open(each) else each["hours"] if each["files"] else None
    return Row(texts, {"paper": each["paper"], "here": each["mean"], "difference": each["difference_from_paper"],
                       **lows, "p": each["sign_flip_p"], "n": each["n"], "hours": hours},
               {"files": each["files"]}, each["counts"])


def _hours_text(each: Mapping[str, Any]) -> str:
    """The hours that the runs of a comparison took, or about how many those would take that it still needs."""
    if _is_open(each):
        return f"about {each['hours_per_seed']:g} a seed, {each['command_hours']:g} the command"
    return f"{each['hours']:g}" if each["files"] else ""


def _is_open(each: Mapping[str, Any]) -> bool:
    """Whether a comparison has no value yet and a command would give it one, even if some of its runs exist."""
    return not each["values"] and bool(each["command"])


def _target(each: Mapping[str, Any], setting: Mapping[str, Any]) -> Row:
    figures = [entry["title"] for entry in setting["figures"] if entry["figure"] == each["target"]]
    return Row({"target": each["target"], "blocks": ", ".join(each["blocks"]), "runs": str(each["runs"]),
                "done": str(each["done"]), "hours": number(each["hours"], "g"), "measured": target_text(each),
                "command": each["command"]},
               {name: each[name] for name in ("runs", "done", "hours")}, {"target": figures})


def _cell(each: Mapping[str, Any]) -> Row:
    values = ", ".join(f"{100 * value:.2f}" for value in each["accuracy"].values())
    minutes = sum(each["seconds"].values()) / 60 / max(1, len(each["seconds"]))
    texts = {"block": each["block"] or "", "cell": each["cell"], "network": each["network"],
             "protocol": each["protocol"], "data": each["data"], "paper": number(each["paper"], ".1f"),
             "here": "" if each["mean"] is None else f"{each['mean']:.2f} ({values})",
             "difference": number(each["difference_from_paper"], "+.2f"),
             "interval": interval(each["interval_95"], ".2f"), "n": str(len(each["accuracy"])),
             "failed": str(len(each["failed"])), "minutes": f"{minutes:.1f}",
             "files": ", ".join(each["files"].values()), "figures": "; ".join(each["figures"]),
             "command": each["command"]}
    pair = each["interval_95"]
    return Row(texts, {"paper": each["paper"], "here": each["mean"], "difference": each["difference_from_paper"],
                       "interval": None if pair is None else pair[0], "n": len(each["accuracy"]),
                       "failed": len(each["failed"]), "minutes": minutes},
               {"files": list(each["files"].values()), "figures": each["figures"]})


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
