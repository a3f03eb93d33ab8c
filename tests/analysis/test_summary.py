"""All numbers of an analysis: each has a definition, whatever the classifier."""
import dataclasses

import numpy as np
import pytest

from keras_fixhead.analysis.definitions import DEFINITIONS
from keras_fixhead.analysis.summary import (
    Arrays,
    Facts,
    calibration_numbers,
    collapse_numbers,
    open_set_numbers,
    retrieval_numbers,
    searched,
    summarize_arrays,
)
from keras_fixhead.errors import ArgumentError

DRAW = np.random.default_rng(0)


def arrays(num_classes=6, n=120, dim=8, classes=None):
    vectors = DRAW.standard_normal((num_classes, dim))
    labels = DRAW.integers(0, num_classes, n) if classes is None else DRAW.choice(classes, n)
    features = vectors[labels] + DRAW.standard_normal((n, dim))
    return Arrays(features, features @ vectors.T, labels, vectors)


FACTS = Facts(list("abcdef"), {"vowels": ["a", "e"]}, cosine_scale=2.0, signed_features=False, training_loss=1.5)


@pytest.mark.parametrize("test, facts, validation", [
    (arrays(), FACTS, arrays()), (arrays(), Facts("abcdef"), None), (arrays(classes=[2]), FACTS, None),
    (arrays(n=1), FACTS, arrays(n=1))], ids=["everything", "nothing known", "one class only", "one image"])
def test_every_number_has_a_definition_and_is_finite(test, facts, validation):
    found = summarize_arrays(test, facts, validation)
    numbers = {f"{section}.{name}": value for section, names in found.items() for name, value in names.items()}

    assert set(numbers) <= set(DEFINITIONS)
    assert all(value is None or np.isfinite(value) for value in numbers.values())


def test_everything_is_measured_where_everything_is_known():
    test = arrays()
    found = summarize_arrays(test, FACTS, validation=test)

    missing = [name for names in found.values() for name, value in names.items() if value is None]
    assert missing == []
    assert found["calibration"]["nll_after"] <= found["calibration"]["nll"]
    assert found["reach"]["best_loss"] < np.log(6)


def test_the_same_seed_gives_the_same_numbers():
    test = arrays()

    assert summarize_arrays(test, FACTS, seed=1) == summarize_arrays(test, FACTS, seed=1)


@pytest.mark.parametrize("changes, message", [
    ({"features": np.full((120, 8), np.nan)}, "features has values that are not finite"),
    ({"logits": np.ones((120, 5))}, "do not fit"), ({"labels": np.full(120, 6)}, r"labels must be in \[0, 6\)")])
def test_arrays_that_do_not_fit_are_refused(changes, message):
    good = arrays()
    with pytest.raises(ArgumentError, match=message):
        Arrays(**{name: changes.get(name, getattr(good, name)) for name in ("features", "logits", "labels",
                                                                           "class_vectors")})


def test_lengths_of_features_change_nothing_that_is_measured_of_unit_length():
    whole = arrays()
    lengths = DRAW.uniform(0.1, 10, (len(whole.labels), 1))
    other = Arrays(whole.features * lengths, whole.logits, whole.labels, whole.class_vectors)
    one, two = whole.of_unit_length(), other.of_unit_length()

    assert collapse_numbers(one) == pytest.approx(collapse_numbers(two))
    assert collapse_numbers(whole)["nc1"] != pytest.approx(collapse_numbers(other)["nc1"])
    assert open_set_numbers(one, one, one) == pytest.approx(open_set_numbers(two, two, two))


@pytest.mark.parametrize("labels, images, classes", [
    (np.arange(4), 0, 0), (np.zeros(5, int), 0, 0), (np.repeat(np.arange(3), 2), 6, 3),
    (np.concatenate([np.arange(1_200), np.arange(600, 1_200)]), 1_600, 1_000),
    (np.repeat(np.arange(500), 5), 2_000, 500)])
def test_images_that_search_each_other_always_have_something_to_find(labels, images, classes):
    """Also with more classes than can have two images each."""
    some = searched(labels)
    features = np.random.default_rng(0).normal(size=(len(labels), 4))
    numbers = retrieval_numbers(features, labels)

    assert len(some) == images and len(np.unique(labels[some])) == classes
    assert (numbers is None) if not images else (numbers["images"] == images and 0 <= numbers["recall_at_1"] <= 1)


def test_a_temperature_that_ends_the_range_is_not_given():
    """As in `fixhead export --calibrate`: none fits images that are all classified correctly, or all wrongly."""
    test = arrays()
    right = dataclasses.replace(test, logits=10 * np.eye(6)[test.labels])

    for each in (right, dataclasses.replace(right, logits=-right.logits)):
        found = calibration_numbers(each, FACTS, each)
        assert found["temperature"] is None and found["ece_after"] is None and found["ece"] is not None
    assert calibration_numbers(test, FACTS, test)["temperature"] is not None
