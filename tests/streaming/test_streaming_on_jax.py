"""The streaming pair in `fit` and `evaluate` on JAX, in a process of its own, next to a dense head."""
import json
import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

SCRIPT = """
import json
import os
import sys

import keras
import numpy as np
from keras_fixhead import HypersphereHead, StreamingAccuracy, StreamingHead, StreamingLoss, train
from keras_fixhead.losses import ArcFace, cross_entropy
from keras_fixhead.recipes import build_config
from keras_fixhead.streaming import OwnCosine, StreamingCrossEntropy, result, streaming_loss

rng = np.random.default_rng(0)
labels = rng.integers(0, 60, 70).astype("int32")
inputs = rng.normal(size=(60, 10)).astype("float32")[labels]


def trained(model, loss, *metrics, epochs=2):
    model.compile(keras.optimizers.SGD(0.5, momentum=0.9), loss, metrics=list(metrics))
    history = model.fit(inputs, labels, batch_size=32, epochs=epochs, shuffle=False, verbose=0).history
    return [{name: values[-1] for name, values in history.items()},
            model.evaluate(inputs, labels, verbose=0, return_dict=True)]


def figures(head, loss, *metrics):
    keras.utils.set_random_seed(1)
    entry = keras.Input((10,))
    return trained(keras.Model(entry, head(keras.layers.Dense(8)(entry))), loss, *metrics)


def cross_entropy_metric():
    return keras.metrics.MeanMetricWrapper(cross_entropy, name="cross_entropy")


KINDS = {"stored": {}, "drawn": {"in_memory": False}}
told = {}
for name, scale in (("learned", "learned"), ("schedule", keras.optimizers.schedules.PolynomialDecay(2.0, 4, 8.0))):
    options = {"scale": scale, "class_vectors": "rademacher"}
    told[name] = [figures(HypersphereHead(60, **options), ArcFace(0.2, scale=None), "accuracy", cross_entropy_metric())]
    for kind in KINDS.values():
        told[name].append(figures(StreamingHead(60, chunk=13, **options, **kind), StreamingLoss("arcface", 0.2),
                                  StreamingAccuracy(), OwnCosine(), StreamingCrossEntropy()))

head = StreamingHead(60, seed=7)
told["of a function"] = figures(head, lambda y, f: streaming_loss(y, f, head), StreamingCrossEntropy())[0]

without_input = keras.Sequential([keras.layers.Dense(8), StreamingHead(60, product_dtype="bfloat16")])
told["without input"] = trained(without_input, StreamingLoss(), StreamingAccuracy(), epochs=1)[0]

folder = sys.argv[1]
np.save(os.path.join(folder, "features.npy"), inputs)
np.save(os.path.join(folder, "labels.npy"), labels % 12)
run = train(build_config({"dataset": folder, "model": "none", "batch_size": 20, "epochs": 1, "streaming": "yes",
                          "scale": "learned", "precision": "float32", "runs_dir": os.path.join(folder, "runs")}))
told["run"] = run.metrics()[-1]
told["noted"] = len(result._reads)
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    done = subprocess.run([sys.executable, "-c", SCRIPT, str(tmp_path_factory.mktemp("set"))], capture_output=True,
                          text=True, env={**os.environ, "KERAS_BACKEND": "jax"})
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("scale", ["learned", "schedule"])
def test_training_and_evaluation_on_jax_equal_those_of_a_dense_head(told, scale):
    """Keras gives metrics on JAX other tensors than the loss, and none of the model's weights."""
    dense, *streaming = told[scale]
    for found in streaming:
        for mine, its in zip(found, dense, strict=True):
            assert {name: mine[name] for name in its} == pytest.approx(its, rel=2e-4)
            assert -1 < mine["own_cosine"] < 1


def test_metrics_on_jax_take_the_head_of_the_loss_and_not_one_of_an_earlier_model(told):
    assert told["of a function"]["cross_entropy"] == pytest.approx(told["of a function"]["loss"], rel=1e-5)
    assert told["noted"] == 0


def test_models_without_an_input_and_runs_train_on_jax(told):
    assert 0 < told["without input"]["loss"] < 10
    assert told["run"]["loss"] == pytest.approx(told["run"]["cross_entropy"], rel=1e-5)
