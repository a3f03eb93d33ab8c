"""What is printed about a run: numbers are those that were measured, not those that were configured."""
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fixhead_cli.output import command_line, percent, print_result, table
from keras_fixhead.class_names import names_from_json
from keras_fixhead.config import Resolved, TrainConfig, arm_name, scale_text
from keras_fixhead.runs import Run

UNEQUAL = 1.5
"""Ratio of the largest to the smallest class from which on classes are shown one by one."""
SHOWN_CLASSES = 10

_TRAINED = ("accuracy", "evaluation", "config_digest", "class_vectors_digest", "epoch", "seconds", "images_per_second")
_FIGURES = ("confusion.png", "class_vectors.png", "predictions.png")
_LISTED = 5
_TRAINED_SINCE = ("flops_per_second", "share_of_peak", "peak_memory_bytes", "device_peak_memory_bytes")


def plan_content(resolved: Resolved) -> dict[str, Any]:
    """Returns what `--dry-run` prints: the configuration, and its duration if such a step was timed here."""
    seconds = resolved.timed_seconds
    return {
        "asked": resolved.asked.as_dict(),
        "config": resolved.config.as_dict(),
        "config_digest": resolved.digest,
        "class_vectors_digest": resolved.class_vectors_digest,
        "steps": resolved.total_steps,
        "estimated_seconds": seconds,
        "estimate": "not measured yet" if seconds is None else "from a step timed before on this machine",
    }


def print_trained(run: Run, *, as_json: bool) -> None:
    """Prints the result of a training, and what to type next."""
    result = run.read("result")
    text = [f"run: {run.path}", *accuracy_lines(result["evaluation"]),
            *class_lines(result["evaluation"], names_from_json(result["label_names"]), run.config()),
            _cost_line(result), f"figures: {run.path / 'curves.png'}"
            + "".join(f", {name}" for name in _FIGURES if (run.path / name).is_file()), "Next:",
            f"  {command_line('show', run.path)}",
            f"  {command_line('export', run.path, f'served/{Path(run.config().dataset).name}')}"]
    print_result({"run": str(run.path), **{name: result[name] for name in _TRAINED},
                  **{name: result.get(name) for name in _TRAINED_SINCE}}, as_json=as_json, text=text)


def print_run(run: Run, *, as_json: bool) -> None:
    """Prints what is known about a run, finished or not."""
    stored = run.stored()
    status: dict[str, Any] = {"state": "unknown", "epoch": 0, "resume": None}
    status = run.read("status") if run.has("status") else status
    result = run.read("result") if run.has("result") else {}
    environment = run.read("environment") if run.has("environment") else {}
    text = [
        f"run: {run.path}",
        f"state: {status['state']} after epoch {min(status['epoch'], stored.config.epochs)} of {stored.config.epochs}"
        + (f" ({status['reason']})" if status.get("reason") else ""),
        f"data: {stored.config.dataset}, {_images(stored.config, result, environment)}",
        f"model: {_model(stored.config, result)}, {stored.config.class_vectors} class vectors of seed "
        f"{stored.config.vector_seed}, digest {stored.class_vectors_digest[:16]}",
        f"training: recipe {stored.config.recipe}, {_batches(stored.config, result, environment)}, rate "
        f"{stored.config.lr:g}, {stored.config.precision}, seed {stored.config.seed}",
        *_result_lines(result, stored.config),
        *([f"resume: {status['resume']}"] if status.get("resume") else []),
    ]
    robustness = {file.stem: run.read(f"robustness/{file.stem}")
                  for file in sorted((run.path / "robustness").glob("*.json"))}
    print_result({"run": str(run.path), "status": status, "config": stored.config.as_dict(),
                  "config_digest": stored.digest, "extended_from": stored.extended_from,
                  "train_images": _train_images(result, environment), "accuracy": result.get("accuracy", {}),
                  "result": result, "robustness": robustness}, as_json=as_json, text=text)


