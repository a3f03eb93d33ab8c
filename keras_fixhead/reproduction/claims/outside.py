"""The claim on images gathered independently (Table 5), as comparisons."""
from keras_fixhead.reproduction.claims.accuracy import TOLERANCE_POINTS
from keras_fixhead.reproduction.claims.comparisons import Evidence, gain
from keras_fixhead.reproduction.claims.findings import Finding
from keras_fixhead.reproduction.claims.verdict import below, not_below
from keras_fixhead.reproduction.measures import generalized
from keras_fixhead.reproduction.paper import paper_table

TEXT = {"cifar10": {"cifar10_1": "CIFAR-10.1 v6", "cifar10_1-v4": "CIFAR-10.1 v4",
                    "stl10": "stl10, nine common classes"},
        "cifar100": {"cifar100_gen": "a gathered set, not the paper's images"}}
"""Data set -> name of a measurement on an outside set -> what it is."""


def generalization(seen: Evidence) -> list[Finding]:
    """Fixed minus learned accuracy on outside sets; next to it the same of the drop from the own test set.

    Only CIFAR-10.1 is a set of the paper. Others, and other versions, stand next to it and do not decide.
    """
    at, paper = seen.setting, paper_table(5).gains()
    found = []
    for dataset, names in TEXT.items():
        for head in ("dot", "cos"):
            for name, text in names.items():
                own = name == "cifar10_1"
                label = f"{dataset} to {text}{_images(seen, name)}, {head}"
                found += [
                    gain(seen, label, at.main, dataset, head, generalized(name), not_below(TOLERANCE_POINTS),
                         paper=paper[dataset, head] if own else None, beside=not own),
                    gain(seen, f"{label}, drop from the own test set", at.main, dataset, head,
                         generalized(name, "drop_points"), below(TOLERANCE_POINTS), beside=True)]
    return found


def _images(seen: Evidence, name: str) -> str:
    """The number of images, which is not that of the whole set on every machine; nothing if results differ in it."""
    counts = {found[name]["n_outside"] for result in seen.results if name in (
        found := result.content.get("generalization", {})) and "n_outside" in found[name]}
    return f" ({counts.pop():,} images)" if len(counts) == 1 else ""
