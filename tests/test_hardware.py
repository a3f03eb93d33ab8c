import re
import subprocess
import sys
from types import SimpleNamespace

import pytest

from keras_fixhead import hardware
from keras_fixhead.errors import ArgumentError
from keras_fixhead.hardware import resolve_precision, store_step_seconds, stored_step_seconds


@pytest.fixture(autouse=True)
def _no_cached_results(monkeypatch):
    for name in ("gpus", "cpu_has_bfloat16", "cpu_name"):
        monkeypatch.setattr(hardware, name, getattr(hardware, name).__wrapped__)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FIXHEAD_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.parametrize("capabilities, cpu, expected", [
    ((), True, "bfloat16"),
    ((), False, "float32"),
    ((8.0,), False, "bfloat16"),
    ((9.0,), True, "bfloat16"),
    ((7.0,), True, "float16"),
    ((7.5,), False, "float16"),
    ((6.1,), True, "float32"),
    ((9.0, 7.5), True, "float16"),  # the weakest decides
])
def test_precision_follows_the_gpu_or_else_the_processor(monkeypatch, capabilities, cpu, expected):
    monkeypatch.setattr(hardware, "gpus", lambda: tuple(("card", capability) for capability in capabilities))
    monkeypatch.setattr(hardware, "cpu_has_bfloat16", lambda: cpu)

    assert resolve_precision("auto") == expected
    for explicit in ("float32", "bfloat16", "float16"):
        assert resolve_precision(explicit) == explicit


@pytest.mark.parametrize("names, precision, expected", [
    (["NVIDIA H100 80GB HBM3"], "bfloat16", ("NVIDIA H100 80GB HBM3", 989e12)),
    (["NVIDIA H100 PCIe"], "bfloat16", ("NVIDIA H100 PCIe", 756e12)),
    (["NVIDIA H200 NVL"], "bfloat16", ("NVIDIA H200 NVL", 835e12)),
    (["Tesla V100-PCIE-16GB"], "float16", ("Tesla V100-PCIE-16GB", 112e12)),
    (["Tesla V100-SXM2-16GB"], "float16", ("Tesla V100-SXM2-16GB", 125e12)),
    (["NVIDIA H200", "NVIDIA A100-SXM4-80GB"], "bfloat16", ("NVIDIA A100-SXM4-80GB", 312e12)),  # the weakest decides
    (["Tesla T4", "Tesla T4"], "float16", ("Tesla T4", 65e12)),
    (["NVIDIA L40S"], "bfloat16", ("NVIDIA L40S", 362e12)),
    (["NVIDIA L40"], "bfloat16", ("NVIDIA L40", None)),  # not listed, and not an L4
    (["NVIDIA H200", "Unknown"], "bfloat16", ("NVIDIA H200", None)),
    (["NVIDIA H200"], "float32", ("NVIDIA H200", None)),
    ([], "bfloat16", (None, None)),
])
def test_the_peak_of_a_gpu_is_the_manufacturers_figure(monkeypatch, names, precision, expected):
    monkeypatch.setattr(hardware, "gpus", lambda: tuple((name, 9.0) for name in names))

    assert hardware.gpu_peak(precision) == expected


def test_an_unknown_precision_is_refused():
    with pytest.raises(ArgumentError, match=r"Unknown precision 'int8'\. Expected one of auto, float32"):
        resolve_precision("int8")


@pytest.mark.parametrize("flags, expected", [
    ("fpu avx2 avx512f avx512_bf16 sse", True), ("amx_bf16", True), ("fpu avx512f avx512_bf16x", False), ("", False)])
def test_processor_flags_are_matched_as_whole_words(monkeypatch, flags, expected):
    text = f"processor\t: 0\nmodel name\t: Chip: 3\nflags\t\t: {flags}\n\nflags : other\n"
    monkeypatch.setattr(hardware.Path, "read_text", lambda self, encoding: text)

    assert hardware.cpu_has_bfloat16() is expected
    assert hardware.cpu_name() == "Chip: 3"


def test_a_system_without_cpuinfo_has_no_bfloat16_but_a_name(monkeypatch):
    def missing(self, encoding):
        raise FileNotFoundError

    monkeypatch.setattr(hardware.Path, "read_text", missing)

    assert hardware.cpu_has_bfloat16() is False
    assert hardware.cpu_name()


def nvidia_smi(monkeypatch, answer):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(hardware.shutil, "which", lambda name: f"/usr/bin/{name}")

    def run(command, **keywords):
        if isinstance(answer, Exception):
            raise answer
        return SimpleNamespace(stdout=answer)

    monkeypatch.setattr(hardware.subprocess, "run", run)


