"""How much memory TensorFlow itself keeps of reloaded models: a bare loop that soak.py starts in a separate process.

    python benchmarks/bare_loop.py DIR --loads 30

Like the server, it loads the versions in DIR one after the other, runs their warm-up requests, drops each once the next
one is loaded, returns free memory, and calls each from several threads. It prints the resident bytes after each.
"""
import argparse
import ctypes
import gc
import itertools
import json
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np

CALLS = 1000  # per thread and version
CALLERS = 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory", metavar="DIR", type=Path, help="a model's folder of versions")
    parser.add_argument("--loads", type=int, required=True, help="number of versions to load, one after the other")
    options = parser.parse_args()
    bare_loop(options.directory, options.loads)


def bare_loop(base: Path, loads: int) -> None:
    """Loads, calls and drops versions, and prints the resident bytes after each."""
    import tensorflow as tf

    from fixhead_serving import warmup
    from fixhead_serving.client import encode_png

    pictures = [encode_png(image) for image in images()]
    served: list[Any] = []

    def call(number: int) -> None:
        for turn in range(CALLS):
            rows = 1 + (turn + number) % 8
            model = served[0]
            outputs = (model.signatures["serving_bytes"](image_bytes=tf.constant(pictures[:rows])) if number % 2 else
                       model.signatures["serving_default"](images=tf.constant(images()[:rows], tf.float32)))
            json.dumps({name: tensor.numpy().astype(str).tolist() for name, tensor in outputs.items()})

    versions = sorted(base.iterdir(), key=lambda path: int(path.name))
    for version in itertools.islice(itertools.cycle(versions), loads):
        model = tf.saved_model.load(str(version))
        for name, inputs in warmup.read_requests(version / warmup.FILE):
            model.signatures[name](**{key: tf.constant(value) for key, value in inputs.items()})
        served[:] = [model]  # drops the old one once the new one is loaded
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)
        threads = [threading.Thread(target=call, args=(number,)) for number in range(CALLERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        print(resident_bytes(os.getpid()), flush=True)


def images() -> "np.ndarray[Any, Any]":
    return np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3), dtype=np.uint8)


def resident_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    main()
