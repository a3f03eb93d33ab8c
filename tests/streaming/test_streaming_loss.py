"""The streaming loss against the dense one in float64, for every option and their pairs."""
import itertools
import random

import keras
import numpy as np
import pytest
import tensorflow as tf
from dense_reference import dense_loss
from hypothesis import given, settings
from hypothesis import strategies as st
from streaming_heads import built, numbers

from keras_fixhead.errors import ArgumentError
from keras_fixhead.head import HypersphereHead
from keras_fixhead.losses import loss_of
from keras_fixhead.streaming import StreamingHead, StreamingLoss, streaming_loss
from keras_fixhead.streaming.result import kept

MARGIN_SIZES = {"none": None, "cosface": 0.35, "arcface": 0.5}


def _vectors(head):
    dense = head.dense()
    return numbers(dense.class_vectors.value)


def _case(num_classes, dim, examples, seed, scale=1.0):
    rng = np.random.default_rng(seed)
    features = (scale * rng.normal(size=(examples, dim))).astype("float32")
    return features, rng.integers(0, num_classes, examples).astype("int32")


def _loss_and_gradients(head, features, labels, upstream, **options):
    """Losses, and the gradients of their sum weighted by `upstream`, by features and by the logarithm of the scale."""
    features = tf.constant(features)
    with tf.GradientTape() as tape:
        tape.watch(features)
        losses = streaming_loss(labels, features, head, **options)
        total = tf.reduce_sum(losses * upstream)
    watched = [features] + ([head.log_scale.value] if head.log_scale is not None else [])
    gradients = tape.gradient(total, watched)
    return numbers(losses), numbers(gradients[0]), *(float(each) for each in gradients[1:])


OPTIONS = {
    "logits": ("cos", "dot"),
    "scale": (1.0, 10.0, 64.0, "auto", "learned", "schedule"),
    "margin": (("none", None), ("cosface", None), ("cosface", 0.2), ("arcface", None), ("arcface", 1.0)),
    "label_smoothing": (0.0, 0.1, 0.7),
    "kind": ("uniform", "cube", "rademacher", "drawn again", "orthogonal", "array"),
    "form": ("numbers", "column", "float", "one-hot"),
    "product_dtype": (None, "bfloat16"),
    "chunks": ("chunk", "memory_bytes", "one"),
    "weighted": (False, True),
    "training": (False, True),
}
IN_CHUNKS_BY_MEMORY = 4096  # examples, for which the least memory has 16 classes at a time


def _fits(case):
    return case.get("logits") != "dot" or case.get("margin", ("none", None)) == ("none", None)


def _cases_of_all_pairs():
    """Cases in which every value of an option occurs together with every value of every other that it fits."""
    draw = random.Random(0)
    left = [{a: x, b: y} for a, b in itertools.combinations(OPTIONS, 2) for x in OPTIONS[a] for y in OPTIONS[b]]
    left = [pair for pair in left if _fits(pair)]
    while left:
        drawn = ({name: draw.choice(values) for name, values in OPTIONS.items()} | left[0] for _ in range(60))
        case = max((each for each in drawn if _fits(each)),
                   key=lambda case: sum(pair.items() <= case.items() for pair in left))
        left = [pair for pair in left if not pair.items() <= case.items()]
        yield case


def _labels_as(form, labels, num_classes):
    return {"numbers": labels, "column": labels[:, None], "float": labels.astype("float32"),
            "one-hot": np.eye(num_classes, dtype="float32")[labels]}[form]


def _head_of(case, num_classes, dim, chunk, seed):
    scale, kind = case["scale"], case["kind"]
    if scale == "schedule":
        scale = keras.optimizers.schedules.PolynomialDecay(4.0, 10, 12.0)
    vectors = {"array": np.random.default_rng(seed).normal(size=(num_classes, dim)), "drawn again": "rademacher"}
    return built(num_classes, dim, logits=case["logits"], scale=scale, seed=seed, class_vectors=vectors.get(kind, kind),
                 in_memory=kind != "drawn again", product_dtype=case["product_dtype"],
                 **{"chunk": {"chunk": chunk}, "memory_bytes": {"memory_bytes": 1 << 20}, "one": {}}[case["chunks"]])


