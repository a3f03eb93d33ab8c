"""The paper's Figures 2 and 4 from the matrices of results: cosines between class vectors, confusions against them."""
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from keras_fixhead.analysis.geometry import different_pairs, same_group
from keras_fixhead.analysis.similarity import confusion_similarity
from keras_fixhead.data.catalog import DATASETS
from keras_fixhead.figures.class_vectors import cosine_limits, plot_cosine_matrix
from keras_fixhead.figures.classes import grouped_order
from keras_fixhead.figures.similarity import error_limits, plot_confusion_similarity
from keras_fixhead.reproduction.comparisons import SETS, Evidence, arm
from keras_fixhead.reproduction.page_cells import ARMS
from keras_fixhead.runs import make_folder
from keras_fixhead.runs.result import Result, read_arrays

HEADS = {"figure2": ("dot", "dot logits"), "figure4": ("cos", "cosine logits, S = 1")}
"""The paper's figure -> logits of its models, and these in words."""


def figures_content(seen: Evidence) -> list[dict[str, Any]]:
    """Returns one entry for each data set and figure of the paper that both arms of a seed were measured for.

    It has the arms with the path of their result, and two pictures of each arm: its name and its caption.
    """
    found = []
    for figure, (head, words) in HEADS.items():
        for dataset in SETS:
            arms = _first_pair(seen, dataset, head)
            if not arms:
                continue
            of_arms = [_pictures(f"{seen.setting.plan}-{figure}-{dataset}", name, words, each)
                       for name, each in arms.items()]
            found.append({"figure": figure, "dataset": dataset, "seed": arms["fixed"].seed,
                          "results": {name: result.path for name, result in arms.items()},
                          "pictures": [each for same_kind in zip(*of_arms, strict=True) for each in same_kind]})
    return found


def _first_pair(seen: Evidence, dataset: str, head: str) -> dict[str, Result]:
    """The results of the smallest seed for which both arms were measured; none if there is no such seed."""
    runs: dict[str, dict[int, Result]] = {}
    for fixed, name in ARMS.items():
        cell = arm(seen.setting.main, dataset, head, fixed).cell(seen.decisions)
        of_cell = {} if cell is None else seen.results.all_of(cell)
        runs[name] = {seed: each for seed, each in of_cell.items() if each.converged}
    shared = set(runs["fixed"]) & set(runs["learned"])
    return {name: by_seed[min(shared)] for name, by_seed in runs.items()} if shared else {}


def _pictures(prefix: str, name: str, words: str, result: Result) -> list[dict[str, str]]:
    """The two pictures of an arm: its class vectors, and its confusions."""
    matrices = result.matrices()
    relation = confusion_similarity(matrices["cosines"], matrices["confusion"], unordered=True, permutations=0)
    rho, ceiling = relation["correlation"], relation["ceiling"]
    how_near = "" if rho is None else (
        f" Spearman's correlation is {round(rho, 2) + 0.0:.2f}; ties in the counts allow at most {ceiling:.2f}.")
    what = f"{result.config.dataset}, {words}, {name} class vectors, seed {result.seed}"
    return [{"name": f"{prefix}-cosines-{name}", "kind": "cosines", "arm": name,
             "caption": f"{what}: cosines between class vectors."},
            {"name": f"{prefix}-confusion-{name}", "kind": "confusion", "arm": name,
             "caption": f"{what}: a point for each pair of classes. To the right, their class vectors are closer; "
                        f"higher up, more test images of one were taken for the other.{how_near}"}]


def draw_figures(report: Mapping[str, Any], results: Path, folder: Path) -> list[Path]:
    """Draws the figures of a report as PNG and SVG files; returns the PNG files. Both arms have the same scales.

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
    limits = cosine_limits(each["cosines"] for each in arrays.values())
    errors = {name: each["confusion"].astype(np.int64) * different_pairs(len(each["confusion"]))
              for name, each in arrays.items()}
    counts = error_limits(errors.values())
    data = DATASETS[entry["dataset"]]
    names = data.label_names
    assert names is not None
    order = grouped_order(names, data.similar)
    drawn = []
    for picture in entry["pictures"]:
        name, path = picture["arm"], folder / picture["name"]
        title = f"{entry['dataset']}, {HEADS[entry['figure']][1]}, {name}"
        if picture["kind"] == "cosines":
            plot_cosine_matrix(arrays[name]["cosines"], names, path, title=title, order=order,
                               groups=None if order is None else data.similar, limits=limits)
        else:
            plot_confusion_similarity(arrays[name]["cosines"], errors[name], names, path, title=title,
                                      together=same_group(names, data.similar), limits=limits, counts=counts)
        drawn.append(path.with_name(path.name + ".png"))
    return drawn
