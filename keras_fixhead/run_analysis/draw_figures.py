"""The figures of an analysis, with a caption each that says what is seen."""
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from keras_fixhead.analysis.calibration import Reliability, log_softmax, reliability
from keras_fixhead.analysis.class_vectors import clustered_order
from keras_fixhead.analysis.compactness import class_angles
from keras_fixhead.analysis.geometry import cosine_matrix, different_pairs, image_cosines, own_predicted_wrong
from keras_fixhead.figures.class_vectors import cosine_limits, plot_cosine_distribution, plot_cosine_matrix
from keras_fixhead.figures.classes import grouped_order
from keras_fixhead.figures.distributions import plot_distributions, plot_points
from keras_fixhead.figures.dynamics import plot_dynamics
from keras_fixhead.figures.reliability import plot_reliability
from keras_fixhead.figures.similarity import error_limits, plot_confusion_similarity
from keras_fixhead.run_analysis.captioned_figure import Figure, file_name
from keras_fixhead.run_analysis.draw_features import (
    collapse_pictures,
    feature_pictures,
    open_set_pictures,
    retrieval_pictures,
)
from keras_fixhead.run_analysis.draw_scales import scale_pictures
from keras_fixhead.run_analysis.measured import MeasuredRun, by_arm, chance_text

Order = tuple[str, NDArray[np.int64] | None, Mapping[str, Sequence[str]] | None]
"""In words, as indices, and the groups that it follows."""


def draw_figures(runs: Sequence[MeasuredRun], folder: Path) -> list[Figure]:
    """Draws all figures, as PNG and SVG files in a folder, and returns them in the order of the page.

    Raises:
        RunError: if a file cannot be written.
    """
    return [picture for part in PARTS for picture in part(runs, folder)]


def _class_vectors(runs: Sequence[MeasuredRun], folder: Path) -> Iterator[Figure]:
    arms = {arm: members[0] for arm, members in by_arm(runs).items()}
    cosines = {arm: cosine_matrix(each.test.class_vectors) for arm, each in arms.items()}
    limits = cosine_limits(cosines.values())
    orders = {arm: _orders(each, cosines[arm]) for arm, each in arms.items()}
    for kind in dict.fromkeys(kind for each in orders.values() for kind in each):  # arms side by side
        for arm, each in arms.items():
            if kind not in orders[arm]:
                continue
            words, order, groups = orders[arm][kind]
            name = file_name("cosines", kind, arm)
            plot_cosine_matrix(cosines[arm], each.facts.label_names, folder / name, order=order, groups=groups,
                               limits=limits, title=f"{arm}: cosines between class vectors,\n{words}")
            yield Figure(name, "class_vectors", f"{arm}, seed {each.config.seed}: cosines between class vectors, "
                          f"{words}. All heat maps here have the same colours.")
    distributions = {arm: matrix[np.triu_indices(len(matrix), k=1)] for arm, matrix in cosines.items()}
    dims = {each.test.features.shape[1] for each in arms.values()}
    plot_cosine_distribution(distributions, max(dims), folder / "cosine-distribution",
                             title="Cosines between class vectors")
    seeds = ", ".join(dict.fromkeys(f"seed {each.config.seed}" for each in arms.values()))
    yield Figure("cosine-distribution", "class_vectors", "How the cosines between class vectors are distributed, in "
                  f"the first run of each arm ({seeds}). The grey area is the law of random directions in {max(dims)} "
                  "dimensions.")


def _orders(each: MeasuredRun, cosines: NDArray[np.float64]) -> dict[str, Order]:
    """The orders in which a heat map is drawn: of the data set, by groups if names do not fit, and clustered."""
    orders: dict[str, Order] = {"in-order": ("in the order of the data set", None, None)}
    if (grouped := grouped_order(each.facts.label_names, each.facts.groups)) is not None:
        orders["by-group"] = ("by groups of look-alikes", grouped, each.facts.groups)
    if len(cosines) > 2:
        orders["clustered"] = ("near ones next to each other", clustered_order(cosines), None)
    return orders