def _check(case, num_classes, dim, examples, chunk, seed):
    """The loss for `compile`, its gradients and what metrics get, from one pass, against the dense ones."""
    margin, size = case["margin"]
    options = {"margin": margin, "margin_size": size, "label_smoothing": case["label_smoothing"]}
    head = _head_of(case, num_classes, dim, chunk, seed)
    # dot logits are kept as large as cosine logits, so that float32 has the digits that are compared
    features, labels = _case(num_classes, dim, examples, seed, 2.0 if case["logits"] == "cos" else 1 / dim)
    if case["chunks"] == "memory_bytes":
        examples = IN_CHUNKS_BY_MEMORY
        features, labels = np.resize(features, (examples, dim)), np.resize(labels, examples)
        assert head.rows_per_chunk(examples) == min(16, num_classes)
    weights = np.random.default_rng(seed).uniform(0.5, 2, examples).astype("float32") if case["weighted"] else None
    given_labels, watched = _labels_as(case["form"], labels, num_classes), tf.constant(features)
    with tf.GradientTape() as tape:
        tape.watch(watched)
        made = head(watched, training=case["training"])
        loss = StreamingLoss(**options)(given_labels, made, sample_weight=weights)
    found = kept(given_labels, made)
    variables = [] if head.log_scale is None else [head.log_scale.value]
    by_features, *by_log_scale = map(numbers, tape.gradient(loss, [watched, *variables]))

    number = float(numbers(head.current_scale()))
    dense = {"logits": case["logits"], "scale": number}
    expected = dense_loss(features, _vectors(head), labels, margin=margin, smoothing=case["label_smoothing"],
                          size=MARGIN_SIZES[margin] if size is None else size, **dense)
    plain = dense_loss(features, _vectors(head), labels, **dense)
    length = np.linalg.norm(features, axis=1)
    reach = np.ones(examples) if case["logits"] == "cos" else length  # of a cosine or dot product
    in_bfloat16 = case["product_dtype"] is not None
    # a product is off by rounding of its factors; a loss is a difference of logits, of up to 2 S reach
    off = reach / 150 + 0.002 / number if in_bfloat16 else 6e-7 * np.maximum(1 / number, reach)
    for mine, its in ((found.own, plain.own / number), (found.highest, plain.highest / number)):
        assert (np.abs(numbers(mine) - its) <= off + 1e-5 * np.abs(its)).all()
    cosine = np.minimum(np.abs(plain.own / number), 1 - 1e-6)
    steeper = 1 / np.sqrt(1 - cosine**2) if margin == "arcface" else 1  # the most by which a margin multiplies errors
    for mine, its, more in ((found.loss, expected.loss, steeper), (found.cross_entropy, plain.loss, 1)):
        assert (np.abs(numbers(mine) - its) <= number * off * more + 1e-5 * its).all()
    upstream = (np.ones(examples) if weights is None else weights) / examples
    assert float(loss) == pytest.approx((upstream * expected.loss).sum(), rel=1e-5,
                                        abs=float((upstream * number * off * steeper).sum()))

    # a share of the softmax is off by the error of its logit, relatively
    relative = 2**-7 + 2 * number * off if in_bfloat16 else 1e-4 + 1e-6 * number
    allowed = relative * expected.parts * upstream
    if margin == "arcface":
        # the slope c / sqrt(1 - c^2), of a cosine that float32 has to 1e-7, changes with c by (1 - c^2)^-3/2
        allowed += (off if in_bfloat16 else 3e-7) * number * upstream / (1 - cosine**2) / length
    assert (np.abs(by_features - expected.by_features * upstream[:, None]).max(axis=1) <= allowed).all()
    for each in by_log_scale:
        terms = number * upstream * expected.by_scale
        largest = allowed * (length if case["logits"] == "cos" else 1) * reach if in_bfloat16 else 1e-4 * np.abs(terms)
        assert float(each) == pytest.approx(terms.sum(), abs=float(largest.sum()))


@settings(max_examples=40, deadline=None)
@given(st.fixed_dictionaries({name: st.sampled_from(values) for name, values in OPTIONS.items()}).filter(_fits),
       st.integers(2, 90), st.integers(2, 40), st.integers(1, 6), st.integers(1, 100), st.integers(0, 10**6))
def test_loss_and_gradients_equal_the_dense_ones_for_any_options(case, num_classes, dim, examples, chunk, seed):
    if case["kind"] == "orthogonal":
        num_classes = min(num_classes, dim)
    _check(case, num_classes, dim, examples, chunk, seed)


@pytest.mark.parametrize("case", list(_cases_of_all_pairs()), ids=lambda case: "-".join(map(str, case.values())))
def test_every_pair_of_options_equals_the_dense_reference(case):
    classes = 16 if case["kind"] == "orthogonal" else 21
    _check(case, classes, 16, 6, 5, seed=9)


