"""The claims on accuracy, as comparisons: dot and cosine logits, scales, learning rates, corruptions, margins."""
import dataclasses
import math
from statistics import fmean

from keras_fixhead.analysis.paired import paired_difference
from keras_fixhead.data.catalog import DATASETS
from keras_fixhead.reproduction.claims.comparisons import (
    SETS,
    Arm,
    Evidence,
    all_runs,
    arm,
    between_sets,
    both,
    difference,
    failures_text,
    gain,
    minus,
)
from keras_fixhead.reproduction.claims.findings import DECADES, FLOOR, POINTS, SHARE, Finding
from keras_fixhead.reproduction.claims.settings import Rates
from keras_fixhead.reproduction.claims.verdict import HELD, REFUTED, above, more_often, not_below, other_than
from keras_fixhead.reproduction.measures import (
    FLOOR_FACTOR,
    Measure,
    accuracy,
    at_severity,
    averaged_accuracy,
    corrupted,
    net_corrupted,
    trained,
)
from keras_fixhead.reproduction.paper import paper_table
from keras_fixhead.reproduction.planning.cells import Choice, Row

TOLERANCE_POINTS = 0.5
"""'At least as accurate' in points: the sampling error of an accuracy of 60 to 80 % on 10,000 images."""
GAP_POINTS = 5.0
"""'Trains well where the other does badly', in points."""
NEAR_POINTS = 2.0
"""'Near its own best', in points."""
SEVERITIES = (1, 2, 3, 4, 5)

_CORRUPTIONS = {"impulse_noise": "salt_and_pepper", "jpeg_compression": "jpeg_compression", "defocus_blur": "blurring"}


def dot_gain(seen: Evidence) -> list[Finding]:
    """Fixed minus learned accuracy with dot logits, by data set, network and length of training."""
    at, paper, expected = seen.setting, paper_table(1).gains(), not_below(TOLERANCE_POINTS)
    longer = [(at.longer, "cifar100")] if at.longer is not None else []
    return [
        *(gain(seen, f"{dataset}, {at.network}", row, dataset, "dot", accuracy, expected,
               paper=paper[dataset, at.paper_network])
          for row, dataset in [(at.main, each) for each in SETS] + longer),
        *(gain(seen, f"cifar100, {name}", row, "cifar100", "dot", accuracy, expected, paper=paper["cifar100", model])
          for name, model, row in at.networks),
        *(gain(seen, f"{dataset}, {at.network}, with flips and shifts of the test images", at.main, dataset, "dot",
               averaged_accuracy, expected, beside=True) for dataset in SETS),
        *(gain(seen, f"cifar100, {at.network}, {name}", row, "cifar100", "dot", accuracy, expected, beside=True)
          for name, row in at.parts),
    ]


def gain_by_classes(seen: Evidence) -> list[Finding]:
    """The gain from fixing with dot logits for many classes, minus that for few."""
    at, paper = seen.setting, paper_table(1).gains()
    many, few = (both(at.main, name, "dot") for name in SETS)
    return [between_sets(seen, f"gain on cifar100 minus gain on cifar10, {at.network}", many, few, accuracy, above(),
                         paper=paper["cifar100", at.paper_network] - paper["cifar10", at.paper_network])]


def learning_rates(seen: Evidence) -> list[Finding]:
    """What the highest learning rate costs each arm, failures there, and the best learning rate of each arm."""
    found = []
    for rates in seen.setting.rates:
        (_, lower), (highest, row) = list(rates.rows.items())[-2:]
        fixed, learned = both(row, "cifar100", "dot")
        failed = [{seed: float(not trained(each)) for seed, each in all_runs(seen, one).items()}
                  for one in (learned, fixed)]
        values = {seed: failed[0][seed] - failed[1][seed] for seed in failed[0].keys() & failed[1].keys()}
        found += [
            _tolerance(seen, f"accuracy at rate {highest} minus the next lower, fixed minus learned, {rates.network}",
                       row, lower),
            Finding(f"failed or untrained at rate {highest}, learned minus fixed, {rates.network}", values,
                    more_often(), SHARE, (*fixed.needed(seen.decisions), *learned.needed(seen.decisions)),
                    row.epochs or 30, note=_untrained_text(failed),
                    paper=1.0 if rates.paper == 7 else None),
            _best_rate(seen, rates)]
    return found


