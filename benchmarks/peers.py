"""Our training step against the same network in PyTorch, alternating, each framework in separate processes.

    python benchmarks/peers.py --torch-python VENV/bin/python
    python benchmarks/peers.py --backend jax --device cuda --torch-python VENV/bin/python

A step is: forward, softmax cross-entropy on cosine logits of fixed class vectors, backward, SGD with Nesterov
momentum, on a batch of 128 images of 32x32 (fast_cnn: 1,024), on TensorFlow or, with `--backend jax`, on JAX. PyTorch
computes with channels_last, eagerly and with torch.compile; we compare with the faster of the two. Workers are started
once; one computes at a time, in random order, and the ratio of wall times is taken round by round. A product of two
square matrices on our backend, in the same rounds, shows how close the step is to the device's limit. Each case is
saved as soon as it is measured; the next call continues with the rest.

So far only run on a CPU: `--device cuda` was written without a GPU. There a step ends when the device is done, float32
means whatever each framework does by default (which may be TF32), and our images are copied from the host in each step,
while PyTorch's stay on the device.
"""
import argparse
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

SIDE, CLASSES = 32, 10
BATCH = 128
BATCHES = {"fast_cnn": 1024}
"""Batch sizes of networks whose recipe has another one."""
WARMUP = 3
PRODUCT_SIDE = {"cpu": 2048, "cuda": 8192}  # large enough that start-up does not matter
VARIANTS = ("ours", "eager", "compile")
CASES = [(model, width, precision) for model, width in
         (("resnet18", 1.0), ("resnet18", 0.25), ("preact_resnet18", 1.0), ("mobilenet_v2", 1.0),
          ("preact_resnet18", 0.25), ("mobilenet_v2", 0.25)) for precision in ("float32", "bfloat16")]


def main() -> None:
    from report import RESULTS, out_option, write_report

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--torch-python", default=sys.executable, help="Python interpreter with PyTorch")
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--models", nargs="+", default=None)
    parser.add_argument("--backend", choices=("tensorflow", "jax"), default="tensorflow", help="backend of our step")
    parser.add_argument("--device", choices=tuple(PRODUCT_SIDE), default="cpu", help="device of both frameworks")
    parser.add_argument("--again", action="store_true", help="measure all cases, including those already measured")
    out_option(parser, RESULTS / "peers.json")
    options = parser.parse_args()
    asked = "".join(f" --{name} {getattr(options, name)}" for name in ("backend", "device")
                    if getattr(options, name) != parser.get_default(name))
    if asked and options.out == RESULTS / "peers.json":  # one file per backend and device
        options.out = RESULTS / f"peers-{options.backend}{'' if options.device == 'cpu' else '-' + options.device}.json"
    os.environ["KERAS_BACKEND"] = options.backend
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"  # workers and this process share the GPU
    os.environ["TF_FORCE_GPU_ALLOW_GROWTH"] = "true"
    done = [] if options.again or not options.out.exists() else json.loads(options.out.read_text())["measurements"]
    names = {each["name"] for each in done}
    for model, width, precision in CASES:
        if f"{case_name(model, width, precision)}/ratio" in names or (options.models and model not in options.models):
            continue
        done += compare(model, width, precision, options.torch_python, options.rounds, options.device, options.backend)
        write_report(options.out, done, command="python benchmarks/peers.py --torch-python VENV/bin/python" + asked)


def case_name(model: str, width: float, precision: str) -> str:
    """Returns the name under which a case is stored."""
    return f"{model}/width{width:g}/{precision}"


