"""Copies of built and unbuilt heads and losses by deepcopy, pickle and clone; and fixed heads made trainable."""
import copy
import pickle

import keras
import numpy as np
import pytest

import keras_fixhead
from keras_fixhead.errors import FixheadWarning, ReadOnlyError
from keras_fixhead.head import HypersphereHead
from keras_fixhead.losses import ArcFace, CosFace, NormFace
from keras_fixhead.models import feature_model

CLASSES, DIM = 5, 16
FEATURES = np.random.default_rng(0).normal(size=(6, DIM)).astype("float32")
LABELS = np.arange(6) % CLASSES
OWN = np.random.default_rng(1).normal(size=(CLASSES, DIM))
SCHEDULE = keras.optimizers.schedules.PolynomialDecay(1.0, 10, 20.0)
HEADS = [{}, {"logits": "dot"}, {"fixed": False, "scale": 9.0}, {"scale": "learned", "bias": "learned"},
         {"bias": "fixed"},
         {"scale": SCHEDULE}, {"class_vectors": OWN}, {"class_vectors": OWN, "fixed": False, "scale": 9.0},
         {"class_vectors": "cube", "store_vectors": False, "seed": 3}, {"class_vectors": "simplex", "rotate": False},
         {"dtype": "float64"}]
COPIES = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda each: pickle.loads(pickle.dumps(each)),
}

every_head = pytest.mark.parametrize("arguments", HEADS, ids=lambda each: "-".join(each) or "default")
every_copy = pytest.mark.parametrize("how", COPIES)


@every_copy
@every_head
def test_a_copy_of_an_unbuilt_head_builds_the_same_head(arguments, how):
    head = HypersphereHead(CLASSES, **arguments)
    again = COPIES[how](head)

    assert not again.built
    assert again.get_config() == head.get_config()
    np.testing.assert_array_equal(again(FEATURES), head(FEATURES))
    assert again.get_config() == head.get_config()


@every_copy
@every_head
def test_a_copy_of_a_built_head_gives_the_same_logits(arguments, how):
    head = HypersphereHead(CLASSES, **arguments)
    head(FEATURES)
    for variable in head.trainable_weights:
        variable.assign(variable.value * 1.5)
    again = COPIES[how](head)

    np.testing.assert_array_equal(again(FEATURES), head(FEATURES))
    assert again.get_config() == head.get_config()
    assert how == "copy" or all(mine is not its for mine, its in zip(head.weights, again.weights, strict=True))


@every_copy
@every_head
def test_a_copy_of_a_model_gives_the_same_logits(arguments, how):
    inputs = keras.Input((DIM,))
    model = keras.Model(inputs, HypersphereHead(CLASSES, name="head", **arguments)(inputs))

    np.testing.assert_array_equal(COPIES[how](model)(FEATURES), model(FEATURES))


@every_head
def test_a_cloned_model_has_the_same_head_configuration(arguments):
    inputs = keras.Input((DIM,))
    model = keras.Model(inputs, HypersphereHead(CLASSES, name="head", **arguments)(inputs))
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())

    np.testing.assert_array_equal(clone(FEATURES), model(FEATURES))
    assert clone.get_layer("head").get_config() == model.get_layer("head").get_config()


def a_scale():
    return 12.0


@every_copy
@pytest.mark.parametrize("loss", [
    CosFace(margin=0.2, scale=12.0, label_smoothing=0.1), ArcFace(margin=0.3, scale=12, name="mine"),
    ArcFace(margin=0.3, scale=a_scale, reduction="sum"), NormFace(label_smoothing=0.2)], ids=lambda loss: loss.name)
def test_a_copied_loss_is_the_same_loss(loss, how):
    again = COPIES[how](loss)
    cosines = np.random.default_rng(2).uniform(-1, 1, (6, CLASSES)).astype("float32")

    assert type(again) is type(loss) and again.get_config() == loss.get_config()
    assert float(again(LABELS, 12 * cosines)) == float(loss(LABELS, 12 * cosines))


