import functools
import re

import keras
import numpy as np
import pytest

from keras_fixhead.errors import ArgumentError
from keras_fixhead.head import HypersphereHead
from keras_fixhead.models import FEATURES, attach_head, feature_model, head_of, load_model
from keras_fixhead.vectors import class_vectors

LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def test_a_keras_applications_backbone_trains_and_saves_with_our_head(tmp_path):
    backbone = keras.applications.MobileNetV2(weights=None, include_top=False, input_shape=(32, 32, 3), alpha=0.35)
    model = attach_head(backbone, num_classes=5, class_vectors="rademacher", seed=3, scale=10)
    images = np.random.default_rng(0).uniform(-1, 1, (4, 32, 32, 3)).astype("float32")
    kernel = keras.ops.convert_to_numpy(backbone.layers[1].kernel)
    model.compile(keras.optimizers.SGD(0.1), LOSS)
    model.fit(images, np.arange(4), verbose=0)
    model.save(tmp_path / "m.keras")

    assert model.output_shape == (None, 5) and feature_model(model).output_shape == (None, 1280)
    assert not any(isinstance(layer, keras.Model) for layer in model.layers)
    assert not np.array_equal(kernel, backbone.layers[1].kernel)  # layers are shared
    np.testing.assert_array_equal(head_of(model).class_vectors, class_vectors("rademacher", 5, 1280, 3))
    np.testing.assert_array_equal(load_model(tmp_path / "m.keras")(images), model(images))


def test_features_of_rank_2_are_used_as_they_are():
    backbone = keras.Sequential([keras.Input((8,)), keras.layers.Dense(16, dtype="mixed_bfloat16")])
    model = attach_head(backbone, 3, logits="dot", fixed=False, name="mine")
    x = np.ones((2, 8), "float32")

    assert head_of(model).name == "mine" and not head_of(model).fixed
    assert model.get_layer(FEATURES).output.dtype == "float32"
    np.testing.assert_array_equal(feature_model(model)(x), keras.ops.cast(backbone(x), "float32"))


def test_a_feature_map_is_averaged_over_its_positions():
    backbone = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(16, 3)])
    x = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype("float32")

    found = feature_model(attach_head(backbone, 3))(x)
    np.testing.assert_allclose(found, keras.ops.mean(backbone(x), axis=(1, 2)), atol=1e-6)


def test_the_features_of_a_model_take_another_head():
    model = attach_head(keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(16, 3)]), 3)
    other = attach_head(feature_model(model), 5, logits="dot")
    x = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype("float32")

    assert other.output_shape == (None, 5) and [each.name for each in other.layers].count(FEATURES) == 1
    np.testing.assert_array_equal(feature_model(other)(x), feature_model(model)(x))


def test_features_are_what_goes_into_a_head_that_was_attached_by_hand():
    inputs = keras.Input((8,))
    hidden = keras.layers.Dense(4, name="mine")(inputs)
    model = keras.Model(inputs, HypersphereHead(3)(hidden))
    x = np.ones((2, 8), "float32")

    np.testing.assert_array_equal(feature_model(model)(x), keras.Model(inputs, hidden)(x))
    assert attach_head(feature_model(model), 5).output_shape == (None, 5)
    with pytest.raises(ArgumentError, match="no layer named 'features', and does not end in a HypersphereHead"):
        feature_model(keras.Model(inputs, hidden, name="plain"))


def test_calling_the_models_with_an_array_raises_no_warning(recwarn):
    backbone = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4)])
    model = attach_head(backbone, 3)
    model(np.ones((2, 8), "float32"))
    feature_model(model)(np.ones((2, 8), "float32"))

    assert not [str(each.message) for each in recwarn if issubclass(each.category, UserWarning)]


