"""Retrieval and verification against plain loops and scikit-learn."""
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import KNeighborsClassifier

from keras_fixhead.analysis import retrieval as room
from keras_fixhead.analysis.retrieval import neighbours_accuracy, retrieval, verification
from keras_fixhead.errors import ArgumentError

DRAW = np.random.default_rng(0)


def draw(num_classes, n, dim=5):
    labels = DRAW.integers(0, num_classes, n)
    return DRAW.standard_normal((num_classes, dim))[labels] + DRAW.standard_normal((n, dim)), labels


def by_loops(features, labels, ks):
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    recalls, precisions, maps = {k: [] for k in ks}, [], []
    for i, label in enumerate(labels):
        others = [j for j in np.argsort(-(unit @ unit[i]), kind="stable") if j != i]
        hits = [bool(labels[j] == label) for j in others]
        r = sum(hits)
        if not r:
            continue
        for k in ks:
            recalls[k].append(any(hits[:k]))
        precisions.append(sum(hits[:r]) / r)
        maps.append(sum(sum(hits[:place + 1]) / (place + 1) for place in range(r) if hits[place]) / r)
    return {**{f"recall_at_{k}": np.mean(recalls[k]) for k in ks}, "r_precision": np.mean(precisions),
            "map_at_r": np.mean(maps)}


@pytest.mark.parametrize("num_classes, n", [(2, 30), (6, 90), (60, 100)],
                         ids=["two classes", "six", "60 classes, some with one image"])
def test_measures_match_plain_loops(num_classes, n, monkeypatch):
    monkeypatch.setattr(room, "CHUNK", 32)
    features, labels = draw(num_classes, n)

    assert retrieval(features, labels, (1, 4)) == pytest.approx(by_loops(features, labels, (1, 4)), abs=1e-12)


def test_neighbours_vote_as_in_scikit_learn():
    """With k = 1 there are no ties. scikit-learn asks the set itself, so its first neighbour is the image: k + 1."""
    features, labels = draw(4, 80)
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    near = KNeighborsClassifier(2).fit(unit, labels).kneighbors(unit, return_distance=False)[:, 1]

    assert neighbours_accuracy(features, labels, 1) == pytest.approx((labels[near] == labels).mean())
    votes = KNeighborsClassifier(6).fit(unit, labels).kneighbors(unit, return_distance=False)[:, 1:]
    counted = [max(set(row), key=lambda each, row=row: (row.count(each), -row.index(each)))
               for row in labels[votes].tolist()]
    assert neighbours_accuracy(features, labels, 5) == pytest.approx((np.array(counted) == labels).mean())


@pytest.mark.parametrize("tied", [False, True])
def test_verification_matches_scikit_learn_over_all_pairs(tied):
    features, labels = draw(5, 60)
    features = np.round(features) + 0.5 if tied else features
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    rows, columns = np.triu_indices(60, k=1)
    found = verification(features, labels)

    same, cosines = labels[rows] == labels[columns], (unit @ unit.T)[rows, columns].round(12)
    assert found["auroc"] == pytest.approx(roc_auc_score(same, cosines))
    threshold = np.quantile(cosines[~same], 0.9)
    assert found["accept_at_0.1"] == pytest.approx((cosines[same] > threshold).mean(), abs=0.02)
    assert 0 <= found["accept_at_0.001"] <= found["accept_at_0.01"] <= found["accept_at_0.1"] <= 1


@pytest.mark.parametrize("call, message", [
    (lambda: retrieval(np.eye(3), [0, 1, 2]), "must have two images"),
    (lambda: verification(np.eye(2), [0, 0]), "at least 2 classes"),
    (lambda: neighbours_accuracy(np.eye(2), [0, 0], 0), "k must be at least 1, got 0"),
    (lambda: retrieval([[np.nan], [1.0]], [0, 0]), "not finite")])
def test_wrong_arguments_are_refused(call, message):
    with pytest.raises(ArgumentError, match=message):
        call()


@pytest.mark.parametrize("n, depth", [(5, 2), (700, 3), (700, 699)])
def test_of_equal_cosines_the_first_images_are_the_nearest(n, depth):
    """Also where sums of products differ in the last bit, and in every chunk."""
    embeddings = np.tile(room.unit_rows(np.random.default_rng(0).normal(size=(1, 33))), (n, 1))
    for some, near in room._nearest(embeddings, np.arange(n), depth):
        expected = np.arange(depth) + (np.arange(depth) >= some[:, None])
        np.testing.assert_array_equal(near, expected)