@pytest.mark.parametrize("how", ["deepcopy", "pickle"])
def test_a_head_and_the_loss_that_follows_its_scale_are_copied_together(how):
    head = HypersphereHead(CLASSES, scale="learned")
    head(FEATURES)
    pair = COPIES[how]({"head": head, "loss": ArcFace(margin=0.3, scale=head.current_scale)})
    pair["head"].log_scale.assign(0.5)

    assert float(pair["loss"](LABELS, pair["head"](FEATURES))) == pytest.approx(
        float(ArcFace(margin=0.3, scale=float(np.exp(0.5)))(LABELS, np.array(pair["head"](FEATURES)))), rel=1e-6)


# making a fixed head trainable


def fixed_model():
    inputs = keras.Input((DIM,))
    return keras.Model(inputs, HypersphereHead(CLASSES, name="head")(keras.layers.Dense(DIM)(inputs)))


def make_head_trainable(model):
    model.layers[-1].trainable = True


def make_each_layer_trainable(model):
    model.trainable = False
    for layer in model.layers:
        layer.trainable = True


def make_model_trainable(model):
    model.trainable = False
    model.trainable = True


@pytest.mark.parametrize("make_trainable", [make_head_trainable, make_each_layer_trainable, make_model_trainable])
def test_a_fixed_head_made_trainable_stays_fixed_and_warns_once(make_trainable, tmp_path, recwarn):
    model = fixed_model()
    before = np.array(model.layers[-1].class_vectors)
    make_trainable(model)
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(FEATURES, LABELS, verbose=0)
    model.save(tmp_path / "m.keras")
    head = keras_fixhead.load_model(tmp_path / "m.keras").layers[-1]
    said = [str(each.message) for each in recwarn if issubclass(each.category, FixheadWarning)]

    np.testing.assert_array_equal(head.class_vectors, before)
    assert head.fixed and head.get_config()["fixed"] and model.layers[-1].fixed
    assert len(said) == 1 and "leaves the class vectors of layer 'head' fixed" in said[0] and "fixed=False" in said[0]


def test_fixed_is_set_on_creation_and_read_only():
    head = HypersphereHead(CLASSES)
    with pytest.raises(AttributeError):
        head.fixed = False


def test_a_second_stage_learns_starting_from_the_fixed_vectors(tmp_path):
    """As the warning recommends: a new head on the same features."""
    first = keras_fixhead.build_model("resnet18", (16, 16, 3), CLASSES, width=1 / 32, scale=9.0)
    vectors = np.array(first.layers[-1].class_vectors)
    backbone = feature_model(first)
    head = HypersphereHead(CLASSES, scale=9.0, fixed=False, class_vectors=vectors)
    second = keras.Model(backbone.inputs, head(backbone.output))
    images = np.random.default_rng(0).integers(0, 256, (6, 16, 16, 3)).astype("uint8")

    np.testing.assert_allclose(second(images), first(images), atol=1e-5)
    second.compile(keras.optimizers.SGD(0.5), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    second.fit(images, LABELS, verbose=0)
    second.save(tmp_path / "m.keras")
    learned = keras_fixhead.load_model(tmp_path / "m.keras").layers[-1]
    assert not learned.fixed and np.abs(np.array(learned.class_vectors) - vectors).max() > 1e-4


def test_a_fixed_bias_cannot_be_made_trainable():
    head = HypersphereHead(CLASSES, bias="fixed")
    head(FEATURES)
    with pytest.raises(ReadOnlyError, match=r"The bias of layer .* is fixed: trainable.*bias='learned'"):
        head.bias.trainable = True
    with pytest.raises(ReadOnlyError, match=r"The class vectors of layer .* are fixed: trainable"):
        head.class_vectors.trainable = True

    assert not head.trainable_weights and head.get_config()["bias"] == "fixed"
