"""The report as one page of HTML that needs no network: tables that can be sorted and filtered."""
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from keras_fixhead.reproduction.claims.answers import ARITHMETIC
from keras_fixhead.reproduction.claims.verdict import STATES
from keras_fixhead.reproduction.pages.figure import COLOURS
from keras_fixhead.reproduction.report.targets import target_text
from keras_fixhead.reproduction.report.text import across_text, cell_row, comparison_row, heading, is_open, minutes

CLASSES = {"held": "held", "refuted": "refuted", "undecided at this n": "undecided", "not measured": "missing",
           ARITHMETIC: "arithmetic"}
"""Verdict -> class of its badge."""

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
.comparisons td:not(.n):not(.id), .tables-and-figures td:not(.n), .cells td:not(.n) { min-width: 5.5rem; }
.comparisons td:is(:nth-child(2), :nth-child(13), :nth-child(14), :last-child):not(.n):not(.id) { min-width: 12rem; }
.cells td:is(:nth-child(2), :nth-child(3), :last-child) { min-width: 12rem; }
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
    about = (f"Network {setting['network']}; {setting['runs']} runs on {', '.join(setting['devices'])}. The paper's "
             f"numbers are of {setting['paper_network']}. {'; '.join(map(across_text, setting['across_sets']))}")
    claims = _table(("claim", "section", "in the paper", "verdict", "note"), [
        _row(each["verdict"], [_code(each["id"]), _cell(each["section"]), _cell(each["statement"]),
                               f"<td>{_badge(each['verdict'])}</td>",
                               f"<td>{_marked(each['arithmetic'] or each['lacking'])}</td>"])
        for each in setting["claims"]])
    comparisons = _table(
        ("claim", "comparison", "verdict", "unit", "expected", "paper", "here", "here − paper", "95 % interval",
         "BCa interval", "sign-flip p", "n", "network, recipe and scale", "data", "after Holm", "hours", "files",
         "command"),
        [_comparison(claim["id"], each) for claim in setting["claims"] for each in claim["comparisons"]])
    targets = _table(("table or figure", "blocks", "runs", "done", "hours left", "measured", "command for the rest"), [
        _row("", [_linked(each["target"], setting), _cell(", ".join(each["blocks"])),
                  _number(str(each["runs"]), each["runs"]), _number(str(each["done"]), each["done"]),
                  _number("" if each["hours"] is None else f"{each['hours']:g}", each["hours"]),
                  _cell(target_text(each)), _command(each["command"])])
        for each in setting["targets"]])
    cells = _table(("block", "cell", "recipe and scale", "data", "paper, %", "here, %", "here − paper",
                    "95 % interval", "n", "failed", "minutes", "files", "figures", "command"),
                   [_measured_cell(each, setting) for each in setting["cells"]])
    return "\n".join(f"<section class=\"{name.replace(' ', '-')}\"><h2>{escape(heading(setting))}: {name}</h2>"
                     f"{f'<p>{escape(text)}</p>' if text else ''}"
                     f"<div class=\"filters\">{_TEXT_FILTER}{_VERDICT_FILTER if judged else ''}</div>"
                     f"<div class=\"scroll\">{table}</div></section>"
                     for name, text, table, judged in (("claims", about, claims, True),
                                                       ("comparisons", "", comparisons, True),
                                                       ("tables and figures", "", targets, False),
                                                       ("cells", "", cells, False)))


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


def _linked(target: str, setting: Mapping[str, Any]) -> str:
    """A table or figure of the paper, with links to its pictures on the page."""
    links = _figure_links([each["title"] for each in setting["figures"] if each["figure"] == target], setting)
    return f"<td>{escape(target)}{f'<br><small>{links}</small>' if links else ''}</td>"


_TEXT_FILTER = "<input type=\"search\" placeholder=\"Show lines with ...\" aria-label=\"Show lines with\">"
_VERDICT_FILTER = ("<select aria-label=\"Verdict\"><option value=\"\">every verdict</option>"
                   + "".join(f"<option>{each}</option>" for each in (*STATES, ARITHMETIC)) + "</select>")


def _comparison(claim: str, each: Mapping[str, Any]) -> str:
    text = comparison_row(claim, each)
    intervals = {"interval": each["interval_95"], "bca": each["bca_95"]}
    keys = {"paper": each["paper"], "here": each["mean"], "difference": each["difference_from_paper"],
            **{name: None if pair is None else pair[0] for name, pair in intervals.items()}, "p": each["sign_flip_p"]}
    notes = "".join(f" <small>{escape(text)}</small>" for text in (each["note"], each["warning"]) if text)
    kind = "" if each["counts"] else ' class="beside"'
    label = f"<td{kind}>{escape(each['label'])}{notes}</td>"
    hours = each["hours_per_seed"] if is_open(each) else each["hours"] if each["files"] else None
    return _row(each["verdict"], [
        _code(claim), label, f"<td>{_badge(each['verdict'])}</td>", _cell(each["unit"]), _cell(each["expected"]),
        *(_number(text[name], key) for name, key in keys.items()), _number(str(each["n"]), each["n"]),
        _cell(text["recipe"]), _cell(text["data"]),
        f"<td>{_badge(each['after_holm']) if each['after_holm'] else ''}</td>", _number(text["hours"], hours),
        _files(each["files"]),
        _command(each["command"])])


def _measured_cell(each: Mapping[str, Any], setting: Mapping[str, Any]) -> str:
    text, pair = cell_row(each), each["interval_95"]
    return _row("", [
        *(_cell(text[name]) for name in ("block", "cell", "recipe", "data")), _number(text["paper"], each["paper"]),
        _number(text["here"], each["mean"]), _number(text["difference"], each["difference_from_paper"]),
        _number(text["interval"], None if pair is None else pair[0]), _number(text["n"], len(each["accuracy"])),
        _number(text["failed"], len(each["failed"])), _number(text["minutes"], minutes(each)),
        _files(list(each["files"].values())), f"<td>{_figure_links(each['figures'], setting)}</td>",
        _command(each["command"])])


def _command(text: str) -> str:
    return f"<td><code>{escape(text)}</code></td>"


def _table(header: Sequence[str], rows: Sequence[str]) -> str:
    heads = "".join(f"<th scope=\"col\">{escape(name)}</th>" for name in header)
    return f"<table><thead><tr>{heads}</tr></thead><tbody>\n" + "\n".join(rows) + "\n</tbody></table>"


def _row(verdict: str, cells: Sequence[str]) -> str:
    return f"<tr data-verdict=\"{escape(verdict)}\">{''.join(cells)}</tr>"


def _cell(text: str) -> str:
    return f"<td>{escape(text)}</td>"


def _marked(text: str) -> str:
    """Text whose words in backticks are code."""
    return "".join(f"<code>{part}</code>" if index % 2 else part for index, part in enumerate(escape(text).split("`")))


def _code(text: str) -> str:
    return f"<td class=\"id\"><code>{escape(text)}</code></td>"


def _number(text: str, key: float | None) -> str:
    return f"<td class=\"n\" data-key=\"{'' if key is None else key}\">{escape(text)}</td>"


def _files(names: Sequence[str]) -> str:
    links = "<br>".join(f"<code>{escape(name)}</code>" for name in names)
    return f"<td><details><summary>{len(names)}</summary>{links}</details></td>" if names else "<td></td>"


def _badge(verdict: str) -> str:
    return f"<span class=\"v {CLASSES[verdict]}\">{escape(verdict)}</span>"
