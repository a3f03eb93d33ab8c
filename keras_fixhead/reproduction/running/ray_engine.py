"""An engine of workers on a Ray cluster, or on a local Ray: a grid of runs over machines.

Every machine needs the same environment, and the folders of runs and data under the same paths: a run whose worker or
machine dies is resumed by another worker from its checkpoint.
"""
import contextlib
import dataclasses
import functools
import importlib
import os
import socket
from collections.abc import Callable
from typing import Any

from keras_fixhead.errors import ArgumentError, DependencyError, FixheadError
from keras_fixhead.reproduction.planning.cells import Planned
from keras_fixhead.reproduction.running.parallel import Ended
from keras_fixhead.reproduction.running.run import Made, Options, Work, make_result

STOP_SECONDS = 120.0
"""Time for the step and the checkpoint of a run that must stop."""


class Ray:
    """Workers of a Ray cluster.

    Args:
        slots: number of runs at once; None for as many as the cluster has GPUs or, without any, cores.
        threads: of each run; None for the cluster's cores divided by the runs, but no more than any machine has.
        address: of the cluster, as `ray.init` takes it; None to start Ray on this machine.
        make_work: a function of a module that loads Keras and returns the work; it is called in the workers.

    Raises:
        DependencyError: if Ray is not installed.
        FixheadError: if the cluster cannot be reached.
        ArgumentError: if the cluster is too small.
    """

    def __init__(self, slots: int | None, threads: int | None, address: str | None,
                 make_work: Callable[[], Work]) -> None:
        self._ray = _connected(address)
        machines = [each["Resources"] for each in self._ray.nodes() if each["Alive"]]
        cores, gpus = (sum(int(each.get(kind, 0)) for each in machines) for kind in ("CPU", "GPU"))
        self.slots = slots or gpus or cores // (threads or 1)
        least = min((int(each["CPU"]) for each in machines if each.get("CPU")), default=0)
        self.threads = threads or min(cores // self.slots, least)
        if not 0 < self.threads <= least or self.slots * self.threads > cores or 0 < gpus < self.slots:
            self.stop()
            raise ArgumentError(f"{self.slots} runs at once, each with {threads or 1} of the cores, do not fit on a "
                                f"cluster with {cores} cores and {gpus} GPUs, where each machine has {least} cores or "
                                "more.", hint="Use fewer --jobs or --threads.")
        self._task = self._ray.remote(num_cpus=self.threads, num_gpus=int(bool(gpus)), max_retries=0)(_make)
        self._make_work = make_work
        self._keys: dict[Any, int] = {}

    def start(self, key: int, planned: Planned, options: Options) -> None:
        """Gives a run to the cluster."""
        options = dataclasses.replace(
            options, threads=self.threads, out=options.out.absolute(), runs_dir=options.runs_dir.absolute(),
            data_dir=options.data_dir and options.data_dir.absolute())
        self._keys[self._task.remote(self._make_work, planned, options)] = key

    def wait(self) -> list[Ended]:
        """Waits until at least one run has ended, with its worker or without."""
        done, _ = self._ray.wait(list(self._keys), num_returns=1)
        return [self._ended(each) for each in done]

    def stop(self) -> None:
        """Interrupts all runs as Ctrl-C does, waits for their checkpoints, and leaves the cluster."""
        if not self._ray.is_initialized():
            return
        running = list(getattr(self, "_keys", {}))
        for each in running:
            self._ray.cancel(each)
        if running:
            with contextlib.suppress(Exception):
                self._ray.wait(running, num_returns=len(running), timeout=STOP_SECONDS)
        self._ray.shutdown()

    def _ended(self, task: Any) -> Ended:
        key = self._keys.pop(task)
        try:
            made: Made = self._ray.get(task)
        except self._ray.exceptions.RayError as error:
            return Ended(key, None, f"was lost ({type(error).__name__})")
        return Ended(key, made)


def _connected(address: str | None) -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray would report to its makers
    try:
        ray = importlib.import_module("ray")
    except ImportError:
        raise DependencyError("--engine ray needs the package ray, which is not installed.",
                              hint="Install it: pip install 'keras-fixhead[ray]'") from None
    host, colon, port = (address or "").rpartition(":")
    if colon and port.isdigit() and "//" not in host:
        try:  # Ray itself would try for many minutes
            socket.create_connection((host, int(port)), timeout=10).close()
        except OSError as error:
            raise FixheadError(f"Ray at {address} cannot be used: {error.strerror or error}.",
                               hint="Start one: ray start --head; its output names the address.") from None
    here = {} if address else {"include_dashboard": False}
    try:
        ray.init(address=address, log_to_driver=False, logging_level="ERROR", **here)
    except Exception as error:  # each version has its own
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise FixheadError(f"Ray at {address or 'this machine'} cannot be used: {lines[0]}",
                           hint="Start one: ray start --head; its output names the address.") from error
    return ray


def _make(make_work: Callable[[], Work], planned: Planned, options: Options) -> Made:
    work = _work(make_work)
    try:
        return make_result(planned, options, work)
    finally:
        work.forget()


@functools.cache
def _work(make_work: Callable[[], Work]) -> Work:
    """Loads Keras once for each process of Ray, which may get several runs."""
    return make_work()
