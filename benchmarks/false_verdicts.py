"""How often the rules decide something that is not so: the same arm compared with itself.

    python benchmarks/false_verdicts.py            # writes results/checks/false_verdicts.json; about 10 minutes

Both 'arms' are drawn from one distribution: a normal one, or the runs of a cell in results/. Every verdict other than
'undecided' on a difference above 0, and every refutation of 'at least as accurate', is then false. It exits with
status 1 if more than 5 % are, by more than twice the error of the simulation.
"""
import argparse
import functools
import json
import math
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from keras_fixhead.analysis.exact import sign_flip_test
from keras_fixhead.reproduction.claims.findings import Finding, combined
from keras_fixhead.reproduction.claims.verdict import ALPHA, HELD, REFUTED, above, more_often, not_below, verdict
from keras_fixhead.reproduction.results import read_results
from keras_fixhead.reproduction.studies import read_study

ROOT = Path(__file__).resolve().parents[1]
SEEDS = (3, 5, 6, 10)
COMPARISONS = 8
"""Number of comparisons of a simulated claim."""
LEAST_RUNS = 6
"""Number of runs of a cell from which they are resampled: of few, the same differences would come again and again."""

Draw = Callable[..., NDArray[np.float64]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--simulations", type=int, default=50_000, help="per row; a tenth of it for claims of several "
                        "comparisons")
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "checks" / "false_verdicts.json")
    options = parser.parse_args()
    asked = [(name, n, rule, options.simulations // (10 if rule in OF_SEVERAL else 1))
             for name in arms() for n in SEEDS for rule in RULES]
    with ProcessPoolExecutor() as pool:
        counts = pool.map(false_verdicts, *zip(*asked, strict=True), range(len(asked)))
        rows = [{"arm": name, "seeds": n, "rule": rule, "simulations": simulations, "false": count}
                for (name, n, rule, simulations), count in zip(asked, counts, strict=True)]
    for row in rows:
        row["share"] = row["false"] / row["simulations"]
        row["limit"] = ALPHA + 2 * math.sqrt(ALPHA * (1 - ALPHA) / row["simulations"])
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps({"schema": 1, "command": "python benchmarks/false_verdicts.py", "rows": rows},
                                      indent=1) + "\n")
    for row in rows:
        print(f"{row['arm']}, {row['seeds']} seeds, {row['rule']}: {100 * row['share']:.1f} % false verdicts")
    return int(any(row["share"] > row["limit"] for row in rows))


def false_verdicts(arm: str, n: int, rule: str, simulations: int, seed: int) -> int:
    """Returns how many of the simulations of n seeds of the same arm twice are decided by a rule."""
    draw = arms()[arm](np.random.default_rng(seed))
    return sum(bool(RULES[rule](draw, n)) for _ in range(simulations))


@functools.cache
def arms() -> dict[str, Callable[[np.random.Generator], Draw]]:
    """Returns the name of each arm, and a function that makes one which draws accuracies in percent of its runs."""
    found: dict[str, Callable[[np.random.Generator], Draw]] = {
        "normal, standard deviation 0.3": lambda generator: functools.partial(generator.normal, 93, 0.3)}
    for name, values in measured():
        found[f"runs of {name}"] = lambda generator, values=values: (  # type: ignore[misc]
            functools.partial(generator.choice, values))
    return found


def measured() -> Iterator[tuple[str, list[float]]]:
    """Yields values that vary as measured accuracies do, in points.

    From the small studies: what their runs differ from the mean of their arm, of three seeds. From the evidence, if
    there is any: the accuracies of each cell with enough runs.
    """
    residuals = []
    for name in ("main_effect", "margins", "signed_features"):
        study = read_study(ROOT / "results" / f"{name}.json")
        for arm in {run["arm"] for run in study.content["runs"]}:
            values = list(study.accuracy(arm).values())
            residuals += [(value - fmean(values)) * math.sqrt(len(values) / (len(values) - 1)) for value in values]
    yield "the small studies in results/", sorted(residuals)
    for seeds in read_results(ROOT / "results" / "evidence").by_cell.values():
        values = [100 * each.accuracy() for each in seeds.values() if each.converged]
        if len(values) >= LEAST_RUNS:
            yield next(iter(seeds.values())).path.stem.rsplit("-s", 1)[0], values


def _differences(draw: Draw, n: int) -> list[float]:
    first, second = draw(size=(2, n))
    return list(first - second)


def _above(draw: Draw, n: int) -> bool:
    return verdict(_differences(draw, n), above()).state in (HELD, REFUTED)


def _not_below(draw: Draw, n: int) -> bool:
    return verdict(_differences(draw, n), not_below(0.5)).state == REFUTED


def _two_sets(draw: Draw, n: int) -> bool:
    return verdict(_differences(draw, n), above(), _differences(draw, n)).state in (HELD, REFUTED)


def _counted(draw: Draw, n: int) -> bool:
    """Failures, each with probability 0.3 in both arms, at random seeds."""
    first, second = draw(size=(2, n)) * 1e6 % 1 < 0.3
    return verdict(list(first.astype(float) - second), more_often()).state in (HELD, REFUTED)


def _claim(draw: Draw, n: int) -> bool:
    """A claim of several comparisons."""
    findings = [Finding(str(number), dict(enumerate(_differences(draw, n))), above()) for number in range(COMPARISONS)]
    return combined(findings) == REFUTED


def _somewhere(draw: Draw, n: int) -> bool:
    findings = [Finding(str(number), dict(enumerate(_differences(draw, n))), above()) for number in range(COMPARISONS)]
    return combined(findings, somewhere=True) == HELD


def _sign_flip(draw: Draw, n: int) -> bool:
    return sign_flip_test(_differences(draw, n)) < ALPHA


RULES: dict[str, Callable[[Draw, int], bool]] = {
    "above 0": _above, "at least as accurate": _not_below, "difference between two data sets": _two_sets,
    "outcomes that are counted": _counted, f"claim of {COMPARISONS} comparisons": _claim,
    f"existence claim of {COMPARISONS} comparisons": _somewhere, "sign-flip test": _sign_flip,
}
OF_SEVERAL = tuple(rule for rule, false in RULES.items() if false in (_claim, _somewhere))
"""Rules that take as long as several others."""

if __name__ == "__main__":
    sys.exit(main())
