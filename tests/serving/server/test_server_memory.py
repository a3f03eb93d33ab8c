"""Memory that the process keeps after use."""
import ctypes
import gc
import os
import subprocess
import sys
import weakref

import pytest

from fixhead_serving import process
from fixhead_serving.process import serve
from fixhead_serving.server.memory import settle_memory

HAS_ARENAS = hasattr(ctypes.CDLL(None), "malloc_info")

# Eight threads hold memory at the same time; then glibc reports its arenas.
ARENAS = """
import ctypes, threading
from fixhead_serving.server.memory import share_arena

share_arena()
barrier = threading.Barrier(8)
def hold():
    held = bytes(100_000)
    barrier.wait()
threads = [threading.Thread(target=hold) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
libc = ctypes.CDLL(None)
libc.fdopen.restype = ctypes.c_void_p
out = libc.fdopen(1, b"w")
libc.malloc_info(0, ctypes.c_void_p(out))
libc.fflush(ctypes.c_void_p(out))
"""


@pytest.mark.skipif(not HAS_ARENAS, reason="only glibc has arenas to share; .ci/run counts this as NOT RUN")
@pytest.mark.parametrize("setting, several", [({}, False), ({"MALLOC_ARENA_MAX": "4"}, True)])
def test_threads_share_an_arena_unless_the_environment_overrides_it(setting, several):
    environment = {name: value for name, value in os.environ.items() if name != "MALLOC_ARENA_MAX"}
    done = subprocess.run([sys.executable, "-c", ARENAS], env={**environment, **setting}, capture_output=True,
                          text=True, check=True, timeout=60)  # fmt: skip

    assert (done.stdout.count("<heap nr=") > 1) == several


def test_the_shared_arena_is_set_before_anything_is_loaded(base_path, monkeypatch):
    done = []
    monkeypatch.setattr(process, "share_arena", lambda: done.append("shared"))

    def load():
        done.append("load")
        raise InterruptedError

    with pytest.raises(InterruptedError):
        serve(base_path, process.ServerConfig(port=0), before_load=load)
    assert done == ["shared", "load"]


def test_frozen_objects_are_freed_after_unloading():
    class Node:
        pass

    freed = []
    node = Node()
    node.itself = node
    weakref.finalize(node, freed.append, 1)
    settle_memory()
    del node
    gc.collect()
    assert not freed  # frozen: ignored by the collector
    settle_memory()
    assert freed
    gc.unfreeze()
