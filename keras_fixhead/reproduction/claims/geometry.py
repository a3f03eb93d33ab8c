"""The claims on class vectors and features, as comparisons: nearness, correlations, compactness, separation."""
import dataclasses
from statistics import fmean

from keras_fixhead.analysis.similarity import tie_ceiling
from keras_fixhead.catalog import MODELS
from keras_fixhead.data.catalog import DATASETS
from keras_fixhead.reproduction.claims.comparisons import (
    SETS,
    Arm,
    Evidence,
    arm,
    between_sets,
    both,
    difference,
    gain,
    single,
)
from keras_fixhead.reproduction.claims.findings import BOUND, COSINE, POINTS, SHARE, Finding
from keras_fixhead.reproduction.claims.verdict import above, below, near
from keras_fixhead.reproduction.measures import (
    Measure,
    accuracy,
    below_ceiling,
    correlation,
    errors_inside,
    evaluated,
    group_nearness,
    high_cosine,
    look_alike_cosine,
    recorded,
    unordered_correlation,
)
from keras_fixhead.reproduction.paper import paper_correlations
from keras_fixhead.reproduction.planning.cells import Choice
from keras_fixhead.vectors import ceiling

TOLERANCE_COSINE = 0.05
TOLERANCE_CORRELATION = 0.15
"""A correlation is 'as in the paper' from its number less this."""

OWN, PREDICTED = evaluated("own_cosine"), evaluated("predicted_cosine")


def look_alike_vectors(seen: Evidence) -> list[Finding]:
    """How much closer the learned class vectors of one group of classes are than others, minus the same of the draw."""
    found = []
    for dataset in SETS:
        for head in ("dot", "cos"):
            fixed, learned = both(seen.setting.main, dataset, head)
            found.append(difference(seen, f"{dataset}, {head}, learned minus as drawn", learned, fixed, group_nearness,
                                    above(), unit=COSINE))
    return found


def largest_cosines(seen: Evidence) -> list[Finding]:
    """The largest cosine between learned class vectors minus that of the draw, for 100 classes minus that for 10."""
    many, few = (both(seen.setting.main, dataset, "dot")[::-1] for dataset in SETS)
    return [between_sets(seen, f"dot, {seen.setting.network}, net of the draw", many, few,
                         recorded("class_vectors_max_cosine"), above(), unit=COSINE)]


def correlations(head: str, seen: Evidence) -> list[Finding]:
    """The correlation of cosines between learned class vectors with errors, and minus that of the fixed arm."""
    found = []
    for dataset in SETS:
        fixed, learned = both(seen.setting.main, dataset, head)
        paper = paper_correlations()[head][dataset]
        found += [
            _as_in_the_paper(seen, dataset, learned, paper),
            difference(seen, f"{dataset}, ordered pairs, minus the fixed arm", learned, fixed, correlation, above(),
                       unit=COSINE),
            difference(seen, f"{dataset}, unordered pairs, minus the fixed arm", learned, fixed, unordered_correlation,
                       above(), unit=COSINE, beside=True, note=_bound_text(seen, learned, ordered=False)),
        ]
    return found


def _as_in_the_paper(seen: Evidence, dataset: str, learned: Arm, paper: float) -> Finding:
    """Returns whether the correlation is as in the paper; undecided if too few errors make that impossible."""
    expected = above(round(paper - TOLERANCE_CORRELATION, 2))
    found = single(seen, f"{dataset}, ordered pairs", learned, correlation, expected, unit=COSINE, paper=paper,
                   note=_bound_text(seen, learned))
    impossible = min(_bounds(seen, learned, ordered=True), default=1.0) <= expected.low
    return dataclasses.replace(found, unresolved=BOUND) if impossible else found


def _bound_text(seen: Evidence, one: Arm, *, ordered: bool = True) -> str:
    bounds = _bounds(seen, one, ordered=ordered)
    return f"at most {min(bounds):.2f} is possible" if bounds else ""


def _bounds(seen: Evidence, one: Arm, *, ordered: bool) -> list[float]:
    cell = one.cell(seen.decisions)
    runs = {} if cell is None else seen.results.of(cell)
    bounds = [tie_ceiling(each.matrices()["confusion"], unordered=not ordered) for each in runs.values()]
    return [each for each in bounds if each is not None]


def probabilities(seen: Evidence) -> list[Finding]:
    """How far the largest softmax probability at S = 1 stays below its ceiling."""
    found = []
    for dataset in SETS:
        largest, _ = ceiling(DATASETS[dataset].num_classes, 1.0)
        for name, one in zip(("fixed", "learned"), both(seen.setting.main, dataset, "cos"), strict=True):
            found.append(single(seen, f"{largest:.4f} minus the largest on {dataset}, cos-{name}", one,
                                below_ceiling(largest), above(), unit=SHARE))
    return found


