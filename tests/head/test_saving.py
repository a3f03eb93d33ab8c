"""Training and saving leave fixed class vectors bit-identical, and a changed vector in a file is detected."""
import contextlib
import json
import subprocess
import sys
import zipfile

import h5py
import keras
import numpy as np
import pytest

import keras_fixhead
from keras_fixhead.errors import VectorsError
from keras_fixhead.head import HypersphereHead
from keras_fixhead.vectors import class_vectors

CLASSES, DIM = 5, 16

every_head = pytest.mark.parametrize("logits, fixed", [(logits, fixed) for logits in ("cos", "dot")
                                                       for fixed in (True, False)])

REFUSAL = r"The class vectors in the file have digest [0-9a-f]{16}, but"


def small_model(fixed=True, logits="cos", **arguments):
    inputs = keras.Input((8,))
    x = keras.layers.Dense(DIM, activation="relu", kernel_initializer=keras.initializers.HeNormal(seed=1))(inputs)
    return keras.Model(inputs, HypersphereHead(CLASSES, fixed=fixed, logits=logits, name="head", **arguments)(x))


IMAGES = np.random.default_rng(3).normal(size=(40, 8)).astype("float32")
LABELS = np.random.default_rng(4).integers(0, CLASSES, 40)


def fit_a_step(model):
    model.compile(keras.optimizers.SGD(0.5, momentum=0.9), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(IMAGES, LABELS, batch_size=40, epochs=2, verbose=0)


@every_head
def test_in_training_fixed_class_vectors_stay_bit_identical_and_learned_ones_change(logits, fixed):
    model = small_model(fixed=fixed, logits=logits)
    drawn = class_vectors("uniform", CLASSES, DIM)
    kernel = keras.ops.convert_to_numpy(model.layers[1].kernel)
    fit_a_step(model)

    assert np.array_equal(model.layers[-1].class_vectors, drawn) == fixed
    assert not np.array_equal(model.layers[1].kernel, kernel)


def test_fixed_class_vectors_survive_weight_decay_and_making_the_model_trainable():
    model = small_model()
    model.trainable = False
    model.trainable = True
    model.compile(keras.optimizers.SGD(0.5, weight_decay=0.1),
                  keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(IMAGES, LABELS, verbose=0)

    np.testing.assert_array_equal(model.layers[-1].class_vectors, class_vectors("uniform", CLASSES, DIM))


@every_head
def test_a_saved_model_loads_unchanged(tmp_path, logits, fixed):
    model = small_model(fixed=fixed, logits=logits, class_vectors="rademacher", seed=9)
    fit_a_step(model)
    model.save(tmp_path / "m.keras")
    model.save_weights(tmp_path / "m.weights.h5")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    fresh = small_model(fixed=fixed, logits=logits, class_vectors="rademacher", seed=9)
    fresh.load_weights(tmp_path / "m.weights.h5")

    for again in (loaded, fresh):
        np.testing.assert_array_equal(again.predict(IMAGES, verbose=0), model.predict(IMAGES, verbose=0))
        assert again.layers[-1].get_config() == model.layers[-1].get_config()


def tamper(path):
    """Changes one entry of the class vectors in a .weights.h5 file by the smallest amount."""
    found = []

    def look(name, item):
        if isinstance(item, h5py.Dataset) and item.shape == (CLASSES, DIM):
            found.append(name)

    with h5py.File(path, "r+") as file:
        file.visititems(look)
        (name,) = found
        values = file[name][:]
        values[2, 3] = np.nextafter(values[2, 3], np.float32(9))
        file[name][:] = values


def tampered_model(folder, fixed):
    """Returns a .keras file with one changed class vector."""
    small_model(fixed=fixed).save(folder / "m.keras")
    with zipfile.ZipFile(folder / "m.keras") as file:
        file.extractall(folder / "parts")
    tamper(folder / "parts" / "model.weights.h5")
    with zipfile.ZipFile(folder / "t.keras", "w") as file:
        for part in (folder / "parts").iterdir():
            file.write(part, part.name)
    return folder / "t.keras"


def test_changed_fixed_class_vectors_are_an_error_when_loading_weights(tmp_path):
    small_model().save_weights(tmp_path / "m.weights.h5")
    tamper(tmp_path / "m.weights.h5")

    # Keras wraps errors raised by a layer in a ValueError that contains their message
    with pytest.raises((VectorsError, ValueError), match=REFUSAL):
        small_model().load_weights(tmp_path / "m.weights.h5")


@pytest.mark.filterwarnings("ignore:A total of 1 objects could not be loaded")
@pytest.mark.parametrize("skip_mismatch", [False, True])
def test_changed_fixed_class_vectors_never_reach_the_head(tmp_path, skip_mismatch):
    """With `skip_mismatch` Keras turns the refusal into a warning; the vectors must then be unchanged."""
    small_model().save_weights(tmp_path / "m.weights.h5")
    tamper(tmp_path / "m.weights.h5")
    model = small_model()
    with contextlib.suppress(ValueError, VectorsError):
        model.load_weights(tmp_path / "m.weights.h5", skip_mismatch=skip_mismatch)

    np.testing.assert_array_equal(model.layers[-1].class_vectors, class_vectors("uniform", CLASSES, DIM))


def test_changed_fixed_class_vectors_are_an_error_in_keras_load_model(tmp_path):
    with pytest.raises((VectorsError, ValueError), match=REFUSAL):
        keras.models.load_model(tampered_model(tmp_path, fixed=True))


def test_changed_fixed_class_vectors_are_a_vectors_error_in_our_load_model(tmp_path):
    with pytest.raises(VectorsError, match=REFUSAL):
        keras_fixhead.load_model(tampered_model(tmp_path, fixed=True))


def test_changed_learned_class_vectors_are_loaded(tmp_path):
    model = keras_fixhead.load_model(tampered_model(tmp_path, fixed=False))

    assert np.abs(model.layers[-1].class_vectors - class_vectors("uniform", CLASSES, DIM)).max() > 0


def test_a_configuration_whose_seed_and_digest_disagree_is_an_error():
    config = {**small_model().layers[-1].get_config(), "seed": 1}

    with pytest.raises(VectorsError, match="drawn from its configuration have digest"):
        HypersphereHead.from_config(config).build((None, DIM))
    HypersphereHead.from_config({**config, "vectors_digest": None}).build((None, DIM))


def test_a_file_whose_seed_and_digest_disagree_is_an_error(tmp_path):
    small_model().save(tmp_path / "m.keras")
    with zipfile.ZipFile(tmp_path / "m.keras") as file, zipfile.ZipFile(tmp_path / "t.keras", "w") as changed:
        for name in file.namelist():
            content = file.read(name)
            if name == "config.json":
                config = json.loads(content)
                config["config"]["layers"][-1]["config"]["seed"] = 1
                content = json.dumps(config).encode()
            changed.writestr(name, content)

    with pytest.raises(VectorsError, match="drawn from its configuration have digest"):
        keras_fixhead.load_model(tmp_path / "t.keras")


LOAD = """
import sys
import keras, keras_fixhead
model = keras.models.load_model(sys.argv[1])
again = keras_fixhead.load_model(sys.argv[1])
print(type(model.layers[-1]).__module__, model.layers[-1].vectors_digest == again.layers[-1].vectors_digest)
"""


def test_a_model_loads_in_another_process_after_importing_both_packages(tmp_path):
    small_model().save(tmp_path / "m.keras")
    done = subprocess.run([sys.executable, "-c", LOAD, str(tmp_path / "m.keras")], capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["keras_fixhead.head.layer", "True"]


def test_the_weight_decay_of_learned_class_vectors_survives_saving(tmp_path):
    inputs = keras.Input((8,))
    head = HypersphereHead(num_classes=3, fixed=False, vector_weight_decay=0.5)
    keras.Model(inputs, head(inputs)).save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")

    # three vectors of length 1, and torch's c = 0.5: 3 * 0.5 / 2
    np.testing.assert_allclose([float(sum(head.losses)), float(sum(loaded.losses))], 0.75, atol=1e-6)
    assert not HypersphereHead(num_classes=3, fixed=True, vector_weight_decay=0.5).losses
