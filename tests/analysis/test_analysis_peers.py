"""Calibration, open-set and retrieval numbers equal those of published packages, each in an environment of its own.

`.ci/long` names each environment's Python in FIXHEAD_NETCAL_PYTHON, FIXHEAD_PYTORCH_OOD_PYTHON and
FIXHEAD_PYTORCH_METRIC_LEARNING_PYTHON.
"""
import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from keras_fixhead.analysis.calibration import log_softmax, reliability
from keras_fixhead.analysis.open_set import all_scores, detection
from keras_fixhead.analysis.retrieval import retrieval

pytestmark = pytest.mark.long
TOLERANCE = 1e-6
OURS = {"max_cosine"}
IN_FLOAT32 = {"nearest_neighbours", "virtual_logit"}
DRAW = np.random.default_rng(0)


def logits(num_classes, n, scale=2.0):
    return scale * DRAW.standard_normal((n, num_classes))


def calibration_case(values, labels):
    return {"probabilities": np.exp(log_softmax(values)), "labels": labels}


def certain(num_classes, n):
    """Probabilities of exactly 1 and 0 among others."""
    case = calibration_case(logits(num_classes, n), DRAW.integers(0, num_classes, n))
    case["probabilities"][: n // 3] = np.eye(num_classes)[DRAW.integers(0, num_classes, n // 3)]
    return case


def open_set_case(num_classes, dim, known, unknown):
    vectors = DRAW.standard_normal((num_classes, dim))
    features = {name: vectors[DRAW.integers(0, num_classes, count)] + DRAW.standard_normal((count, dim))
                for name, count in (("known", known), ("train", 400))}
    return {"class_vectors": vectors, "unknown_features": 1.5 * DRAW.standard_normal((unknown, dim)),
            **{f"{name}_features": value for name, value in features.items()}}


CALIBRATION = {
    "10 classes": calibration_case(logits(10, 500), DRAW.integers(0, 10, 500)),
    "200 classes": calibration_case(logits(200, 900, 4.0), DRAW.integers(0, 200, 900)),
    "confidence exactly 1": certain(10, 300),
    "one class only": calibration_case(logits(10, 200), np.full(200, 3)),
    "an empty class and one with one image": calibration_case(logits(4, 101), np.array([0, 1] * 50 + [2])),
}
OPEN_SET = {"10 classes": open_set_case(10, 16, 300, 200), "200 classes": open_set_case(200, 64, 300, 100),
            "ties": {name: np.round(value) + 0.0 for name, value in open_set_case(3, 4, 300, 150).items()}}
RETRIEVAL = {
    "10 classes": {"labels": (own := DRAW.integers(0, 10, 400)),
                   "features": DRAW.standard_normal((10, 16))[own] + DRAW.standard_normal((400, 16))},
    "200 classes": {"labels": (many := np.arange(600) % 200),
                    "features": DRAW.standard_normal((200, 16))[many] + 0.5 * DRAW.standard_normal((600, 16))},
    "a class with one image": {"labels": np.array([0] * 20 + [1] * 20 + [2]),
                               "features": DRAW.standard_normal((41, 8))},
}


def ask(peer, cases, folder):
    python = os.environ.get(variable := f"FIXHEAD_{peer.upper().replace('-', '_')}_PYTHON")
    assert python, f"set {variable} to a Python that has {peer}"
    np.savez(folder / "arrays.npz", **{f"{case}/{name}": value for case, arrays in cases.items()
                                       for name, value in arrays.items()})
    script = Path(__file__).with_name("peer_values.py")
    subprocess.run([python, str(script), peer, str(folder / "arrays.npz"), str(folder / "out.json")], check=True,
                   env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"})
    return json.loads((folder / "out.json").read_text())


def agree(peer, theirs, ours):
    """Compares each number of each case, and prints the largest difference for the record."""
    worst = max(abs(theirs[case][name] - ours[case][name]) for case in ours for name in ours[case])
    numbers = sum(map(len, ours.values()))
    print(f"\n{peer}: {numbers} numbers in {len(ours)} cases ({'; '.join(ours)}), largest difference {worst:.1e}")
    for case, expected in ours.items():
        assert {name: theirs[case][name] for name in expected} == pytest.approx(expected, abs=TOLERANCE), case


def test_calibration_errors_equal_those_of_netcal(tmp_path):
    ours = {name: {f"ece_{bins}": reliability(case["probabilities"], case["labels"], bins).error for bins in (5, 15)}
            for name, case in CALIBRATION.items()}

    agree("netcal", ask("netcal", CALIBRATION, tmp_path), ours)


def test_open_set_measures_equal_those_of_pytorch_ood(tmp_path):
    """Its area under the precision-recall curve is by trapezoids, ours is scikit-learn's average precision; and it
    computes two scores in float32, which takes apart what is tied."""
    ours = {}
    for name, case in OPEN_SET.items():
        vectors = case["class_vectors"]
        train, known, unknown = ((case[f"{part}_features"], case[f"{part}_features"] @ vectors.T)
                                 for part in ("train", "known", "unknown"))
        scores = [all_scores(*part, vectors, train) for part in (known, unknown)]
        ours[name] = {f"{measure}_{score}": detection(scores[0][score], scores[1][score])[measure]
                      for score in scores[0] if score not in (OURS if name != "ties" else OURS | IN_FLOAT32)
                      for measure in ("auroc", "fpr_at_95")}

    agree("pytorch-ood", ask("pytorch-ood", OPEN_SET, tmp_path), ours)


def test_retrieval_equals_that_of_pytorch_metric_learning(tmp_path):
    ours = {name: retrieval(case["features"], case["labels"], recalls=[1]) for name, case in RETRIEVAL.items()}

    agree("pytorch-metric-learning", ask("pytorch-metric-learning", RETRIEVAL, tmp_path), ours)
