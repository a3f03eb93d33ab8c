"""What this machine can do, found out without loading a framework: CPU, GPUs, precision, stored step times."""
import contextlib
import functools
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

from keras_fixhead.errors import ArgumentError, RunError
from keras_fixhead.json_files import read_json, write_json

PRECISIONS = ("auto", "float32", "bfloat16", "float16")
_STEP_TIMES_SCHEMA = 1

# Dense 16-bit FLOP/s with float32 accumulation, from NVIDIA's data sheet of each card (twice as much is stated for
# sparse matrices). The first entry whose words occur in the name that nvidia-smi reports applies.
_GPU_PEAKS = (("H200 NVL", 835e12), ("H200", 989e12), ("H100 PCIe", 756e12), ("H100 NVL", 835e12), ("H100", 989e12),
              ("A100", 312e12), ("L40S", 362e12), ("L4", 121e12), ("A10", 125e12), ("A30", 165e12),
              ("V100-PCIE", 112e12), ("V100", 125e12), ("T4", 65e12))


def cpu_count() -> int:
    """Returns the number of CPU cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def threads_each(jobs: int) -> int | None:
    """Returns the threads for each of several runs at once: the cores of this process, divided; None for a single run.

    Raises:
        ArgumentError: if there are more runs than cores; or for several runs on a machine with a GPU, which they would
            share.
    """
    if jobs == 1:
        return None
    if gpus():
        raise ArgumentError(f"{jobs} runs at once are for machines without a GPU; this one has {gpus()[0][0]}.",
                            hint="Leave out --jobs. With several GPUs, start one command for each: "
                            "CUDA_VISIBLE_DEVICES=1 fixhead ... --seeds 3-5")
    if jobs > cpu_count():
        raise ArgumentError(f"{jobs} runs at once need as many cores; there are {cpu_count()}.",
                            hint=f"Use --jobs {cpu_count()}.")
    return cpu_count() // jobs


@functools.cache
def cpu_name() -> str:
    """Returns the name of the CPU as the system reports it."""
    return _cpu_field("model name") or platform.processor() or platform.machine()


@functools.cache
def cpu_has_bfloat16() -> bool:
    """Returns whether the CPU multiplies bfloat16 natively (AVX512-BF16 or AMX)."""
    flags = (_cpu_field("flags") or "").split()
    return "avx512_bf16" in flags or "amx_bf16" in flags


def _cpu_field(name: str) -> str | None:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    for line in lines:
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return None


@functools.cache
def gpus() -> tuple[tuple[str, float], ...]:
    """Returns (name, compute capability) of each GPU that nvidia-smi reports and $CUDA_VISIBLE_DEVICES allows."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if (visible is not None and visible.strip() in ("", "-1")) or not shutil.which("nvidia-smi"):
        return ()
    command = ["nvidia-smi", "--query-gpu=name,compute_cap", "--format=csv,noheader"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout
        rows = [line.rsplit(",", 1) for line in answer.splitlines() if "," in line]
        found = [(name.strip(), float(capability)) for name, capability in rows]
        numbers = (visible or "").split(",")
        if visible and all(number.strip().isdigit() for number in numbers):
            found = [found[int(number)] for number in numbers if int(number) < len(found)]
        return tuple(found)
    except (OSError, subprocess.SubprocessError, ValueError):
        return ()


def gpu_problem(seen: bool) -> str | None:
    """Returns why the framework does not compute on a GPU, and what to do about it; None if it does.

    Args:
        seen: whether the framework sees a GPU.

    Example:
        >>> gpu_problem(seen=True) is None
        True
    """
    if seen:
        return None
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None and visible.strip() in ("", "-1"):
        return f"GPUs are hidden by CUDA_VISIBLE_DEVICES={visible!r}; unset it"
    if not shutil.which("nvidia-smi"):
        return "no NVIDIA driver (nvidia-smi was not found)"
    if not gpus():
        return "the NVIDIA driver reports no GPU (check: nvidia-smi)"
    return ("the driver reports a GPU, but the framework lacks CUDA's libraries: pip install 'keras-fixhead[gpu]' (for "
            "JAX: pip install 'jax[cuda12]')")


def resolve_precision(precision: str, *, gpu: bool | None = None) -> str:
    """Returns the precision to train in on this machine.

    'auto' is bfloat16 on GPUs of compute capability 8 and above and on CPUs with AVX512-BF16 or AMX, float16 on GPUs of
    capability 7, and float32 otherwise, because there 16 bits cost more time than they save. On a CPU, bfloat16 speeds
    up a step on JAX as it does on TensorFlow (docs/backends.md).

    Args:
        precision: 'auto', 'float32', 'bfloat16' or 'float16'.
        gpu: whether the framework computes on a GPU; None to ask nvidia-smi, as long as no framework is loaded.

    Raises:
        ArgumentError: for any other name.

    Example:
        >>> resolve_precision("float32")
        'float32'
    """
    if precision not in PRECISIONS:
        raise ArgumentError(f"Unknown precision {precision!r}. Expected one of {', '.join(PRECISIONS)}.")
    if precision != "auto":
        return precision
    found = gpus() if gpu is not False else ()
    if found:
        capability = min(capability for _, capability in found)
        return "bfloat16" if capability >= 8 else "float16" if capability >= 7 else "float32"
    return "bfloat16" if cpu_has_bfloat16() else "float32"


def gpu_peak(precision: str) -> tuple[str | None, float | None]:
    """Returns the name of the slowest GPU and its dense 16-bit operations per second, as stated by NVIDIA.

    Returns:
        (None, None) without a GPU; (name, None) for an unlisted card, and in float32, where the backend decides whether
        to round products to TF32.

    Example:
        >>> gpu_peak("float32")[1] is None
        True
    """
    names = [name for name, _ in gpus()]
    peaks = {name: peak for name in names for words, peak in reversed(_GPU_PEAKS) if re.search(rf"\b{words}\b", name)}
    if precision == "float32" or len(peaks) < len(set(names)) or not peaks:
        return next(iter(names), None), None
    return min(peaks.items(), key=lambda item: item[1])


def keras_backend() -> str:
    """Returns the backend that Keras uses, or would use once loaded (from environment, keras.json or default)."""
    if (keras := sys.modules.get("keras")) is not None:
        return str(keras.backend.backend())
    if name := os.environ.get("KERAS_BACKEND"):
        return name
    path = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras")) / "keras.json"
    try:
        return str(json.loads(path.read_text(encoding="utf-8")).get("backend", "tensorflow"))
    except (OSError, ValueError, AttributeError):
        return "tensorflow"


def peak_memory_bytes() -> int:
    """Returns the peak resident memory of this process, in bytes."""
    import resource  # not available on Windows

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def cache_dir() -> Path:
    """Returns the cache folder of this package: $FIXHEAD_CACHE_DIR, or a folder in the user's cache."""
    if own := os.environ.get("FIXHEAD_CACHE_DIR"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "keras_fixhead"


def stored_step_seconds(key: str) -> float | None:
    """Returns the seconds per training step last measured on this machine under `key`; None if never measured."""
    try:
        step_times = read_json(_step_times_path(), schema=_STEP_TIMES_SCHEMA)
        return float(step_times[key])
    except (RunError, RuntimeError, KeyError, TypeError, ValueError):  # missing or damaged: nothing measured yet
        return None


def store_step_seconds(key: str, seconds: float) -> None:
    """Stores the seconds per training step on this machine; does nothing if the cache cannot be written."""
    # an unwritable cache (or a user without a home folder) must not end a training run
    with contextlib.suppress(OSError, RuntimeError, RunError):
        path = _step_times_path()
        try:
            step_times = read_json(path, schema=_STEP_TIMES_SCHEMA)
        except RunError:
            step_times = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, step_times | {key: seconds}, schema=_STEP_TIMES_SCHEMA)


def _step_times_path() -> Path:
    return cache_dir() / f"step-times-{platform.node()}.json"
