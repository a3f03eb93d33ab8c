"""Losses combined with a head: they follow its scale, and refuse unsuitable heads in one line."""
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

import keras_fixhead
from keras_fixhead.catalog import MARGINS
from keras_fixhead.errors import ArgumentError
from keras_fixhead.head import HypersphereHead
from keras_fixhead.losses import ArcFace, CosFace, NormFace, arcface, cosface, cross_entropy, loss_of

CLASSES, DIM = 5, 8
FEATURES = np.random.default_rng(0).normal(size=(6, DIM)).astype("float32")
LABELS = np.arange(6) % CLASSES
SCHEDULE = keras.optimizers.schedules.PolynomialDecay(1.0, 4, 9.0)
MISFITS = {
    "a dot head": ({"logits": "dot", "scale": 30.0}, {"scale": 30.0}, "the logits of layer 'head' are dot products"),
    "a bias": ({"bias": "learned", "scale": 30.0}, {"scale": 30.0}, "layer 'head' adds a bias to them"),
    "another scale": ({"scale": 1.0}, {"scale": 30.0}, r"has scale=30, but layer 'head' has scale=1\. Pass scale=None"),
    "the default scale": ({}, {}, "has scale=30, but layer 'head' has scale=1"),
    "a learned scale": ({"scale": "learned"}, {"scale": 30.0}, "the scale of layer 'head' changes during training"),
    "a schedule": ({"scale": SCHEDULE}, {}, "the scale of layer 'head' changes during training"),
}

every_margin = pytest.mark.parametrize("loss_class", [ArcFace, CosFace])
every_execution = pytest.mark.parametrize("execution", [{"run_eagerly": True}, {"jit_compile": False},
                                                        {"jit_compile": True}], ids=str)


def model_with(**arguments):
    inputs = keras.Input((DIM,))
    return keras.Model(inputs, HypersphereHead(CLASSES, name="head", **arguments)(keras.layers.Dense(DIM)(inputs)))


@every_execution
@every_margin
@pytest.mark.parametrize("misfit", MISFITS)
def test_a_loss_that_does_not_fit_the_head_is_refused_at_the_first_step(misfit, loss_class, execution):
    arguments, options, message = MISFITS[misfit]
    model = model_with(**arguments)
    model.compile("sgd", loss_class(**options), **execution)
    with pytest.raises(ArgumentError, match=message) as refusal:
        model.fit(FEATURES, LABELS, verbose=0)

    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("arguments", [{"logits": "dot"}, {"bias": "fixed"}])
def test_normface_is_refused_without_cosines(arguments):
    model = model_with(**arguments)
    model.compile("sgd", NormFace())
    with pytest.raises(ArgumentError, match=r"NormFace needs cosines, but .* or use keras_fixhead\.cross_entropy"):
        model.fit(FEATURES, LABELS, verbose=0)


@every_margin
@pytest.mark.parametrize("arguments", [{"logits": "dot"}, {"bias": "learned"}])
def test_a_loss_given_the_scale_of_a_head_checks_the_fit_at_once(loss_class, arguments):
    head = HypersphereHead(CLASSES, scale=30.0, **arguments)
    with pytest.raises(ArgumentError, match="needs cosines, but"):
        loss_class(scale=head.current_scale)


@every_execution
@pytest.mark.parametrize("scale", [30.0, 1.0, "auto", "learned", SCHEDULE],
                         ids=["30", "1", "auto", "learned", "schedule"])
def test_a_loss_without_a_scale_follows_the_head(scale, execution):
    names = [f"{margin}_{way}" for margin in ("ArcFace", "CosFace") for way in ("without", "given")]
    inputs = keras.Input((DIM,))
    heads = {name: HypersphereHead(CLASSES, name=name, seed=0, scale=scale) for name in names}
    same_start = keras.initializers.GlorotUniform(seed=0)
    model = keras.Model(inputs, {name: heads[name](keras.layers.Dense(DIM, kernel_initializer=same_start)(inputs))
                                 for name in names})  # all four in one step: compiling takes the time
    losses = {name: (ArcFace if name.startswith("ArcFace") else CosFace)(
        scale=heads[name].current_scale if name.endswith("given") else None) for name in names}
    model.compile(keras.optimizers.SGD(0.1), losses, **execution)
    labels = dict.fromkeys(names, LABELS)
    history = model.fit(FEATURES, labels, batch_size=6, epochs=3, verbose=0).history
    after = model.evaluate(FEATURES, labels, verbose=0, return_dict=True)
    found = {name: [*history[f"{name}_loss"], after[f"{name}_loss"]] for name in names}

    for margin in ("ArcFace", "CosFace"):
        assert found[f"{margin}_without"] == pytest.approx(found[f"{margin}_given"], rel=1e-6)
        assert len(set(found[f"{margin}_given"])) == 4  # it learns
    assert found["ArcFace_given"] != pytest.approx(found["CosFace_given"], rel=1e-3)


@pytest.mark.parametrize("policy", ["float32", "mixed_float16", "mixed_bfloat16", "float64"])
def test_it_finds_the_head_under_every_policy(policy):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        model = model_with(scale=12.0)
        model.compile("sgd", ArcFace(scale=None))
        assert np.isfinite(model.fit(FEATURES, LABELS, verbose=0).history["loss"][0])
        model.compile("sgd", ArcFace(scale=3.0))
        with pytest.raises(ArgumentError, match="has scale=3, but layer 'head' has scale=12"):
            model.fit(FEATURES, LABELS, verbose=0)
    finally:
        keras.config.set_dtype_policy(before)


