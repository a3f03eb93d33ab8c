r"""Time and memory of a training step over very many classes: streaming, its two products alone, and a Dense layer.

    python benchmarks/many_classes.py
    python benchmarks/many_classes.py --classes 1000 10000 100000 --rounds 10 --figure docs/many_classes.png
    python benchmarks/many_classes.py --memory --classes 100000 1000000 10000000 --rounds 2 --largest-gb 3 \
        --variants drawn-bfloat16 stored-bfloat16 dense-float32 --out results/many_classes_memory.json

A step is: 512 features of 128 examples times a square matrix, the softmax cross-entropy over all classes, backward, and
SGD with momentum. Each variant runs in a process of its own; processes take turns in random order, and ratios are taken
round by round. Memory is the highest resident size of the process, less that before the variant was built, when the
framework was loaded and had trained a small model. A variant that would take more than --largest-gb is left out.
"""
import argparse
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

BATCH, DIM, CHUNK = 128, 512, 8192
WARMUP = 2
HEADS: dict[str, dict[str, Any]] = {
    "stored-float32": {},
    "stored-bfloat16": {"product_dtype": "bfloat16"},
    "drawn-float32": {"in_memory": False},
    "drawn-bfloat16": {"in_memory": False, "product_dtype": "bfloat16"},
}
# bytes per class: vectors, their gradient and momentum, and three arrays of logits of the batch; products of a table
BYTES = {"dense-float32": 12 * DIM + 12 * BATCH, "dense-bfloat16": 14 * DIM + 12 * BATCH, "stored-float32": 4 * DIM,
         "stored-bfloat16": 2 * DIM, "products-float32": 4 * DIM, "products-bfloat16": 2 * DIM}
VARIANTS = (*HEADS, "products-float32", "products-bfloat16", "dense-float32", "dense-bfloat16")
RATIOS = (("stored-bfloat16", "products-bfloat16"), ("stored-float32", "products-float32"),
          ("drawn-bfloat16", "stored-bfloat16"), ("dense-bfloat16", "stored-bfloat16"),
          ("dense-float32", "stored-float32"))


def main() -> None:
    from report import RESULTS, measurement, out_option, write_block, write_report

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--classes", type=int, nargs="+", default=[10**3, 10**4, 10**5, 10**6, 10**7])
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--largest-gb", type=float, default=12, help="leave out variants that need more memory")
    parser.add_argument("--memory", action="store_true", help="keep memory only, which other load does not change")
    parser.add_argument("--figure", type=Path, help="also draw time and memory against the number of classes")
    parser.add_argument("--worker", nargs=2, metavar=("VARIANT", "CLASSES"), help=argparse.SUPPRESS)
    out_option(parser, RESULTS / "many_classes.json")
    options = parser.parse_args()
    if options.worker:
        worker(options.worker[0], int(options.worker[1]))
        return
    done: list[dict[str, Any]] = []
    for num_classes in options.classes:
        chosen = [each for each in options.variants if BYTES.get(each, 0) * num_classes <= options.largest_gb * 1e9]
        seconds, memory = measure(chosen, num_classes, options.rounds)
        config = {"classes": num_classes, "features": DIM, "batch_size": BATCH}
        warmup = f"{WARMUP} steps, not counted"
        done += [measurement(name=f"{variant}/{num_classes}/memory", metric="peak memory over the framework, so far",
                             unit="B", values=memory[variant], warmup=warmup, config=config) for variant in chosen]
        if not options.memory:
            done += times(seconds, num_classes, warmup, config)
        write_report(options.out, done, command=" ".join(["python", *sys.argv]))
    if options.memory and options.out.resolve() == FILE:
        write_block(BLOCK, block(json.loads(FILE.read_text())), FILE.parents[1] / "docs" / "many_classes.md")
    if options.figure:
        draw(done, options.figure)
    for each in done:
        if each["unit"] == "1":
            print(f"{each['name']}: {each['median']:.2f} [{each['quartiles'][0]:.2f}, {each['quartiles'][1]:.2f}]")


def times(seconds: dict[str, list[float]], num_classes: int, warmup: str,
          config: dict[str, Any]) -> list[dict[str, Any]]:
    """Returns the times of steps and their ratios, round by round."""
    from report import measurement

    done = [measurement(name=f"{variant}/{num_classes}", metric="wall time of a training step", unit="s",
                        values=values, warmup=warmup, config=config) for variant, values in seconds.items()]
    for slow, fast in RATIOS:
        if slow in seconds and fast in seconds:
            values = [a / b for a, b in zip(seconds[slow], seconds[fast], strict=True)]
            done.append(measurement(name=f"{slow}:{fast}/{num_classes}", metric="ratio of wall times of a step",
                                    unit="1", values=values, warmup=warmup, config=config))
    return done


def measure(variants: list[str], num_classes: int, rounds: int) -> tuple[dict[str, list[float]],
                                                                                   dict[str, list[float]]]:
    """Returns the seconds and the peak memory so far of each variant's rounds; only one process computes at a time."""
    processes = {each: subprocess.Popen([sys.executable, __file__, "--worker", each, str(num_classes)], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE) for each in variants}
    seconds: dict[str, list[float]] = {each: [] for each in variants}
    memory: dict[str, list[float]] = {each: [] for each in variants}
    for round_ in range(-1, rounds):  # the first round builds and warms up
        for variant in random.sample(variants, len(variants)):
            process = processes[variant]
            assert process.stdin and process.stdout
            process.stdin.write("step\n")
            process.stdin.flush()
            answer = json.loads(process.stdout.readline())
            if round_ >= 0:
                memory[variant].append(answer["memory"])
                seconds[variant].append(answer["seconds"])
    for process in processes.values():
        process.communicate()
    return seconds, memory


