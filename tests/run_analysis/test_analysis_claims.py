"""The paper's claims, put to runs whose numbers are chosen so that each claim holds, or does not."""
from types import SimpleNamespace

import pytest

from keras_fixhead.config import TrainConfig
from keras_fixhead.reproduction.paper import paper_claims
from keras_fixhead.run_analysis.answered_claims import answer_claims
from keras_fixhead.run_analysis.measured import arm_differences, arm_names
from keras_fixhead.run_analysis.page import HELD

GOOD = {
    ("cos", True, 1.0): {"accuracy": {"accuracy": 0.9, "validation_accuracy": 0.9},
                         "compactness": {"own": 0.9, "predicted": 0.94},
                         "separability": {"within_to_between": 0.3}, "class_vectors": {"groups_difference": 0.1},
                         "confusion": {"ordered_correlation": 0.1},
                         "calibration": {"ceiling": 0.45, "largest_probability": 0.4}, "reach": {"best_cosine": 0.949}},
    ("cos", False, 1.0): {"accuracy": {"accuracy": 0.6, "validation_accuracy": 0.6},
                          "compactness": {"own": 0.95, "predicted": 0.96}, "separability": {"within_to_between": 0.5},
                          "class_vectors": {"groups_difference": 0.4, "groups_p_value": 0.001, "groups_within": 0.4,
                                            "high_cosine": 0.8, "max_cosine": 0.9},
                          "confusion": {"ordered_correlation": 0.8, "ordered_p_value": 0.001, "ordered_ceiling": 0.95,
                                        "unordered_correlation": 0.85, "errors_inside_groups": 0.8},
                          "calibration": {"ceiling": 0.45, "largest_probability": 0.4}},
    ("cos", False, 20.0): {"accuracy": {"accuracy": 0.88, "validation_accuracy": 0.88},
                           "compactness": {"own": 0.5, "predicted": 0.7}, "separability": {"within_to_between": 0.5},
                           "class_vectors": {"groups_difference": 0.2, "groups_p_value": 0.01, "groups_within": 0.2,
                                             "high_cosine": 0.4, "max_cosine": 0.95},
                           "confusion": {"ordered_correlation": 0.75, "ordered_p_value": 0.01,
                                         "unordered_correlation": 0.77, "errors_inside_groups": 0.7},
                           "calibration": {"ceiling": 1.0, "largest_probability": 0.99}},
    ("cos", False, 40.0): {"accuracy": {"accuracy": 0.89, "validation_accuracy": 0.86},
                           "compactness": {"own": 0.4, "predicted": 0.6},
                           "calibration": {"ceiling": 1.0, "largest_probability": 0.999}},
    ("dot", True, 1.0): {"accuracy": {"accuracy": 0.9}},
    ("dot", False, 1.0): {"accuracy": {"accuracy": 0.9},
                          "confusion": {"ordered_correlation": 0.7, "ordered_p_value": 0.2}},
}
"""Learned cosine models at S = 1 are more compact than fixed ones here, and at their best S less: only that counts.
S = 40 is better than the best S on test images alone."""


def runs(numbers, seeds=(0, 1, 2), **fields):
    configs = [TrainConfig(dataset="cifar10", head=head, fixed=fixed, scale=scale, seed=seed, **fields)
               for head, fixed, scale in numbers for seed in seeds]
    values = [_nearly(each, seed) for each in numbers.values() for seed in seeds]
    return [SimpleNamespace(config=config, arm=arm, numbers=each, converged=True, at_chance=False)
            for config, arm, each in zip(configs, arm_names(configs), values, strict=True)]


def _nearly(sections, seed):
    """The same numbers, a little different for each seed."""
    return {section: {name: value if value is None or "p_value" in name or name == "ceiling" else value - seed / 1000
                      for name, value in names.items()} for section, names in sections.items()}


def test_claims_hold_where_the_numbers_say_so():
    answers = answer_claims(runs(GOOD))
    found = {(each.claim, each.measured.partition(":")[0]): (each.held, each.verdict) for each in answers}

    assert {each.claim for each in answers} <= set(paper_claims())
    assert {claim for (claim, _), said in found.items() if said == (True, "arithmetic")} == {
        "probability-ceiling", "scale-lifts-ceiling"}
    assert {claim for (claim, _), said in found.items() if said == (True, "not measured")} == {
        "separability-features", "fixed-s1-more-compact", "fixed-compactness-095"}  # signed features decide
    assert {claim for (claim, _), said in found.items() if said == (True, "held")} == {
        "similar-classes-near", "confusion-correlation-cos", "confusion-correlation-dot",
        "scale-spreads-class-vectors", "look-alike-errors-fall", "scale-lowers-compactness",
        "accuracy-compactness-tradeoff", "dot-accuracy"}
    assert {claim for (claim, _), said in found.items() if said == (False, "undecided at this n")} == {
        "cos-s1-fixed-converges"}  # without fixed runs at other S
    assert {each.as_dict()["held"] for each in answers if each.claim == "cos-s1-fixed-converges"} == {None}
    assert all(held for (claim, _), (held, _) in found.items() if claim != "cos-s1-fixed-converges")


