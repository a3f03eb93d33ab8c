"""The report as one page of HTML that needs no network: tables that can be sorted and filtered."""
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from keras_fixhead.reproduction.claims.answers import ARITHMETIC
from keras_fixhead.reproduction.claims.verdict import STATES
from keras_fixhead.reproduction.pages.figure import COLOURS
from keras_fixhead.reproduction.report.tables import COLUMNS, Row, about, across_text, heading, tables
from keras_fixhead.wording import count_text

CLASSES = {"held": "held", "refuted": "refuted", "undecided at this n": "undecided", "not measured": "missing",
           ARITHMETIC: "arithmetic"}
"""Verdict -> class of its badge."""

_JUDGED = ("claims", "comparisons")
"""Tables whose lines have a verdict."""
_WIDE = ("comparison", "note", "protocol", "data", "measured", "cell", "command")
"""Columns of long texts."""

_STYLE = """
:root { color-scheme: light; font: 15px/1.45 system-ui, sans-serif; color: #1d2430; }
body { margin: 0 auto; max-width: 1500px; padding: 1.2rem; }
h1 { font-size: 1.5rem; margin: 0 0 .4rem; } h2 { font-size: 1.15rem; margin: 1.8rem 0 .4rem; }
p { margin: .3rem 0 .8rem; max-width: 60rem; }
.scroll { overflow-x: auto; border: 1px solid #d5dae2; border-radius: 6px; }
table { border-collapse: collapse; width: 100%; font-size: .88rem; }
th, td { padding: .35rem .55rem; text-align: left; vertical-align: top; border-bottom: 1px solid #e6e9ef; }
th { position: sticky; top: 0; background: #f3f5f8; cursor: pointer; white-space: nowrap; user-select: none; }
th:focus-visible { outline: 2px solid #2f6fde; outline-offset: -2px; }
td.n { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
td.beside { font-style: italic; color: #5b6472; }
.v { display: inline-block; padding: .05rem .45rem; border-radius: 4px; white-space: nowrap; }
.filters { display: flex; flex-wrap: wrap; gap: .5rem; margin: .6rem 0; }
input, select { font: inherit; padding: .25rem .45rem; border: 1px solid #b9c0cc; border-radius: 4px; max-width: 100%; }
td.id code { white-space: nowrap; overflow-wrap: normal; }
input { flex: 1 1 16rem; } small { color: #5b6472; } code { font-size: .95em; overflow-wrap: anywhere; }
section:not(.claims) td:not(.n):not(.id) { min-width: 5.5rem; }
section:not(.claims) td.wide:not(.n):not(.id) { min-width: 12rem; }
.comparisons td.id code { white-space: normal; overflow-wrap: normal; }
@media (max-width: 640px) {  /* claims one below the other, each with its verdict in view; other tables scroll */
  .claims :is(table, tbody, thead, td, tr) { display: block; }
  .claims thead tr { display: flex; flex-wrap: wrap; background: #f3f5f8; }
  .claims th { border: 0; position: static; }
  .claims td { border: 0; padding: .1rem .55rem; }
  .claims td:nth-child(2)::before { content: "section "; }
  .claims td:empty { display: none; }
  .claims tbody tr { border-bottom: 1px solid #e6e9ef; padding: .35rem 0; }
  .claims tr[hidden] { display: none; }
}
details summary { cursor: pointer; color: #3b4a63; }
h3 { font-size: 1rem; margin: 1.2rem 0 .4rem; }
.figures { display: grid; grid-template-columns: repeat(2, minmax(0, 36rem)); gap: 1rem; align-items: end; }
@media (max-width: 640px) { .figures { grid-template-columns: minmax(0, 1fr); } }
figure { margin: 0; } figure img { width: 100%; height: auto; }
figcaption { font-size: .88rem; color: #3b4a63; }
"""

_SCRIPT = """
for (const box of document.querySelectorAll('section')) {
  const text = box.querySelector('input'), verdict = box.querySelector('select');
  const rows = [...box.querySelectorAll('tbody tr')];
  const filter = () => { for (const row of rows) {
    const shown = row.textContent.toLowerCase().includes(text.value.toLowerCase()) &&
      (!verdict?.value || row.dataset.verdict === verdict.value);
    row.hidden = !shown; } };
  text.addEventListener('input', filter); verdict?.addEventListener('change', filter);
}
for (const head of document.querySelectorAll('th')) {
  const sort = () => {
    const table = head.closest('table'), body = table.tBodies[0], at = head.cellIndex;
    const down = head.getAttribute('aria-sort') === 'ascending';
    const numbers = body.rows[0].cells[at].classList.contains('n');
    for (const each of head.parentNode.cells) each.removeAttribute('aria-sort');
    head.setAttribute('aria-sort', down ? 'descending' : 'ascending');
    const key = row => { const cell = row.cells[at]; return cell.dataset.key ?? cell.textContent; };
    const rows = [...body.rows].sort((one, other) => {
      const a = key(one), b = key(other);
      if (a === '' || b === '') return (a === '') - (b === '');  // empty cells come last in both directions
      const order = numbers ? a - b : a.localeCompare(b, 'en', {numeric: true}) || a.localeCompare(b, 'en');
      return down ? -order : order; });
    body.append(...rows); };
  head.tabIndex = 0; head.addEventListener('click', sort);
  head.addEventListener('keydown', event => { if (event.key === 'Enter') sort(); });
}
"""