def test_it_equals_the_dense_loss_of_a_hypersphere_head():
    features, labels = _case(50, 8, 16, seed=1)
    dense = HypersphereHead(50, scale=12.0, seed=4)
    dense.build((None, 8))

    found = streaming_loss(labels, features, StreamingHead.of(dense, chunk=7), margin="arcface", margin_size=0.3,
                           label_smoothing=0.2)

    expected = loss_of(labels, features, dense, margin="arcface", margin_size=0.3, label_smoothing=0.2)
    np.testing.assert_allclose(numbers(found), numbers(expected), rtol=1e-5)


def test_a_target_alone_in_the_last_chunk_counts_as_any_other():
    features, _ = _case(9, 4, 3, seed=2)
    labels = np.array([8, 8, 0], "int32")  # chunks of 4: classes 0-3, 4-7, and 8 alone
    head = built(9, 4, scale=5.0, chunk=4)

    loss, by_features = _loss_and_gradients(head, features, labels, np.ones(3, "float32"))

    expected = dense_loss(features, _vectors(head), labels, scale=5.0)
    np.testing.assert_allclose(loss, expected.loss, rtol=1e-5)
    np.testing.assert_allclose(by_features, expected.by_features, rtol=1e-4, atol=1e-6)


def test_chunks_of_one_class_begin_with_the_target():
    """The first chunk then has no other class: its largest logit is -infinity, which must not become NaN."""
    features, _ = _case(5, 4, 2, seed=2)
    head = built(5, 4, scale=5.0, chunk=1)

    found = numbers(streaming_loss(np.array([0, 0]), features, head))

    np.testing.assert_allclose(found, dense_loss(features, _vectors(head), [0, 0], scale=5.0).loss, rtol=1e-5)


def test_the_loss_of_a_saturated_target_is_not_rounded_to_zero():
    """With orthonormal vectors and f = w_y, loss = ln(1 + (m - 1) e^-S): 2.8e-13 for S = 30 and 4 classes."""
    head = built(4, 4, class_vectors=np.eye(4), scale=30.0, chunk=3)
    loss, by_features = _loss_and_gradients(head, np.eye(4, dtype="float32")[:2], np.array([0, 1]),
                                            np.ones(2, "float32"))

    np.testing.assert_allclose(loss, np.log1p(3 * np.exp(-30.0)), rtol=1e-4)
    expected = dense_loss(np.eye(4)[:2], np.eye(4), [0, 1], scale=30.0).by_features
    np.testing.assert_allclose(by_features[0, 1:], expected[0, 1:], rtol=1e-4)


def test_repeated_labels_and_a_single_example_have_their_own_losses():
    features, _ = _case(30, 6, 4, seed=5)
    head = built(30, 6, scale=8.0, chunk=8)

    together = numbers(streaming_loss(np.array([7, 7, 7, 7]), features, head))

    alone = [numbers(streaming_loss(np.array([7]), row[None], head))[0] for row in features]
    np.testing.assert_allclose(together, alone, rtol=1e-6)


@pytest.mark.parametrize("label", [-1, 30, 2.5])
def test_a_label_that_is_not_a_class_is_one_clear_line_or_nan_in_a_compiled_step(label):
    features, _ = _case(30, 6, 2, seed=5)
    head = built(30, 6)
    with pytest.raises(ArgumentError, match=r"Labels must be whole numbers in \[0, 30\)"):
        streaming_loss(np.array([3, label]), features, head)

    compiled = tf.function(lambda labels: streaming_loss(labels, features, head))
    assert np.isnan(compiled(tf.constant([3, label], tf.float32))).tolist() == [False, True]


def test_features_that_are_nan_give_a_loss_that_is_nan():
    features, labels = _case(30, 6, 2, seed=5)
    features[1, 3] = np.nan
    assert np.isnan(streaming_loss(labels, features, built(30, 6, chunk=7))).tolist() == [False, True]