def _confusion(runs: Sequence[MeasuredRun], folder: Path) -> Iterator[Figure]:
    arms = {arm: members[0] for arm, members in by_arm(runs).items()}
    cosines = {arm: cosine_matrix(each.test.class_vectors) for arm, each in arms.items()}
    limits = cosine_limits(cosines.values())
    errors = {arm: each.test.confusion * different_pairs(each.test.num_classes) for arm, each in arms.items()}
    counts = error_limits(errors.values())
    for arm, each in arms.items():
        name = file_name("confusion-similarity", arm)
        found = each.numbers["confusion"]
        rho, ceiling = found["unordered_correlation"], found["unordered_ceiling"]
        said = f" Most confused: {_most_confused(errors[arm], each.facts.label_names)}." + (
            "" if rho is None or ceiling is None else
            f" Spearman's correlation over these pairs is {_rounded(rho)}; the ties in the counts allow at most "
            f"{ceiling:.2f}.")
        plot_confusion_similarity(cosines[arm], errors[arm], each.facts.label_names, folder / name, limits=limits,
                                  counts=counts, together=each.facts.together,
                                  title=f"{arm}: confusions and similarity"
                                  + ("" if rho is None else f", Spearman {_rounded(rho)}"))
        yield Figure(name, "confusion", f"{arm}, seed {each.config.seed}: a point for each pair of classes; to the "
                      "right, their class vectors are closer; higher up, more images of one were taken for the other."
                      + said)
    if len(runs) > 1 and any(each.numbers["confusion"]["errors_inside_groups"] is not None for each in runs):
        values = {"errors inside groups of look-alikes": {
            arm: [100 * value for each in members
                  if (value := each.numbers["confusion"]["errors_inside_groups"]) is not None]
            for arm, members in by_arm(runs).items()}}
        plot_points(values, folder / "errors-inside-groups", title="Errors between look-alike classes",
                    label="% of all errors")
        yield Figure("errors-inside-groups", "confusion", "Share of the errors that stay inside a group of look-alike "
                      "classes. A point is a run, a bar the mean of an arm.")


def _rounded(value: float) -> str:
    """A number with two digits, and never -0.00."""
    return f"{round(value, 2) + 0.0:.2f}"


def _most_confused(errors: NDArray[np.integer], label_names: Sequence[str], count: int = 3) -> str:
    rows, columns = np.triu_indices(len(errors), k=1)
    both = (errors + errors.T)[rows, columns]
    return ", ".join(f"{label_names[rows[each]]} and {label_names[columns[each]]} ({both[each]:,})"
                     for each in np.argsort(-both, kind="stable")[:count])


def _compactness(runs: Sequence[MeasuredRun], folder: Path) -> Iterator[Figure]:
    arms = by_arm(runs)
    cosines = {arm: [own_predicted_wrong(image_cosines(each.test.features, each.test.class_vectors), each.test.labels,
                                         each.test.predicted) for each in members] for arm, members in arms.items()}
    for kind, words in (("own", "its own class vector"), ("nearest_wrong", "the nearest other class vector")):
        name = file_name("cosine-to", kind)
        reach = {f"reachable, {arm}": float(members[0].numbers["reach"]["reachable_cosine_max"] or 1)
                 for arm, members in arms.items() if kind == "own" and not members[0].facts.signed_features}
        marks = {"largest reachable with features ≥ 0": max(reach.values())} if reach else None
        plot_distributions({arm: [found[kind] for found in each] for arm, each in cosines.items()}, folder / name,
                           title=f"Cosine of an image to {words}", label="cosine", limits=(-1, 1), marks=marks)
        yield Figure(name, "compactness", f"Cosine between the features of a test image and {words}."
                      + (" Where features have no negative entries, no image can pass the line." if marks else ""))
    plot_points({label: {arm: [float(each.numbers["compactness"][name] or 0) for each in members]
                         for arm, members in arms.items()} for name, label in (
                             ("own", "own"), ("predicted", "predicted"), ("nearest_wrong", "nearest wrong"))},
                folder / "mean-cosines", title="Mean cosine to class vectors", label="mean cosine")
    yield Figure("mean-cosines", "compactness", "Mean cosine of features to the class vector of their own class, of "
                  "the predicted class (the paper's Table 4), and of the nearest other class. A point is a run, a bar "
                  "the mean of an arm.")
    angles = {arm: [class_angles(each.test.features, each.test.labels) for each in members]
              for arm, members in arms.items()}
    for kind, title, caption in (
            ("to_own_mean", "Angle to the mean of the own class", "Spread inside classes: the angle between an image's "
             "features and the mean of its class. Further left is more compact."),
            ("to_nearest_other_mean", "Angle to the nearest mean of another class", "Separation between classes: the "
             "angle to the nearest mean of another class. Further right is better separated.")):
        plot_distributions({arm: [found[kind] for found in each] for arm, each in angles.items()},
                           folder / file_name("angle", kind), title=title, label="angle, degrees", limits=(0, 120))
        yield Figure(file_name("angle", kind), "separability", caption)


