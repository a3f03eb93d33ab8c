"""Keras and TensorFlow start without libraries that only parts of them need, which can be imported afterwards."""
import gc
import subprocess
import sys

import pytest

from keras_fixhead.lean_import import TENSORFLOW, without

STARTED = """
import sys
from fixhead_cli.framework import {load}
{load}()
print(sorted({{"jax", "sklearn", "matplotlib.pyplot"}} & set(sys.modules)))
import keras, matplotlib.pyplot, sklearn
from keras_fixhead.models import build_model
print(build_model("fast_cnn", (8, 8, 3), 3, width=1 / 32).predict_on_batch(keras.ops.zeros((1, 8, 8, 3))).shape)
"""


@pytest.mark.parametrize("load", ["load_keras", "load_tensorflow"])
def test_a_command_starts_without_them_and_they_can_be_imported_afterwards(load):
    done = subprocess.run([sys.executable, "-c", STARTED.format(load=load)], capture_output=True, text=True)
    assert done.stdout.splitlines() == ["[]", "(1, 3)"], done.stderr


def test_names_and_the_collector_are_restored_after_an_error():
    before = dict(sys.modules)
    with pytest.raises(ZeroDivisionError), without("mailbox", "json"):
        assert not gc.isenabled() and sys.modules["json"] is before["json"]
        with pytest.raises(ImportError):
            import mailbox  # noqa: F401
        raise ZeroDivisionError
    assert gc.isenabled() and "mailbox" not in sys.modules
    assert {name: sys.modules.get(name) for name in before} == before


def test_a_collector_that_was_off_stays_off():
    gc.disable()
    try:
        with without(*TENSORFLOW):
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