@pytest.mark.parametrize("answer, expected", [
    ("NVIDIA H200, 9.0\nTesla T4, 7.5\n", (("NVIDIA H200", 9.0), ("Tesla T4", 7.5))),
    ("Card, with comma, 8.6\n", (("Card, with comma", 8.6),)),
    ("", ()),
    ("Old card, [N/A]\n", ()),
    ("No devices were found\n", ()),
    (subprocess.CalledProcessError(9, "nvidia-smi"), ()),
    (subprocess.TimeoutExpired("nvidia-smi", 10), ()),
    (PermissionError(), ()),
])
def test_gpus_are_those_reported_by_nvidia_smi(monkeypatch, answer, expected):
    nvidia_smi(monkeypatch, answer)

    assert hardware.gpus() == expected


@pytest.mark.parametrize("visible, expected", [("0", [9.0]), ("1", [7.5]), ("1,0", [7.5, 9.0]), ("5", []),
                                               ("GPU-8f2a", [9.0, 7.5])])
def test_only_gpus_visible_to_this_process_are_listed(monkeypatch, visible, expected):
    nvidia_smi(monkeypatch, "NVIDIA H200, 9.0\nTesla T4, 7.5\n")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)

    assert [capability for _, capability in hardware.gpus()] == expected


@pytest.mark.parametrize("hidden", ["", "-1", " "])
def test_hidden_gpus_are_not_listed(monkeypatch, hidden):
    nvidia_smi(monkeypatch, "NVIDIA H200, 9.0\n")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)

    assert hardware.gpus() == ()


def test_without_nvidia_smi_there_is_no_gpu(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(hardware.shutil, "which", lambda name: None)

    assert hardware.gpus() == ()


def test_step_times_are_remembered_by_key(cache):
    assert stored_step_seconds("a") is None
    store_step_seconds("a", 0.25)
    store_step_seconds("b", 0.5)
    store_step_seconds("a", 0.125)

    assert (stored_step_seconds("a"), stored_step_seconds("b"), stored_step_seconds("c")) == (0.125, 0.5, None)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"schema": 1, "a": "fast"}', '{"schema": 1, "a": null}',
                                     '{"schema": 99, "a": 1}'])
def test_damaged_step_times_are_ignored_and_overwritten(cache, content):
    store_step_seconds("x", 1.0)
    (file,) = cache.iterdir()
    file.write_text(content)

    assert stored_step_seconds("a") is None
    store_step_seconds("a", 0.5)
    assert stored_step_seconds("a") == 0.5


def test_a_user_without_a_home_has_no_cache_and_no_error(monkeypatch):
    def no_home():
        raise RuntimeError("Could not determine home directory.")

    for name in ("FIXHEAD_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(hardware.Path, "home", no_home)
    store_step_seconds("a", 0.5)

    assert stored_step_seconds("a") is None


def test_an_unwritable_cache_is_not_an_error(monkeypatch):
    monkeypatch.setenv("FIXHEAD_CACHE_DIR", "/dev/null/cache")
    store_step_seconds("a", 0.5)

    assert stored_step_seconds("a") is None


def test_the_cache_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("FIXHEAD_CACHE_DIR", "/own")
    assert str(hardware.cache_dir()) == "/own"
    monkeypatch.delenv("FIXHEAD_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert str(hardware.cache_dir()) == "/xdg/keras_fixhead"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert hardware.cache_dir() == tmp_path / ".cache" / "keras_fixhead"


def test_the_backend_comes_from_loaded_keras_then_environment_then_file(monkeypatch, tmp_path):
    loaded = SimpleNamespace(backend=SimpleNamespace(backend=lambda: "jax"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    monkeypatch.setitem(sys.modules, "keras", loaded)
    assert hardware.keras_backend() == "jax"
    monkeypatch.setitem(sys.modules, "keras", None)
    assert hardware.keras_backend() == "torch"
    monkeypatch.delenv("KERAS_BACKEND")
    assert hardware.keras_backend() == "tensorflow"
    (tmp_path / "keras.json").write_text('{"backend": "jax"}')
    assert hardware.keras_backend() == "jax"
    for damaged in ("{", "[]", ""):
        (tmp_path / "keras.json").write_text(damaged)
        assert hardware.keras_backend() == "tensorflow"


def test_cores_and_used_memory_are_reported():
    assert hardware.cpu_count() >= 1
    assert 10**7 < hardware.peak_memory_bytes() < 10**12  # in bytes, whatever unit the system uses


@pytest.mark.parametrize("visible, smi, found, words", [
    ("", "/usr/bin/nvidia-smi", (("H200", 9.0),), "hidden by CUDA_VISIBLE_DEVICES=''"),
    (None, None, (), "no NVIDIA driver"),
    (None, "/usr/bin/nvidia-smi", (), "reports no GPU"),
    (None, "/usr/bin/nvidia-smi", (("H200", 9.0),), r"keras-fixhead\[gpu\]"),
])
def test_the_reason_for_not_using_a_gpu_is_given_with_advice(monkeypatch, visible, smi, found, words):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    monkeypatch.setattr(hardware.shutil, "which", lambda name: smi)
    monkeypatch.setattr(hardware, "gpus", lambda: found)

    assert re.search(words, hardware.gpu_problem(seen=False))
    assert hardware.gpu_problem(seen=True) is None
