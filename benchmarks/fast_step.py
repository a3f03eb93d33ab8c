"""A training step of fast_cnn in bfloat16 against the same network in PyTorch and against the product rate.

    python benchmarks/fast_step.py --torch-python VENV/bin/python

As `peers.py`, which it calls: each framework in processes of its own that compute one at a time, in random order,
with channels_last and bfloat16 autocast, eager and compiled, on the recipe's batch of 1,024 images. It also measures
how much of a step the fused GELU saves, in processor time, alternating in one process. Use a machine without other
work.
"""
import argparse
import os
import sys
import time
from typing import Any

from report import RESULTS, ROOT, measurement, out_option, write_block, write_report

FILE = RESULTS / "fast_step.json"
PAGE = ROOT / "docs" / "models.md"
BLOCK = "fast step"
BATCH = 256
"""Images per step when comparing activations: processor time per image hardly depends on it."""
WARMUP = 2


def main() -> None:
    import peers

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--torch-python", default=sys.executable, help="Python interpreter with PyTorch")
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--page-only", action="store_true", help="only write the table, from the JSON file")
    out_option(parser, FILE)
    options = parser.parse_args()
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    if not options.page_only:
        measurements = peers.compare("fast_cnn", 1.0, "bfloat16", options.torch_python, options.rounds)
        measurements += compare_activations(options.rounds)
        write_report(options.out, measurements, command="python benchmarks/fast_step.py --torch-python VENV/bin/python")
    if options.out == FILE:
        write_block(BLOCK, block(FILE), PAGE)


def block(file: Any) -> list[str]:
    """Returns the lines of the page: images per second, and the three ratios with their quartiles."""
    import json

    report = json.loads(file.read_text())
    found = {each["name"].rsplit("/", 1)[1]: each for each in report["measurements"]}
    speed = found["ours"]["config"]["batch_size"] / found["ours"]["median"]
    lines = ["", f"Measured on {report['hardware']['cpu']}, {report['hardware']['cores']} cores, TensorFlow "
             f"{report['versions']['tensorflow']}: {speed:.0f} images/s, batch "
             f"{found['ours']['config']['batch_size']:,}, bfloat16.", "",
             "| what | median (quartiles) | n |", "| --- | --- | --- |"]
    for name, what in (("share", "rate of the step divided by that of a 2048x2048 product in bfloat16"),
                       ("ratio", f"PyTorch's time ({found['ratio']['config']['torch']}, the faster) divided by ours"),
                       ("gelu", "processor time of a step with the stock GELU divided by ours")):
        each = found[name]
        lines.append(f"| {what} | {each['median']:.2f} ({each['quartiles'][0]:.2f} to {each['quartiles'][1]:.2f}) | "
                     f"{each['n']} |")
    return [*lines, ""]


def compare_activations(rounds: int) -> list[dict[str, Any]]:
    """Processor time of a step with the stock activation divided by that with ours, round by round."""
    import keras
    import numpy as np

    from keras_fixhead.config import TrainConfig, resolve
    from keras_fixhead.models import FusedGelu
    from keras_fixhead.training.backend import start_backend

    start_backend(resolve(TrainConfig()).config)
    fused = FusedGelu.call
    models = {}
    for name, call in (("stock", lambda self, inputs, training=None: keras.activations.gelu(inputs, approximate=False)),
                       ("ours", fused)):
        FusedGelu.call = call  # traced with the first step
        models[name] = _compiled()
        for _ in range(WARMUP):
            _step(models[name], np)
    FusedGelu.call = fused
    seconds: dict[str, list[float]] = {name: [] for name in models}
    for each_round in range(rounds):
        for name in list(models)[:: 1 if each_round % 2 else -1]:
            start = time.process_time()
            _step(models[name], np)
            seconds[name].append(time.process_time() - start)
    ratio = [stock / ours for stock, ours in zip(seconds["stock"], seconds["ours"], strict=True)]
    found = measurement(name="fast_cnn/gelu", metric="processor time of a step, stock GELU divided by ours", unit="1",
                        values=ratio, warmup=f"{WARMUP} steps, not counted",
                        config={"model": "fast_cnn", "batch_size": BATCH, "precision": "bfloat16"})
    print(f"stock GELU / ours: {found['median']:.2f}", flush=True)
    return [found]


def _compiled() -> Any:
    import keras

    from keras_fixhead import losses
    from keras_fixhead.models import build_model, precision_policy
    from keras_fixhead.training.backend import jit_compile

    with precision_policy("bfloat16"):
        model = build_model("fast_cnn", (32, 32, 3), 10)
        model.compile(keras.optimizers.SGD(0.01, momentum=0.85, nesterov=True), loss=losses.cross_entropy,
                      jit_compile=jit_compile())
    return model


def _step(model: Any, np: Any) -> None:
    draw = np.random.default_rng(0)
    model.train_on_batch(draw.integers(0, 256, (BATCH, 32, 32, 3), dtype=np.uint8),
                         draw.integers(0, 10, BATCH, dtype=np.int32))


if __name__ == "__main__":
    main()
