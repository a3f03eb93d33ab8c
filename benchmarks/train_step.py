"""A training step of ResNet18 with our batch normalisation, against the same network in stock Keras layers.

    python benchmarks/train_step.py

Both variants start from the same weights and alternate in this process on the same images. We compare processor time,
which is steadier than wall time on a machine with other work. Warm-up steps, which compile, are not counted. Runs on
the TensorFlow backend.
"""
import argparse
import json
import time
from typing import Any

import keras
import numpy as np
from report import RESULTS, ROOT, measurement, out_option, write_block, write_report

from keras_fixhead import hardware, losses
from keras_fixhead.config import TrainConfig, resolve
from keras_fixhead.models import build_model, precision_policy
from keras_fixhead.training.backend import jit_compile, start_backend

FILE = RESULTS / "train_step.json"
PAGE = ROOT / "docs" / "results.md"
BLOCK = "train step"
WARMUP_STEPS = 3
VARIANTS = {"stock": keras.layers.BatchNormalization, "ours": None}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20, help="timed rounds of each comparison (default: 20)")
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--widths", type=float, nargs="+", default=[1.0, 0.25])
    parser.add_argument("--precisions", nargs="+", default=["float32", "bfloat16"])
    parser.add_argument("--page-only", action="store_true", help="only write the table, from the JSON file")
    out_option(parser, FILE)
    options = parser.parse_args()
    if options.page_only:
        write_block(BLOCK, block(json.loads(options.out.read_text())), PAGE)
        return

    start_backend(resolve(TrainConfig()).config)
    measurements = []
    for width in options.widths:
        for precision in options.precisions:
            measurements += compare(width, precision, options.batch_size, options.rounds)
            ratio, low, high = (measurements[-1]["median"], *measurements[-1]["quartiles"])
            print(f"width {width:g}, {precision}: ours is {ratio:.2f} times as fast (quartiles {low:.2f} to "
                  f"{high:.2f}, n = {options.rounds}, processor time)", flush=True)
    write_report(options.out, measurements, command="python benchmarks/train_step.py")
    if options.out == FILE:
        write_block(BLOCK, block(json.loads(FILE.read_text())), PAGE)


def block(report: dict[str, Any]) -> list[str]:
    """Returns the lines of the page's table."""
    lines = ["| width | precision | times as fast: median (quartiles) | n |", "| --- | --- | --- | --- |"]
    for each in report["measurements"]:
        if each["name"] == "train_step/ratio":
            config, (low, high) = each["config"], each["quartiles"]
            lines.append(f"| {config['width']:g} | {config['precision']} | {each['median']:.2f} ({low:.2f} to "
                         f"{high:.2f}) | {each['n']} |")
    return ["", *lines, ""]


def compare(width: float, precision: str, batch_size: int, rounds: int) -> list[dict[str, Any]]:
    """Processor seconds per step of each variant, alternating round by round, and the ratio of each round."""
    models = {variant: compiled(width, precision, normalization) for variant, normalization in VARIANTS.items()}
    draw = np.random.default_rng(0)
    images = draw.integers(0, 256, (batch_size, 32, 32, 3), dtype=np.uint8)
    labels = draw.integers(0, 10, batch_size, dtype=np.int32)
    for model in models.values():
        for _ in range(WARMUP_STEPS):
            model.train_on_batch(images, labels)
    seconds: dict[str, list[float]] = {variant: [] for variant in models}
    for each_round in range(rounds):
        order = list(models) if each_round % 2 == 0 else list(models)[::-1]
        for variant in order:
            start = time.process_time()
            models[variant].train_on_batch(images, labels)
            seconds[variant].append(time.process_time() - start)
    config = {"model": "resnet18", "width": width, "precision": precision, "batch_size": batch_size, "pixels": 32,
              "threads": hardware.cpu_count(), "backend": keras.backend.backend()}
    warmup = f"{WARMUP_STEPS} steps, not counted"
    ratios = [stock / ours for stock, ours in zip(seconds["stock"], seconds["ours"], strict=True)]
    return [
        *(measurement(name=f"train_step/{variant}", metric="processor time of a training step", unit="s",
                      values=seconds[variant], warmup=warmup, config=config) for variant in models),
        measurement(name="train_step/ratio", metric="processor time of a step, stock divided by ours", unit="1",
                    values=ratios, warmup=warmup, config=config),
    ]


def compiled(width: float, precision: str, normalization: Any) -> keras.Model:
    """The network as `fixhead train` compiles it, without the schedule."""
    arguments = {} if normalization is None else {"normalization": normalization}
    with precision_policy(precision):
        model = build_model("resnet18", (32, 32, 3), 10, width=width, weight_decay=5e-4, **arguments)
        model.compile(keras.optimizers.SGD(0.01, momentum=0.9, nesterov=True), loss=losses.cross_entropy,
                      jit_compile=jit_compile())
    return model


if __name__ == "__main__":
    main()