def backbones():
    unbuilt = keras.Sequential([keras.layers.Dense(4)], name="unbuilt")
    inputs = keras.Input((8,))
    two = keras.Model(inputs, [inputs, inputs], name="two")
    sequence = keras.Sequential([keras.Input((5, 8)), keras.layers.Dense(4)], name="sequence")
    named = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4, name="features"), keras.layers.ReLU()],
                             name="named")
    softmax = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4, activation="softmax")], name="softmax")
    separate = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4), keras.layers.Softmax()], name="separate")
    logits = keras.applications.MobileNetV2(weights=None, input_shape=(32, 32, 3), alpha=0.35,
                                            classifier_activation=None, name="logits")
    inputs, dense = keras.Input((8,)), keras.layers.Dense
    shares = dense(4, activation="softmax")(inputs)
    cast = keras.Model(inputs, keras.layers.Activation("linear", dtype="float32")(shares), name="cast")
    nested = keras.Sequential([keras.Input((8,)), dense(8), keras.Sequential([dense(4), keras.layers.Softmax()])],
                              name="nested")
    flat = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 8, activation="softmax"),
                             keras.layers.Flatten()], name="flat")
    log = keras.Sequential([keras.Input((8,)), dense(4), keras.layers.Activation("log_softmax")], name="log")
    function = keras.Model(inputs, keras.ops.softmax(dense(4)(inputs)), name="function")
    headed = attach_head(keras.Sequential([keras.Input((8,)), keras.layers.Dense(4)], name="small"), 3)
    return {"unbuilt": (unbuilt, "'unbuilt' has no single symbolic output"),
            "two outputs": (two, "'two' has no single symbolic output"),
            "rank 3": (sequence, r"'sequence' has an output of shape \(None, 5, 4\)\. Expected features"),
            "taken name": (named, "'named' already has a layer named 'features'"),
            "a softmax": (softmax, "'softmax' ends in a softmax instead of features. .*without its classifier"),
            "a softmax layer": (separate, "'separate' ends in a softmax"),
            **{each.name: (each, f"'{each.name}' ends in a softmax") for each in (cast, nested, flat, log, function)},
            "logits": (logits, "'logits' ends in the logits of a classifier.*'predictions'.*include_top=False"),
            "a head": (headed, r"'small_fixhead' ends in a HypersphereHead.*Pass feature_model\(model\)"),
            "no model": ("resnet18", "'resnet18' has no single symbolic output")}


@pytest.mark.parametrize("case", ["unbuilt", "two outputs", "rank 3", "taken name", "a softmax",
                                  "a softmax layer", "logits", "a head", "no model", "cast", "nested", "flat", "log",
                                  "function"])
def test_a_backbone_that_cannot_take_a_head_is_refused(case):
    backbone, message = backbones()[case]
    with pytest.raises(ArgumentError, match=message):
        attach_head(backbone, num_classes=5)


def test_wrong_head_arguments_are_refused():
    backbone = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4)])
    with pytest.raises(ArgumentError, match="num_classes must be"):
        attach_head(backbone, num_classes=1)


def test_features_behind_layers_that_change_only_their_shape_take_a_head():
    inner = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4, activation="relu")])
    backbone = keras.Sequential([keras.Input((8,)), inner, keras.layers.Activation("linear"), keras.layers.Flatten()])

    assert attach_head(backbone, 3).output_shape == (None, 3)


@pytest.mark.parametrize("network, options, layer", [
    ("MobileNet", {"alpha": 0.25}, "Conv2D layer named 'conv_preds'"),
    ("MobileNetV3Small", {"alpha": 0.35}, "Conv2D layer named 'logits'"),
    ("ConvNeXtTiny", {}, "Dense layer named 'convnext_tiny_head_dense'")])
def test_logits_of_keras_applications_are_refused_whatever_layer_makes_them(network, options, layer):
    """They were taken for features, because a convolution made them or for their name."""
    build = functools.partial(getattr(keras.applications, network), weights=None, input_shape=(32, 32, 3), **options)
    with pytest.raises(ArgumentError, match=re.escape(f"the logits of a classifier (a {layer})")):
        attach_head(build(classes=7, classifier_activation=None), 5)
    assert attach_head(build(include_top=False), 5).output_shape == (None, 5)