def test_it_is_not_said_that_a_claim_held_in_runs_that_do_not_decide_it():
    """Separability is decided by signed features; its numbers are shown for other runs too."""
    written = {each["claim"]: each for each in (answer.as_dict() for answer in answer_claims(runs(GOOD)))}

    assert written["separability-features"]["held"] is None and written["dot-accuracy"]["held"] is True
    assert written["separability-features"]["verdict"] == "not measured" and None in HELD


def test_separability_and_compactness_are_decided_by_signed_features():
    answers = {each.claim: each.verdict for each in answer_claims(runs(GOOD, signed_features=True))}

    assert answers["separability-features"] == answers["fixed-s1-more-compact"] == "held"


@pytest.mark.parametrize("ceiling, verdict", [(0.95, "refuted"), (0.72, "undecided at this n")])
def test_a_correlation_that_ties_make_impossible_decides_nothing(ceiling, verdict):
    numbers = {("cos", False, 1.0): {"confusion": {"ordered_correlation": 0.5, "ordered_ceiling": ceiling}}}
    (answer,) = answer_claims(runs(numbers))

    assert (answer.held, answer.verdict) == (False, verdict) and f"at most {ceiling} is possible" in answer.measured


def test_nearness_of_look_alikes_needs_the_class_vectors_as_they_were_drawn():
    alone = {key: each for key, each in GOOD.items() if key == ("cos", False, 1.0)}
    (answer,) = [each for each in answer_claims(runs(alone)) if each.claim == "similar-classes-near"]
    assert answer.verdict == "not measured" and answer.measured.endswith("which stay as drawn, decide")

    (answer,) = [each for each in answer_claims(runs(GOOD)) if each.claim == "similar-classes-near"]
    assert answer.measured.endswith("largest p = 0.001; minus that of the draw +0.300 (+0.300 to +0.300)")


def test_runs_that_failed_to_converge_have_no_value_and_decide_nothing_for_their_arm():
    members = runs({key: GOOD[key] for key in (("dot", True, 1.0), ("dot", False, 1.0))}, seeds=range(4))
    members[0].converged = False  # fixed, seed 0
    for each in members:
        each.numbers["accuracy"]["accuracy"] -= 0.1 * (not each.config.fixed)
    (answer,) = [each for each in answer_claims(members) if each.claim == "dot-accuracy"]

    assert answer.n == 3 and answer.verdict == "undecided at this n"  # it would flatter the fixed arm
    assert answer.measured.endswith("; 1 of 4 runs of dot-fixed failed to converge")


def test_runs_at_chance_are_counted_and_marked():
    members = runs({key: GOOD[key] for key in (("dot", True, 1.0), ("dot", False, 1.0))})
    members[-1].at_chance = True
    (answer,) = [each for each in answer_claims(members) if each.claim == "dot-accuracy"]

    assert answer.n == 3 and answer.measured.endswith("; 1 of 3 runs of dot-learned no more accurate than chance")


def test_a_best_scale_at_the_edge_of_those_given_decides_nothing():
    numbers = {key: each for key, each in GOOD.items() if key[2] != 40.0}
    (answer,) = [each for each in answer_claims(runs(numbers, signed_features=True))
                 if each.claim == "fixed-s1-more-compact"]

    assert answer.verdict == "undecided at this n" and "smallest or largest S here: unresolved" in answer.measured


def test_fixed_class_vectors_at_s_1_must_come_near_their_own_best_scale():
    numbers = GOOD | {("cos", True, scale): GOOD["cos", True, 1.0] | {"accuracy": {
        "accuracy": accuracy, "validation_accuracy": accuracy}} for scale, accuracy in ((20.0, 0.95), (40.0, 0.91))}
    (answer,) = [each for each in answer_claims(runs(numbers)) if each.claim == "cos-s1-fixed-converges"]

    assert answer.verdict == "refuted" and "minus S = 20, the most accurate here on validation" in answer.measured


def test_fewer_than_three_seeds_decide_nothing():
    answers = answer_claims(runs(GOOD, seeds=(0, 1)))

    assert {each.verdict for each in answers} == {"undecided at this n", "not measured", "arithmetic"}
    assert sum(each.held for each in answers) > 10


def test_learned_class_vectors_at_s_1_alone_do_not_answer_a_claim_about_their_best_scale():
    given = runs({key: each for key, each in GOOD.items() if key[2] == 1.0})

    assert "fixed-s1-more-compact" not in {each.claim for each in answer_claims(given)}
    (answer,) = [each for each in answer_claims(runs(GOOD)) if each.claim == "fixed-s1-more-compact"]
    assert answer.measured.startswith("cos-fixed, S = 1 minus cos-learned, S = 20, the most accurate here on val")


