"""Wrong values for every argument that builds, saves or loads models give a one-line error and no model."""
import inspect

import keras
import numpy as np
import pytest

import keras_fixhead
from keras_fixhead import losses, models, vectors
from keras_fixhead.errors import ArgumentError, RunError
from keras_fixhead.head import HypersphereHead, unit_length

NAN = float("nan")
NUMBERS = [None, "3", True, [], NAN, {}]
FLAGS = ["no", "True", 0, 1, None, [], NAN]
BUILD = {
    "name": [None, 3, [], "resnet19", True],
    "input_shape": [None, 3, "32", (32, 32), (4, 4, 3)],
    "num_classes": [*NUMBERS, 1, 2.0, -5],
    "seed": [*NUMBERS, -1, 1.5, 2**64],
    "vector_seed": ["3", True, [], NAN, -1, 1.5],
    "width": [*NUMBERS, 0, -1, float("inf"), 10**400, 1j],
    "feature_dim": ["2", True, 2.5, 0, -1],
    "signed_features": ["no", 0, 1, [], NAN],
    "pooling": [None, "max", True, [], 4],
    "weight_decay": [*NUMBERS, -1, float("inf")],
    "decay_norms": FLAGS,
    "mean": [None, "127", True, [], [1, 2], NAN, {}],
    "std": [None, "127", True, [], [1, 2], NAN, {}, 0, -1],
    "normalization": [None, "batch", 3, []],
    "streaming": FLAGS,
    "form": ["wide", 3, {"layers": 3}, {"images": 1}, {"last_chanels": 3}],
}
HEAD = {
    "num_classes": [*NUMBERS, 1, 2.0, -5],
    "logits": [None, True, "cosine", 3, []],
    "scale": ["3", None, True, [], NAN, {}, 0, -1.0, keras.layers.Dense(3), np.array([1.0, 2.0])],
    "fixed": FLAGS,
    "class_vectors": [None, True, "unifrom", 3, [], NAN, {}, "array", np.zeros((5, 4)), np.eye(4)],
    "seed": [*NUMBERS, -1, 1.5, 2**64],
    "rotate": FLAGS,
    "bias": [True, "free", 0.01, []],
    "vector_lr": [*NUMBERS, -0.1, 1.1],
    "vector_weight_decay": [*NUMBERS, -1, float("inf")],
    "store_vectors": FLAGS,
    "vectors_digest": [3, True, "abc", []],
    "dtype": ["float16", "bfloat16", "int32", "double precision", 3, "float8"],
}
MARGIN_LOSS = {
    "margin": [*NUMBERS, -0.1],
    "scale": ["3", True, [], NAN, {}, 0, -1.0],
    "label_smoothing": [*NUMBERS, -0.1, 1],
}


def parameters_of(function):
    return {name for name, each in inspect.signature(function).parameters.items()
            if each.kind not in (each.VAR_KEYWORD, each.VAR_POSITIONAL) and name != "self"}


def cases(table):
    return [(name, value) for name, values in table.items() for value in values]


def refused(call):
    with pytest.raises(ArgumentError) as refusal:
        call()
    assert "\n" not in str(refusal.value) and str(refusal.value).endswith((".", "?", ")", "'"))


def test_the_tables_cover_every_argument():
    assert set(BUILD) == parameters_of(models.build_model)
    assert set(HEAD) - {"dtype"} == parameters_of(HypersphereHead.__init__) - {"vectors_shape"}
    for loss in (losses.ArcFace, losses.CosFace):
        assert set(MARGIN_LOSS) == parameters_of(loss.__init__) - {"name"}


@pytest.mark.parametrize("name, value", cases(BUILD), ids=str)
def test_wrong_arguments_of_build_model_are_refused(name, value):
    refused(lambda: models.build_model(**{"name": "mobilenet_v2" if name == "form" else "resnet18",
                                          "input_shape": (16, 16, 3), "num_classes": 5, "width": 1 / 32, name: value}))


@pytest.mark.parametrize("name, value", cases(HEAD), ids=lambda each: str(each)[:30])
def test_wrong_arguments_of_the_layer_and_its_builders_are_refused(name, value):
    backbone = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4)])
    refused(lambda: HypersphereHead(**{"num_classes": 5, name: value}))
    refused(lambda: models.attach_head(backbone, **{"num_classes": 5, name: value}))


@pytest.mark.parametrize("shape", ["5x4", 3, True, (5,), (5, 4, 3), (5.0, 4), (3, 4), (5, 0)])
def test_a_wrong_shape_in_a_saved_configuration_is_refused(shape):
    refused(lambda: HypersphereHead(5, class_vectors="array", vectors_shape=shape))


@pytest.mark.parametrize("loss", [losses.ArcFace, losses.CosFace])
@pytest.mark.parametrize("name, value", cases(MARGIN_LOSS), ids=str)
def test_wrong_arguments_of_losses_with_a_margin_are_refused(loss, name, value):
    refused(lambda: loss(**{name: value}))
    if name != "label_smoothing":
        transform = {losses.ArcFace: losses.arcface, losses.CosFace: losses.cosface}[loss]
        refused(lambda: transform([0], np.zeros((1, 3), "float32"), **{"scale": 3.0, name: value}))


