"""The tables and claims of the paper as data: shapes, ranges, and consequences."""
import statistics

import pytest

from keras_fixhead.errors import ArgumentError
from keras_fixhead.reproduction import FAILED, paper_claim, paper_claims, paper_correlations, paper_table, paper_tables

ROWS = {"1": 24, "2": 24, "3": 24, "4": 0, "5": 12, "6": 48, "7": 24, "8": 24, "9": 0}


@pytest.mark.parametrize("number, rows", ROWS.items())
def test_tables_have_as_many_cells_as_in_the_paper_and_contain_percentages(number, rows):
    table = paper_table(number)

    assert len(table.cells) == rows
    assert all(len(names) == len(table.axes) for names in table.cells)
    assert all(value is None or value == FAILED or 0 < value < 100 for value in table.cells.values())


@pytest.mark.parametrize("number, numbers, failed, dashes", [("7", 18, 2, 4), ("8", 20, 0, 4)])
def test_learning_rate_tables_have_the_dashes_and_failures_of_the_paper(number, numbers, failed, dashes):
    values = list(paper_table(number).cells.values())

    assert (sum(isinstance(value, float) for value in values), values.count(FAILED), values.count(None)) == (
        numbers, failed, dashes)


def test_there_are_nine_tables_and_a_tenth_is_refused():
    assert list(paper_tables()) == list(ROWS)
    with pytest.raises(ArgumentError, match="Unknown table of the paper '10'"):
        paper_table(10)


@pytest.mark.parametrize("claim, numbers", [
    ("dot-accuracy", "1"), ("cos-s1-fixed-converges", "2"), ("no-benefit-of-learning-at-best-scale", "3"),
    ("fixed-wins-at-each-rate", "78"), ("generalization-kept", "5"), ("corruption-robustness-kept", "6"),
])
def test_the_numbers_of_a_claim_follow_from_its_tables(claim, numbers):
    gains = [round(gain, 6) for number in numbers for gain in paper_table(number).gains().values()]
    follows = {"min": min(gains), "max": max(gains), "mean": statistics.fmean(gains), "of": len(gains),
               "positive": sum(gain > 0 for gain in gains), "equal": gains.count(0)}
    digits = {"mean": 1 if claim == "corruption-robustness-kept" else 2}

    for name, value in paper_claim(claim).paper.items():
        assert round(follows[name], digits.get(name, 6)) == pytest.approx(value), name


def test_the_gains_by_data_set_follow_from_table_1():
    gains = paper_table(1).gains()
    for dataset, value in paper_claim("dot-gain-classes-many-or-alike").paper.items():
        assert round(statistics.fmean(gain for names, gain in gains.items() if names[0] == dataset), 2) == value


def test_the_claims_about_scales_follow_from_tables_2_and_3():
    one, best, dot = (paper_table(number).cells for number in (1 + 1, 3, 1))
    cells = {names[:2] for names in one}
    rescued = [best[*names, "learned"] - one[*names, "learned"] for names in cells]
    without = [round(one[*names, "fixed"] - best[*names, "learned"], 6) for names in cells]
    against_dot = [one[*names, "fixed"] - max(dot[*names, arm] for arm in ("fixed", "learned")) for names in cells]

    paper = {name: paper_claim(name).paper for name in ("best-scale-rescues-learned", "fixed-s1-no-scale-needed",
                                                        "cos-s1-beats-dot")}
    assert (min(rescued), max(rescued)) == pytest.approx(
        (paper["best-scale-rescues-learned"]["min"], paper["best-scale-rescues-learned"]["max"]))
    assert round(statistics.fmean(without), 1) == paper["fixed-s1-no-scale-needed"]["mean"]
    assert (sum(each > 0 for each in without), without.count(0)) == (
        paper["fixed-s1-no-scale-needed"]["positive"], paper["fixed-s1-no-scale-needed"]["equal"])
    assert sum(each > 0 for each in against_dot) == paper["cos-s1-beats-dot"]["positive"]


def test_the_failures_and_best_rates_follow_from_tables_7_and_8():
    paper = paper_claim("higher-learning-rate").paper
    failures = dict.fromkeys(("fixed", "learned"), 0)
    order = []
    for number in (7, 8):
        cells = paper_table(number).cells
        for arm in failures:
            failures[arm] += sum(value == FAILED for names, value in cells.items() if names[-1] == arm)
        for dataset in {names[0] for names in cells}:
            rates = {arm: max((value, float(names[1])) for names, value in cells.items()
                              if names[0] == dataset and names[2] == arm and isinstance(value, float))[1]
                     for arm in failures}
            order.append((rates["fixed"] > rates["learned"]) - (rates["fixed"] < rates["learned"]))

    assert (failures["learned"], failures["fixed"]) == (paper["learned_failures"], paper["fixed_failures"])
    assert [order.count(each) for each in (1, 0, -1)] == [
        paper[name] for name in ("best_higher", "best_equal", "best_lower")]


def test_claims_have_unique_names_and_refer_to_existing_tables():
    claims = paper_claims()

    assert len(claims) == 27
    assert all(set(claim.tables) <= set(ROWS) and claim.statement and claim.quantity for claim in claims.values())


def test_correlations_cover_both_heads_and_all_data_sets():
    for head, claim in (("dot", "confusion-correlation-dot"), ("cos", "confusion-correlation-cos")):
        assert paper_correlations()[head] == paper_claim(claim).paper
        assert set(paper_correlations()[head]) == {"stl10", "cifar10", "cifar100", "tiny_imagenet"}