def _untrained_text(failed: list[dict[int, float]]) -> str:
    return ", ".join(f"{sum(each.values()):g} of {len(each)} {name}" for name, each in zip(
        ("learned", "fixed"), failed, strict=True) if any(each.values()))


def _tolerance(seen: Evidence, label: str, row: Row, lower: Row) -> Finding:
    """What a higher learning rate gains the fixed arm, minus what it gains the learned arm."""
    gains = [gain(seen, label, each, "cifar100", "dot", accuracy, above()) for each in (row, lower)]
    values = paired_difference(gains[0].values, gains[1].values).values
    at_lower = [{HELD: REFUTED, REFUTED: HELD}[state] for state in gains[1].void]  # its gain is subtracted
    return dataclasses.replace(gains[0], values=values, cells=gains[0].cells + gains[1].cells,
                               void=(*gains[0].void, *at_lower),
                               unresolved=gains[0].unresolved or gains[1].unresolved,
                               failed=tuple(sorted({seed for each in gains for seed in each.failed})),
                               note="; ".join(dict.fromkeys(each.note for each in gains if each.note)))


def _best_rate(seen: Evidence, rates: Rates) -> Finding:
    """The best learning rate on validation of the fixed arm over that of the learned arm, seed by seed.

    An arm that fails at every rate counts as if its best were lower than all of them.
    """
    arms = {fixed: [arm(row, "cifar100", "dot", fixed) for row in rates.rows.values()] for fixed in (True, False)}
    every = [one for each in arms.values() for one in each]
    measured = [set(all_runs(seen, one)) for one in every]
    values, at_edge = {}, 0
    for seed in sorted(set.intersection(*measured)):
        best = {fixed: _best_index(seen, each, seed) for fixed, each in arms.items()}
        at_edge += any(index in (0, len(rates.rows) - 1) for index in best.values())
        rates_of = {fixed: [math.log10(_lr(seen, one)) for one in each] for fixed, each in arms.items()}
        rate = {fixed: min(rates_of[fixed]) - 1 if index is None else rates_of[fixed][index]
                for fixed, index in best.items()}
        values[seed] = round(rate[True] - rate[False], 6)
    note = f"at {at_edge} of {len(values)} seeds a best rate is at the edge of the grid" if at_edge else ""
    return Finding(f"best rate, fixed over learned, {rates.network}", values, more_often(), DECADES,
                   tuple(one for each in every for one in each.needed(seen.decisions)),
                   note="; ".join(each for each in (note, failures_text(seen, every)) if each))


def _best_index(seen: Evidence, arms: list[Arm], seed: int) -> int | None:
    """Returns which of the arms is best on validation at a seed; None if all failed to converge."""
    runs = {index: all_runs(seen, one)[seed] for index, one in enumerate(arms)}
    scores = {index: each.accuracy("validation") for index, each in runs.items() if each.converged}
    return max(scores, key=lambda index: scores[index]) if scores else None


def _lr(seen: Evidence, one: Arm) -> float:
    found = one.cell(seen.decisions)
    assert found is not None
    return found.config.lr


def at_each_rate(seen: Evidence) -> list[Finding]:
    """Fixed minus learned accuracy at each learning rate."""
    found = []
    for rates in seen.setting.rates:
        paper = {} if rates.paper is None else paper_table(rates.paper).gains()
        found += [gain(seen, f"cifar100, {rates.network}, rate {rate}", row, "cifar100", "dot", accuracy, above(),
                       paper=paper.get(("cifar100", rate))) for rate, row in rates.rows.items()]
    return found


def cosine_gain(seen: Evidence) -> list[Finding]:
    """Fixed minus learned accuracy with cosine logits at S = 1, and fixed at S = 1 minus fixed at its best S."""
    at, paper = seen.setting, paper_table(2).gains()
    return [
        *(gain(seen, f"{dataset}, {at.network}", at.main, dataset, "cos", accuracy, above(GAP_POINTS),
               paper=paper[dataset, at.paper_network]) for dataset in SETS),
        *(gain(seen, f"cifar100, {name}", row, "cifar100", "cos", accuracy, above(GAP_POINTS),
               paper=paper["cifar100", model]) for name, model, row in at.networks),
        dataclasses.replace(
            difference(seen, "cifar100, fixed S = 1 minus fixed best S", _tuned(seen, True, 1.0), _tuned(seen, True),
                       accuracy, not_below(NEAR_POINTS), paper=minus(*_fixed_numbers(seen))), required=True),
    ]