@pytest.mark.parametrize("options", [
    {"class_vectors": "rademacher", "dim": 8}, {"class_vectors": "rademacher", "dim": 256, "in_memory": False},
    {"class_vectors": "uniform", "dim": 2}, {"class_vectors": "uniform", "dim": 8},
    {"class_vectors": "cube", "dim": 32},
    {"class_vectors": "orthogonal", "dim": 40}, {"logits": "dot", "dim": 64, "scale": 1.0},
    {"dim": 64, "margin": "arcface", "label_smoothing": 0.1}, {"dim": 64, "margin": "cosface"},
    {"logits": "dot", "dim": 64, "scale": 0.01, "classes": 21},
], ids=str)
def test_bfloat16_products_change_a_loss_by_at_most_scale_times_length_over_150(options):
    """A logit of up to S |f| is rounded to 8 bits, by up to 2^-9 of it; so are the factors, whose errors add up.

    So is a share of the softmax: 2^-9 = 0.00195 of a loss, which is the larger one for logits near 0.
    """
    options = dict(options)
    loss = {name: options.pop(name) for name in ("margin", "label_smoothing") if name in options}
    dim = options.pop("dim")
    classes = 40 if options.get("class_vectors") == "orthogonal" else options.pop("classes", 500)
    features, labels = _case(classes, dim, 200, seed=3, scale=20 / np.sqrt(dim))
    options = {"scale": 30.0, "chunk": 300, **options}
    head = built(classes, dim, product_dtype="bfloat16", **options)
    precise = built(classes, dim, **options)
    exact, expected = _loss_and_gradients(precise, features, labels, np.ones(200, "f4"), **loss)

    rounded, gradient = _loss_and_gradients(head, features, labels, np.ones(200, "float32"), **loss)

    length = np.linalg.norm(features, axis=1) if options.get("logits") == "dot" else np.ones(200)
    assert (np.abs(rounded - exact) < options["scale"] * length / 150 + 0.002).all()
    error = np.linalg.norm(gradient - expected, axis=1) / np.linalg.norm(expected, axis=1)
    assert np.median(error) < 0.002 * max(1, options["scale"] * length.max())
    differ = dim >= 32 and numbers(head.top_classes(features)[1]) != numbers(precise.top_classes(features)[1])
    assert np.mean(differ) <= 0.05


def test_bfloat16_products_with_random_signs_change_a_loss_by_at_most_scale_over_250():
    """Random signs are exact in bfloat16, so that only the features are rounded."""
    features, labels = _case(3000, 32, 40, seed=3)
    for scale in (10.0, 30.0, 64.0):
        options = {"scale": scale, "class_vectors": "rademacher", "chunk": 700}
        exact = numbers(streaming_loss(labels, features, built(3000, 32, **options)))
        for in_memory in (True, False):
            head = built(3000, 32, product_dtype="bfloat16", in_memory=in_memory, **options)
            rounded, gradient = _loss_and_gradients(head, features, labels, np.ones(40, "float32"))
            assert np.abs(rounded - exact).max() < scale / 250
            expected = dense_loss(features, _vectors(head), labels, scale=scale).by_features
            error = np.linalg.norm(gradient - expected, axis=1) / np.linalg.norm(expected, axis=1)
            assert error.max() < 0.002 * scale


def test_a_float64_policy_is_computed_in_float64():
    features, labels = _case(40, 6, 5, seed=5)
    head = built(40, 6, scale=20.0, chunk=9, dtype="float64")
    found = numbers(streaming_loss(labels, features.astype("float64"), head))
    np.testing.assert_allclose(found, dense_loss(features, _vectors(head), labels, scale=20.0).loss, rtol=1e-11)


def test_sample_weights_weight_examples():
    features, labels = _case(40, 6, 5, seed=5)
    head = built(40, 6, chunk=9)
    weights = np.array([0.0, 1.0, 2.0, 0.5, 3.0], "float32")

    found = float(StreamingLoss(label_smoothing=0.1)(labels, head(features), sample_weight=weights))

    each = dense_loss(features, _vectors(head), labels, smoothing=0.1).loss
    assert found == pytest.approx((weights * each).sum() / 5, rel=1e-5)


@pytest.mark.parametrize("loss, message", [
    (lambda head, x: streaming_loss([0], x, head.dense()), "must be a StreamingHead, got HypersphereHead"),
    (lambda head, x: streaming_loss([0], x, head, margin_size=0.1), "without a margin"),
    (lambda head, x: streaming_loss([0], x, head, margin="arcfase"), "Did you mean 'arcface'"),
    (lambda head, x: streaming_loss([0], x[0], head), r"must have shape \(N, 4\), got \(4,\)"),
    (lambda head, x: streaming_loss([0], x, head, label_smoothing=1.0), r"must be in \[0, 1\)"),
    (lambda head, x: streaming_loss([0], x, StreamingHead(3)), "no class vectors yet"),
    (lambda head, x: StreamingLoss(margin_size=0.1), "without a margin"),
    (lambda head, x: StreamingLoss()([0], x), "features straight from a StreamingHead, got other values"),
    (lambda head, x: StreamingLoss()([0], head.dense()(x)), "got the logits of layer"),
])
def test_wrong_arguments_are_one_clear_line(loss, message):
    features = np.ones((1, 4), "float32")
    with pytest.raises(ArgumentError, match=message):
        loss(built(3, 4), features)


def test_a_margin_needs_cosines():
    with pytest.raises(ArgumentError, match="needs cosines, but the logits of layer"):
        streaming_loss([0], np.ones((1, 4), "float32"), built(3, 4, logits="dot"), margin="cosface")
