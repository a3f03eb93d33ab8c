"""The report as LaTeX: the tables of the Markdown, with long texts below each line."""
import re
from collections.abc import Mapping, Sequence
from typing import Any

from keras_fixhead.reproduction.report.tables import COLUMNS, Row, about, across_text, heading, tables

_BELOW = ("statement", "note", "network", "protocol", "data", "hours", "blocks", "measured", "figures", "command")
"""Columns whose texts are in a second line, below the others."""


def latex(report: Mapping[str, Any]) -> str:
    """Returns the report as LaTeX, for the packages booktabs, longtable and graphicx; comments name the files."""
    lines = ["% needs \\usepackage{booktabs,longtable,graphicx}, and a wide page"]
    for setting in report["settings"]:
        lines += ["", f"\\section*{{{latex_text(heading(setting))}}}", latex_text(about(setting))]
        for each in setting["across_sets"]:
            lines += ["", latex_text(f"{across_text(each)}."), f"% {', '.join(each['files'])}"]
        for name, rows in tables(setting).items():
            lines += ["", f"\\subsection*{{{latex_text(name.capitalize())}}}", *_table(COLUMNS[name], rows)]
        for entry in setting["figures"]:
            for each in entry["pictures"]:
                lines += ["", f"\\noindent\\includegraphics[width=.6\\linewidth]{{figures/{each['name']}.png}}\\\\",
                          latex_text(each["caption"])]
    return "\n".join(lines) + "\n"


def _table(columns: Mapping[str, str], rows: Sequence[Row]) -> list[str]:
    beside = [name for name in columns if name not in (*_BELOW, "files")]
    lines = [f"\\begin{{longtable}}{{{'l' * len(beside)}}}", "\\toprule",
             " & ".join(latex_text(columns[name]) for name in beside) + " \\\\", "\\midrule", "\\endhead"]
    for row in rows:
        below = "; ".join(f"{columns[name]}: {text}" for name in _BELOW if (text := row.texts.get(name)))
        lines += [" & ".join(latex_text(row.texts[name]) for name in beside) + " \\\\",
                  *([f"\\multicolumn{{{len(beside)}}}{{p{{.95\\linewidth}}}}{{\\quad\\footnotesize "
                     f"{latex_text(below)}}} \\\\"] if below else []),
                  *([f"% {row.texts['files']}"] if row.texts.get("files") else [])]
    return [*lines, "\\bottomrule", "\\end{longtable}"]


def latex_text(text: str) -> str:
    """Returns text with the characters escaped that LaTeX reserves.

    Example:
        >>> latex_text("95 % of cifar_10 − 1")
        '95 \\\\% of cifar\\\\_10 $-$ 1'
    """
    escaped = re.sub(r"([&%$#_{}])", r"\\\1", text.replace("\\", "/"))
    return escaped.replace("~", "\\textasciitilde{}").replace("^", "\\textasciicircum{}").replace("−", "$-$")