def test_answers_state_the_numbers_the_paper_and_how_many_runs():
    (answer,) = [each for each in answer_claims(runs(GOOD)) if each.claim == "confusion-correlation-cos"]

    assert answer.n == 3 and answer.measured.startswith("cos-learned, S = 1:")  # the claim is about S = 1 alone
    assert answer.statement.startswith("Cosine logits, S = 1: the closer two learned class vectors are, the more ")
    assert "0.799 (0.798 to 0.800) (the paper: 0.87; expected: above 0.72), at most 0.95 is possible, " \
        "largest p = 0.001" in answer.measured
    assert "over unordered pairs 0.849" in answer.measured and "class vectors not defined" in answer.measured
    (scales,) = [each for each in answer_claims(runs(GOOD)) if each.claim == "scale-spreads-class-vectors"]
    assert scales.n == 3 and "high cosine 0.799 (0.798 to 0.800) at S = 1, 0.399 (0.398 to 0.400) at S = 20" in (
        scales.measured)
    (converges,) = [each for each in answer_claims(runs(GOOD)) if each.claim == "cos-s1-fixed-converges"]
    assert "points +30.00" in converges.measured and converges.measured.endswith(
        "(expected: above 5); not held without runs at other S: S = 1 must be within 2 points of the best")
    assert converges.verdict == "undecided at this n" and converges.n == 3


def test_a_correlation_is_compared_with_that_of_fixed_class_vectors():
    alike = {key: each for key, each in GOOD.items() if key[2] == 1.0}
    alike["cos", True, 1.0] = alike["cos", True, 1.0] | {"confusion": {"ordered_correlation": 0.85}}
    (answer,) = [each for each in answer_claims(runs(alike)) if each.claim == "confusion-correlation-cos"]

    assert "with fixed class vectors 0.849" in answer.measured and (answer.held, answer.verdict) == (False, "refuted")


@pytest.mark.parametrize("arm, section, name, value, claim", [
    (("cos", True, 1.0), "compactness", "predicted", 0.7, "fixed-compactness-095"),
    (("cos", True, 1.0), "compactness", "own", 0.4, "fixed-s1-more-compact"),
    (("cos", True, 1.0), "accuracy", "accuracy", 0.64, "cos-s1-fixed-converges"),
    (("dot", True, 1.0), "accuracy", "accuracy", 0.89, "dot-accuracy"),
    (("cos", False, 1.0), "confusion", "ordered_correlation", 0.6, "confusion-correlation-cos"),
    (("cos", False, 20.0), "accuracy", "accuracy", 0.5, "accuracy-compactness-tradeoff"),
    (("cos", True, 1.0), "separability", "within_to_between", 0.6, "separability-features"),
    (("cos", True, 1.0), "calibration", "largest_probability", 0.46, "probability-ceiling"),
    (("cos", False, 20.0), "class_vectors", "high_cosine", 0.95, "scale-spreads-class-vectors"),
    (("cos", False, 20.0), "class_vectors", "groups_within", 0.45, "scale-spreads-class-vectors"),
    (("cos", False, 20.0), "confusion", "errors_inside_groups", 0.9, "look-alike-errors-fall"),
    (("cos", True, 1.0), "class_vectors", "groups_difference", 0.45, "similar-classes-near")])
def test_one_number_decides_a_claim(arm, section, name, value, claim):
    numbers = {key: {part: dict(names) for part, names in each.items()} for key, each in GOOD.items()}
    numbers[arm][section][name] = value

    answers = [each for each in answer_claims(runs(numbers)) if each.claim == claim]
    assert not all(each.held for each in answers) and "held" not in {each.verdict for each in answers if not each.held}


def test_the_claim_on_dot_logits_is_answered_at_any_scale_of_both_arms():
    numbers = {("dot", fixed, 0.2): GOOD["dot", fixed, 1.0] for fixed in (True, False)}
    (answer,) = [each for each in answer_claims(runs(numbers)) if each.claim == "dot-accuracy"]

    assert answer.held and answer.verdict == "held" and "test accuracy, points +0.00" in answer.measured


def test_differences_are_paired_by_seed():
    members = runs({key: {} for key in (("cos", True, 1.0), ("cos", False, 1.0))})
    for number, each in enumerate(members):
        each.numbers = {"accuracy": {"accuracy": (0.5 if each.config.fixed else 0.3) + 0.01 * number}}
    (found,) = arm_differences(members)

    assert (found["fixed"], found["learned"]) == ("cos-fixed", "cos-learned")
    difference = found["numbers"]["accuracy"]["accuracy"]
    assert difference["n"] == 3 and difference["mean"] == pytest.approx(0.17)


def test_runs_that_answer_nothing_give_no_answers():
    assert answer_claims(runs({("dot", True, 1.0): {}})) == []