def test_logits_without_a_head_need_a_scale():
    with pytest.raises(ArgumentError, match=r"ArcFace has scale=None and cannot tell .*\. Pass scale=head\.scale, or"):
        ArcFace(scale=None)(LABELS, np.zeros((6, CLASSES), "float32"))


def test_two_heads_are_distinguished():
    inputs = keras.Input((DIM,))
    one, two = HypersphereHead(CLASSES, scale=12.0, name="one"), HypersphereHead(CLASSES, logits="dot", name="two")
    model = keras.Model(inputs, {"one": one(inputs), "two": two(inputs)})
    model.compile("sgd", {"one": ArcFace(scale=None), "two": cross_entropy})
    assert np.isfinite(model.evaluate(FEATURES, {"one": LABELS, "two": LABELS}, verbose=0)[0])

    model.compile("sgd", {"one": cross_entropy, "two": CosFace(scale=1.0)})
    with pytest.raises(ArgumentError, match="the logits of layer 'two' are dot products"):
        model.evaluate(FEATURES, {"one": LABELS, "two": LABELS}, verbose=0)


def test_a_loss_that_follows_the_head_still_does_after_loading(tmp_path):
    model = model_with(scale="learned")
    model.compile(keras.optimizers.SGD(0.1), ArcFace(scale=model.get_layer("head").current_scale))
    model.fit(FEATURES, LABELS, verbose=0)
    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")

    assert loaded.evaluate(FEATURES, LABELS, verbose=0) == pytest.approx(model.evaluate(FEATURES, LABELS, verbose=0))


ON_JAX = """
import keras, numpy as np
from keras_fixhead.head import HypersphereHead
from keras_fixhead.losses import ArcFace
features, labels = np.random.default_rng(0).normal(size=(6, 8)).astype("float32"), np.arange(6) % 5
for execution in ({"jit_compile": True}, {"jit_compile": False}, {"run_eagerly": True}):
    inputs = keras.Input((8,))
    model = keras.Model(inputs, HypersphereHead(5, scale=12.0, name="head")(keras.layers.Dense(8)(inputs)))
    model.compile("sgd", ArcFace(scale=None), **execution)
    assert np.isfinite(model.fit(features, labels, verbose=0).history["loss"][0])
    model.compile("sgd", ArcFace(), **execution)
    try:
        model.fit(features, labels, verbose=0)
    except ValueError as error:
        assert "has scale=30, but layer 'head' has scale=12" in str(error), error
    else:
        raise AssertionError(execution)
print("done")
"""


def test_it_finds_the_head_on_jax():
    done = subprocess.run([sys.executable, "-c", ON_JAX], text=True, capture_output=True,
                          env={**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"})

    assert done.stdout.split()[-1:] == ["done"], done.stderr


# the loss of features and a head


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("margin, transform", [("none", None), ("cosface", cosface), ("arcface", arcface)])
def test_the_loss_of_features_and_head_is_the_loss_of_the_logits(margin, transform, smoothing):
    head = HypersphereHead(CLASSES, scale=12.0, seed=3)
    logits = head(FEATURES)
    if transform is not None:
        logits = transform(LABELS, logits, 12.0)  # the published size

    found = loss_of(LABELS, FEATURES, head, margin=margin, label_smoothing=smoothing)
    np.testing.assert_array_equal(found, cross_entropy(LABELS, logits, smoothing))


def test_the_compiled_loss_is_the_same():
    head = HypersphereHead(CLASSES, scale=12.0)
    logits = head(FEATURES)
    for found, loss in (({"margin": "arcface", "margin_size": 0.3}, ArcFace(0.3, scale=None)),
                        ({"margin": "cosface"}, CosFace(scale=12)), ({"label_smoothing": 0.2}, NormFace(0.2))):
        assert float(np.mean(loss_of(LABELS, FEATURES, head, **found))) == pytest.approx(float(loss(LABELS, logits)))


def test_dot_logits_and_biases_do_not_allow_a_margin():
    for arguments in ({"logits": "dot"}, {"bias": "learned"}):
        head = HypersphereHead(CLASSES, **arguments)
        assert np.isfinite(loss_of(LABELS, FEATURES, head)).all()
        with pytest.raises(ArgumentError, match="Margin 'arcface' needs cosines, but"):
            loss_of(LABELS, FEATURES, head, margin="arcface")


@pytest.mark.parametrize("arguments, message", [
    ({"margin": "arcfase"}, "Did you mean 'arcface'"), ({"margin": None}, "Unknown margin None"),
    ({"margin_size": 0.3}, "margin_size is given without a margin"),
    *[({"margin": name, "margin_size": size}, r"margin must be in \[0, ")
      for name in MARGINS for size in (-1, "0.5", True, float("nan"), 9.0, [])],
    *[({"label_smoothing": each}, "label_smoothing must be in") for each in (1, -0.1, "0.1", None, True, [])],
])
def test_wrong_arguments_give_a_one_line_error(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        loss_of(LABELS, FEATURES, HypersphereHead(CLASSES), **arguments)
    with pytest.raises(ArgumentError, match="head must be a HypersphereHead, got Dense"):
        loss_of(LABELS, FEATURES, keras.layers.Dense(3), **arguments)


def test_the_default_margins_are_those_in_the_catalog():
    assert {"arcface": ArcFace().margin, "cosface": CosFace().margin} == {name: each.size
                                                                          for name, each in MARGINS.items()}
    assert keras_fixhead.ArcFace is ArcFace
