"""The streaming pair in `fit` and `evaluate` on JAX, in a process of its own, next to a dense head."""
import json
import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

SCRIPT = """
import json
import keras
import numpy as np
from keras_fixhead import HypersphereHead, StreamingAccuracy, StreamingHead, StreamingLoss
from keras_fixhead.losses import ArcFace
from keras_fixhead.streaming import OwnCosine

rng = np.random.default_rng(0)
labels = rng.integers(0, 60, 70).astype("int32")
inputs = rng.normal(size=(60, 10)).astype("float32")[labels]


def figures(head, loss, *metrics):
    keras.utils.set_random_seed(1)
    entry = keras.Input((10,))
    model = keras.Model(entry, head(keras.layers.Dense(8)(entry)))
    model.compile(keras.optimizers.SGD(0.5, momentum=0.9), loss, metrics=list(metrics))
    history = model.fit(inputs, labels, batch_size=32, epochs=2, shuffle=False, verbose=0).history
    return [{name: values[-1] for name, values in history.items()},
            model.evaluate(inputs, labels, verbose=0, return_dict=True)]


options = {"scale": "learned", "class_vectors": "rademacher"}
streaming = StreamingLoss("arcface", 0.2), StreamingAccuracy(), OwnCosine()
print(json.dumps([figures(HypersphereHead(60, **options), ArcFace(0.2, scale=None), "accuracy"),
                  figures(StreamingHead(60, chunk=13, **options), *streaming),
                  figures(StreamingHead(60, chunk=13, in_memory=False, **options), *streaming)]))
"""


def test_training_and_evaluation_on_jax_equal_those_of_a_dense_head():
    """Keras gives metrics on JAX other tensors than the loss, and none of the model's weights."""
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True,
                          env={**os.environ, "KERAS_BACKEND": "jax"})
    assert done.returncode == 0, done.stderr[-3000:]
    dense, stored, drawn = json.loads(done.stdout)
    for found in (stored, drawn):
        for mine, its in zip(found, dense, strict=True):
            assert {name: mine[name] for name in its} == pytest.approx(its, rel=2e-4)
            assert -1 < mine["own_cosine"] < 1
