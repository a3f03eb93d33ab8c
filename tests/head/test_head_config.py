"""The options of the layer, without Keras, and what importing the layer loads."""
import dataclasses
import subprocess
import sys

import numpy as np
import pytest

from keras_fixhead.errors import ArgumentError
from keras_fixhead.head_config import HeadConfig

WRONG = {
    "logits": ["sin", "COS", None, 1, ["cos"]],
    "scale": [1e300, 1e-300,
              0, -1.0, float("nan"), float("inf"), "3", "large", None, True, [3.0], np.array([1.0, 2.0]), {}, print],
    "fixed": ["no", "yes", "", 0, 1, None, [], float("nan"), np.array([True, False])],
    "rotate": ["no", 0, 1, None, []],
    "store_vectors": ["no", 0, 1, None, []],
    "class_vectors": ["simplx", "", None, 3, ["uniform"], True],
    "seed": [-1, 2**64, 1.0, "3", None, True, [], float("nan")],
    "bias": ["free", 0.01, True, []],
    "vector_lr": [1.1, -0.1, float("nan"), "0.5", None, True, []],
    "vector_weight_decay": [-1, float("nan"), float("inf"), "0.5", None, True, []],
}


def test_every_option_is_in_the_table_of_wrong_values():
    assert set(WRONG) == {each.name for each in dataclasses.fields(HeadConfig)}


@pytest.mark.parametrize("name, value", [(name, value) for name, values in WRONG.items() for value in values],
                         ids=lambda each: str(each)[:20])
def test_a_wrong_value_is_refused_in_one_line_naming_the_option(name, value):
    with pytest.raises(ArgumentError) as refusal:
        HeadConfig(**{name: value})

    message = str(refusal.value)
    assert "\n" not in message
    assert name in message or (name == "class_vectors" and message.startswith("Unknown kind of class vectors"))


def test_values_are_converted_to_plain_types():
    config = HeadConfig(scale=np.float32(3), fixed=np.bool_(False), seed=np.uint32(7), vector_lr=1, bias=None)

    assert config == HeadConfig(scale=3.0, fixed=False, seed=7, vector_lr=1.0, bias="none")
    assert [type(each) for each in (config.scale, config.fixed, config.seed, config.vector_lr)] == [
        float, bool, int, float]


@pytest.mark.parametrize("arguments", [{"fixed": False}, {"class_vectors": "simplex"}, {"class_vectors": "array"}])
def test_vectors_that_cannot_be_redrawn_must_be_stored(arguments):
    with pytest.raises(ArgumentError, match=r"store_vectors=False .* Leave store_vectors out"):
        HeadConfig(store_vectors=False, **arguments)


IMPORTED = """
import sys
if sys.argv[1] == "keras":
    import keras
import keras_fixhead.head
print(*sorted(name.split(".")[1] for name in sys.modules if name.startswith("keras_fixhead.")))
"""


@pytest.mark.parametrize("first", ["keras", "ours"])
def test_importing_the_layer_loads_only_the_rooms_it_needs(first):
    done = subprocess.run([sys.executable, "-c", IMPORTED, first], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())

    assert {"head", "head_config", "vectors", "errors"} <= loaded
    assert not loaded & {"data", "config", "hardware", "runs", "recipes", "training", "evaluation", "analysis"}
    if first == "ours":
        assert loaded == {"head", "head_config", "vectors", "errors", "_version"}
