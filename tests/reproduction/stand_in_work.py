"""Work for workers that needs no Keras: what a run does is decided by its seed and the folder of runs."""
import os
import signal
import time
from pathlib import Path

import click
import numpy as np

from keras_fixhead.reproduction.running.run import Work
from keras_fixhead.runs import create_run


def make():
    """Returns the work, in the process of a worker."""
    return Work(train=train, measure=measure, device=lambda: "a device", forget=lambda: None, say=click.echo)


def measure(run, corrupted):
    return {"process": os.getpid()}, {"confusion": np.eye(2), "cosines": np.eye(2)}


def train(resolved, resume):
    """The runs of seed 0 wait for each other; the first worker of seed 1 is killed after an epoch; seed 2 is broken."""
    config = resolved.config
    run = resume or create_run(resolved)
    meeting = Path(config.runs_dir, f"begun-{config.fixed}-{config.seed}")
    first = not meeting.exists()
    meeting.touch()
    if Path(config.runs_dir, "slow").exists():
        _sleep(run)
    if config.seed == 2:
        raise RuntimeError("broken\nin two lines")
    if config.seed == 1 and first:
        _epochs(run, 1)
        os.kill(os.getpid(), signal.SIGKILL)
    if config.seed == 0:
        _wait_for(meeting.with_name(f"begun-{not config.fixed}-0"))
    with run.lock():
        _epochs(run, config.epochs)
        run.write("result", {"accuracy": {"test": 0.5 + config.seed / 10}, "evaluation": {}, "label_names": ["a"],
                             "seconds": 1.0, "images_per_second": 1.0, "threads": config.threads,
                             "resumed_after": 1 if resume else 0})
        run.model_path.write_bytes(b"a model")
        run.write_status("complete", epoch=config.epochs)
    return run


def _epochs(run, count):
    run.write_metrics([{"epoch": epoch, "seconds": 1.0} for epoch in range(1, count + 1)])
    run.write_status("running", epoch=count)


def _wait_for(path):
    for _ in range(600):
        if path.exists():
            return
        time.sleep(0.1)
    raise TimeoutError(path.name)


def _sleep(run):
    """Trains for long, and leaves what a training leaves that is stopped by a signal."""
    try:
        for _ in range(6_000):  # Ray interrupts between two steps of the interpreter only
            time.sleep(0.1)
    except KeyboardInterrupt:
        run.write_status("interrupted", epoch=0)
        raise