def worker(variant: str, num_classes: int) -> None:
    """Runs a step of a variant for each line of standard input, and prints its seconds and the memory so far."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    step_of("drawn-float32", 1000)()  # loads the framework
    before = _peak()
    step: Callable[[], None] | None = None
    for _ in sys.stdin:
        if step is None:
            step = step_of(variant, num_classes)
            for _ in range(WARMUP):
                step()
        start = time.perf_counter()
        step()
        print(json.dumps({"seconds": time.perf_counter() - start, "memory": _peak() - before}), flush=True)


def step_of(variant: str, num_classes: int) -> Callable[[], None]:
    """Returns a function that makes one step."""
    import keras
    import numpy as np

    from keras_fixhead import StreamingHead, StreamingLoss

    rng = np.random.default_rng(0)
    features = rng.normal(size=(BATCH, DIM)).astype("float32")
    labels = rng.integers(0, num_classes, BATCH)
    kind, dtype = variant.split("-")
    if kind == "products":
        return _products(features, num_classes, dtype)
    inputs = keras.Input((DIM,))
    hidden = keras.layers.Dense(DIM, use_bias=False)(inputs)
    if kind == "dense":
        policy = "mixed_bfloat16" if dtype == "bfloat16" else "float32"
        outputs = keras.layers.Dense(num_classes, use_bias=False, dtype=policy)(hidden)
        loss: Any = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    else:
        outputs = StreamingHead(num_classes, scale=20.0, class_vectors="rademacher", **HEADS[variant])(hidden)
        loss = StreamingLoss()
    model = keras.Model(inputs, outputs)
    model.compile(keras.optimizers.SGD(0.01, momentum=0.9), loss, jit_compile=False)
    return lambda: float(model.train_on_batch(features, labels)) and None


def _products(features: Any, num_classes: int, dtype: str) -> Callable[[], None]:
    """The two products of a streaming step alone, in chunks of the same table."""
    import tensorflow as tf

    from keras_fixhead.streaming import StreamingHead

    head = StreamingHead(num_classes, class_vectors="rademacher", **HEADS[f"stored-{dtype}"])
    head.build((None, DIM))
    chunks = max(1, num_classes // CHUNK)
    rows = min(CHUNK, num_classes)

    @tf.function(autograph=False)
    def products(table: Any, features: Any) -> Any:
        def body(i: Any, total: Any) -> Any:
            chunk = tf.slice(table, [i * rows, 0], [rows, DIM])
            logits = tf.linalg.matmul(chunk, tf.transpose(features))
            return i + 1, total + tf.linalg.matmul(logits, chunk, transpose_a=True)

        return tf.while_loop(lambda i, _: i < chunks, body, (0, tf.zeros_like(features)), parallel_iterations=1)[1]

    table, cast = tf.convert_to_tensor(head.class_vectors), tf.cast(features, dtype)
    return lambda: products(table, cast).numpy() is None or None


def _peak() -> int:
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))


BLOCK = "memory of very many classes"
FILE = Path(__file__).resolve().parents[1] / "results" / "many_classes_memory.json"
_SAID = {"drawn-bfloat16": "`StreamingHead`, bfloat16, random signs drawn again",
         "stored-bfloat16": "`StreamingHead`, bfloat16, class vectors in memory", "dense-float32": "`Dense`, float32"}


def block(report: dict[str, Any]) -> list[str]:
    """Returns the table of memory on the page about very many classes."""
    found = {each["name"]: each["median"] for each in report["measurements"]}
    counts = sorted({each["config"]["classes"] for each in report["measurements"]})
    lines = ["| | " + " | ".join(f"{count:,} classes" for count in counts) + " |", "|---|" + "---:|" * len(counts)]
    for variant, said in _SAID.items():
        cells = [f"{found[name] / 1e9:.2f} GB" if (name := f"{variant}/{count}/memory") in found else "not measured"
                 for count in counts]
        lines.append(f"| {said} | {' | '.join(cells)} |")
    return lines


def draw(done: list[dict[str, Any]], file: Path) -> None:
    """Draws time and memory against the number of classes, both axes logarithmic."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
    for axis, ending, unit, label in ((axes[0], "", 1, "seconds per step"),
                                      (axes[1], "/memory", 1e9, "memory over the framework, GB")):
        for variant in VARIANTS:
            points = sorted((each["config"]["classes"], each["median"] / unit) for each in done
                            if each["name"] == f"{variant}/{each['config']['classes']}{ending}")
            if points and not variant.startswith("products"):
                style = "--" if variant.startswith("dense") else "-"
                axis.plot(*zip(*points, strict=True), style, marker="o", label=variant.replace("-", ", "))
        axis.set(xscale="log", yscale="log", xlabel="classes", ylabel=label)
        axis.grid(alpha=0.3)
    axes[0].legend(frameon=False)
    figure.savefig(file, dpi=110)


if __name__ == "__main__":
    main()
