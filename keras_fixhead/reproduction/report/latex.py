"""The report as LaTeX: the tables of the Markdown, each line of which takes several of a page.

A line begins with its name over the full width. Its numbers follow in columns of fixed widths, and long texts below
them. So the tables fit in any page with one column of text.
"""
import re
from collections.abc import Mapping, Sequence
from typing import Any

from keras_fixhead.reproduction.report.tables import COLUMNS, Row, about, across_text, heading, tables

PACKAGES = ("array", "booktabs", "graphicx", "longtable")
"""What the document must load."""
_NAMES: dict[str, tuple[str, ...]] = {
    "claims": ("claim",), "comparisons": ("claim", "comparison"), "tables and figures": ("target",),
    "cells": ("block", "cell")}
"""Table -> columns that are written above the others."""
_BESIDE: dict[str, dict[str, float]] = {
    "claims": {"section": .15, "verdict": .3, "measured": .55},
    "comparisons": {"verdict": .23, "paper": .1, "here": .1, "difference": .12, "interval": .22, "p": .17, "n": .06},
    "tables and figures": {"runs": .3, "done": .3, "hours": .4},
    "cells": {"paper": .11, "here": .33, "difference": .12, "interval": .21, "n": .05, "failed": .08, "minutes": .1}}
"""Table -> its columns that are side by side, each with its share of the width; other texts are below."""
_SIGNS = {"\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "<": "\\textless{}",
          ">": "\\textgreater{}", "|": "\\textbar{}", "−": "$-$"}


def latex(report: Mapping[str, Any]) -> str:
    """Returns the report as LaTeX, for documents with one column that load `PACKAGES`; comments name the files."""
    lines = [f"% \\usepackage{{{','.join(PACKAGES)}}}",
             "% For text in one column (longtable); paths of pictures start at the folder of this file."]
    for setting in report["settings"]:
        lines += ["", f"\\section*{{{latex_text(heading(setting))}}}", latex_text(about(setting))]
        for each in setting["across_sets"]:
            lines += ["", latex_text(f"{across_text(each)}."), f"% {', '.join(each['files'])}"]
        for name, rows in tables(setting).items():
            lines += ["", f"\\subsection*{{{latex_text(name.capitalize())}}}", *_table(name, rows)]
        for entry in setting["figures"]:
            for each in entry["pictures"]:
                lines += ["", "\\medskip\\noindent",
                          f"\\includegraphics[width=.6\\linewidth]{{figures/{each['name']}.png}}\\\\*",
                          latex_text(each["caption"])]
    return "\n".join(lines) + "\n"


def _table(table: str, rows: Sequence[Row]) -> list[str]:
    titles, columns = COLUMNS[table], _BESIDE[table]
    widths = "".join(_column(share) for share in columns.values())
    return ["{\\footnotesize\\setlength{\\tabcolsep}{2pt}%", f"\\begin{{longtable}}{{{widths}}}", "\\toprule",
            _across(": ".join(latex_text(titles[name]) for name in _NAMES[table]), table) + " \\\\*",
            _beside(titles, table) + " \\\\", "\\midrule", "\\endhead", "\\bottomrule", "\\endfoot",
            *(line for row in rows for line in _row(row.texts, table)), "\\end{longtable}}"]


def _row(texts: Mapping[str, str], table: str) -> list[str]:
    """The lines of a row, which stay on one page; a comment names its files."""
    titles, elsewhere = COLUMNS[table], (*_NAMES[table], *_BESIDE[table], "files")
    below = [f"{latex_text(titles[name])}: {_code(texts[name]) if name == 'command' else latex_text(texts[name])}"
             for name in titles if name not in elsewhere and texts[name]]
    name = ": ".join(latex_text(texts[each]) for each in _NAMES[table] if texts[each])
    lines = [_across(f"\\textbf{{{name}}}", table),
             _beside(texts, table), *([_across("; ".join(below).replace(".; ", ". "), table)] if below else [])]
    files = [f"% {texts['files']}"] if texts.get("files") else []
    return [*(f"{line} \\\\*" for line in lines[:-1]), f"{lines[-1]} \\\\ \\addlinespace", *files]


def _column(share: float) -> str:
    """A column that wraps its text, with a share of the width."""
    return f">{{\\raggedright\\arraybackslash}}p{{\\dimexpr {share:g}\\linewidth-2\\tabcolsep}}"


def _across(text: str, table: str) -> str:
    return f"\\multicolumn{{{len(_BESIDE[table])}}}{{{_column(1)}}}{{{text}}}"


def _beside(texts: Mapping[str, str], table: str) -> str:
    return " & ".join(latex_text(texts[name]) for name in _BESIDE[table])


def _code(text: str) -> str:
    return f"\\texttt{{{latex_text(text)}}}"


def latex_text(text: str) -> str:
    """Returns text with the characters escaped that LaTeX reserves, and with minus signs.

    Example:
        >>> latex_text("95 % of cifar_10 − 1"), latex_text("-0.5 with --data-dir")
        ('95 \\\\% of cifar\\\\_10 $-$ 1', '$-$0.5 with -{}-data-dir')
    """
    minus = re.sub(r"(?<![\w)-])-(?=\.?\d)", "−", text)
    escaped = re.sub(r"[\\~^<>|−&%$#_{}]", lambda sign: _SIGNS.get(sign[0], f"\\{sign[0]}"), minus)
    return escaped.replace("--", "-{}-")  # two hyphens would become a dash
