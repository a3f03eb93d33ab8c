"""The figures of features in a plane, and of what features are good for: unknown classes, retrieval, verification."""
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_fixhead.analysis.definitions import SCORES
from keras_fixhead.analysis.projection import feature_plane, neighbour_embedding, turn
from keras_fixhead.analysis.retrieval import verification_curve
from keras_fixhead.analysis.summary import searched
from keras_fixhead.figures.distributions import plot_distributions, plot_points
from keras_fixhead.figures.features import plane_text, plot_features, plot_turns
from keras_fixhead.figures.verification import plot_verification
from keras_fixhead.run_analysis.captioned_figure import Figure, file_name
from keras_fixhead.run_analysis.measured import MeasuredRun, by_arm, unknown_text

_LENGTHS = "Features of cosine logits are divided by their lengths, which these do not see."


def feature_pictures(runs: Sequence[MeasuredRun], folder: Path) -> Iterator[Figure]:
    """Draws features in a plane, their lengths and angles."""
    planes = {arm: {each.name.partition("-")[0]: each for each in _plane(arm, members[0], folder)}
              for arm, members in by_arm(runs).items()}
    for kind in dict.fromkeys(kind for each in planes.values() for kind in each):  # arms side by side
        yield from (each[kind] for each in planes.values() if kind in each)
    lengths = {arm: [np.linalg.norm(np.asarray(each.test.features, np.float64), axis=1) for each in members]
               for arm, members in by_arm(runs).items()}
    plot_distributions(lengths, folder / "feature-lengths", title="Length of the features",
                       label="length, logarithmic", limits=_most_of(lengths), log=True)
    yield Figure("feature-lengths", "features", "How long the features of test images are; a few may be very much "
                  "longer than most. Cosine logits do not depend on it; for dot products it is a scale that each image "
                  "sets for itself.")


def open_set_pictures(runs: Sequence[MeasuredRun], folder: Path) -> Iterator[Figure]:
    """Draws how well scores tell unknown classes, if there are any."""
    some = [each for each in runs if "open_set" in each.numbers]
    if not some:
        return
    scores = {name.replace("_", "\n"): {arm: _values(members, "open_set", f"auroc_{name}")
                                        for arm, members in by_arm(some).items()} for name in SCORES}
    unknown = unknown_text(each.unknown_facts for each in some)
    plot_points(scores, folder / "open-set", title=f"Positive class: unknown ({unknown})", label="AUROC")
    yield Figure("open-set", "open_set", f"How well each score tells images of unknown classes ({unknown}) from test "
                  "images: 1 is perfect, 0.5 is chance. A point is a run, a bar the mean of an arm.")


def retrieval_pictures(runs: Sequence[MeasuredRun], folder: Path) -> Iterator[Figure]:
    """Draws retrieval and verification among test images, and among images of unknown classes."""
    unknown = unknown_text(each.unknown_facts for each in runs)
    for section, words in (("retrieval", "test images"), ("held_out", unknown)):
        some = [each for each in runs if section in each.numbers]
        if not some:
            continue
        kinds = {"recall_at_1": "Recall@1", "r_precision": "R-precision", "map_at_r": "MAP@R", "nearest_10": "10-NN"}
        plot_points({label: {arm: _values(members, section, name) for arm, members in by_arm(some).items()}
                     for name, label in kinds.items()}, folder / file_name(section), title=f"Retrieval, {words}",
                    label="share")
        yield Figure(file_name(section), section, f"Retrieval, {words}: are images of one class near each other? A "
                      "point is a run, a bar the mean of an arm.")
        curves = {arm: [verification_curve(*_searched(each, section)) for each in members]
                  for arm, members in by_arm(some).items()}
        plot_verification(curves, folder / f"verification-{section}", title=f"Verification, {words}")
        yield Figure(f"verification-{section}", section, f"Verification, {words}: share of pairs of one class that "
                      "are accepted as such, when a share of pairs of different classes is accepted by mistake.")


def collapse_pictures(runs: Sequence[MeasuredRun], folder: Path) -> Iterator[Figure]:
    """Draws the measures of neural collapse."""
    some = [each for each in runs if "collapse" in each.numbers]
    if not some:
        return
    kinds = {"nc2_norms": "NC2 norms", "nc2_cosines": "NC2 cosines\n(own vectors)",
             "nc2_simplex": "NC2 cosines\n(simplex)", "nc3": "NC3", "nc4": "NC4"}
    plot_points({label: {arm: _values(members, "collapse", name) for arm, members in by_arm(some).items()}
                 for name, label in kinds.items()}, folder / "collapse", title="Neural collapse, training images",
                label="distance from collapse")
    yield Figure("collapse", "collapse", f"Neural collapse on training images: 0 is complete. {_LENGTHS} A point is a "
                  "run, a bar the mean of an arm.")
    plot_points({label: {arm: _values(members, "collapse", name) for arm, members in by_arm(some).items()}
                 for name, label in (("nc1", "NC1"), ("cdnv", "CDNV"))}, folder / "collapse-variability",
                title="Variability inside classes, training images", label="logarithmic", log=True)
    yield Figure("collapse-variability", "collapse", "How much features of a class vary, compared with class means: "
                  f"NC1 by covariances, CDNV by distances; less is more collapsed. {_LENGTHS} A point is a run, a bar "
                  "the mean of an arm.")


def _plane(arm: str, run: MeasuredRun, folder: Path) -> Iterator[Figure]:
    features, names = run.test.features, run.facts.label_names
    plane = feature_plane(features, run.test.labels, run.test.class_vectors, cosine=run.config.head == "cos")
    if plane is None:
        return
    who = f"{arm}, seed {run.config.seed}:"
    name = file_name("features", arm)
    plot_features(plane.points, plane.labels, names, folder / name, vectors=plane.vectors, origin=plane.flat,
                  title=f"{arm}: features" + ("" if plane.flat else " by PCA"))
    yield Figure(name, "features", f"{who} {plane_text(plane.facts())}")
    if plane.flat:
        name = file_name("turns", arm)
        plot_turns(turn(plane.points), plane.labels, names, folder / name, vectors=turn(plane.vectors),
                   title=f"{arm}: directions of the features")
        yield Figure(name, "features", f"{who} in which direction the features of each class lie, and where its class "
                      "vector points.")
    elif len(plane.points) > 9:
        name = file_name("layout", arm)
        plot_features(neighbour_embedding(features[plane.chosen]), plane.labels, names, folder / name,
                      title=f"{arm}: features by t-SNE")
        yield Figure(name, "features", f"{who} features of the same images, laid out by t-SNE (cosine distances). Near "
                      "images stay near; distances between groups mean little.")


def _most_of(lengths: Mapping[str, Sequence[NDArray[np.float64]]]) -> tuple[float, float]:
    """A range of lengths that has nearly all images of every run, and is not empty."""
    positive = [each[each > 0] for some in lengths.values() for each in some if (each > 0).any()]
    least = min((float(np.quantile(each, 0.001)) for each in positive), default=1.0)
    return least / 1.2, 1.2 * max((float(np.quantile(each, 0.999)) for each in positive), default=1.0)


def _searched(run: MeasuredRun, section: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """The images that search each other, as in the numbers."""
    features, labels = run.test.features, run.test.labels
    if section == "held_out" and run.unknown is not None:
        features, labels = run.unknown[0].features, run.unknown[1]
    some = searched(labels)
    return features[some], labels[some]


def _values(runs: Sequence[MeasuredRun], section: str, name: str) -> list[float]:
    return [value for each in runs if (value := each.numbers[section].get(name)) is not None]
