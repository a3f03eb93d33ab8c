"""Backend settings that must precede its first operation, and records of the environment."""
import contextlib
import functools
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from keras_fixhead import hardware
from keras_fixhead.config import TrainConfig
from keras_fixhead.data import Augmentation
from keras_fixhead.errors import ArgumentError, TrainingError
from keras_fixhead.training import processes

_AHEAD = 2
"""Batches that tf.data prepares ahead."""
_BATCH_WORKERS = 2
_XLA_THREADS = "NPROC"
_XLA_DETERMINISTIC = ("--xla_gpu_deterministic_ops=true", "--xla_gpu_exclude_nondeterministic_ops=true")


def start_backend(config: TrainConfig) -> None:
    """Sets the threads and determinism of a configuration, and joins the processes that train together.

    JAX reads these settings only once, when it starts, so this must be called before anything asks for devices.

    Raises:
        ArgumentError: (a ValueError) if the environment tells this process to join others, but it cannot.
        TrainingError: if the backend has already started with other settings, so that the run would not be
            reproducible.
    """
    if keras.backend.backend() == "tensorflow":
        _start_tensorflow(config)
    elif keras.backend.backend() == "jax":
        started = _jax_has_started()
        _start_jax(config, started=started)
        processes.join_processes(started=started)
        return
    processes.join_processes(started=True)
    # PyTorch takes its number of threads from the environment


def _start_tensorflow(config: TrainConfig) -> None:
    import tensorflow as tf
    from tensorflow.python.framework.config import is_op_determinism_enabled

    for device in tf.config.list_physical_devices("GPU"):
        try:
            tf.config.experimental.set_memory_growth(device, True)
        except RuntimeError:  # the device is already in use, with its memory allocated
            break
    threads = tf.config.threading.get_intra_op_parallelism_threads() or None
    if threads != config.threads:
        try:
            tf.config.threading.set_intra_op_parallelism_threads(config.threads)
        except RuntimeError:
            _check_threads(config, threads or hardware.cpu_count())
    if config.deterministic:
        tf.config.experimental.enable_op_determinism()
    elif is_op_determinism_enabled():
        raise TrainingError("TensorFlow is in deterministic mode in this process, which cannot be switched off.",
                            hint="Train in a new process, or with --deterministic.")


def _start_jax(config: TrainConfig, *, started: bool) -> None:
    """Sets $NPROC (threads of XLA's CPU client) and $XLA_FLAGS, which XLA reads at the first request for a device."""
    flags = os.environ.get("XLA_FLAGS", "").split()
    missing = [flag for flag in _XLA_DETERMINISTIC if flag not in flags] if config.deterministic else []
    if not started:
        if config.threads is not None:
            os.environ[_XLA_THREADS] = str(config.threads)
        if missing:
            os.environ["XLA_FLAGS"] = " ".join([*flags, *missing])
        return
    if config.threads is not None:
        _check_threads(config, _jax_threads())
    if missing and on_gpu():  # these flags have no effect on a CPU
        raise TrainingError("JAX has already started in this process without XLA's deterministic operations.",
                            hint=f"Train in a new process, or set XLA_FLAGS='{' '.join(_XLA_DETERMINISTIC)}'.")


def _check_threads(config: TrainConfig, there: int) -> None:
    if there != config.threads:
        name = {"tensorflow": "TensorFlow", "jax": "JAX"}[keras.backend.backend()]
        raise TrainingError(
            f"The run uses {config.threads} threads, but {name} has already started with {there} in this process.",
            hint=f"Train in a new process, or use --threads {there}.",
        )


def _jax_has_started() -> bool:
    from jax._src import xla_bridge  # there is no public way to ask without starting JAX

    return bool(xla_bridge.backends_are_initialized())


def _jax_threads() -> int:
    """The number of threads of XLA's CPU client, as determined when it starts."""
    asked = os.environ.get(_XLA_THREADS, "")
    return int(asked) if asked.isdigit() and int(asked) > 0 else hardware.cpu_count()


@contextlib.contextmanager
def device_scope(devices: int) -> Iterator[None]:
    """The context in which models of a run are built and fitted; with several devices, it distributes batches.

    On TensorFlow this is a MirroredStrategy, on JAX Keras' data parallelism: weights are copied to each device, each
    batch is split along its first axis, and XLA sums over all of it. The devices are the GPUs that the backend sees, or
    its CPU devices if it sees none; with several processes, those of all processes.

    Raises:
        ArgumentError: (a ValueError) if there are fewer devices, if several processes have more, or on other backends.
    """
    if devices == 1 and processes.count() == 1:
        yield
    elif keras.backend.backend() == "tensorflow":
        with _strategy(devices).scope():
            yield
    elif keras.backend.backend() == "jax":
        distribution = keras.distribution.DataParallel(devices=_enough(devices, keras.distribution.list_devices()),
                                                       auto_shard_dataset=False)
        with distribution.scope():
            yield
    else:
        raise ArgumentError(f"devices is {devices}, but only TensorFlow and JAX share batches between devices; the "
                            f"backend is {keras.backend.backend()}.", hint="Use --devices 1.")


@functools.cache  # models cannot be used in another strategy
def _strategy(devices: int) -> Any:
    import tensorflow as tf

    found = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    return tf.distribute.MirroredStrategy(_enough(devices, [each.name for each in found]))


