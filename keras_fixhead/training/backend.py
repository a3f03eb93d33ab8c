"""What has to be set on a backend before its first operation, and what is recorded of it."""
import contextlib
import functools
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from keras_fixhead import hardware
from keras_fixhead.config import TrainConfig
from keras_fixhead.errors import ArgumentError, TrainingError


def prepare_backend(config: TrainConfig) -> None:
    """Sets threads and determinism as a run's configuration has them.

    Raises:
        TrainingError: if this process already computes with another number of threads: the run could not be repeated.
    """
    if keras.backend.backend() != "tensorflow":
        return  # JAX and PyTorch take threads from the environment at their start; environment.json records it
    import tensorflow as tf
    from tensorflow.python.framework.config import is_op_determinism_enabled

    for device in tf.config.list_physical_devices("GPU"):
        try:
            tf.config.experimental.set_memory_growth(device, True)
        except RuntimeError:  # the device is in use already: its memory has been set aside
            break
    threads = tf.config.threading.get_intra_op_parallelism_threads() or None
    if threads != config.threads:
        try:
            tf.config.threading.set_intra_op_parallelism_threads(config.threads)
        except RuntimeError:
            if (threads or hardware.cpu_count()) != config.threads:
                raise TrainingError(
                    f"The run computes with {config.threads} threads, but TensorFlow has started with "
                    f"{threads or hardware.cpu_count()} in this process.",
                    hint="Train in a new process, or set the configuration's `threads` to that number.",
                ) from None
    if config.deterministic:
        tf.config.experimental.enable_op_determinism()
    elif is_op_determinism_enabled():
        raise TrainingError("TensorFlow computes deterministically in this process, and cannot be told not to.",
                            hint="Train in a new process, or with `deterministic`.")


def device_scope(devices: int) -> contextlib.AbstractContextManager[Any]:
    """Returns what models of a run are built in: nothing for one device, a MirroredStrategy for several.

    The devices are the GPUs that TensorFlow sees, or, where it sees none, its logical CPUs.

    Raises:
        ArgumentError: (a ValueError) if there are fewer, or Keras is not on TensorFlow.
    """
    if devices == 1:
        return contextlib.nullcontext()
    if keras.backend.backend() != "tensorflow":
        raise ArgumentError(f"devices is {devices}, but only the TensorFlow backend shares batches between devices; "
                            f"this one is {keras.backend.backend()}.", hint="Use --devices 1.")
    return _strategy(devices).scope()


@functools.cache  # models of one strategy cannot be used in another
def _strategy(devices: int) -> Any:
    import tensorflow as tf

    found = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    if len(found) < devices:
        raise ArgumentError(f"devices is {devices}, but TensorFlow sees {len(found)}: "
                            f"{', '.join(each.name for each in found)}.", hint="Use --devices 1, or look: "
                            "fixhead doctor")
    return tf.distribute.MirroredStrategy([each.name for each in found[:devices]])


def to_numpy(variable: Any) -> NDArray[Any]:
    """Returns the value of a variable (or a number as it is), summed over devices where each has a part of it."""
    value = getattr(variable, "value", variable)
    if keras.backend.backend() == "tensorflow" and hasattr(value, "numpy"):
        return np.asarray(value.numpy())  # Keras' own conversion does not know variables of several devices
    return np.asarray(keras.ops.convert_to_numpy(value))


def jit_compile() -> bool | str:
    """Returns what to pass to `compile`: no XLA on a CPU with TensorFlow (it is slower there), else Keras' choice."""
    if keras.backend.backend() == "tensorflow" and not on_gpu():
        return False
    return "auto"


def on_gpu() -> bool:
    """Returns whether the backend computes on a GPU."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return bool(tf.config.list_physical_devices("GPU"))  # this, unlike Keras' list, does not start the devices
    devices = [str(device).lower() for device in keras.distribution.list_devices()]
    return any("gpu" in device or "cuda" in device for device in devices)


def describe_environment() -> dict[str, Any]:
    """Returns versions, devices, threads and the state of the sources, as environment.json holds them."""
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
        "git": _git_state(),
    }


def installed_version(distribution: str) -> str | None:
    """Returns the version of an installed distribution, or None."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _threads() -> dict[str, int]:
    if (tf := sys.modules.get("tensorflow")) is None:
        return {}
    return {"intra_op": tf.config.threading.get_intra_op_parallelism_threads(),
            "inter_op": tf.config.threading.get_inter_op_parallelism_threads()}


def _git_state() -> dict[str, Any] | None:
    folder = Path(__file__).parent
    if not any((parent / ".git").exists() for parent in folder.parents[:3]):
        return None  # installed from a wheel: the version says it all
    try:
        answers = [
            subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=10,
                           check=True)
            for arguments in (["rev-parse", "HEAD"], ["status", "--porcelain", "--untracked-files=no"])
        ]
    except (OSError, subprocess.SubprocessError):
        return None
    return {"commit": answers[0].stdout.strip(), "modified": bool(answers[1].stdout.strip())}