def _fixed_numbers(seen: Evidence) -> tuple[float | str | None, float | str | None]:
    name = ("cifar100", seen.setting.paper_network, "fixed")
    return paper_table(2).cells[name], paper_table(3).cells[name]


def _tuned(seen: Evidence, fixed: bool, scale: float | Choice | None = None) -> Arm:
    """Returns an arm of the comparisons at the best S of each arm, by default at its best S."""
    return arm(seen.setting.tuned, "cifar100", "cos", fixed, seen.setting.best if scale is None else scale)


def without_a_scale(seen: Evidence) -> list[Finding]:
    """Fixed at S = 1 against learned, and against fixed, at its best scale."""
    learned = paper_table(3).cells["cifar100", seen.setting.paper_network, "learned"]
    at_one, at_best = _fixed_numbers(seen)
    return [
        difference(seen, "cifar100, fixed S = 1 minus learned best S", _tuned(seen, True, 1.0), _tuned(seen, False),
                   accuracy, not_below(TOLERANCE_POINTS), paper=minus(at_one, learned)),
        difference(seen, "cifar100, fixed S = 1 minus fixed best S", _tuned(seen, True, 1.0), _tuned(seen, True),
                   accuracy, not_below(TOLERANCE_POINTS), paper=minus(at_one, at_best)),
    ]


def cosine_against_dot(seen: Evidence) -> list[Finding]:
    """Fixed cosine at S = 1 minus each dot arm; 'better than dot' needs both on a data set."""
    at, one, two = seen.setting, paper_table(2).cells, paper_table(1).cells
    found = []
    for dataset in SETS:
        cos = arm(at.main, dataset, "cos", True)
        pair = [difference(seen, f"{dataset}, {at.network}, minus dot {name}", cos,
                           arm(at.main, dataset, "dot", fixed), accuracy, above(), beside=True,
                           paper=minus(one[dataset, at.paper_network, "fixed"], two[dataset, at.paper_network, name]))
                for fixed, name in ((True, "fixed"), (False, "learned"))]
        found += [*pair, _both(f"{dataset}, {at.network}, minus both dot arms; the smaller difference", pair)]
    return found


def _both(label: str, pair: list[Finding]) -> Finding:
    """Returns the finding that is held if both are, with the values of the smaller difference; none while one lacks."""
    papers = [each.paper for each in pair if each.paper is not None]
    cells = tuple(dict.fromkeys(one for each in pair for one in each.cells))
    known = all(each.values for each in pair)
    smaller = min(pair, key=lambda each: each.verdict.mean or 0.0)
    return Finding(label, smaller.values if known else {}, smaller.expected, POINTS, cells, smaller.epochs,
                   min(papers, default=None), smaller.note,
                   tuple(sorted({seed for each in pair for seed in each.failed})), every=tuple(pair))


def learned_at_its_scale(seen: Evidence) -> list[Finding]:
    """Learned at its best S minus fixed, at S = 1 and at its best S; and what the learned arm gains over S = 1."""
    paper, name = paper_table(3).cells, ("cifar100", seen.setting.paper_network)
    learned = paper[*name, "learned"]
    at_one, at_best = _fixed_numbers(seen)
    expected = not_below(TOLERANCE_POINTS)
    return [
        difference(seen, "cifar100, learned best S minus fixed S = 1", _tuned(seen, False), _tuned(seen, True, 1.0),
                   accuracy, expected, paper=minus(learned, at_one)),
        difference(seen, "cifar100, learned best S minus fixed best S", _tuned(seen, False), _tuned(seen, True),
                   accuracy, expected, paper=minus(learned, at_best)),
        difference(seen, "cifar100, learned best S minus learned S = 1", _tuned(seen, False), _tuned(seen, False, 1.0),
                   accuracy, above(), paper=minus(learned, paper_table(2).cells[*name, "learned"]), beside=True),
    ]


