"""The figure of all claims and their verdicts: SVG made of text, so that the same results give the same bytes."""
from collections.abc import Mapping, Sequence
from html import escape

from keras_fixhead.reproduction.claims.answers import ARITHMETIC, Answer
from keras_fixhead.reproduction.claims.verdict import HELD, NOT_MEASURED, REFUTED, UNDECIDED

COLOURS = {HELD: ("#d3ecd9", "#12502a"), REFUTED: ("#f6d6d3", "#7c1c14"), UNDECIDED: ("#fbebc4", "#6a4b00"),
           NOT_MEASURED: ("#e8ebf0", "#4a5361"), ARITHMETIC: ("#dbe6f8", "#1d3f78")}
"""Verdict -> background and text, everywhere."""

FILE = "evidence.svg"
_ROW, _TOP, _LEFT, _CLAIM, _BADGE, _SHARE, _GAP = 22, 64, 10, 252, 138, 34, 14  # pixels


def claims_figure(found: Mapping[str, Sequence[Answer]], columns: Mapping[str, str]) -> str:
    """Returns a figure of all claims in two columns, each with its verdict in each setting, as SVG.

    Args:
        found: plan -> the answers to all claims, in the same order.
        columns: plan -> title of its verdicts.
    """
    claims = [each.claim for each in next(iter(found.values()))]
    rows, half = -(-len(claims) // 2), _CLAIM + (_BADGE + _SHARE) * len(columns)
    width, height = _LEFT + 2 * half + _GAP, _TOP + _ROW * rows + 8
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'font-family="system-ui, -apple-system, \'Segoe UI\', \'DejaVu Sans\', sans-serif" font-size="12.5" '
        'role="img">',
        f"<title>The paper's {len(claims)} claims, and which of them hold</title>",
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        _text(_LEFT, 22, f"The paper's {len(claims)} claims: {'; '.join(columns.values())}", size=15, weight=600),
        _text(_LEFT, 43, "3/7: comparisons measured, of those that decide the claim. Arithmetic is not evidence.",
              colour="#5b6472"),
    ]
    for index, claim in enumerate(claims):
        left, top = _LEFT + (half + _GAP) * (index // rows), _TOP + _ROW * (index % rows)
        if index % rows % 2 == 0:
            lines.append(f'<rect x="{left - 6}" y="{top}" width="{half}" height="{_ROW}" fill="#f7f8fa"/>')
        lines.append(f"<g><title>{escape(claim.id)}: {escape(claim.statement)}</title>"
                     + _text(left, top + 15, claim.short) + "</g>")
        lines += [_verdict(found[plan][index], left + _CLAIM + (_BADGE + _SHARE) * column, top)
                  for column, plan in enumerate(columns)]
    return "\n".join([*lines, "</svg>"]) + "\n"


def _verdict(answer: Answer, left: int, top: int) -> str:
    background, colour = COLOURS[answer.state]
    measured, comparisons = answer.measured
    share = f"{measured}/{comparisons}" if measured else ""
    return (f'<rect x="{left - 8}" y="{top + 3}" width="{_BADGE}" height="{_ROW - 6}" rx="4" fill="{background}"/>'
            + _text(left, top + 15, answer.state, colour=colour)
            + (_text(left + _BADGE - 4, top + 15, share, colour="#5b6472", size=11) if share else ""))


def _text(left: float, base: float, text: str, *, colour: str = "#1d2430", size: float | None = None,
          weight: int | None = None) -> str:
    more = (f' font-size="{size:g}"' if size else "") + (f' font-weight="{weight}"' if weight else "")
    return f'<text x="{left}" y="{base}" fill="{colour}"{more}>{escape(text)}</text>'
