"""The paper's Figures 2 to 5 from the arrays of results.

Figures 2 and 4 show cosines between class vectors and confusions against them, Figures 3 and 5 features in a plane.
"""
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_fixhead.analysis.geometry import different_pairs, same_group
from keras_fixhead.analysis.similarity import confusion_similarity
from keras_fixhead.data.catalog import DATASETS
from keras_fixhead.figures.class_vectors import cosine_limits, plot_cosine_matrix
from keras_fixhead.figures.classes import grouped_order
from keras_fixhead.figures.features import plane_text, plot_features
from keras_fixhead.figures.similarity import error_limits, plot_confusion_similarity
from keras_fixhead.reproduction.claims.comparisons import SETS, Evidence, arm
from keras_fixhead.reproduction.pages.cells import ARMS
from keras_fixhead.reproduction.planning.cells import Row
from keras_fixhead.runs import make_folder
from keras_fixhead.runs.result import Matrices, Result, read_arrays

DOT, COS = ("dot", "dot logits"), ("cos", "cosine logits, S = 1")
HEADS = {"figure2": DOT, "figure3": DOT, "figure4": COS, "figure5": COS}
"""The paper's figure -> logits of its models, and these in words."""
CLASS_VECTORS = ("figure2", "figure4")
"""Those that show class vectors; the others show features."""


def figures_content(seen: Evidence) -> list[dict[str, Any]]:
    """Returns one entry for each data set and figure of the paper that both arms of a seed were measured for.

    It has the arms with the path of their result, and the pictures of each arm: their names and captions. Figures of
    features also have an entry for the networks that were trained with features of two dimensions.
    """
    at = seen.setting
    asked = [(figure, dataset, at.main, "") for figure in HEADS for dataset in SETS]
    asked += [(figure, at.flat.dataset, at.flat, "two-features") for figure in HEADS if figure not in CLASS_VECTORS]
    found = []
    for figure, dataset, row, kind in sorted(asked, key=lambda each: each[0]):
        arms = _first_pair(seen, row, dataset, figure)
        if not arms:
            continue
        prefix = "-".join(filter(None, (at.plan, figure, dataset, kind)))
        of_arms = [(_vector_pictures if figure in CLASS_VECTORS else _feature_pictures)(
            prefix, name, HEADS[figure][1], each) for name, each in arms.items()]
        title = f"Figure {figure.removeprefix('figure')}, {dataset}{', features of two dimensions' if kind else ''}"
        found.append({"figure": figure, "dataset": dataset, "title": title, "seed": arms["fixed"].seed,
                      "results": {name: result.path for name, result in arms.items()},
                      "pictures": [each for same_kind in zip(*of_arms, strict=True) for each in same_kind]})
    return found


def _first_pair(seen: Evidence, row: Row, dataset: str, figure: str) -> dict[str, Result]:
    """The results of the smallest seed for which both arms were measured; none if there is no such seed."""
    runs: dict[str, dict[int, Result]] = {}
    for fixed, name in ARMS.items():
        cell = arm(row, dataset, HEADS[figure][0], fixed).cell(seen.decisions)
        of_cell = {} if cell is None else seen.results.of(cell)
        runs[name] = {seed: each for seed, each in of_cell.items()
                      if figure in CLASS_VECTORS or "plane" in each.content}  # earlier results have no features
    shared = set(runs["fixed"]) & set(runs["learned"])
    return {name: by_seed[min(shared)] for name, by_seed in runs.items()} if shared else {}


def _vector_pictures(prefix: str, name: str, words: str, result: Result) -> list[dict[str, str]]:
    """The two pictures of an arm: its class vectors, and its confusions."""
    matrices = result.matrices()
    relation = confusion_similarity(matrices["cosines"], matrices["confusion"], unordered=True, permutations=0)
    rho, ceiling = relation["correlation"], relation["ceiling"]
    how_near = "" if rho is None else (
        f" Spearman's correlation is {round(rho, 2) + 0.0:.2f}; ties in the counts allow at most {ceiling:.2f}.")
    what = _what(words, name, result)
    return [{"name": f"{prefix}-cosines-{name}", "kind": "cosines", "arm": name,
             "caption": f"{what}: cosines between class vectors."},
            {"name": f"{prefix}-confusion-{name}", "kind": "confusion", "arm": name,
             "caption": f"{what}: a point for each pair of classes. To the right, their class vectors are closer; "
                        f"higher up, more test images of one were taken for the other.{how_near}"}]


def _feature_pictures(prefix: str, name: str, words: str, result: Result) -> list[dict[str, str]]:
    """The picture of an arm's features."""
    return [{"name": f"{prefix}-features-{name}", "kind": "features", "arm": name,
             "caption": f"{_what(words, name, result)}, test accuracy {100 * result.accuracy():.1f} %: "
                        f"{plane_text(result.content['plane'])}"}]


def _what(words: str, name: str, result: Result) -> str:
    return f"{result.config.dataset}, {words}, {name} class vectors, seed {result.seed}"


def draw_figures(report: Mapping[str, Any], results: Path, folder: Path) -> list[Path]:
    """Draws the figures of a report as PNG and SVG files; returns the PNG files. Both arms have the same axes.

    Args:
        report: from `report.read_report`.
        results: the folder that the files in it are relative to.
        folder: where to write them.

    Raises:
        RunError: if a file cannot be read or written.
    """
    entries = [each for setting in report["settings"] for each in setting["figures"]]
    if entries:
        make_folder(folder)
    return [path for each in entries for path in _drawn(each, results, folder)]


def _drawn(entry: Mapping[str, Any], results: Path, folder: Path) -> list[Path]:
    arrays = {name: read_arrays((results / file).with_suffix(".npz")) for name, file in entry["results"].items()}
    names = DATASETS[entry["dataset"]].label_names
    assert names is not None
    draw = _draw_class_vectors if entry["figure"] in CLASS_VECTORS else _draw_features
    return draw(entry, arrays, names, folder)


def _draw_class_vectors(entry: Mapping[str, Any], arrays: Mapping[str, Matrices], names: Sequence[str],
                        folder: Path) -> list[Path]:
    similar = DATASETS[entry["dataset"]].similar
    limits = cosine_limits(each["cosines"] for each in arrays.values())
    errors = {name: each["confusion"].astype(np.int64) * different_pairs(len(each["confusion"]))
              for name, each in arrays.items()}
    counts = error_limits(errors.values())
    order = grouped_order(names, similar)
    drawn = []
    for picture in entry["pictures"]:
        name, path = picture["arm"], folder / picture["name"]
        title = f"{entry['dataset']}, {HEADS[entry['figure']][1]}, {name}"
        if picture["kind"] == "cosines":
            plot_cosine_matrix(arrays[name]["cosines"], names, path, title=title, order=order,
                               groups=None if order is None else similar, limits=limits)
        else:
            plot_confusion_similarity(arrays[name]["cosines"], errors[name], names, path, title=title,
                                      together=same_group(names, similar), limits=limits, counts=counts)
        drawn.append(path.with_name(path.name + ".png"))
    return drawn


def _draw_features(entry: Mapping[str, Any], arrays: Mapping[str, Matrices], names: Sequence[str],
                   folder: Path) -> list[Path]:
    drawn = []
    for picture in entry["pictures"]:
        own, path = arrays[picture["arm"]], folder / picture["name"]
        plot_features(own["plane_points"], own["plane_labels"], names, path, vectors=own["plane_vectors"],
                      title=f"{entry['dataset']}, {HEADS[entry['figure']][1]}, {picture['arm']}")
        drawn.append(path.with_name(path.name + ".png"))
    return drawn
