"""Values of an installed peer for arrays in a file; run by `test_analysis_peers` with that peer's Python.

    python peer_values.py PEER ARRAYS.npz OUT.json

Needs nothing of this project: each peer has an environment of its own.
"""
import json
import sys

import numpy as np


def netcal(case):
    """Calibration errors with bins of equal width."""
    from netcal.metrics import ECE

    # as confidences and hits: with labels of two classes or fewer, it would take the images for a binary problem
    confidences = case["probabilities"].max(axis=1)
    hits = (case["probabilities"].argmax(axis=1) == case["labels"]).astype(int)
    return {f"ece_{bins}": ECE(bins=bins, detection=True).measure(confidences, hits) for bins in (5, 15)}


def pytorch_ood(case):
    """Measures of open-set scores; unknown images are the positive class."""
    import torch
    from pytorch_ood.detector import KNN, EnergyBased, MaxLogit, MaxSoftmax, ViM
    from pytorch_ood.metrics import OODMetrics

    tensors = {name: torch.tensor(value, dtype=torch.float64) for name, value in case.items()}
    none = torch.zeros(len(tensors["train_features"]), dtype=torch.long)
    vim = ViM(None, case["train_features"].shape[1] // 2, tensors["class_vectors"],
              torch.zeros(len(tensors["class_vectors"])))
    fitted = {"nearest_neighbours": KNN(None, k=50), "virtual_logit": vim}
    for each in fitted.values():
        each.fit_features(tensors["train_features"].float(), none)  # it computes these two in float32
    found = {}
    for name in ("energy", "max_logit", "max_probability", *fitted):
        metrics = OODMetrics()
        for part, label in (("known", 0), ("unknown", -1)):
            if name in fitted:
                values = fitted[name].predict_features(tensors[f"{part}_features"].float())
            else:
                score = {"energy": EnergyBased, "max_logit": MaxLogit, "max_probability": MaxSoftmax}[name].score
                values = score(tensors[f"{part}_features"] @ tensors["class_vectors"].T)
            metrics.update(values.double(), torch.full((len(values),), label))
        computed = metrics.compute()
        found |= {f"auroc_{name}": computed["AUROC"], f"fpr_at_95_{name}": computed["FPR95TPR"]}
    return found


def pytorch_metric_learning(case):
    """Retrieval among images that search each other, by cosines."""
    import torch
    from pytorch_metric_learning.distances import CosineSimilarity
    from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator
    from pytorch_metric_learning.utils.inference import CustomKNN

    wanted = {"precision_at_1": "recall_at_1", "r_precision": "r_precision", "mean_average_precision_at_r": "map_at_r"}
    calculator = AccuracyCalculator(include=tuple(wanted), k="max_bin_count", knn_func=CustomKNN(CosineSimilarity()),
                                    device=torch.device("cpu"))
    features, labels = torch.tensor(case["features"], dtype=torch.float64), torch.tensor(case["labels"])
    computed = calculator.get_accuracy(features, labels)
    return {wanted[name]: value for name, value in computed.items() if name in wanted}


PEERS = {"netcal": netcal, "pytorch-ood": pytorch_ood, "pytorch-metric-learning": pytorch_metric_learning}


def main():
    peer, arrays, out = sys.argv[1:]
    with np.load(arrays) as file:
        cases = {}
        for key in file.files:
            case, _, name = key.partition("/")
            cases.setdefault(case, {})[name] = file[key]
    with open(out, "w") as output:  # noqa: PTH123
        json.dump({name: {key: float(value) for key, value in PEERS[peer](case).items()}
                   for name, case in cases.items()}, output)


if __name__ == "__main__":
    main()
