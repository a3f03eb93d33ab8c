"""The work of `fixhead demo`: from data to a served and tested model, on the embedded digits."""
import dataclasses
import logging
import time
from pathlib import Path
from typing import Any

import numpy as np

from fixhead_cli.output import command_line, percent
from keras_fixhead.errors import ArgumentError
from keras_fixhead.json_files import write_json
from keras_fixhead.recipes import build_config
from keras_fixhead.runs import Run, make_folder

QUERIED_IMAGES = 20
CORRUPTED_IMAGES = 50

_log = logging.getLogger("keras_fixhead.demo")


def demonstrate(folder: Path, seed: int, started: float) -> dict[str, Any]:
    """Trains both arms, serves and queries the better one, and corrupts its images; writes and returns a summary.

    Args:
        folder: folder for all output.
        seed: seed of both arms.
        started: start of the command, from `time.perf_counter`.
    """
    runs = {arm: _train(arm == "fixed", seed, folder) for arm in ("fixed", "learned")}
    results = {arm: run.read("result") for arm, run in runs.items()}
    figure = _draw(runs, results, folder, seed)
    better = max(results, key=lambda arm: results[arm]["accuracy"]["validation"])
    picture = folder / "picture.png"
    _log.info("Exporting the %s arm, the better one on validation.", better)
    exported, served = _serve_and_check(runs[better], folder / "served" / "digits", picture, seed)
    summary = {
        "run": str(runs[better].path),
        "runs": {arm: str(run.path) for arm, run in runs.items()},
        "accuracy": results[better]["accuracy"],
        "accuracy_by_arm": {arm: result["accuracy"] for arm, result in results.items()},
        "evaluation": {arm: result["evaluation"] for arm, result in results.items()},
        "class_vectors_max_cosine": {arm: result["class_vectors_max_cosine"] for arm, result in results.items()},
        "seed": seed,
        "n": {"runs_per_arm": 1, "test_images": results[better]["evaluation"]["test"]["n"]},
        "exported": {"arm": better, **exported},
        "served": served,
        "figure": str(figure),
        "picture": str(picture),
        "seconds": time.perf_counter() - started,
    }
    write_json(folder / "summary.json", summary, schema=1)
    return summary


def summary_text(summary: dict[str, Any], folder: Path) -> list[str]:
    """Returns a summary as lines of text, with what to try next."""
    lines = ["", "Test accuracy on digits, cosine logits, S = 1, one seed (an anecdote, not evidence):"]
    for arm, accuracy in summary["accuracy_by_arm"].items():
        each = summary["evaluation"][arm]["test"]
        lines.append(f"  {arm:8} {percent(accuracy['test'])} of {each['n']}  (validation "
                     f"{percent(accuracy['validation'])}; cosine to own class vector {each['own_cosine']:.2f}; "
                     f"largest cosine between class vectors {summary['class_vectors_max_cosine'][arm]:.2f})")
    served, robustness = summary["served"], summary["served"]["robustness"]
    name = summary["exported"]["name"]
    lines += [
        f"Served over REST: answers {'equal' if served['answers_equal'] else 'DIFFER FROM'} the model's own (largest "
        f"difference of a logit {served['largest_logit_difference']:.1e}, allowed {served['tolerance']:.0e}).",
        f"Corrupted over REST, {robustness['n']} images: clean {percent(robustness['clean'])}, "
        + ", ".join(f"{corruption} {percent(share)}" for corruption, share in robustness["mean"].items())
        + " (means of 5 severities).",
        f"Figure: {summary['figure']}",
        f"Summary: {folder / 'summary.json'}    ({summary['seconds']:.0f} s in all)",
        "This shows that both arms train, export and serve. It does not show the paper's effect at S = 1, where "
        "learned class vectors fall behind: digits are too easy. Photographs show it in minutes:",
        f"  {command_line('sweep', '--dataset', 'cifar10', '--recipe', 'cpu', '--grid', 'fixed=yes,no')}",
        "",
        "Try next:",
        *(f"  {command_line(*words)}" for words in (
            ("show", summary["run"]),
            ("predict", summary["run"], summary["picture"]),
            ("serve", Path(summary["exported"]["path"]).parent),
            ("predict", f"http://127.0.0.1:8501/v1/models/{name}", summary["picture"]),
            ("train", "--dataset", "cifar10", "--head", "cos", "--fixed", "--recipe", "cpu"),
            ("list", "recipes"),
        )),
    ]
    return lines


def fresh_folder(wanted: Path) -> Path:
    """Creates and returns the folder, or a numbered one next to it if it is not empty: nothing is overwritten."""
    for suffix in ("", *(f"-{count}" for count in range(2, 1000))):
        folder = wanted.with_name(wanted.name + suffix)
        if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
            make_folder(folder)
            return folder
    raise ArgumentError(f"{wanted} and 998 numbered folders next to it are not empty.", hint="Give another --out.")


def _train(fixed: bool, seed: int, folder: Path) -> Run:
    from keras_fixhead.training import train

    return train(build_config({"recipe": "demo", "dataset": "digits", "head": "cos", "scale": 1.0, "fixed": fixed,
                               "seed": seed, "runs_dir": str(folder / "runs")}))


def _draw(runs: dict[str, Run], results: dict[str, Any], folder: Path, seed: int) -> Path:
    import keras

    from keras_fixhead.figures import plot_arms
    from keras_fixhead.models import head_of, load_model

    vectors = {arm: keras.ops.convert_to_numpy(head_of(load_model(run.path)).class_vectors.value)
               for arm, run in runs.items()}
    path = folder / "arms.png"
    plot_arms({arm: run.metrics() for arm, run in runs.items()}, vectors, results["fixed"]["label_names"], path,
              title=f"digits, cosine logits, S = 1: class vectors fixed as drawn, or learned from there (seed {seed})")
    return path


def _serve_and_check(run: Run, base_path: Path, picture: Path, seed: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Exports a run, serves it, compares the server's answers with the model's own, and corrupts its images."""
    from fixhead_serving.client import Client, encode_png
    from fixhead_serving.export import export_run
    from fixhead_serving.local import local_server
    from keras_fixhead.data import load_dataset
    from keras_fixhead.models import load_model
    from keras_fixhead.robustness import measure_robustness

    exported = export_run(run.path, base_path)
    model = load_model(run.path)
    test = load_dataset("digits").test
    picture.write_bytes(encode_png(test.images[0]))
    with local_server(base_path) as url:
        _log.info("Serving %s.", url)
        images = test.images[:QUERIED_IMAGES]
        own = model.predict(images, verbose=0)
        with Client(url) as client:
            by_array = client.predict_images(images.astype(np.float32))
            by_picture = client.classify(images)
            _log.info("Corrupting %d images, classified over REST.", CORRUPTED_IMAGES)
            robustness = measure_robustness(lambda images: client.classify(images)["class_index"], test,
                                            limit=CORRUPTED_IMAGES, seed=seed)
    difference = float(np.abs(by_array["logits"] - own).max())
    same = bool((by_picture["class_index"] == own.argmax(axis=1)).all())
    _log.info("Queried it with %d images: logits differ from the model's own by at most %.1e, classes of PNG pictures "
              "%s.", len(images), difference, "are the same" if same else "DIFFER")
    tolerance = 1e-4 * max(1.0, run.read("result")["scale"])
    return dataclasses.asdict(exported) | {"path": str(exported.path)}, {
        "images": len(images),
        "largest_logit_difference": difference,
        "tolerance": tolerance,
        "answers_equal": same and difference <= tolerance,
        "robustness": robustness.as_dict(),
    }
