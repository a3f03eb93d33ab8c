"""The figure of all claims and their verdicts: SVG made of text, so that the same results give the same bytes."""
from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape

from keras_fixhead.reproduction.claims.answers import ARITHMETIC, Answer
from keras_fixhead.reproduction.claims.findings import deciding
from keras_fixhead.reproduction.claims.verdict import HELD, NOT_MEASURED, REFUTED, STATES, UNDECIDED

COLOURS = {HELD: ("#d3ecd9", "#12502a"), REFUTED: ("#f6d6d3", "#7c1c14"), UNDECIDED: ("#fbebc4", "#6a4b00"),
           NOT_MEASURED: ("#e8ebf0", "#4a5361"), ARITHMETIC: ("#dbe6f8", "#1d3f78")}
"""Verdict -> background and text, everywhere."""

FILE = "evidence.svg"
_ROW, _TOP, _LEFT, _CLAIM, _COLUMN, _BADGE = 24, 108, 16, 836, 206, 136  # pixels


def claims_figure(found: Mapping[str, Sequence[Answer]], columns: Mapping[str, str]) -> str:
    """Returns a figure of one line per claim, with its verdict in each setting, as SVG.

    Args:
        found: plan -> the answers to all claims, in the same order.
        columns: plan -> title of its column, two lines separated by a line break.
    """
    claims = [each.claim for each in next(iter(found.values()))]
    width, height = _LEFT + _CLAIM + _COLUMN * len(columns), _TOP + _ROW * len(claims) + 14
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'font-family="system-ui, -apple-system, \'Segoe UI\', \'DejaVu Sans\', sans-serif" font-size="12.5" '
        'role="img">',
        f"<title>The paper's {len(claims)} claims, and which of them hold</title>",
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        _text(_LEFT, 28, f"The paper's {len(claims)} claims, and which of them hold", size=17, weight=600),
        _text(_LEFT, 52, "3/7: comparisons measured, of those that decide the claim; arithmetic is not evidence",
              colour="#5b6472"),
    ]
    for index, (plan, title) in enumerate(columns.items()):
        left = _LEFT + _CLAIM + _COLUMN * index
        lines += [_text(left, 24 + 16 * row, part, weight=600) for row, part in enumerate(title.split("\n"))]
        lines += [_text(left, 24 + 16 * (row + 2), part, colour="#5b6472", size=11)
                  for row, part in enumerate(_counts(found[plan]))]
    for row, claim in enumerate(claims):
        top = _TOP + _ROW * row
        if row % 2 == 0:
            lines.append(f'<rect x="0" y="{top}" width="{width}" height="{_ROW}" fill="#f7f8fa"/>')
        lines.append(f"<g><title>{escape(claim.id)}</title>" + _text(_LEFT, top + 16, claim.statement) + "</g>")
        for index, plan in enumerate(columns):
            lines.append(_verdict(found[plan][row], _LEFT + _CLAIM + _COLUMN * index, top))
    return "\n".join([*lines, "</svg>"]) + "\n"


def _verdict(answer: Answer, left: int, top: int) -> str:
    background, colour = COLOURS[answer.state]
    counted = deciding([each for each in answer.findings if not each.beside])
    measured = sum(each.verdict.state != NOT_MEASURED for each in counted)
    share = f"{measured}/{len(counted)}" if measured else ""
    return (f'<rect x="{left - 8}" y="{top + 3}" width="{_BADGE}" height="{_ROW - 6}" rx="4" fill="{background}"/>'
            + _text(left, top + 16, answer.state, colour=colour)
            + (_text(left + _BADGE, top + 16, share, colour="#5b6472", size=11) if share else ""))


def _counts(found: Sequence[Answer]) -> list[str]:
    """Returns how many claims are in each state, in three lines."""
    counts = Counter(each.state for each in found)
    texts = [f"{counts[state]} {state}" for state in (*STATES, ARITHMETIC)]
    return [", ".join(texts[:2]), texts[2], ", ".join(texts[3:])]


def _text(left: float, base: float, text: str, *, colour: str = "#1d2430", size: float | None = None,
          weight: int | None = None) -> str:
    more = (f' font-size="{size:g}"' if size else "") + (f' font-weight="{weight}"' if weight else "")
    return f'<text x="{left}" y="{base}" fill="{colour}"{more}>{escape(text)}</text>'