def accuracy_lines(evaluations: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Returns one line per split: its accuracy with an interval.

    Example:
        >>> accuracy_lines({"test": {"accuracy": 0.5, "n": 10, "accuracy_low": 0.25, "accuracy_high": 0.75}})
        ['test: 50.00 % of 10 (95 % interval 25.00 % to 75.00 %)']
    """
    return [f"{split}: {percent(each['accuracy'])} of {each['n']} (95 % interval {percent(each['accuracy_low'])} to "
            f"{percent(each['accuracy_high'])})" for split, each in evaluations.items()]


def class_lines(evaluations: Mapping[str, Mapping[str, Any]], names: Sequence[str], config: TrainConfig) -> list[str]:
    """Returns one line per split on its classes, and a note if one was never predicted; none for results without them.

    The note recommends what the run's configuration does not balance yet.

    Example:
        >>> found = {"balanced_accuracy": 0.5, "recalls": [1.0, 0.0], "never_predicted": [1]}
        >>> for line in class_lines({"test": found}, ["cat", "dog"], TrainConfig(sampling="balanced")):
        ...     print(line)
        test by class: balanced accuracy 50.00 %, recall from 0.00 % (dog) to 100.00 % (cat)
        Note: no test image was predicted as dog. Try --class-weights balanced.
    """
    unused = [*(["--class-weights balanced"] if config.class_weights is None else []),
              *(["--sampling balanced"] if config.sampling == "random" else [])]
    advice = f" Try {', or '.join(unused)}." if unused else ""
    lines = []
    for split, each in evaluations.items():
        known = [(recall, name) for recall, name in zip(each.get("recalls") or (), names, strict=False)
                 if recall is not None]
        if known:
            low, high = min(known, key=lambda one: one[0]), max(known, key=lambda one: one[0])
            lines.append(f"{split} by class: balanced accuracy {percent(each['balanced_accuracy'])}, recall from "
                         f"{percent(low[0])} ({low[1]}) to {percent(high[0])} ({high[1]})")
        if missed := [names[label] for label in each.get("never_predicted", ())]:
            listed = ", ".join(missed[:_LISTED]) + f" and {len(missed) - _LISTED} more" * (len(missed) > _LISTED)
            lines.append(f"Note: no {split} image was predicted as {listed}.{advice}")
    return lines


def _train_images(result: Mapping[str, Any], environment: Mapping[str, Any]) -> int | None:
    """Returns the number of training images; None if the run has not started, or is too old to have recorded it."""
    return result.get("train_images", environment.get("train_images"))


def _images(config: TrainConfig, result: Mapping[str, Any], environment: Mapping[str, Any]) -> str:
    images = _train_images(result, environment)
    if images is not None:
        return f"{images:,} training images" + (f", {result['subset']}" if result.get("subset") else "")
    asked = "all" if config.limit_train is None else f"at most {config.limit_train:,}"
    return f"{asked} training images requested"


def _batches(config: TrainConfig, result: Mapping[str, Any], environment: Mapping[str, Any]) -> str:
    """Returns the images per step: all training images, if there are fewer than a batch."""
    return f"batch {min(config.batch_size, _train_images(result, environment) or config.batch_size)}"


def _model(config: TrainConfig, result: Mapping[str, Any]) -> str:
    scale = scale_text(config)
    if config.scale == "learned" and "scale" in result:
        scale = f"{result['scale']:.4g} (learned)"
    margin = "" if config.margin == "none" else f", margin {config.margin} {config.margin_size:g}"
    signed = ", signed features" if config.signed_features else ""
    return f"{config.model}, width {config.width:g}{signed}; {arm_name(config)}, S = {scale}{margin}"


def _result_lines(result: Mapping[str, Any], config: TrainConfig) -> list[str]:
    evaluations = result.get("evaluation", {})
    lines = [f"{line}, cosine to own class vector {each['own_cosine']:.3f}, to the nearest other "
             f"{each['nearest_wrong_cosine']:.3f}"
             for line, each in zip(accuracy_lines(evaluations), evaluations.values(), strict=True)]
    names = names_from_json(result.get("label_names", ()))
    lines += class_lines(evaluations, names, config)
    for split, each in result.get("classes", {}).items():
        lines += _class_lines(split, each, names)
    if "class_vectors_max_cosine" in result:
        lines.append(f"class vectors: mean cosine {result['class_vectors_mean_cosine']:.3f}, largest "
                     f"{result['class_vectors_max_cosine']:.3f}")
    return lines


def _class_lines(split: str, classes: Mapping[str, Any], label_names: Sequence[str]) -> list[str]:
    """Returns the balanced accuracy and the scores of each class, if classes have unequal numbers of images."""
    images = classes["images"]
    if max(images) <= UNEQUAL * max(1, min(images)):
        return []
    order = sorted(range(len(images)), key=lambda each: classes["recall"][each] or 0)
    rows = [[label_names[each], images[each], *(_share(classes[name][each]) for name in ("precision", "recall", "f1"))]
            for each in order[:SHOWN_CLASSES]]
    return [f"{split}, balanced accuracy: {percent(classes['balanced_accuracy'])}; classes with the smallest recall:",
            *(f"  {line}" for line in table(["class", "images", "precision", "recall", "F1"], rows))]


def _share(value: float | None) -> str:
    return "—" if value is None else percent(value)


def _cost_line(result: Mapping[str, Any]) -> str:
    """Returns time, speed and memory, and why the training ended early, if it did."""
    text = (f"{result['seconds']:.0f} s, {result['images_per_second']:.0f} images/s{_rate(result)}, "
            f"peak memory {result['peak_memory_bytes'] / 2**20:,.0f} MB")
    if (device := result.get("device_peak_memory_bytes")) is not None:
        text += f", {device / 2**20:,.0f} MB on the device"
    return text + (f"; stopped early: {result['stop_reason']}" if result.get("stop_reason") else "")


def _rate(result: Mapping[str, Any]) -> str:
    """Returns the floating-point operations per second, if the run has them."""
    rate = result.get("flops_per_second")
    if rate is None:
        return ""
    text = f", {rate / 1e12:.1f} TFLOP/s" if rate >= 1e12 else f", {rate / 1e9:.1f} GFLOP/s"
    if result["share_of_peak"] is not None:
        text += (f" ({percent(result['share_of_peak'])} of the {result['peak_flops_per_second'] / 1e12:.0f} stated for "
                 f"{result['peak_device']})")
    return text