def html(report: Mapping[str, Any], images: Mapping[str, bytes]) -> str:
    """Returns the report as an HTML page.

    Args:
        report: from `report.read_report`.
        images: name of each figure -> its PNG file, which becomes a part of the page.
    """
    parts = [f"<h1>The paper's claims and what was measured</h1><p>{escape(report['paper'])}. Click a column to sort "
             "it. Verdicts: " + " ".join(_badge(each) for each in (*STATES, ARITHMETIC))
             + " (arithmetic is not evidence). "
             "Lines in italics stand next to the others and do not count for the claim.</p>",
             *(part for setting in report["settings"] for part in (_section(setting), _figures(setting, images)))]
    return ("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
            "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
            f"<title>The paper's claims and what was measured</title>\n<link rel=\"icon\" href=\"data:,\">\n"
            f"<style>{_STYLE}{_colours()}</style></head>\n<body>\n" + "\n".join(parts)
            + f"\n<script>{_SCRIPT}</script>\n</body></html>\n")


def _colours() -> str:
    return "".join(f".{CLASSES[verdict]} {{ background: {background}; color: {text}; }}\n"
                   for verdict, (background, text) in COLOURS.items())


def _section(setting: Mapping[str, Any]) -> str:
    across = "".join(f"<p>{escape(across_text(each))}</p>{_files(each['files'])}" for each in setting["across_sets"])
    texts = {"claims": f"<p>{escape(about(setting))}</p>{across}"}
    return "\n".join(f"<section class=\"{name.replace(' ', '-')}\"><h2>{escape(heading(setting))}: {name}</h2>"
                     f"{texts.get(name, '')}"
                     f"<div class=\"filters\">{_TEXT_FILTER}{_VERDICT_FILTER if name in _JUDGED else ''}</div>"
                     f"<div class=\"scroll\">{_table(name, rows, setting)}</div></section>"
                     for name, rows in tables(setting).items())


def _figures(setting: Mapping[str, Any], images: Mapping[str, bytes]) -> str:
    """The paper's figures with the data of a setting, as a part of the page."""
    parts = [f"<h3 id=\"{_anchor(entry, setting)}\">{escape(entry['title'])}</h3>"
             "<div class=\"figures\">" + "".join(
                 f"<figure><img alt=\"{escape(each['caption'])}\" src=\"data:image/png;base64,"
                 f"{b64encode(images[each['name']]).decode()}\"><figcaption>{escape(each['caption'])}</figcaption></figure>"
                 for each in entry["pictures"]) + "</div>" for entry in setting["figures"]]
    return (f"<h2>{escape(heading(setting))}: figures</h2><p>They are also in the folder <code>figures</code> of the "
            "report, as PNG and SVG files.</p>" + "\n".join(parts) if parts else "")


def _anchor(entry: Mapping[str, Any], setting: Mapping[str, Any]) -> str:
    return re.sub(r"[^a-z0-9]+", "-", f"{setting['plan']} {entry['title']}".lower())


def _figure_links(titles: Sequence[str], setting: Mapping[str, Any]) -> str:
    return "<br>".join(f"<a href=\"#{_anchor(each, setting)}\">{escape(each['title'])}</a>"
                       for each in setting["figures"] if each["title"] in titles)


_TEXT_FILTER = "<input type=\"search\" placeholder=\"Show lines with ...\" aria-label=\"Show lines with\">"
_VERDICT_FILTER = ("<select aria-label=\"Verdict\"><option value=\"\">every verdict</option>"
                   + "".join(f"<option>{each}</option>" for each in (*STATES, ARITHMETIC)) + "</select>")


def _table(name: str, rows: Sequence[Row], setting: Mapping[str, Any]) -> str:
    heads = "".join(f"<th scope=\"col\">{escape(title)}</th>" for title in COLUMNS[name].values())
    lines = [f"<tr data-verdict=\"{escape(row.texts.get('verdict', ''))}\">"
             + "".join(_cell(column, row, setting) for column in COLUMNS[name]) + "</tr>" for row in rows]
    return f"<table><thead><tr>{heads}</tr></thead><tbody>\n" + "\n".join(lines) + "\n</tbody></table>"


def _cell(column: str, row: Row, setting: Mapping[str, Any]) -> str:
    """A cell: its text, or a badge, a command, a list of files, links to figures, or a number that can be sorted."""
    if column in row.numbers:
        key = row.numbers[column]
        return f"<td class=\"n\" data-key=\"{'' if key is None else key}\">{escape(row.texts[column])}</td>"
    kinds = {"id": column == "claim", "wide": column in _WIDE, "beside": column == "comparison" and not row.counts}
    names = " ".join(name for name, given in kinds.items() if given)
    return f"<td class=\"{names}\">{_content(column, row, setting)}</td>"


def _content(column: str, row: Row, setting: Mapping[str, Any]) -> str:
    text = row.texts[column]
    if column in ("verdict", "holm"):
        return _badge(text) if text else ""
    if column in ("claim", "command"):
        return f"<code>{escape(text)}</code>"
    if column == "files":
        return _files(row.names["files"])
    if column == "figures":
        return _figure_links(row.names["figures"], setting)
    links = _figure_links(row.names.get(column, ()), setting)
    return _marked(text) + (f"<br><small>{links}</small>" if links else "")


def _marked(text: str) -> str:
    """Text whose words in backticks are code."""
    return "".join(f"<code>{part}</code>" if index % 2 else part for index, part in enumerate(escape(text).split("`")))


def _files(names: Sequence[str]) -> str:
    links = "<br>".join(f"<code>{escape(name)}</code>" for name in names)
    return f"<details><summary>{count_text(len(names), 'file')}</summary>{links}</details>" if names else ""


def _badge(verdict: str) -> str:
    return f"<span class=\"v {CLASSES[verdict]}\">{escape(verdict)}</span>"