def _calibration(runs: Sequence[MeasuredRun], folder: Path) -> Iterator[Figure]:
    arms = by_arm(runs)
    ceilings = {f"ceiling, m = {each.test.num_classes}, S = {each.facts.cosine_scale:.3g}":
                float(each.numbers["calibration"]["ceiling"] or 1)
                for each in runs if each.facts.cosine_scale is not None}
    for suffix, words in (("", "as served"), ("-after", "after a temperature is fitted on validation images")):
        bins = {arm: [reliability(np.exp(log_softmax(each.test.logits / (temperature if suffix else 1))),
                                  each.test.labels) for each in members
                      if (temperature := each.numbers["calibration"]["temperature"]) is not None or not suffix]
                for arm, members in arms.items()}
        bins = {arm: each for arm, each in bins.items() if each}
        if not bins:
            continue
        plot_reliability(bins, folder / f"reliability{suffix}", title=f"Reliability, {words}",
                         ceilings=None if suffix else ceilings)
        yield Figure(f"reliability{suffix}", "calibration", f"Accuracy against confidence, {words}: on the diagonal, "
                      "probabilities mean what they say; above it, the model is right more often than it says. Below: "
                      "how many images have this confidence."
                      + (" Dotted: the largest probability that S allows." if ceilings and not suffix else "")
                      + _single_bins(bins) + chance_text(runs))


def _single_bins(bins: Mapping[str, Sequence[Reliability]]) -> str:
    """Why some arms are one point: all their probabilities are in one bin."""
    arms = [arm for arm, each in bins.items() if all((run.count > 0).sum() == 1 for run in each)]
    return (f" A single point: all probabilities of {', '.join(arms)} are in one bin."
            if arms else "")


def _dynamics(runs: Sequence[MeasuredRun], folder: Path) -> Iterator[Figure]:
    rows = {arm: [each.rows for each in members] for arm, members in by_arm(runs).items()}
    best = {arm: float(value) for arm, members in by_arm(runs).items()
            if (value := members[0].numbers["reach"]["best_loss"]) is not None}
    several = any(len(each) > 1 for each in rows.values())
    for key, title, label, factor, levels in (
            ("accuracy", "Training accuracy", "accuracy on augmented images, %", 100, {}),
            ("validation_accuracy", "Validation accuracy", "validation accuracy, %", 100, {}),
            ("cross_entropy", "Training loss", "cross-entropy, nats", 1, best if len(best) <= 2 else {}),
            ("validation_own_cosine", "Cosine to the own class vector", "mean cosine, validation", 1, {}),
            ("validation_nearest_wrong_cosine", "Cosine to the nearest wrong class vector", "mean cosine, validation",
             1, {}),
            ("class_vectors_max_cosine", "Largest cosine between class vectors", "largest cosine", 1, {})):
        name = file_name("epochs", key)
        if plot_dynamics(rows, key, folder / name, title=title, label=label, factor=factor, levels=levels):
            yield Figure(name, "dynamics", f"{title} per epoch" + (
                ": the mean of an arm's runs, with a band from the smallest to the largest." if several else ".")
                + (" Dotted: the smallest that these class vectors and this scale allow." if levels else ""))


PARTS: tuple[Callable[[Sequence[MeasuredRun], Path], Iterator[Figure]], ...] = (
    _class_vectors, _confusion, _compactness, feature_pictures, collapse_pictures, _calibration, scale_pictures,
    open_set_pictures, retrieval_pictures, _dynamics)
"""The parts of the page, in order: each draws its figures."""
