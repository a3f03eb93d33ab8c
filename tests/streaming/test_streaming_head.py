"""Streaming heads: rows and chunks, top classes, copies, files, and interchange with `HypersphereHead`."""
import keras
import numpy as np
import pytest
import tensorflow as tf
from streaming_heads import built, numbers

from keras_fixhead.errors import ArgumentError, VectorsError
from keras_fixhead.evaluation import Measurer
from keras_fixhead.head import HypersphereHead
from keras_fixhead.models import append_classes, as_dense, as_streaming, load_model, save_model
from keras_fixhead.streaming import NearestWrongCosine, OwnCosine, StreamingAccuracy, StreamingHead, streaming_loss
from keras_fixhead.streaming.rows import Signs
from keras_fixhead.vectors import class_vectors, draw_digest, vectors_digest

AGAIN = {"class_vectors": "rademacher", "in_memory": False}


def _model(head, dim=6):
    inputs = keras.Input((5,))
    return keras.Model(inputs, head(keras.layers.Dense(dim, name="features", kernel_initializer="ones")(inputs)))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float64"])
@pytest.mark.parametrize("dim", [1, 31, 32, 33, 512])
def test_signs_are_drawn_again_bit_for_bit(dim, dtype):
    signs = Signs(60, dim, seed=2**63 + 5, dtype=dtype)
    expected = class_vectors("rademacher", 60, dim, seed=2**63 + 5)
    for source in (signs, signs.for_training()):
        for start, rows in ((10, 50), (0, 60), (59, 1)):
            chunk = source.chunk(start, rows=rows)
            assert keras.backend.standardize_dtype(chunk.dtype) == dtype or keras.backend.backend() == "jax"
            drawn = np.float32(1 / np.sqrt(dim)) * numbers(keras.ops.cast(chunk, "float32"))
            np.testing.assert_array_equal(drawn, expected[start:start + rows])
    assert signs.digest() == vectors_digest(expected)


def test_the_last_classes_of_ten_million_are_those_of_the_draw():
    from keras_fixhead.vectors.rademacher import rademacher_vectors

    signs = Signs(10_000_000, 64, seed=1, dtype="float32")
    chosen = np.array([9_999_999, 7, 5_000_000])
    drawn = np.float32(0.125) * numbers(signs.take(keras.ops.convert_to_tensor(chosen, "int32")))
    np.testing.assert_array_equal(drawn, rademacher_vectors(chosen, 64, seed=1))


