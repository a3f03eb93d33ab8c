"""Neural collapse against a second derivation, written with full matrices, and against closed forms."""
import numpy as np
import pytest

from keras_fixhead.analysis.collapse import neural_collapse
from keras_fixhead.errors import ArgumentError
from keras_fixhead.vectors import class_vectors

DRAW = np.random.default_rng(0)


def derived(features, labels, vectors, predicted):
    """The definitions, term by term: covariance matrices, an explicit pseudo-inverse, loops over pairs of classes."""
    classes = sorted(set(labels.tolist()))
    means = {c: features[labels == c].mean(axis=0) for c in classes}
    centre = np.mean([means[c] for c in classes], axis=0)
    within = np.mean([np.outer(f - means[y], f - means[y]) for f, y in zip(features, labels, strict=True)], axis=0)
    between = np.mean([np.outer(means[c] - centre, means[c] - centre) for c in classes], axis=0)
    m = np.array([means[c] - centre for c in classes])
    w = vectors[classes] - vectors[classes].mean(axis=0)

    def cosine(a, b):
        return a @ b / np.sqrt(a @ a) / np.sqrt(b @ b)

    pairs = [(i, j) for i in range(len(classes)) for j in range(len(classes)) if i != j]
    norms = [np.sqrt(row @ row) for row in m]
    nearest = [classes[int(np.argmin([((f - means[c]) ** 2).sum() for c in classes]))] for f in features]
    variance = [np.mean([((f - means[c]) ** 2).sum() for f in features[labels == c]]) for c in classes]
    return {
        "nc1": np.trace(within @ np.linalg.pinv(between, rcond=1e-10)) / len(classes),
        "nc2_norms": np.std(norms) / np.mean(norms),
        "nc2_cosines": np.mean([abs(cosine(m[i], m[j]) - cosine(w[i], w[j])) for i, j in pairs]),
        "nc2_simplex": np.mean([abs(cosine(m[i], m[j]) + 1 / (len(classes) - 1)) for i, j in pairs]),
        "nc3": np.sqrt(((m / np.sqrt((m**2).sum()) - w / np.sqrt((w**2).sum())) ** 2).sum()),
        "nc4": np.mean([each != guess for each, guess in zip(nearest, predicted, strict=True)]),
        "cdnv": np.mean([(variance[i] + variance[j]) / 2 / ((means[classes[i]] - means[classes[j]]) ** 2).sum()
                         for i, j in pairs])}


@pytest.mark.parametrize("num_classes, n, dim", [(2, 7, 1), (5, 60, 8), (200, 900, 6)],
                         ids=["two classes, one dimension", "five classes", "200 classes, some with one image or none"])
def test_every_measure_matches_the_second_derivation(num_classes, n, dim):
    vectors, labels = DRAW.standard_normal((num_classes, dim)), DRAW.integers(0, num_classes, n)
    features = 2 * vectors[labels] + DRAW.standard_normal((n, dim))
    predicted = (features @ vectors.T).argmax(axis=1)

    assert neural_collapse(features, labels, vectors, predicted) == pytest.approx(
        derived(features, labels, vectors, predicted), rel=1e-6, abs=1e-9)


def test_features_on_the_vectors_of_any_head_have_collapsed():
    """Random class vectors are no simplex: only the distance to a simplex is left."""
    vectors = class_vectors("uniform", 6, 12, seed=3).astype(float)
    labels = np.arange(24) % 6
    found = neural_collapse(vectors[labels], labels, vectors, labels)

    assert found.pop("nc2_simplex") > 0.1 and found.pop("nc2_norms") > 0.01  # centred random vectors differ in length
    assert all(value < 1e-6 for value in found.values()), found


def test_a_simplex_has_no_distance_to_a_simplex():
    vectors, labels = class_vectors("simplex", 5, 9).astype(float), np.arange(10) % 5
    found = neural_collapse(vectors[labels], labels, vectors, labels)

    assert max(found.values()) < 1e-6


def test_equal_class_means_have_infinite_variance():
    found = neural_collapse([[1.0, 0], [-1, 0], [1, 0], [-1, 0]], [0, 0, 1, 1], np.eye(2), [0, 0, 1, 1])

    assert found["cdnv"] == found["nc1"] == np.inf  # nothing has collapsed
    assert neural_collapse(np.ones((4, 2)), [0, 0, 1, 1], np.eye(2), [0, 0, 1, 1])["nc1"] == 0


@pytest.mark.parametrize("features, labels, message", [
    ([[np.nan, 1.0]], [0], "not finite"), ([[0.0, 1.0]], [0], "at least 2 classes, got 1"),
    ([[0.0, 1.0]], [2], r"labels must be in \[0, 2\)")])
def test_wrong_arguments_are_refused(features, labels, message):
    with pytest.raises(ArgumentError, match=message):
        neural_collapse(features, labels, np.eye(2), [0])
