"""Streaming heads that are built while a model is called for the first time, and models that are thrown away."""
import functools
import gc
import weakref

import keras
import numpy as np
import pytest
import tensorflow as tf
from streaming_heads import numbers

from keras_fixhead.streaming import (
    StreamingAccuracy,
    StreamingCrossEntropy,
    StreamingHead,
    StreamingLoss,
    passes,
    streaming_loss,
)
from keras_fixhead.vectors import class_vectors

X = np.random.default_rng(0).normal(size=(8, 5)).astype("float32")
LABELS = np.arange(8, dtype="int32")


class Subclassed(keras.Model):
    def __init__(self, head):
        super().__init__()
        self.features, self.head = keras.layers.Dense(6), head

    def call(self, inputs, training=None):
        return self.head(self.features(inputs), training=training)


def fitted(model, **compiled):
    model.compile("sgd", StreamingLoss("cosface", 0.1), metrics=[StreamingAccuracy(), StreamingCrossEntropy()],
                  **compiled)
    model.fit(X, LABELS, batch_size=4, verbose=0)
    return model


def check_vectors(head):
    expected = keras.ops.cast(class_vectors("uniform", 20, head.dim, seed=3), head.class_vectors.dtype)
    np.testing.assert_array_equal(numbers(keras.ops.cast(head.class_vectors.value, "float32")),
                                  numbers(keras.ops.cast(expected, "float32")))
    assert head.kind == "uniform"


@pytest.mark.parametrize("options", [{}, {"product_dtype": "bfloat16"}])
@pytest.mark.parametrize("model", [lambda head: keras.Sequential([keras.layers.Dense(6), head]), Subclassed],
                         ids=["sequential", "subclassed"])
def test_a_model_without_an_input_is_built_by_fit(model, options):
    head = StreamingHead(20, seed=3, **options)
    fitted(model(head))
    check_vectors(head)


def test_a_head_is_built_in_a_function_or_under_a_strategy():
    head = StreamingHead(20, seed=3)
    function = tf.function(lambda features: head(features))
    assert function(X).shape == function(X).shape == (8, 5)
    check_vectors(head)
    with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
        other = StreamingHead(20, seed=3)
        other.build((None, 5))
    check_vectors(other)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="only TensorFlow registers gradients "
                    "that could keep a graph in memory; test_streaming_on_jax.py checks what JAX notes")
def test_a_model_that_is_thrown_away_leaves_nothing_in_memory():
    from tensorflow.python.framework.ops import gradient_registry

    before = set(gradient_registry.list())

    def train():
        head, metric = StreamingHead(20, seed=3), StreamingAccuracy()
        head.build((None, 5))

        def step(features, training):
            with tf.GradientTape() as tape:
                tape.watch(features)
                made = head(features, training=training)
                loss = StreamingLoss()(LABELS, made)
            metric.update_state(LABELS, made)
            return tape.gradient(loss, features)

        for training in (True, False):
            tf.function(functools.partial(step, training=training), autograph=False)(tf.constant(X))
        tf.function(lambda features: head.top_probabilities(features)[2], autograph=False)(tf.constant(X))
        StreamingAccuracy()(LABELS, head(X))
        return [weakref.ref(head), weakref.ref(head.class_vectors.value.handle)]

    watched = train()
    keras.backend.clear_session()
    for _ in range(2):
        gc.collect()

    assert [each() for each in watched] == [None, None]
    assert set(gradient_registry.list()) == before


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="counts the passes of TensorFlow's graphs; "
                    "test_streaming_on_jax.py checks that metrics on JAX use what the loss read")
def test_training_takes_one_pass_with_a_second_product_and_evaluation_none(monkeypatch):
    """Labels and features are the same objects for loss and metrics, so that metrics take the loss's pass."""
    taken = []

    def sums(*args, with_mean):
        taken.append(with_mean)
        return original(*args, with_mean=with_mean)

    original = passes._sums
    monkeypatch.setattr(passes, "_sums", sums)
    model = fitted(keras.Sequential([keras.Input((5,)), keras.layers.Dense(6), StreamingHead(20, chunk=7)]))
    assert taken == [True]
    taken.clear()
    model.evaluate(X, LABELS, verbose=0)
    assert taken == [False]


@pytest.mark.parametrize("training", [True, False])
def test_a_function_under_a_tape_has_the_gradient_of_eager_execution(training):
    head = StreamingHead(20, scale="learned", chunk=7)
    head.build((None, 5))

    def value_and_gradients(features):
        with tf.GradientTape() as tape:
            tape.watch(features)
            losses = streaming_loss(LABELS, features, head, margin="arcface", training=training)
        return losses, *tape.gradient(losses, [features, head.log_scale.value])

    features = tf.constant(np.concatenate([X[:-1], np.full((1, 5), np.nan, "float32")]))
    compiled = tf.function(value_and_gradients, autograph=False)
    for found, expected in zip(compiled(features), value_and_gradients(features), strict=True):
        np.testing.assert_allclose(numbers(found), numbers(expected), rtol=1e-4, atol=1e-6)
    assert np.isnan(numbers(value_and_gradients(features)[0])[-1])


def test_a_function_made_without_a_tape_has_no_gradient_and_says_so():
    head = StreamingHead(20)
    head.build((None, 5))
    function = tf.function(lambda features: streaming_loss(LABELS, features, head, training=False),
                           autograph=False)
    function(tf.constant(X))
    with pytest.raises(LookupError, match="pass training=True"), tf.GradientTape() as tape:
        features = tf.Variable(X)
        tape.gradient(function(tf.convert_to_tensor(features)), features)
