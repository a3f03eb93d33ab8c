"""The paper's claims, put to runs whose numbers are chosen so that each claim holds, or does not."""
from types import SimpleNamespace

import pytest

from keras_fixhead.config import TrainConfig
from keras_fixhead.reproduction.paper import paper_claims
from keras_fixhead.run_analysis.answered_claims import answer_claims
from keras_fixhead.run_analysis.measured import arm_differences, arm_names

GOOD = {
    ("cos", True, 1.0): {"compactness": {"own": 0.9, "predicted": 0.94}, "separability": {"angle_ratio": 0.3},
                         "calibration": {"ceiling": 0.45, "largest_probability": 0.4}, "reach": {"best_cosine": 0.949}},
    ("cos", False, 1.0): {"compactness": {"own": 0.6, "predicted": 0.8}, "separability": {"angle_ratio": 0.5},
                          "class_vectors": {"groups_difference": 0.4, "groups_p_value": 0.001, "max_cosine": 0.9},
                          "confusion": {"ordered_correlation": 0.8, "ordered_p_value": 0.001,
                                        "unordered_correlation": 0.85, "errors_inside_groups": 0.8},
                          "calibration": {"ceiling": 0.45, "largest_probability": 0.4}},
    ("cos", False, 20.0): {"compactness": {"own": 0.5, "predicted": 0.7}, "separability": {"angle_ratio": 0.5},
                           "class_vectors": {"groups_difference": 0.2, "groups_p_value": 0.01, "max_cosine": 0.5},
                           "confusion": {"ordered_correlation": 0.7, "ordered_p_value": 0.01,
                                         "unordered_correlation": 0.75, "errors_inside_groups": 0.7},
                           "calibration": {"ceiling": 1.0, "largest_probability": 0.99}},
    ("dot", False, 1.0): {"confusion": {"ordered_correlation": 0.6, "ordered_p_value": 0.2}},
}


def runs(numbers, seeds=(0, 1)):
    configs = [TrainConfig(dataset="cifar10", head=head, fixed=fixed, scale=scale, seed=seed)
               for head, fixed, scale in numbers for seed in seeds]
    values = [each for each in numbers.values() for _ in seeds]
    return [SimpleNamespace(config=config, arm=arm, numbers=each)
            for config, arm, each in zip(configs, arm_names(configs), values, strict=True)]


def test_claims_hold_where_the_numbers_say_so():
    answers = answer_claims(runs(GOOD))
    held = {(each.claim, each.measured.partition(":")[0]): each.held for each in answers}

    assert {each.claim for each in answers} <= set(paper_claims())
    assert not held.pop(("confusion-correlation-dot", "dot-learned, S = 1"))
    assert all(held.values()) and {claim for claim, _ in held} == {
        "similar-classes-near", "confusion-correlation-cos", "probability-ceiling", "fixed-compactness-095",
        "separability-features", "fixed-s1-more-compact", "scale-lifts-ceiling", "scale-spreads-class-vectors",
        "look-alike-errors-fall", "scale-lowers-compactness"}


def test_answers_state_the_numbers_the_paper_and_how_many_runs():
    (answer,) = [each for each in answer_claims(runs(GOOD)) if each.claim == "confusion-correlation-cos"
                 and "S = 20" in each.measured]

    assert answer.n == 2 and "0.700 (0.700 to 0.700) (the paper: 0.87), largest p = 0.01" in answer.measured
    assert "over unordered pairs 0.750" in answer.measured and "class vectors not defined" in answer.measured
    (scales,) = [each for each in answer_claims(runs(GOOD)) if each.claim == "scale-spreads-class-vectors"]
    assert scales.n == 4 and scales.measured.endswith("at S = 1, 0.500 (0.500 to 0.500) at S = 20")


@pytest.mark.parametrize("arm, section, name, value, claim", [
    (("cos", True, 1.0), "compactness", "predicted", 0.7, "fixed-compactness-095"),
    (("cos", True, 1.0), "compactness", "own", 0.5, "fixed-s1-more-compact"),
    (("cos", True, 1.0), "separability", "angle_ratio", 0.6, "separability-features"),
    (("cos", True, 1.0), "calibration", "largest_probability", 0.46, "probability-ceiling"),
    (("cos", False, 20.0), "class_vectors", "max_cosine", 0.95, "scale-spreads-class-vectors"),
    (("cos", False, 20.0), "confusion", "errors_inside_groups", 0.9, "look-alike-errors-fall"),
    (("cos", False, 20.0), "class_vectors", "groups_p_value", 0.5, "similar-classes-near")])
def test_one_number_decides_a_claim(arm, section, name, value, claim):
    numbers = {key: {part: dict(names) for part, names in each.items()} for key, each in GOOD.items()}
    numbers[arm][section][name] = value

    assert not all(each.held for each in answer_claims(runs(numbers)) if each.claim == claim)


def test_differences_are_paired_by_seed():
    members = runs(GOOD)
    for number, each in enumerate(members):
        each.numbers = {"accuracy": {"accuracy": (0.5 if each.config.fixed else 0.3) + 0.01 * number}}
    (found,) = arm_differences(members)

    assert (found["fixed"], found["learned"]) == ("cos-fixed, S = 1", "cos-learned, S = 1")
    difference = found["numbers"]["accuracy"]["accuracy"]
    assert difference["n"] == 2 and difference["mean"] == pytest.approx(0.18)


def test_runs_that_answer_nothing_give_no_answers():
    assert answer_claims(runs({("dot", True, 1.0): {}})) == []
