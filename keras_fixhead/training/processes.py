"""Several processes that train one model together, on JAX: which one this is, and how they agree.

Each runs the same code. Only the first one measures and writes; the others receive from it what they need to continue.
"""
import contextlib
import functools
import json
import os
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np

from keras_fixhead.errors import ArgumentError, FixheadError, TrainingError

_VARIABLES = ("KERAS_DISTRIBUTION_JOB_ADDRESSES", "KERAS_DISTRIBUTION_NUM_PROCESSES", "KERAS_DISTRIBUTION_PROCESS_ID")


def join_processes(*, started: bool) -> None:
    """Joins the processes that Keras' environment variables describe, if any.

    Args:
        started: whether the backend has already started, which is too late.

    Raises:
        ArgumentError: (a ValueError) if the variables are invalid, or the backend is not JAX.
        TrainingError: if JAX has already started on its own.
    """
    there = {name: os.environ[name] for name in _VARIABLES if os.environ.get(name)}
    if not there or _have_joined():
        return
    said = " ".join(f"{name}={value}" for name, value in there.items())
    if keras.backend.backend() != "jax":
        raise ArgumentError(f"{said}: this process is one of several, but only JAX trains in several processes; the "
                            f"backend is {keras.backend.backend()}.",
                            hint=f"Set KERAS_BACKEND=jax, or train in one process: unset {' '.join(there)}")
    if started:
        raise TrainingError(f"{said}: JAX has already started in this process, so it cannot join others.",
                            hint="Call keras.distribution.initialize() before anything else.")
    import jax

    # its handler would replace ours for SIGTERM, and only record the signal
    jax.config.update("jax_enable_preemption_service", False)
    try:
        keras.distribution.initialize()
    except (ValueError, TypeError, IndexError) as error:
        raise ArgumentError(f"{said} do not describe processes that train together: {error}",
                            hint="Set " + ", ".join(_VARIABLES) + " in each process: docs/backends.md") from None


def is_one_of_several() -> bool:
    """Returns whether Keras' environment variables describe several processes, which `join_processes` joins."""
    return any(os.environ.get(name) for name in _VARIABLES)


def check_shares(batch_size: int, devices: int) -> None:
    """Raises an ArgumentError if batches cannot be split equally between processes, or JAX's devices."""
    if devices == 1 or keras.backend.backend() != "jax":
        return
    import jax

    if batch_size % devices:
        raise ArgumentError(f"Batches of {batch_size} images cannot be split equally between {devices} devices.",
                            hint=f"Set --batch-size to a multiple of {devices}, no larger than the training set.")
    local = jax.local_device_count()
    if count() > 1 and local * count() != devices == jax.device_count():
        raise ArgumentError(f"This is one of {count()} processes that have {devices} devices in total, but it has "
                            f"{local} of them.", hint="Give each process the same number: CUDA_VISIBLE_DEVICES.")


@contextlib.contextmanager
def failing_together(resume_command: str | None = None) -> Iterator[None]:
    """Explains the error if one of several processes fails and the others lose their connection.

    Args:
        resume_command: the command that continues the run, if there is one.

    Raises:
        TrainingError: in place of other exceptions than `FixheadError`.
    """
    try:
        yield
    except Exception as error:
        if count() == 1 or isinstance(error, FixheadError):
            raise
        raise TrainingError(f"One of the {count()} processes has failed: {error}",
                            hint="See the output of each process" + (
                                f"; then, in each: {resume_command}" if resume_command else ".")) from error


def count() -> int:
    """Returns the number of processes that train together; 1 if this one is alone."""
    return share()[1]


def is_first() -> bool:
    """Returns whether this is the process that measures, writes and reports."""
    return share()[0] == 0


def share() -> tuple[int, int]:
    """Returns the index of this process, from 0, and the number of processes."""
    if not _have_joined():
        return 0, 1
    import jax

    return jax.process_index(), jax.process_count()


def _have_joined() -> bool:
    if keras.backend.backend() != "jax":
        return False
    import jax

    return bool(jax.distributed.is_initialized())


def from_first(value: Any) -> Any:
    """Returns the value (of JSON types) that the first process passes; every process has to call this."""
    if count() == 1:
        return value
    from jax.experimental.multihost_utils import broadcast_one_to_all

    text = json.dumps(value).encode() if is_first() else b""
    size = int(broadcast_one_to_all(np.int32(len(text))))
    return json.loads(bytes(broadcast_one_to_all(np.frombuffer(text.ljust(size, b"\0"), np.uint8))))


def any_process(said: bool) -> bool:
    """Returns whether any process passes True; every process has to call this."""
    return said if count() == 1 else bool(_largest(said))


class AnyProcess:
    """Tells all processes, after the same step, whether any of them has passed True.

    Every process calls it after each step. The answer comes one step later, so that nothing has to wait for it; with a
    single process it comes immediately.
    """

    def __init__(self) -> None:
        self._asked: Any = None

    def __call__(self, said: bool) -> bool:
        if count() == 1:
            return said
        before, self._asked = self._asked, _largest(said)
        return before is not None and bool(before)


def _largest(said: bool) -> Any:
    """The largest of the values that the processes pass, as an array that may not be computed yet."""
    import jax

    sharding, largest = _over_all_devices()
    return largest(jax.make_array_from_process_local_data(sharding, np.full(jax.local_device_count(), said, np.int32)))


@functools.cache
def _over_all_devices() -> tuple[Any, Callable[[Any], Any]]:
    import jax
    from jax.sharding import Mesh, NamedSharding, PartitionSpec

    mesh = Mesh(np.array(jax.devices()), ("devices",))
    largest = jax.jit(lambda numbers: numbers.max(), out_shardings=NamedSharding(mesh, PartitionSpec()))
    return NamedSharding(mesh, PartitionSpec("devices")), largest
