"""Every hint of the streaming head, its loss and its metrics: produced in its situation, and followed."""
import re

import keras
import numpy as np
import pytest
from hints import leads_out, refused

import keras_fixhead
from keras_fixhead.head import HypersphereHead
from keras_fixhead.streaming import StreamingAccuracy, StreamingHead, StreamingLoss, streaming_loss

W = np.eye(3, 4, dtype="float32")
FEATURES = np.random.default_rng(0).normal(size=(5, 4)).astype("float32")
LABELS = np.array([0, 1, 2, 0, 1])


def built(kind=StreamingHead, **arguments):
    head = kind(3, **arguments)
    head.build((None, 4))
    return head


HINTS = {
    "Leave fixed out, or use a HypersphereHead.": [
        (lambda: StreamingHead(3, fixed=False), [lambda: StreamingHead(3), lambda: HypersphereHead(3, fixed=False)])],
    "Leave bias out, or use a HypersphereHead.": [
        (lambda: StreamingHead(3, bias="fixed"), [lambda: StreamingHead(3), lambda: HypersphereHead(3, bias="fixed")])],
    "Pass class_vectors='rademacher'.": [
        (lambda: StreamingHead(3, in_memory=False),
         [lambda: StreamingHead(3, in_memory=False, class_vectors="rademacher")(FEATURES)])],
    "Call head.dense().limits().": [
        (lambda: built(class_vectors="rademacher", in_memory=False).limits(),
         [lambda: built(class_vectors="rademacher", in_memory=False).dense().limits()]),
        (lambda: built(product_dtype="bfloat16").limits(),
         [lambda: built(product_dtype="bfloat16").dense().limits()])],
    "Create the head with logits='cos', or ....": [
        (lambda: streaming_loss(LABELS, FEATURES, built(logits="dot"), margin="cosface"),
         [lambda: streaming_loss(LABELS, FEATURES, built(logits="cos"), margin="cosface"),
          lambda: streaming_loss(LABELS, FEATURES, built(logits="dot"))])],
    "Pass StreamingHead.of(head).": [
        (lambda: streaming_loss(LABELS, FEATURES, built(HypersphereHead)),
         [lambda: streaming_loss(LABELS, FEATURES, StreamingHead.of(built(HypersphereHead)))])],
}


@leads_out(*HINTS)
@pytest.mark.parametrize("hint, wrong, rights", [(hint, *case) for hint, cases in HINTS.items() for case in cases])
def test_what_a_hint_of_a_streaming_head_says_works(hint, wrong, rights):
    with refused(hint.removesuffix("....")):
        wrong()
    for right in rights:
        right()


def test_a_margin_without_cosines_is_left_out_of_a_streaming_loss():
    """The functions of logits that other losses name take no features."""
    with refused("or leave out the margin."):
        StreamingLoss(margin="arcface")(LABELS, built(logits="dot")(FEATURES))
    assert np.isfinite(StreamingLoss()(LABELS, built(logits="dot")(FEATURES)))


def test_what_is_no_head_at_all_is_not_said_to_become_a_streaming_one():
    with pytest.raises(keras_fixhead.errors.ArgumentError, match=r"must be a StreamingHead, got Dense\.$"):
        streaming_loss(LABELS, FEATURES, keras.layers.Dense(3))


@leads_out("Call head.dense().cosines(features), or head.top_classes(features, k).")
def test_both_ways_to_the_cosines_agree():
    head = built(class_vectors=W)
    with refused("Call head.dense().cosines(features)") as caught:
        head.cosines(FEATURES)
    every, best = (eval(call, {"head": head, "features": FEATURES, "k": 2})
                   for call in re.findall(r"head\S+\([^()]*\)(?:\.\w+\(\w+\))?", caught.value.hint))

    np.testing.assert_allclose(best[0], -np.sort(-np.array(every), axis=1)[:, :2], rtol=1e-5)


@leads_out("Build the head with class_vectors=W.")
def test_a_head_in_bfloat16_takes_own_vectors_as_an_argument():
    head = built(product_dtype="bfloat16")
    head.class_vectors.assign(W)
    with refused("Build the head with class_vectors=W."):
        _ = head.kind

    assert built(product_dtype="bfloat16", class_vectors=W).kind == "array"


@leads_out("End the model in a single StreamingHead, or use a loss and metrics for logits, such as "
           "keras_fixhead.cross_entropy and 'accuracy'.")
def test_a_model_of_logits_is_evaluated_with_what_the_hint_names_or_another_head():
    def model(kind, **arguments):
        inputs = keras.Input((4,))
        return keras.Model(inputs, kind(3, **arguments)(inputs))

    dense = model(HypersphereHead, logits="dot", bias="learned")
    for what in (StreamingLoss(), StreamingAccuracy()):
        with refused("End the model in a single StreamingHead, or use a loss and metrics for logits") as caught:
            what(LABELS, dense(FEATURES))
    loss, metric = re.search(r"keras_fixhead\.(\w+) and '(\w+)'", caught.value.hint).groups()
    dense.compile(loss=getattr(keras_fixhead, loss), metrics=[metric])
    assert np.isfinite(dense.evaluate(FEATURES, LABELS, verbose=0)).all()

    streaming = model(StreamingHead)
    streaming.compile(loss=StreamingLoss(), metrics=[StreamingAccuracy()])
    assert np.isfinite(streaming.evaluate(FEATURES, LABELS, verbose=0)).all()
