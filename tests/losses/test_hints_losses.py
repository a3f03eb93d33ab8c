"""Every hint of the losses: produced in its situation, and followed."""
import re

import keras
import numpy as np
import pytest
from hints import leads_out, refused

import keras_fixhead
from keras_fixhead.head import HypersphereHead
from keras_fixhead.losses import ArcFace, CosFace, NormFace, check_labels, cross_entropy, loss_of
from keras_fixhead.streaming import StreamingHead

FEATURES = np.random.default_rng(0).normal(size=(4, 8)).astype("float32")
LABELS = np.array([0, 1, 2, 0])


@leads_out("Create the head with logits='cos', or ....", "Create the head with bias='none', or ....")
@pytest.mark.parametrize("loss", [NormFace(), CosFace(scale=None), ArcFace(scale=None)])
@pytest.mark.parametrize("arguments, right", [({"logits": "dot"}, "logits='cos'"),
                                              ({"bias": "learned"}, "bias='none'")])
def test_a_loss_for_cosines_gets_them_or_another_loss_takes_the_logits(loss, arguments, right):
    head = HypersphereHead(3, **arguments)
    with refused(f"Create the head with {right}, or ") as caught:
        loss(LABELS, head(FEATURES))
    assert np.isfinite(loss(LABELS, eval(f"HypersphereHead(3, {right})")(FEATURES)))

    other = re.search(r"or use keras_fixhead\.(\w+)\.$", caught.value.hint)[1]
    assert np.isfinite(getattr(keras_fixhead, other)(LABELS, head(FEATURES))).all()


@leads_out("Create the head with logits='cos', or ....", "Create the head with bias='none', or ....")
@pytest.mark.parametrize("arguments, right", [({"logits": "dot"}, "logits='cos'"), ({"bias": "fixed"}, "bias='none'")])
def test_a_margin_gets_cosines_or_is_left_out(arguments, right):
    head = HypersphereHead(3, **arguments)
    with refused(f"Create the head with {right}, or leave out the margin."):
        loss_of(LABELS, FEATURES, head, margin="arcface")

    loss_of(LABELS, FEATURES, eval(f"HypersphereHead(3, {right})"), margin="arcface")
    loss_of(LABELS, FEATURES, head)


def test_the_margins_that_are_named_have_a_size():
    with refused("Pass margin='cosface' or 'arcface'.") as caught:
        loss_of(LABELS, FEATURES, HypersphereHead(3), margin_size=0.2)
    for margin in re.findall(r"'\w+'", caught.value.hint):
        loss_of(LABELS, FEATURES, HypersphereHead(3), margin_size=0.2, margin=eval(margin))


@leads_out("Use keras_fixhead.StreamingLoss(margin=...).")
@pytest.mark.parametrize("loss", [NormFace(), CosFace(scale=None), ArcFace(scale=None)])
def test_the_loss_that_is_named_for_a_streaming_head_is_the_same_loss(loss):
    head = StreamingHead(3, scale=4)
    with refused("Use keras_fixhead.StreamingLoss(") as caught:
        loss(LABELS, head(FEATURES))
    other = eval(caught.value.hint.removeprefix("Use ").rstrip("."), {"keras_fixhead": keras_fixhead})

    np.testing.assert_allclose(other(LABELS, head(FEATURES)), loss(LABELS, head.dense()(FEATURES)), rtol=1e-5)


@leads_out("Pass scale=head.scale, or scale=head.current_scale if it changes.", "Pass scale=None to follow the head.")
@pytest.mark.parametrize("wrong, hint", [
    (lambda head, logits: CosFace(scale="learned"), "Pass scale=head.scale, or scale=head.current_scale"),
    (lambda head, logits: CosFace(scale=None)(LABELS, logits + 0), "Pass scale=head.scale, or scale=head.current_sc"),
    (lambda head, logits: ArcFace(scale=30)(LABELS, logits), "Pass scale=None to follow the head.")])
@pytest.mark.parametrize("scale", [4.0, "learned"])
def test_a_loss_with_the_scale_that_is_named_fits_the_head(wrong, hint, scale):
    head = HypersphereHead(3, scale=scale)
    logits = head(FEATURES)
    with refused(hint) as caught:
        wrong(head, logits)
    named = re.findall(r"scale=([\w.]+)", caught.value.hint)
    loss = CosFace(scale=eval(named[-1] if scale == "learned" else named[0], {"head": head}))

    assert np.isfinite(loss(LABELS, logits))


# labels


@leads_out("Classes are counted from 0: subtract 1.", "Number the classes from 0.",
           "Leave out examples whose class is unknown (-1), or give them a class of their own.")
@pytest.mark.parametrize("labels, hint, rights", [
    ([1, 2, 3], "Classes are counted from 0: subtract 1.", [lambda labels: labels - 1]),
    ([0, -1, 2], "Leave out examples whose class is unknown (-1)", [
        lambda labels: labels[labels != -1], lambda labels: np.where(labels == -1, 1, labels)]),
    ([10, 20, 30], "Number the classes from 0.", [lambda labels: np.unique(labels, return_inverse=True)[1]]),
    ([0.5, 1.5, 2.5], "Number the classes from 0.", [lambda labels: np.unique(labels, return_inverse=True)[1]]),
    ([1, 1.5, 3], "Number the classes from 0.", [lambda labels: np.unique(labels, return_inverse=True)[1]])])
def test_labels_that_are_numbered_as_the_hint_says_are_taken(labels, hint, rights):
    with refused(hint):
        check_labels(labels, 3)
    for right in rights:
        check_labels(right(np.array(labels)), 3)


@leads_out("For soft targets use label_smoothing, or keras.losses.CategoricalCrossentropy(from_logits=True).")
def test_soft_targets_are_taken_as_the_hint_says():
    logits = np.eye(3, dtype="float32")
    soft = np.full((3, 3), 0.1) + 0.7 * np.eye(3)
    with refused("For soft targets use label_smoothing, or ") as caught:
        cross_entropy(soft, logits)
    loss = eval(re.search(r"keras\.losses\S+\)", caught.value.hint)[0], {"keras": keras})

    smoothed = np.mean(cross_entropy(np.arange(3), logits, label_smoothing=0.3))
    np.testing.assert_allclose(loss(soft, logits), smoothed, rtol=1e-5)