@pytest.mark.parametrize("chunk", [1, 7, 20, 33, 100])
@pytest.mark.parametrize("k", [1, 5, 33])
def test_top_classes_are_those_of_all_logits_ties_included(chunk, k):
    """With 3 dimensions there are 8 different vectors of signs for 33 classes, so that most logits have equals."""
    features = np.random.default_rng(0).normal(size=(6, 3)).astype("float32")
    dense = HypersphereHead(33, class_vectors="rademacher", scale=3.0)
    logits = numbers(dense(features))
    expected = np.argsort(-logits, axis=1, kind="stable")[:, :k]

    for options in ({}, AGAIN):
        found, classes = built(33, 3, scale=3.0, chunk=chunk, **{"class_vectors": "rademacher", **options}
                                ).top_classes(features, k=k)
        np.testing.assert_array_equal(numbers(classes), expected)
        np.testing.assert_allclose(numbers(found), np.take_along_axis(logits, expected, axis=1), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("options", [{}, {"scale": "learned"}, {"product_dtype": "bfloat16"}, AGAIN,
                                     {"class_vectors": "orthogonal"}, {"class_vectors": "cube", "logits": "dot"}])
def test_save_load_and_clone_keep_the_loss(options, tmp_path):
    features = np.random.default_rng(0).normal(size=(4, 5)).astype("float32")
    model = _model(StreamingHead(6, seed=3, chunk=4, **options))
    expected = _loss(model, features)
    save_model(model, tmp_path / "model.keras")
    config = model.layers[-1].get_config()

    for copy in (load_model(tmp_path / "model.keras"), keras.models.clone_model(model)):
        assert copy.layers[-1].get_config() == config
        np.testing.assert_array_equal(_loss(copy, features), expected)


def _loss(model, features):
    return numbers(streaming_loss(np.array([0, 5, 5, 2]), model(features), model.layers[-1]))


@pytest.mark.parametrize("options", [{}, {"product_dtype": "bfloat16"}, AGAIN])
def test_a_head_and_its_twin_share_draw_configuration_and_digest(options):
    dense = HypersphereHead(40, scale="learned", seed=9, class_vectors=options.get("class_vectors", "uniform"))
    dense.build((None, 12))
    dense.log_scale.assign(1.25)
    extra = {name: value for name, value in options.items() if name != "class_vectors"}

    back = StreamingHead.of(dense, **extra).dense()

    np.testing.assert_array_equal(numbers(back.class_vectors.value), numbers(dense.class_vectors.value))
    assert float(back.log_scale) == 1.25
    assert back.vectors_digest == dense.vectors_digest
    same = {**back.get_config(), "store_vectors": True}
    assert same == dense.get_config()


def test_the_digest_of_vectors_drawn_again_names_their_recipe():
    assert built(40, 12, seed=2, **AGAIN).vectors_digest == draw_digest("rademacher", 40, 12, 2)


def test_an_array_goes_with_the_head():
    """Bit for bit: the length of some of these 10,000 is not 1 to the last bit, and they must not get it again."""
    W = np.random.default_rng(0).normal(size=(10_000, 3))
    dense = HypersphereHead(10_000, class_vectors=W)
    dense.build((None, 3))
    twin = StreamingHead.of(dense)
    np.testing.assert_array_equal(numbers(twin.dense().class_vectors.value), numbers(dense.class_vectors.value))
    assert twin.vectors_digest == twin.dense().vectors_digest == dense.vectors_digest


def test_a_model_trained_with_one_head_loads_as_the_other(tmp_path):
    features = np.random.default_rng(0).normal(size=(4, 5)).astype("float32")
    dense = _model(HypersphereHead(6, seed=3, scale=4.0))
    save_model(dense, tmp_path / "dense.keras")
    streaming = as_streaming(load_model(tmp_path / "dense.keras"), chunk=2)
    save_model(streaming, tmp_path / "streaming.keras")

    logits, classes = streaming.layers[-1].top_classes(streaming(features), k=6)
    expected = numbers(dense(features))
    np.testing.assert_allclose(numbers(logits), np.take_along_axis(expected, numbers(classes), axis=1), rtol=1e-5)
    np.testing.assert_array_equal(numbers(as_dense(load_model(tmp_path / "streaming.keras"))(features)), expected)


@pytest.mark.parametrize("options", [{}, {"product_dtype": "bfloat16"}, AGAIN])
def test_weights_of_another_draw_are_refused(options, tmp_path):
    _model(StreamingHead(6, seed=3, **options)).save_weights(tmp_path / "it.weights.h5")
    other = _model(StreamingHead(6, seed=4, **options))
    with pytest.raises((VectorsError, ValueError), match="with seed 3"):
        other.load_weights(tmp_path / "it.weights.h5")


@pytest.mark.parametrize("options", [{}, {"product_dtype": "bfloat16"}, AGAIN])
def test_appended_classes_leave_old_ones_unchanged(options):
    features = np.random.default_rng(0).normal(size=(4, 5)).astype("float32")
    model = _model(StreamingHead(6, seed=3, scale="learned", **options))
    model.layers[-1].log_scale.assign(0.5)
    larger = append_classes(model, 9)
    head, old = larger.layers[-1], model.layers[-1]
    assert isinstance(head, StreamingHead) and head.num_classes == 9 and float(head.log_scale) == 0.5
    np.testing.assert_array_equal(numbers(head.dense().class_vectors.value)[:6],
                                  numbers(old.dense().class_vectors.value))
    assert _loss(larger, features).shape == (4,)


def test_class_vectors_changed_by_hand_are_saved_or_refused():
    head = built(5, 3)
    W = np.eye(5, 3, dtype="float32") + 0.1
    head.class_vectors.assign(W / np.linalg.norm(W, axis=1, keepdims=True))
    assert head.kind == "array" and head.get_config()["vectors_shape"] == [5, 3]

    head = built(5, 3, product_dtype="bfloat16")
    head.class_vectors.assign(np.eye(5, 3) + np.eye(5, 3, -3))
    with pytest.raises(VectorsError, match="changed by hand, but it holds them in bfloat16"):
        head.get_config()


def test_a_head_that_draws_again_has_no_weights_and_stores_none():
    head = built(10_000_000, 512, **AGAIN)
    assert not head.weights and not head.store_vectors


def test_a_model_that_returns_features_is_not_measured_as_if_they_were_logits():
    with pytest.raises(ArgumentError, match=r"returns features, .*as_dense"):
        Measurer(_model(StreamingHead(6)))
    Measurer(as_dense(_model(StreamingHead(6))))


def test_the_step_of_a_thousand_chunks_is_no_larger_than_that_of_two():
    def size(chunk):
        head = built(2000, 4, chunk=chunk, **AGAIN)
        step = tf.function(lambda features: streaming_loss(np.array([5]), features, head))
        return len(step.get_concrete_function(tf.TensorSpec((1, 4))).graph.as_graph_def().node)

    assert size(2) == size(1000)


def test_memory_decides_the_chunk():
    head = built(10**6, 4, **AGAIN)
    assert head.rows_per_chunk(100) * 1600 <= head.memory_bytes < (head.rows_per_chunk(100) + 1) * 1700
    assert built(1000, 4, chunk=300).rows_per_chunk(100) == 300
    assert built(1000, 4).rows_per_chunk(None) == 1000


@pytest.mark.parametrize("options, message", [
    ({"fixed": False}, "has fixed class vectors"),
    ({"bias": "learned"}, "has no bias: its gradient would need another pass"),
    ({"in_memory": False}, "needs class vectors of kind 'rademacher', got 'uniform'"),
    ({"in_memory": 0}, "in_memory must be True or False"),
    ({"product_dtype": "float16"}, "must be 'bfloat16' or None, got 'float16'"),
    ({"chunk": 0}, r"chunk must be in \[1, "),
    ({"memory_bytes": 1000}, r"memory_bytes must be in \[1048576, "),
    ({"num_classes": 2**31}, "num_classes must be in"),
])
def test_wrong_options_are_one_clear_line(options, message):
    with pytest.raises(ArgumentError, match=message):
        StreamingHead(**{"num_classes": 10, **options})


@pytest.mark.parametrize("options", [{}, AGAIN, {"product_dtype": "bfloat16"}])
def test_what_needs_all_class_vectors_says_so_in_one_line(options):
    head = built(20, 4, **options)
    with pytest.raises(ArgumentError, match=r"never has the cosines to all .* head\.dense\(\)\.cosines"):
        head.cosines(np.ones((1, 4), "float32"))
    if options:
        with pytest.raises(ArgumentError, match=r"limits needs all .* head\.dense\(\)\.limits"):
            head.limits()
    assert head.dense().limits().smallest_loss > 0 and (options or head.limits() == head.dense().limits())


@pytest.mark.parametrize("options", [{}, AGAIN, {"product_dtype": "bfloat16"}])
def test_features_that_are_not_numbers_have_valid_classes_and_count_as_wrong(options):
    head = built(20, 4, chunk=7, **options)
    features = np.random.default_rng(1).normal(size=(2, 4)).astype("float32")
    features[0, 2] = np.nan
    _, classes, probabilities = map(numbers, head.top_probabilities(features, k=3))
    assert ((classes >= 0) & (classes < 20)).all()
    assert np.isnan(probabilities[0]).all() and np.isfinite(probabilities[1]).all()
    for k in (1, 20):
        assert float(StreamingAccuracy(k=k)(np.array([0, classes[1, 0]]), head(features))) == 0.5


def test_weights_of_a_dense_head_are_refused_with_what_to_do(tmp_path):
    _model(HypersphereHead(6, name="dense")).save_weights(tmp_path / "it.weights.h5")
    with pytest.raises(ValueError, match=r"nothing for layer .*as_streaming\(keras_fixhead\.load_model\(FILE\)\)"):
        _model(StreamingHead(6, name="streaming")).load_weights(tmp_path / "it.weights.h5")


def test_dot_vectors_that_were_changed_by_hand_to_other_lengths_go_from_head_to_head():
    vectors = 3 * np.random.default_rng(1).normal(size=(5, 3)).astype("float32")
    streaming, dense = built(5, 3, logits="dot"), HypersphereHead(5, logits="dot")
    dense.build((None, 3))
    for head in (streaming, dense):
        head.class_vectors.assign(vectors)
    for head in (streaming.dense(), StreamingHead.of(dense), StreamingHead.of(streaming.dense(), chunk=2)):
        np.testing.assert_array_equal(numbers(head.class_vectors.value), vectors)
        assert head.kind == "array" and head.get_config()["vectors_shape"] == [5, 3]


def test_cosine_metrics_of_dot_vectors_of_other_lengths_are_cosines():
    head = built(3, 2, logits="dot")
    head.class_vectors.assign([[2.0, 0.0], [0.0, 1.0], [-6.0, 8.0]])
    features = head(np.array([[3.0, 4.0]], "float32"))

    assert float(OwnCosine()([0], features)) == pytest.approx(0.6)
    assert float(NearestWrongCosine()([0], features)) == pytest.approx(0.8)