def _enough(devices: int, found: list[str]) -> list[str]:
    if len(found) < devices:
        name = {"tensorflow": "TensorFlow", "jax": "JAX"}[keras.backend.backend()]
        raise ArgumentError(f"devices is {devices}, but {name} sees {len(found)}: {', '.join(found)}.",
                            hint="Use --devices 1, or check: fixhead doctor")
    if processes.count() > 1 and len(found) > devices:
        raise ArgumentError(f"devices is {devices}, but the {processes.count()} processes that train together have "
                            f"{len(found)}, and each gets a share of every batch.", hint=f"Use --devices {len(found)}")
    return found[:devices]


def to_numpy(variable: Any) -> NDArray[Any]:
    """Returns the value of a variable or number as an array; parts on several devices are summed."""
    value = getattr(variable, "value", variable)
    if keras.backend.backend() == "tensorflow" and hasattr(value, "numpy"):
        return np.asarray(value.numpy())  # Keras' own conversion does not support distributed variables
    return np.asarray(keras.ops.convert_to_numpy(value))


def jit_compile() -> bool | str:
    """Returns the argument of `compile`: no XLA with TensorFlow on a CPU, where it is slower; else Keras' choice."""
    if keras.backend.backend() == "tensorflow" and not on_gpu():
        return False
    return "auto"


def on_gpu() -> bool:
    """Returns whether the backend computes on a GPU."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return bool(tf.config.list_physical_devices("GPU"))  # unlike Keras' list, this does not start the devices
    devices = [str(device).lower() for device in keras.distribution.list_devices()]
    return any("gpu" in device or "cuda" in device for device in devices)


def prepared_ahead(batches: keras.utils.PyDataset, devices: int = 1) -> Any:
    """Returns batches as `fit` takes them, prepared while the device computes, in the same order.

    On JAX with a GPU, threads prepare them; on a CPU this would not help, because both share its cores. On TensorFlow,
    tf.data does, without tuning itself: the thread that tunes can miss that an epoch is over, and sleep on, while `fit`
    waits for it, for up to as long as the epoch took (seen in one of four epochs of 100 s, 20 to 55 s each time).

    Args:
        batches: the batches of an epoch, at least one.
        devices: number of devices that share a batch.
    """
    if keras.backend.backend() == "jax" and on_gpu():
        batches.workers, batches.max_queue_size = _BATCH_WORKERS, 2 * _BATCH_WORKERS
    if keras.backend.backend() != "tensorflow" or devices > 1:
        return batches
    import tensorflow as tf

    first = batches[0]
    signature = keras.tree.map_structure(lambda each: tf.TensorSpec((None, *each.shape[1:]), each.dtype), first)
    found = tf.data.Dataset.from_generator(
        lambda: (batches[number] if number else first for number in range(len(batches))), output_signature=signature)
    options = tf.data.Options()
    options.autotune.enabled = False
    return found.apply(tf.data.experimental.assert_cardinality(len(batches))).prefetch(_AHEAD).with_options(options)


def augments_on_device(config: TrainConfig, augmentation: Augmentation) -> bool:
    """Returns whether to augment training images on the device: if asked for, or if the host could slow down JAX's GPU.

    One core can crop and mirror fast enough for a GPU, but computing pixels can take longer than a step
    (docs/backends.md).
    """
    if config.augment_on == "auto":
        return keras.backend.backend() == "jax" and augmentation.computes and on_gpu()
    return config.augment_on == "device"


def device_peak_memory_bytes() -> int | None:
    """Returns the peak memory of this process on the first GPU; None if the backend does not report it."""
    if not on_gpu():
        return None
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return int(tf.config.experimental.get_memory_info("GPU:0")["peak"])
    if keras.backend.backend() == "jax":
        import jax

        peak = (jax.devices()[0].memory_stats() or {}).get("peak_bytes_in_use")
        return None if peak is None else int(peak)
    return None


def describe_environment() -> dict[str, Any]:
    """Returns versions, devices, threads and the git state, as in environment.json."""
    packages = ["keras-fixhead", "keras", "tensorflow", "tensorflow-cpu", "jax", "torch", "numpy", "scipy"]
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "backend": keras.backend.backend(),
        "versions": {name: version for name in packages if (version := installed_version(name))},
        "devices": [str(device) for device in keras.distribution.list_devices()],
        "cpu": hardware.cpu_name(),
        "cpu_count": hardware.cpu_count(),
        "gpus": [name for name, _ in hardware.gpus()],
        "threads": _threads(),
        "xla_flags": os.environ.get("XLA_FLAGS"),
        "git": _git_state(),
    }


def installed_version(distribution: str) -> str | None:
    """Returns the version of an installed distribution, or None."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _threads() -> dict[str, int]:
    if keras.backend.backend() == "jax":
        return {"xla_cpu": _jax_threads()}
    if (tf := sys.modules.get("tensorflow")) is None:
        return {}
    return {"intra_op": tf.config.threading.get_intra_op_parallelism_threads(),
            "inter_op": tf.config.threading.get_inter_op_parallelism_threads()}


def _git_state() -> dict[str, Any] | None:
    folder = Path(__file__).parent
    if not any((parent / ".git").exists() for parent in folder.parents[:3]):
        return None  # installed from a wheel: the version is enough
    try:
        answers = [
            subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=10,
                           check=True)
            for arguments in (["rev-parse", "HEAD"], ["status", "--porcelain", "--untracked-files=no"])
        ]
    except (OSError, subprocess.SubprocessError):
        return None
    return {"commit": answers[0].stdout.strip(), "modified": bool(answers[1].stdout.strip())}
