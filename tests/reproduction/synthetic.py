"""Results of cells in the form that runs write, with chosen numbers."""
import json
from pathlib import Path
from typing import Any

import numpy as np

from keras_fixhead.config import TrainConfig, resolve
from keras_fixhead.data.catalog import DATASETS
from keras_fixhead.recipes import build_config
from keras_fixhead.reproduction import Cell, Decisions, blocks_named, plan
from keras_fixhead.reproduction.planning.cells import Chosen, cell
from keras_fixhead.reproduction.planning.gpu_blocks import BEST

CHOSEN = Decisions({BEST: {True: Chosen(5.0, at_edge=False), False: Chosen(20.0, at_edge=False)}})
"""Scales for the arms of the GPU plan."""
CORRUPTIONS = ("impulse_noise", "jpeg_compression", "defocus_blur")


def arm(dataset: str, head: str, fixed: bool, *, scale: float = 1.0, model: str = "resnet18", epochs: int = 30,
        **extra: Any) -> Cell:
    """Returns a cell of the `honest` recipe."""
    return cell({"dataset": dataset, "model": model, "head": head, "fixed": fixed, "scale": scale, "epochs": epochs,
                 "recipe": "honest", **extra})


def write_result(folder: Path, of: Cell, number: int, test: float = 50.0, *, validation: float | None = None,
                 state: str = "complete", **changes: Any) -> Path:
    """Writes the result of a cell with an accuracy in percent; returns the JSON file."""
    config = resolve(build_config(of.explicit(number)), gpu=False).config
    content: dict[str, Any] = {
        "schema": 1, "cell": dict(of.fields), "seed": number, "rehearsal": False, "state": state,
        "config": portable(config), "device": "NVIDIA H100", "backend": "jax", "seconds": 40.0, "wall_seconds": 60.0,
        "finished": "2026-11-25T13:00:00+00:00", "images_per_second": 30_000.0, "curves": []}
    if state == "complete":
        content |= {
            "accuracy": {"test": test / 100, "validation": (test if validation is None else validation) / 100},
            "evaluation": {"test": {"own_cosine": 0.5, "predicted_cosine": 0.6, "nearest_wrong_cosine": 0.2}},
            "label_names": ["a", "b"], "class_vectors_mean_cosine": 0.0, "class_vectors_max_cosine": 0.1,
            "robustness": {"paper": {"n": 10_000, "clean": test / 100, "mean": dict.fromkeys(CORRUPTIONS, test / 200),
                                     "accuracy": {name: [test / 200] * 5 for name in CORRUPTIONS}}},
            "separation": {"within_to_between": 1.0}, "largest_probability": 0.06,
            "plane": {"images": 2, "classes": 2, "of": 2, "share": 0.5, "directions": False, "flat": False}}
    else:
        content["reason"] = "The loss is nan."
    path = folder / f"{of.file_name(number)}.json"
    path.write_text(json.dumps(content | changes))
    return path


def write_matrices(path: Path, confusion: Any, cosines: Any) -> None:
    """Writes the matrices next to a result."""
    np.savez_compressed(path.with_suffix(".npz"), confusion=np.asarray(confusion, np.uint16),
                        cosines=np.asarray(cosines, np.float32), plane_points=np.eye(2, dtype=np.float32),
                        plane_labels=np.arange(2, dtype=np.uint16),
                        plane_vectors=np.ones((len(confusion), 2), np.float32))


def write_blocks(folder: Path, names: list[str]) -> None:
    """Writes results and matrices of all runs of blocks of the GPU plan; fixing gains 20 points at every seed."""
    for run in plan(blocks_named(names), Decisions()):
        assert run.cell is not None
        config = run.cell.config
        labels = DATASETS[config.dataset].label_names
        path = write_result(folder, run.cell, run.seed, 50 + 20 * config.fixed + run.seed**2, label_names=labels)
        confusion = np.arange(len(labels) ** 2).reshape(len(labels), -1) % 7
        write_matrices(path, confusion, np.eye(len(labels)) + (confusion + confusion.T) / 100)


def portable(config: TrainConfig) -> dict[str, Any]:
    return {name: value for name, value in config.as_dict().items() if name not in ("data_dir", "runs_dir")}
