"""The contract of a Keras layer: the Keras layer test, masks, compilation, formats."""
import itertools
import json
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras.src.testing import TestCase

from keras_fixhead.head import HypersphereHead
from keras_fixhead.vectors import class_vectors

CLASSES, DIM = 5, 16
FEATURES = np.random.default_rng(0).normal(size=(6, DIM)).astype("float32")
SCHEDULE = keras.optimizers.schedules.PolynomialDecay(1.0, 10, 20.0)
SCALES = {"number": 10.0, "auto": "auto", "learned": "learned", "schedule": SCHEDULE}
ARGUMENTS = [{"logits": logits, "fixed": fixed, "scale": scale} for logits, fixed, scale in
             itertools.product(("cos", "dot"), (True, False), SCALES)]
ARGUMENTS += [{"logits": "cos", "fixed": True, "scale": "number", "bias": bias} for bias in ("fixed", "learned")]


def arguments_of(named):
    return {"num_classes": CLASSES, "seed": 1, **named, "scale": SCALES[named["scale"]]}


@pytest.mark.parametrize("named", ARGUMENTS, ids=lambda named: "-".join(map(str, named.values())))
def test_it_passes_the_keras_layer_test(named):
    trainable = (not named["fixed"]) + (named["scale"] == "learned") + (named.get("bias") == "learned")
    others = named["fixed"] + (named["scale"] == "schedule") + (named.get("bias") == "fixed")
    TestCase().run_layer_test(
        HypersphereHead, init_kwargs=arguments_of(named), input_shape=(6, DIM), expected_output_shape=(6, CLASSES),
        expected_output_dtype="float32", expected_num_trainable_weights=trainable,
        expected_num_non_trainable_weights=others, expected_num_seed_generators=0, expected_num_losses=0,
        supports_masking=True)


def test_it_passes_the_keras_layer_test_on_sequences_and_with_a_penalty():
    TestCase().run_layer_test(
        HypersphereHead, init_kwargs={"num_classes": CLASSES, "fixed": False, "vector_weight_decay": 0.1, "scale": 9.0},
        input_shape=(2, 3, DIM), expected_output_shape=(2, 3, CLASSES), expected_num_losses=1, supports_masking=True)


def test_with_a_numeric_scale_and_no_bias_the_only_weight_is_class_vectors():
    for logits, fixed in itertools.product(("cos", "dot"), (True, False)):
        head = HypersphereHead(CLASSES, logits=logits, fixed=fixed, scale=9.0)
        head.build((None, DIM))

        assert [weight.name for weight in head.weights] == ["class_vectors"]


def test_a_mask_is_passed_on():
    inputs = keras.Input((4, DIM))
    outputs = HypersphereHead(CLASSES)(keras.layers.Masking()(inputs))
    sequence = np.ones((2, 4, DIM), "float32")
    sequence[0, 2:] = 0
    model = keras.Model(inputs, outputs)

    np.testing.assert_array_equal(model(sequence)._keras_mask, [[True, True, False, False], [True] * 4])


def test_the_batch_may_have_any_size():
    inputs = keras.Input((DIM,))
    model = keras.Model(inputs, HypersphereHead(CLASSES)(inputs))

    assert model.output_shape == (None, CLASSES)
    for n in (1, 6):
        assert model.predict(FEATURES[:n], verbose=0).shape == (n, CLASSES)


def test_the_summary_counts_fixed_class_vectors_as_non_trainable():
    inputs = keras.Input((DIM,))
    for fixed, counts in ((True, (0, 80)), (False, (80, 0))):
        lines = []
        model = keras.Model(inputs, HypersphereHead(CLASSES, fixed=fixed, scale=9.0)(inputs))
        model.summary(print_fn=lines.append)
        text = "\n".join(lines)

        assert f" Trainable params: {counts[0]} " in text and f" Non-trainable params: {counts[1]} " in text


@pytest.mark.parametrize("fixed", [True, False])
def test_trainable_can_be_turned_off_and_back_on(fixed):
    head = HypersphereHead(CLASSES, fixed=fixed, scale=9.0)
    head.build((None, DIM))
    counts = []
    for trainable in (False, True):
        head.trainable = trainable
        counts.append(len(head.trainable_weights))

    assert counts == [0, 0 if fixed else 1]  # this does not make fixed class vectors learned


@pytest.mark.parametrize("named", ARGUMENTS, ids=lambda named: "-".join(map(str, named.values())))
def test_xla_and_graph_results_match_eager(named):
    import tensorflow as tf

    head = HypersphereHead(**arguments_of(named))
    eager = head(FEATURES).numpy()
    for jit in (False, True):
        found = tf.function(lambda features: head(features), jit_compile=jit)(FEATURES)
        np.testing.assert_allclose(found, eager, atol=1e-6 * max(1, np.abs(eager).max()))


@pytest.mark.parametrize("named", ARGUMENTS, ids=lambda named: "-".join(map(str, named.values())))
def test_clones_and_json_configurations_reproduce_the_layer(named):
    inputs = keras.Input((DIM,))
    model = keras.Model(inputs, HypersphereHead(**arguments_of(named), name="head")(inputs))
    clone = keras.models.clone_model(model)
    head = model.get_layer("head")
    again = HypersphereHead.from_config(json.loads(json.dumps(head.get_config())))

    np.testing.assert_array_equal(clone.predict(FEATURES, verbose=0), model.predict(FEATURES, verbose=0))
    np.testing.assert_array_equal(again(FEATURES), head(FEATURES))
    assert again.get_config() == head.get_config()


LOAD = """
import sys
import keras, keras_fixhead
import numpy as np
features = np.load(sys.argv[1])
for name in sys.argv[2:]:
    np.save(name + ".npy", keras.models.load_model(name).predict(features, verbose=0))
"""


def test_every_variant_loads_in_another_process(tmp_path):
    expected = {}
    for index, named in enumerate(ARGUMENTS):
        inputs = keras.Input((DIM,))
        x = keras.layers.Dense(DIM, kernel_initializer=keras.initializers.HeNormal(seed=1))(inputs)
        model = keras.Model(inputs, HypersphereHead(**arguments_of(named))(x))
        model.compile(keras.optimizers.SGD(0.01), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        model.fit(FEATURES, np.arange(6) % CLASSES, verbose=0)  # so that scales, steps and biases have changed
        expected[f"{tmp_path}/{index}.keras"] = model.predict(FEATURES, verbose=0)
        model.save(f"{tmp_path}/{index}.keras")
    np.save(tmp_path / "features.npy", FEATURES)
    done = subprocess.run([sys.executable, "-c", LOAD, str(tmp_path / "features.npy"), *expected],
                          capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    for name, logits in expected.items():
        np.testing.assert_array_equal(np.load(f"{name}.npy"), logits)


@pytest.mark.parametrize("logits", ["cos", "dot"])
def test_frozen_class_vectors_survive_saving(tmp_path, logits):
    import tensorflow as tf

    inputs = keras.Input((DIM,))
    model = keras.Model(inputs, HypersphereHead(CLASSES, logits=logits, seed=3, scale=2.0, bias="learned")(inputs))
    model.export(tmp_path / "m", verbose=False)
    loaded = tf.saved_model.load(str(tmp_path / "m"))

    np.testing.assert_allclose(loaded.serve(FEATURES), model.predict(FEATURES, verbose=0), atol=1e-6)
    stored = [each.numpy() for each in loaded.variables if each.shape == (CLASSES, DIM)]
    np.testing.assert_array_equal(stored, [class_vectors("uniform", CLASSES, DIM, 3)])
