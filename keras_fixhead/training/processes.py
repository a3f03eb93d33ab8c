"""Several processes that train one model together, on JAX: which one this is, and what they have to agree on.

Each runs the same code. Only the first one measures and writes; the others get from it what decides how to continue.
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
    """Joins the processes that Keras' variables in the environment name, if they name any.

    Args:
        started: whether the backend computes already: it is too late then.

    Raises:
        ArgumentError: (a ValueError) if the variables name no such processes, or the backend is not JAX.
        TrainingError: if JAX has started alone.
    """
    there = {name: os.environ[name] for name in _VARIABLES if os.environ.get(name)}
    if not there or _have_joined():
        return
    said = " ".join(f"{name}={value}" for name, value in there.items())
    if keras.backend.backend() != "jax":
        raise ArgumentError(f"{said}: this process is one of several, but only JAX trains in several processes; this "
                            f"backend is {keras.backend.backend()}.",
                            hint=f"Set KERAS_BACKEND=jax, or train in one process: unset {' '.join(there)}")
    if started:
        raise TrainingError(f"{said}: JAX has started in this process, and cannot join others any more.",
                            hint="Call keras.distribution.initialize() before anything else.")
    import jax

    # its handler would take SIGTERM from whoever handles it, and only note it
    jax.config.update("jax_enable_preemption_service", False)
    try:
        keras.distribution.initialize()
    except (ValueError, TypeError, IndexError) as error:
        raise ArgumentError(f"{said} do not name the processes that train together: {error}",
                            hint="Set " + ", ".join(_VARIABLES) + " in each: docs/backends.md") from None


def is_one_of_several() -> bool:
    """Returns whether Keras' variables in the environment name other processes; joining them is `join_processes`."""
    return any(os.environ.get(name) for name in _VARIABLES)


def check_shares(batch_size: int, devices: int) -> None:
    """Raises an ArgumentError if processes, or JAX's devices, cannot have equal shares of each batch."""
    if devices == 1 or keras.backend.backend() != "jax":
        return
    import jax

    if batch_size % devices:
        raise ArgumentError(f"{devices} devices cannot have equal shares of batches of {batch_size} images.",
                            hint=f"Give --batch-size a multiple of {devices}, no larger than the training set.")
    local = jax.local_device_count()
    if count() > 1 and local * count() != devices == jax.device_count():
        raise ArgumentError(f"This is one of {count()} processes that have {devices} devices together, and has {local} "
                            "of them.", hint="Let each process have as many: CUDA_VISIBLE_DEVICES.")


@contextlib.contextmanager
def failing_together(resume_command: str | None = None) -> Iterator[None]:
    """Says what it is if one of several processes fails and the others find their network broken.

    Args:
        resume_command: how to continue, if there is a run to continue.

    Raises:
        TrainingError: instead of an error that is not ours.
    """
    try:
        yield
    except Exception as error:
        if count() == 1 or isinstance(error, FixheadError):
            raise
        raise TrainingError(f"This process or another one of the {count()} has failed: {error}",
                            hint="Look at what each of them said" + (
                                f"; then, in each: {resume_command}" if resume_command else ".")) from error


def count() -> int:
    """Returns how many processes train together: 1 where this one is alone."""
    return share()[1]


def is_first() -> bool:
    """Returns whether this process is the one that measures, writes and reports."""
    return share()[0] == 0


def share() -> tuple[int, int]:
    """Returns which process this is, from 0, and of how many."""
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
    """Returns the value, which JSON can hold, that the first process has called this with; every process has to."""
    if count() == 1:
        return value
    from jax.experimental.multihost_utils import broadcast_one_to_all

    text = json.dumps(value).encode() if is_first() else b""
    size = int(broadcast_one_to_all(np.int32(len(text))))
    return json.loads(bytes(broadcast_one_to_all(np.frombuffer(text.ljust(size, b"\0"), np.uint8))))


def any_process(said: bool) -> bool:
    """Returns whether any process has called this with True; every process has to call it."""
    return said if count() == 1 else bool(_largest(said))


class AnyProcess:
    """Tells all processes, after the same step, that one of them has said so: a step later, for nobody waits for it.

    It is called after each step, by every process. Where there is only one, it is told at once.
    """

    def __init__(self) -> None:
        self._asked: Any = None

    def __call__(self, said: bool) -> bool:
        if count() == 1:
            return said
        before, self._asked = self._asked, _largest(said)
        return before is not None and bool(before)


def _largest(said: bool) -> Any:
    """The largest of what the processes say, an array that need not be there yet."""
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
