"""The streaming pair in `fit` and `evaluate`, next to a dense head on the same features."""
import keras
import numpy as np
import pytest

from keras_fixhead.errors import ArgumentError
from keras_fixhead.head import HypersphereHead
from keras_fixhead.losses import ArcFace
from keras_fixhead.streaming import (
    NearestWrongCosine,
    OwnCosine,
    StreamingAccuracy,
    StreamingCrossEntropy,
    StreamingHead,
    StreamingLoss,
)

CLASSES, DIM, BATCH = 300, 8, 32


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, CLASSES, 3 * BATCH + 5).astype("int32")
    means = rng.normal(size=(CLASSES, 10)).astype("float32")
    return means[labels] + 0.1 * rng.normal(size=(len(labels), 10)).astype("float32"), labels


def _trained(head, loss, metrics, data):
    keras.utils.set_random_seed(1)
    inputs = keras.Input((10,))
    model = keras.Model(inputs, head(keras.layers.Dense(DIM, name="features")(inputs)))
    model.compile(keras.optimizers.SGD(0.5, momentum=0.9), loss, metrics=metrics)
    history = model.fit(*data, batch_size=BATCH, epochs=2, shuffle=False, verbose=0).history
    return model, {name: values[-1] for name, values in history.items()}, model.evaluate(*data, verbose=0,
                                                                                         return_dict=True)


@pytest.fixture(scope="module")
def dense(data):
    metrics = ["accuracy", keras.metrics.SparseTopKCategoricalAccuracy(5, name="top5")]
    return _trained(HypersphereHead(CLASSES, scale="learned", class_vectors="rademacher"),
                    ArcFace(0.2, scale=None, label_smoothing=0.1), metrics, data)


def _streaming(data, **options):
    head = StreamingHead(CLASSES, scale="learned", class_vectors="rademacher", chunk=77, **options)
    loss = StreamingLoss("arcface", 0.2, label_smoothing=0.1)
    return _trained(head, loss, [StreamingAccuracy(), StreamingAccuracy(k=5), OwnCosine(), NearestWrongCosine()], data)


@pytest.mark.parametrize("options", [{}, {"in_memory": False}])
def test_training_and_evaluation_equal_those_of_a_dense_head(options, data, dense, tmp_path):
    model, trained, evaluated = _streaming(data, **options)

    for found, expected in ((trained, dense[1]), (evaluated, dense[2])):
        assert {name: found[name] for name in expected} == pytest.approx(expected, rel=2e-4)
    features = keras.Model(model.inputs, model.layers[-2].output).predict(data[0], verbose=0)
    cosines = (features / np.linalg.norm(features, axis=1, keepdims=True)) @ np.asarray(
        model.layers[-1].dense().class_vectors.value).T
    rows = np.arange(len(features))
    assert evaluated["own_cosine"] == pytest.approx(cosines[rows, data[1]].mean(), abs=1e-5)
    cosines[rows, data[1]] = -2
    assert evaluated["nearest_wrong_cosine"] == pytest.approx(cosines.max(axis=1).mean(), abs=1e-5)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.evaluate(*data, verbose=0, return_dict=True) == pytest.approx(evaluated, rel=1e-6)


def test_accuracy_in_training_counts_ties_as_argmax_does():
    """Classes 0 and 1 have almost the same vector, so both logits are equal in float32: the lower class counts."""
    head = StreamingHead(3, class_vectors=[[1, 0], [1, 1e-7], [0, 1]])
    features = head(np.array([[1.0, 0.0], [1.0, 0.0]], "float32"), training=True)
    labels = [0, 1]
    StreamingLoss()(labels, features)
    assert float(StreamingAccuracy()(labels, features)) == 0.5


def test_metrics_with_other_labels_than_the_loss_take_their_own_pass():
    head = StreamingHead(3, class_vectors=np.eye(3))
    features = head(np.eye(3, dtype="float32")[:2], training=True)
    StreamingLoss()(np.array([0, 1]), features)
    others = np.array([2, 2])
    assert float(StreamingAccuracy()(others, features)) == float(OwnCosine()(others, features)) == 0.0
    assert float(StreamingCrossEntropy()(others, features)) == pytest.approx(np.log(2 + np.e))


def test_a_loss_for_logits_does_not_take_features():
    features = StreamingHead(3)(np.ones((2, 4), "float32"))
    with pytest.raises(ArgumentError, match="StreamingLoss"):
        ArcFace(scale=None)([0, 1], features)


def test_losses_and_metrics_go_through_their_configuration():
    for each in (StreamingLoss("cosface", 0.2, 0.1), StreamingAccuracy(k=5), OwnCosine(), NearestWrongCosine()):
        copy = type(each).from_config(each.get_config())
        assert copy.get_config() == each.get_config()