def both_at_their_scales(seen: Evidence) -> list[Finding]:
    """Fixed minus learned accuracy, each at its best scale."""
    return [difference(seen, f"cifar100, {seen.setting.network}", _tuned(seen, True), _tuned(seen, False), accuracy,
                       not_below(TOLERANCE_POINTS),
                       paper=paper_table(3).gains()["cifar100", seen.setting.paper_network])]


def corruptions(seen: Evidence) -> list[Finding]:
    """Fixed minus learned accuracy on corrupted images; next to it the same net of the clean accuracy.

    Where no arm does much better than chance, being equal is no evidence.
    """
    at, paper = seen.setting, paper_table(6).gains()
    found = []
    for name, in_paper in _CORRUPTIONS.items():
        for dataset in SETS:
            for head in ("dot", "cos"):
                label = f"{dataset}, {head}, {name}"
                plain = gain(seen, label, at.main, dataset, head, corrupted(name), not_below(TOLERANCE_POINTS),
                             paper=paper[in_paper, dataset, head], note=_by_severity(seen, dataset, head, name))
                net = gain(seen, f"{label}, net of clean", at.main, dataset, head, net_corrupted(name),
                           not_below(TOLERANCE_POINTS), beside=True)
                found += [_not_at_the_floor(seen, each, dataset, head, name) for each in (plain, net)]
    return found


def _by_severity(seen: Evidence, dataset: str, head: str, name: str) -> str:
    """Returns the mean accuracy of each arm at each severity, as text."""
    texts = []
    for label, one in zip(("fixed", "learned"), both(seen.setting.main, dataset, head), strict=True):
        means = [_mean(seen, one, at_severity(name, severity)) for severity in SEVERITIES]
        if None not in means:
            texts.append(f"{label} {', '.join(f'{mean:.1f}' for mean in means)}")
    return f"% at severities 1 to 5: {'; '.join(texts)}" if texts else ""


def _not_at_the_floor(seen: Evidence, found: Finding, dataset: str, head: str, name: str) -> Finding:
    """Returns a finding that decides nothing if the mean accuracy of both arms is below a multiple of chance."""
    floor = FLOOR_FACTOR * 100 / DATASETS[dataset].num_classes
    means = [_mean(seen, one, corrupted(name)) for one in both(seen.setting.main, dataset, head)]
    if not all(mean is not None and mean < floor for mean in means):
        return found
    notes = [found.note] * bool(found.note) + [f"at the floor, no evidence: both arms below {floor:g} %"]
    return dataclasses.replace(found, unresolved=found.unresolved or FLOOR, note="; ".join(notes))


def _mean(seen: Evidence, one: Arm, measure: Measure) -> float | None:
    values = [value for each in all_runs(seen, one).values()
              if each.converged and (value := measure(each)) is not None]
    return fmean(values) if values else None


def margins(seen: Evidence) -> list[Finding]:
    """Fixed minus learned accuracy with an ArcFace margin, and both arms minus the plain learned arm."""
    row = seen.setting.margin
    if row is None:
        return []
    fixed, learned = both(row, "cifar100", "cos", row.scale)
    return [difference(seen, "cifar100, ResNet18, ArcFace 0.5, S = 30", fixed, learned, accuracy,
                       not_below(TOLERANCE_POINTS),
                       note="a gain over a learned arm that collapsed is no gain from the margin")]


def one_thing_at_a_time(seen: Evidence) -> list[Finding]:
    """From a learned dot head to a fixed cosine head with a learned scale: the logits changed, then fixing."""
    row = seen.setting.learned_scale
    dot = arm(row, "cifar100", "dot", False)
    fixed, learned = both(row, "cifar100", "cos", "learned")
    return [
        difference(seen, "cifar100, learned: cosine logits with a learned scale minus dot", learned, dot, accuracy,
                   other_than(TOLERANCE_POINTS)),
        difference(seen, "cifar100, cosine logits with a learned scale: fixed minus learned", fixed, learned, accuracy,
                   other_than(TOLERANCE_POINTS)),
    ]