@pytest.mark.parametrize("value", MARGIN_LOSS["label_smoothing"], ids=str)
def test_wrong_arguments_of_losses_without_a_margin_are_refused(value):
    refused(lambda: losses.NormFace(label_smoothing=value))
    refused(lambda: losses.cross_entropy([0], np.zeros((1, 3), "float32"), label_smoothing=value))


@pytest.mark.parametrize("value", [None, "model", 3, [], keras.layers.Dense(3), keras.Sequential(name="empty"),
                                   keras.Sequential([keras.layers.Dense(3)], name="unbuilt")],
                         ids=lambda each: str(each)[:30])
def test_a_value_that_is_not_a_model_is_refused(value, tmp_path):
    for function in (models.feature_model, models.head_of, models.multiply_adds,
                     lambda each: models.append_classes(each, 9), lambda each: models.attach_head(each, 9)):
        refused(lambda function=function: function(value))
    if not isinstance(value, keras.Model):
        refused(lambda: models.save_model(value, tmp_path / "m.keras"))


def test_an_unbuilt_model_that_ends_in_a_head_is_refused():
    model = keras.Sequential([keras.layers.Dense(3), HypersphereHead(5)])
    for function in (models.feature_model, lambda each: models.append_classes(each, 9)):
        with pytest.raises(ArgumentError, match="has no symbolic inputs"):
            function(model)


@pytest.mark.parametrize("value", [*NUMBERS, 2.0, 5, 3])
def test_a_wrong_number_of_classes_to_extend_to_is_refused(value):
    model = keras.Sequential([keras.Input((4,)), HypersphereHead(5)])
    refused(lambda: models.append_classes(model, value))
    refused(lambda: model.layers[-1].with_classes(value))


@pytest.mark.parametrize("path", [None, 3, [], True, "", NAN, {}, "a\0b.keras"])
def test_wrong_paths_are_refused(path):
    refused(lambda: models.load_model(path))
    refused(lambda: models.save_model(keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)]), path))


@pytest.mark.parametrize("name", ["m.h5", "m", "m.KERAS", "m.keras.zip"])
def test_a_model_is_saved_only_as_a_file_that_can_be_loaded(tmp_path, name):
    with pytest.raises(ArgumentError, match=r"A model is saved as a .keras file, got the path .* Use '.*\.keras'"):
        models.save_model(keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)]), tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_a_run_is_not_called_an_unfinished_one(tmp_path):
    with pytest.raises(RunError, match=r"is not a run directory, and has no model\.keras. Pass a run directory or a "):
        models.load_model(tmp_path)


def test_a_missing_folder_is_reported(tmp_path):
    with pytest.raises(RunError, match=r"m\.keras cannot be written: No such file or directory"):
        models.save_model(keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)]), tmp_path / "none" / "m.keras")


@pytest.mark.parametrize("value", [None, "simplex", 3, [], [[]], [["a", "b"]], [[NAN, 1.0]], [[0.0, 0.0]], {},
                                   [[1], [1, 2]]])
def test_wrong_class_vectors_to_measure_are_refused(value):
    for function in (vectors.reachable_cosine, vectors.loss_optimum, vectors.pairwise_cosines, vectors.max_cosine,
                     keras_fixhead.reachable_cosine):
        refused(lambda function=function: function(value))


@pytest.mark.parametrize("name, value", cases({
    "kind": [None, 3, [], True, "unifrom"], "num_classes": [*NUMBERS, 0, 2.0], "dim": [*NUMBERS, 0, 2.0],
    "seed": [*NUMBERS, -1, 0.0], "rotate": FLAGS}), ids=str)
def test_wrong_arguments_of_class_vectors_are_refused(name, value):
    refused(lambda: keras_fixhead.class_vectors(**{"kind": "simplex", "num_classes": 3, "dim": 8, name: value}))


@pytest.mark.parametrize("value", [*NUMBERS, 0, -1])
def test_wrong_arguments_of_scales_and_bounds_are_refused(value):
    refused(lambda: vectors.loss_optimum(np.eye(3), scale=value))
    refused(lambda: vectors.adacos_scale(value))
    refused(lambda: vectors.ceiling(10, value))
    refused(lambda: vectors.cosine_bound(value, 8))
    refused(lambda: vectors.welch_bound(10, value))


def test_an_unknown_precision_is_refused():
    for value in (None, "float8", 3, True, []):
        with pytest.raises(ArgumentError), models.precision_policy(value):
            pass


def test_unit_length_accepts_any_float_type():
    for dtype in ("float16", "float32", "float64"):
        assert keras.backend.standardize_dtype(unit_length(np.ones((2, 3), dtype)).dtype) == dtype
