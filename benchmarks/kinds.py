"""Generates the table of kinds of class vectors in docs/class-vectors.md: python benchmarks/kinds.py"""
import warnings
from collections.abc import Sequence

import numpy as np
from report import ROOT, write_block

from keras_fixhead.errors import FixheadWarning
from keras_fixhead.vectors import KINDS, class_vectors, cosine_bound, max_cosine, reachable_cosine, welch_bound

PAGE = ROOT / "docs" / "class-vectors.md"
BLOCK = "kinds"
SEED = 0
SIZES = [(10, 128), (100, 512), (200, 512), (300, 128)]
REACH_SIZE = (100, 512)


def main() -> None:
    write_block(BLOCK, block(), PAGE)


def block() -> list[str]:
    """The lines of the table."""
    sizes = " | ".join(f"({m}, {d})" for m, d in SIZES)
    lines = [
        f"| kind | conditions | pairwise cosines | {sizes} | reachable by features >= 0 | appends | source |",
        "| --- | --- | --- |" + " --- |" * len(SIZES) + " --- | --- | --- |",
    ]
    for name, kind in KINDS.items():
        largest = " | ".join(largest_cosine(name, m, d) for m, d in SIZES)
        lines.append(f"| `{name}` | {kind.conditions} | {kind.cosines} | {largest} | {reach(name)} | "
                     f"{'yes' if kind.extends else 'no'} | {kind.source} |")
    bounds = " | ".join(number(cosine_bound(m, d)) for m, d in SIZES)
    welch = " | ".join(number(welch_bound(m, d)) for m, d in SIZES)
    lines += [
        f"| no vectors can be below | | the largest cosine | {bounds} | | | Rankin (1955), Levenshtein (1979) |",
        f"| | | the largest absolute cosine | {welch} | | | Welch (1974) |",
        "",
        f"Columns (m, d): the largest cosine between two of m class vectors in d dimensions, seed {SEED}. Reachable: "
        f"mean (smallest to largest) over the classes at {REACH_SIZE}, seed {SEED}.",
    ]
    return lines


def largest_cosine(name: str, num_classes: int, dim: int) -> str:
    """The largest cosine of a draw, or a dash if the kind has no draw of this size."""
    limit = KINDS[name].largest
    if limit is not None and num_classes > limit(dim):
        return "–"
    # the last bits of non-portable draws may differ between machines
    return number(max_cosine(draw(name, num_classes, dim)), digits=3 if KINDS[name].portable else 2)


def reach(name: str) -> str:
    """The part of a draw that features without negative entries can reach."""
    parts = [spread(reachable_cosine(draw(name, *REACH_SIZE)))]
    if KINDS[name].rotates:
        unrotated = class_vectors(name, *REACH_SIZE, SEED, rotate=False)
        parts.append(f"unrotated {spread(reachable_cosine(unrotated))}")
    return "; ".join(parts)


def draw(name: str, num_classes: int, dim: int) -> np.ndarray:
    """A draw, without the note that it is a simplex."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FixheadWarning)
        return class_vectors(name, num_classes, dim, SEED)


def spread(values: Sequence[float] | np.ndarray) -> str:
    """Mean (smallest to largest), or a single value if they are the same."""
    low, high = min(values), max(values)
    if high - low < 5e-4:
        return number(float(np.mean(values)))
    return f"{number(float(np.mean(values)))} ({number(low)} to {number(high)})"


def number(value: float, digits: int = 3) -> str:
    """A number with a given number of digits, without a minus sign before zero."""
    return f"{value + 0.0 if abs(value) >= 0.5 * 10**-digits else 0.0:.{digits}f}"


if __name__ == "__main__":
    main()