def compare(model: str, width: float, precision: str, torch_python: str, rounds: int, device: str = "cpu",
            backend: str = "tensorflow") -> list[dict[str, Any]]:
    """Returns the measurements of one case: seconds of each variant, their ratio and the share of a product's rate."""
    from report import measurement

    seconds, operations = measure(model, width, precision, torch_python, rounds, device)
    best = min(("eager", "compile"), key=lambda variant: sorted(seconds[variant])[len(seconds[variant]) // 2])
    batch, side, case = BATCHES.get(model, BATCH), PRODUCT_SIDE[device], case_name(model, width, precision)
    config = {"model": model, "width": width, "precision": precision, "batch_size": batch, "pixels": SIDE,
              "backend": backend, "device": device, "torch": best, "multiply_adds": operations}
    warmup = f"{WARMUP} steps, not counted"
    ratio = [theirs / ours for theirs, ours in zip(seconds[best], seconds["ours"], strict=True)]
    # three times the forward multiply-adds, 2 operations each, relative to the product's rate in the same round
    share = [6 * operations * batch / ours / (2 * side**3 / product)
             for ours, product in zip(seconds["ours"], seconds["product"], strict=True)]
    found = [
        *(measurement(name=f"{case}/{variant}", metric="wall time of a training step", unit="s", values=values,
                      warmup=warmup, config=config) for variant, values in seconds.items()),
        measurement(name=f"{case}/ratio", metric="PyTorch's wall time divided by ours", unit="1", values=ratio,
                    warmup=warmup, config=config),
        measurement(name=f"{case}/share", metric=f"our step's rate as a share of the rate of a {side}^3 product",
                    unit="1", values=share, warmup=warmup, config=config),
    ]
    for each in found[-2:]:
        print(f"{each['name']}: {each['median']:.2f} (quartiles {each['quartiles'][0]:.2f} to "
              f"{each['quartiles'][1]:.2f}, n = {each['n']})", flush=True)
    return found


def measure(model: str, width: float, precision: str, torch_python: str, rounds: int,
            device: str) -> tuple[dict[str, list[float]], int]:
    """Seconds per step of each variant, round by round, and the multiply-adds of one image in the forward pass."""
    commands = {variant: [sys.executable if variant == "ours" else torch_python, __file__, "--worker", variant, model,
                          str(width), precision, device] for variant in VARIANTS}
    workers = {variant: subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
               for variant, command in commands.items()}
    seconds: dict[str, list[float]] = {name: [] for name in (*VARIANTS, "product")}
    try:
        operations = int(_answers(workers["ours"])[0])
        for variant in VARIANTS[1:]:
            _answers(workers[variant])
        draw = random.Random(0)
        for _ in range(rounds):
            for name in draw.sample([*VARIANTS, "product"], 4):
                worker = workers["ours" if name == "product" else name]
                assert worker.stdin is not None
                worker.stdin.write("product\n" if name == "product" else "step\n")
                seconds[name].append(float(_answers(worker)[0]))
    finally:
        for worker in workers.values():
            worker.kill()
            worker.wait()
    return seconds, operations


def _answers(worker: "subprocess.Popen[str]") -> list[str]:
    assert worker.stdout is not None
    for line in worker.stdout:
        if line.startswith("answer "):
            return line.split()[1:]
    raise SystemExit(f"A worker exited with status {worker.wait()}.")


def work(variant: str, model: str, width: float, precision: str, device: str) -> None:
    """Answers each line on standard input with the seconds of a step or a product."""
    make = our_step if variant == "ours" else torch_step
    first, step, product = make(model, width, precision, device, variant == "compile")
    for _ in range(WARMUP):
        step()
    product()
    print("answer", first, flush=True)
    for line in sys.stdin:
        act = product if line.strip() == "product" else step
        start = time.perf_counter()
        act()
        print("answer", time.perf_counter() - start, flush=True)


def our_step(model: str, width: float, precision: str, device: str,
             _: bool) -> tuple[int, Callable[[], Any], Callable[[], Any]]:
    """The step of `fixhead train`, without the schedule; it ends when its loss is a number on the host."""
    import keras
    import numpy as np

    from keras_fixhead import losses
    from keras_fixhead.models import build_model, multiply_adds, precision_policy
    from keras_fixhead.training.backend import jit_compile, on_gpu

    if on_gpu() != (device == "cuda"):
        raise SystemExit(f"{keras.backend.backend()} computes on a {'GPU' if on_gpu() else 'CPU'}, but --device is "
                         f"{device}. Choose the other --device, or hide the GPU with CUDA_VISIBLE_DEVICES=.")
    with precision_policy(precision):
        network = build_model(model, (SIDE, SIDE, 3), CLASSES, width=width, weight_decay=5e-4)
        network.compile(keras.optimizers.SGD(0.01, momentum=0.9, nesterov=True), loss=losses.cross_entropy,
                        jit_compile=jit_compile())
    draw = np.random.default_rng(0)
    batch = BATCHES.get(model, BATCH)
    images = draw.integers(0, 256, (batch, SIDE, SIDE, 3), dtype=np.uint8)
    labels = draw.integers(0, CLASSES, batch, dtype=np.int32)
    return multiply_adds(network), lambda: network.train_on_batch(images, labels), product_of(
        precision, PRODUCT_SIDE[device])


def product_of(precision: str, side: int) -> Callable[[], Any]:
    """A compiled product of two square matrices on our backend, reduced to a number on the host."""
    import keras
    import numpy as np

    square = keras.ops.cast(keras.ops.convert_to_tensor(np.random.default_rng(0).normal(size=(side, side))), precision)
    if keras.backend.backend() == "jax":
        import jax

        compiled = jax.jit(lambda values: (values @ values)[0, 0])
        return lambda: float(compiled(square))
    import tensorflow as tf

    product = tf.function(lambda: tf.matmul(square, square)[0, 0])
    return lambda: product().numpy()


def torch_step(model: str, width: float, precision: str, device: str,
               compiled: bool) -> tuple[int, Callable[[], Any], Callable[[], Any]]:
    """The same step in PyTorch, with channels_last, the optimizer's L2 penalty, and bfloat16 through autocast."""
    import torch
    from torch_networks import Network

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    network = Network(model, width, signed_features=model == "preact_resnet18").to(
        device, memory_format=torch.channels_last)
    trained = [each for each in network.parameters() if each.requires_grad]
    optimizer = torch.optim.SGD(trained, 0.01, momentum=0.9, nesterov=True, weight_decay=5e-4)
    batch = BATCHES.get(model, BATCH)
    images = torch.randint(0, 256, (batch, 3, SIDE, SIDE), dtype=torch.uint8).to(
        device, memory_format=torch.channels_last)
    labels = torch.randint(0, CLASSES, (batch,)).to(device)
    dim = {"mobilenet_v2": 1280, "fast_cnn": round(256 * width)}.get(model, round(512 * width))
    vectors = torch.nn.functional.normalize(torch.randn(CLASSES, dim)).to(device)

    def forward(images: Any, labels: Any) -> Any:
        features = torch.nn.functional.normalize(network((images.float() - 127.5) / 127.5).float())
        return torch.nn.functional.cross_entropy(features @ vectors.T, labels)

    run = torch.compile(forward) if compiled else forward

    def step() -> float:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device, torch.bfloat16, enabled=precision == "bfloat16"):
            loss = run(images, labels)
        loss.backward()
        optimizer.step()
        if device == "cuda":
            torch.cuda.synchronize()
        return float(loss.detach())

    return 0, step, lambda: None


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        work(sys.argv[2], sys.argv[3], float(sys.argv[4]), *sys.argv[5:7])
    else:
        main()