def _steps(seen: Evidence, label: str, measure: Measure, *, rises: bool = False, unit: str = COSINE,
           beside: bool = False) -> list[Finding]:
    """The effect of a larger scale on learned cosine models, for the first pair of scales."""
    return [_step(seen, label, measure, *seen.setting.steps[0], rises=rises, unit=unit, beside=beside)]


def _step(seen: Evidence, label: str, measure: Measure, low: float | Choice, high: float | Choice, *,
          rises: bool = False, unit: str = COSINE, beside: bool = False) -> Finding:
    one, other = (arm(seen.setting.main, "cifar100", "cos", False, scale) for scale in (high, low))
    texts = [f"S = {scale:g}" if isinstance(scale, float) else "best S" for scale in (high, low)]
    return difference(seen, f"{label}, {texts[0]} minus {texts[1]}", one, other, measure, above() if rises else below(),
                      unit=unit, beside=beside)


def vectors_by_scale(seen: Evidence) -> list[Finding]:
    """The effect of a larger scale on the cosines between learned class vectors."""
    return [*_steps(seen, "95th percentile of cosines", high_cosine),
            *_steps(seen, "mean cosine of look-alike pairs", look_alike_cosine),
            *_steps(seen, "mean cosine, at least -1/(m - 1)", recorded("class_vectors_mean_cosine"), beside=True),
            *_steps(seen, "largest cosine", recorded("class_vectors_max_cosine"), beside=True)]


def look_alike_errors(seen: Evidence) -> list[Finding]:
    """The effect of a larger scale on the share of errors between look-alike classes."""
    return _steps(seen, "share of errors inside groups", errors_inside, unit=SHARE)


def accuracy_by_scale(seen: Evidence) -> list[Finding]:
    """The effect of a larger scale on accuracy and on the cosine to the own class vector (learned)."""
    return [*_steps(seen, "accuracy", accuracy, rises=True, unit=POINTS),
            *_steps(seen, "cosine to the own class's vector", OWN)]


def compactness_by_scale(seen: Evidence) -> list[Finding]:
    """The effect of a larger scale on the cosine to the predicted class vector (learned)."""
    return [_step(seen, "cosine to the predicted class's vector", PREDICTED, low, high)
            for low, high in seen.setting.steps]


def predicted_cosines(seen: Evidence) -> list[Finding]:
    """The cosine to the predicted class vector, fixed at S = 1, by data set and network.

    Those of networks whose features cannot be negative stand beside: they cannot reach it, whatever is trained.
    """
    at = seen.setting
    arms = {
        **{f"{dataset}, {at.network}, as usual": arm(at.main, dataset, "cos", True) for dataset in SETS},
        **{f"{dataset}, {at.network}, signed": arm(at.signed, dataset, "cos", True) for dataset in SETS},
        **{f"cifar100, {name}": arm(row, "cifar100", "cos", True) for name, _, row in at.networks},
    }
    return [single(seen, label, one, PREDICTED, near(0.95, TOLERANCE_COSINE), unit=COSINE, paper=0.95,
                   note=_reach(seen, one), beside=not _is_signed(one)) for label, one in arms.items()]


def _is_signed(one: Arm) -> bool:
    config = one.row.cell(one.fixed, 1.0).config
    return MODELS[config.model].ends_signed(config.signed_features)


def _reach(seen: Evidence, one: Arm) -> str:
    cell = one.cell(seen.decisions)
    runs = {} if cell is None else seen.results.of(cell)
    reach = [result.number("reachable_cosine", "mean") for result in runs.values()
             if "reachable_cosine" in result.content and not result.config.signed_features]
    if cell is None or not reach:
        return ""
    lowest = MODELS[cell.config.model].lowest
    features = f"above {lowest:g}, the lowest of this network," if lowest else "without negative values"
    return f"features {features} could reach {fmean(reach):.2f}"


def compactness_of_arms(seen: Evidence) -> list[Finding]:
    """The cosine to the own class vector, fixed at S = 1 minus learned at its best scale, with signed features."""
    fixed = arm(seen.setting.signed, "cifar100", "cos", True)
    learned = arm(seen.setting.signed, "cifar100", "cos", False, seen.setting.best)
    return [difference(seen, f"cifar100, {seen.setting.network}, signed, {name} class", fixed, learned, measure,
                       above(), unit=COSINE, beside=name == "predicted")
            for name, measure in (("own", OWN), ("predicted", PREDICTED))]


def separation(seen: Evidence) -> list[Finding]:
    """The spread of embeddings within classes over that between classes, fixed minus learned; with signed features."""
    measure = recorded("separation", "within_to_between")
    return [
        *(gain(seen, f"{dataset}, {head}, signed", seen.setting.signed, dataset, head, measure, below(), unit=SHARE)
          for dataset in SETS for head in ("dot", "cos")),
        *(gain(seen, f"{dataset}, {head}, as usual", seen.setting.main, dataset, head, measure, below(), unit=SHARE,
               beside=True) for dataset in SETS for head in ("dot", "cos")),
    ]
