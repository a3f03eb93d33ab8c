"""`fixhead show`."""
from typing import Any

import click

from fixhead_cli import paths
from fixhead_cli.output import json_option, percent, print_result
from keras_fixhead.config import TrainConfig, arm_name, scale_text
from keras_fixhead.runs import Run


@click.command("show")
@click.argument("run", type=paths.RUN)
@json_option
def command(run: Run, as_json: bool) -> None:
    """Show what is known of a run.

    \b
    Example:
        fixhead show runs/20261123-120000-cifar10-resnet18-cos-fixed-s0
    """
    stored = run.stored()
    config = stored.config
    status = run.read("status") if run.has("status") else {"state": "unknown", "epoch": 0, "resume": None}
    result = run.read("result") if run.has("result") else {}
    text = [
        f"run: {run.path}",
        f"state: {status['state']} after epoch {status['epoch']} of {config.epochs}"
        + (f" ({status['reason']})" if status.get("reason") else ""),
        f"data: {config.dataset}, {config.limit_train or 'all'} training images",
        f"model: {config.model}, width {config.width:g}{', signed features' if config.signed_features else ''}; "
        f"{arm_name(config)}, S = {scale_text(config)}, {_margin(config)}"
        f"{config.class_vectors} class vectors of seed {config.vector_seed}, digest "
        f"{stored.class_vectors_digest[:16]}",
        f"training: recipe {config.recipe}, batch {config.batch_size}, rate {config.lr:g}, {config.precision}, "
        f"seed {config.seed}",
        *_result_lines(result),
        *([f"resume: {status['resume']}"] if status.get("resume") else []),
    ]
    print_result({"run": str(run.path), "status": status, "config": config.as_dict(), "config_digest": stored.digest,
                  "extended_from": stored.extended_from, "accuracy": result.get("accuracy", {}), "result": result,
                  "robustness": _robustness(run)},
                 as_json=as_json, text=text)


def _margin(config: TrainConfig) -> str:
    return "" if config.margin == "none" else f"margin {config.margin} {config.margin_size:g}, "


def _result_lines(result: dict[str, Any]) -> list[str]:
    lines = [f"{split}: {percent(each['accuracy'])} of {each['n']}, cosine to the own class vector "
             f"{each['own_cosine']:.3f}, to the nearest other {each['nearest_wrong_cosine']:.3f}"
             for split, each in result.get("evaluation", {}).items()]
    if "class_vectors_max_cosine" in result:
        lines.append(f"class vectors: mean cosine {result['class_vectors_mean_cosine']:.3f}, largest "
                     f"{result['class_vectors_max_cosine']:.3f}")
    return lines


def _robustness(run: Run) -> dict[str, Any]:
    files = sorted((run.path / "robustness").glob("*.json"))
    return {file.stem: run.read(f"robustness/{file.stem}") for file in files}
