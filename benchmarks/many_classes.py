r"""Time and memory of a training step over very many classes: streaming, its two products alone, Dense, and peers.

    python benchmarks/many_classes.py --speed --peers VENV/bin/python     # times; needs a quiet machine
    python benchmarks/many_classes.py --memory --peers VENV/bin/python --classes 1000 10000 100000 --rounds 2
    python benchmarks/many_classes.py --memory --classes 100000 1000000 10000000 --rounds 2 --largest-gb 3 \
        --variants drawn-bfloat16 stored-bfloat16 dense-float32 --out results/many_classes_memory.json

A step is: 512 features of 128 examples times a square matrix, the softmax cross-entropy over all classes, backward, and
SGD with momentum. Each variant runs in a process of its own; processes take turns in random order, and ratios are taken
round by round. Peers run in an environment of their own (`many_classes_peers.py`). Memory is the highest resident size
of the process, less that before the variant was built, when the framework was loaded and had trained a small model. A
variant that would take more than --largest-gb is left out. --speed takes the groups of variants in `SPEED`; each group
fits in the memory of a small machine.
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

from many_classes_peers import PEERS
from many_classes_peers import step_of as peer_step_of

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
         "stored-bfloat16": 2 * DIM, "products-float32": 4 * DIM, "products-bfloat16": 2 * DIM,
         "pml_arcface-float32": 12 * DIM + 32 * BATCH, "pml_softmax-float32": 12 * DIM + 32 * BATCH,
         "cce_features-float32": 4 * DIM, "cce_both-float32": 8 * DIM, "ours_jax-float32": 8 * DIM}
OURS = (*HEADS, "products-float32", "products-bfloat16", "dense-float32", "dense-bfloat16")
VARIANTS = (*OURS, *PEERS)
SPEED = ((1_000, VARIANTS), (10_000, VARIANTS), (100_000, VARIANTS),
         (1_000_000, ("stored-bfloat16", "drawn-bfloat16", "products-bfloat16", "dense-bfloat16")),
         (1_000_000, ("stored-float32", "products-float32", "dense-float32")),
         (1_000_000, ("stored-float32", "pml_arcface-float32")),
         (10_000_000, ("drawn-bfloat16",)),
         (1_000_000, ("stored-float32", "pml_softmax-float32")),
         (1_000_000, ("ours_jax-float32", "cce_features-float32")))
"""Variants whose processes exist at the same time; they take turns."""
RATIOS = (("stored-bfloat16", "products-bfloat16"), ("stored-float32", "products-float32"),
          ("drawn-bfloat16", "stored-bfloat16"), ("dense-bfloat16", "stored-bfloat16"),
          ("dense-float32", "stored-float32"), ("pml_arcface-float32", "stored-float32"),
          ("pml_softmax-float32", "stored-float32"), ("cce_features-float32", "ours_jax-float32"),
          ("cce_both-float32", "ours_jax-float32"))


def main() -> None:
    from report import RESULTS, measurement, out_option, write_block, write_report

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--classes", type=int, nargs="+", default=[10**3, 10**4, 10**5, 10**6, 10**7])
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--largest-gb", type=float, default=12, help="leave out variants that need more memory")
    parser.add_argument("--memory", action="store_true", help="keep memory only, which other load does not change")
    parser.add_argument("--speed", action="store_true", help="measure what SPEED lists, instead of --classes")
    parser.add_argument("--peers", metavar="PYTHON", help="interpreter of an environment with the peers")
    out_option(parser, RESULTS / "many_classes.json")
    options = parser.parse_args()
    done: list[dict[str, Any]] = []
    for num_classes, group in SPEED if options.speed else [(each, VARIANTS) for each in options.classes]:
        variants = [each for each in group if each in options.variants]
        chosen = [each for each in variants if BYTES.get(each, 0) * num_classes <= options.largest_gb * 1e9
                  and (each not in PEERS or options.peers)]
        seconds, memory = measure(chosen, num_classes, options.rounds, options.peers)
        config = {"classes": num_classes, "features": DIM, "batch_size": BATCH}
        warmup = f"{WARMUP} steps, not counted"
        found = [measurement(name=f"{variant}/{num_classes}/memory", metric="peak memory over the framework, so far",
                             unit="B", values=memory[variant], warmup=warmup, config=config) for variant in chosen]
        if not options.memory:
            found += times(seconds, num_classes, warmup, config)
        names = {each["name"] for each in done}
        done += [each for each in found if each["name"] not in names]  # a variant may be in two groups
        said = ["VENV/bin/python" if each == options.peers else each for each in sys.argv]
        write_report(options.out, done, command=" ".join(["python", *said]))
    if options.memory and options.out.resolve() == FILE:
        write_block(BLOCK, block(json.loads(FILE.read_text())), FILE.parents[1] / "docs" / "many_classes.md")
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


def measure(variants: list[str], num_classes: int, rounds: int,
            peers: str | None) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Returns the seconds and the peak memory so far of each variant's rounds; only one process computes at a time."""
    processes = {each: _started(each, num_classes, peers) for each in variants}
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


def _started(variant: str, num_classes: int, peers: str | None) -> "subprocess.Popen[str]":
    """A worker; those of peers find this package, but nothing else of this environment."""
    environment, python = dict(os.environ), sys.executable
    if variant in PEERS:
        assert peers
        environment |= {"PYTHONPATH": str(Path(__file__).resolve().parents[1]), "KERAS_BACKEND": "jax"}
        python = peers
    return subprocess.Popen([python, __file__, "--worker", variant, str(num_classes)], text=True, env=environment,
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def worker(variant: str, num_classes: int) -> None:
    """Runs a step of a variant for each line of standard input, and prints its seconds and the memory so far."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    made = peer_step_of if variant in PEERS else step_of
    made(variant if variant in PEERS else "drawn-float32", 1000)()  # loads the framework
    before = _peak()
    step: Callable[[], None] | None = None
    for _ in sys.stdin:
        if step is None:
            step = made(variant, num_classes)
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


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        worker(sys.argv[2], int(sys.argv[3]))
    else:
        main()
