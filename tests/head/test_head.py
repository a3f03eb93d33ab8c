"""`HypersphereHead` against NumPy in float64, and the contract of a Keras layer."""
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
from keras_fixhead.errors import ArgumentError, VectorsError
from keras_fixhead.head import HypersphereHead, unit_length
from keras_fixhead.models import precision_policy
from keras_fixhead.vectors import KINDS, class_vectors, vectors_digest

CLASSES, DIM = 5, 16
EPSILON = 1e-6
NORMS = [0.0, 1e-8, 1e-4, 1.0, 1e3]

every_head = pytest.mark.parametrize("logits, fixed", [(logits, fixed) for logits in ("cos", "dot")
                                                       for fixed in (True, False)])


def features_of_norm(norm, rows=4):
    drawn = np.random.default_rng(0).normal(size=(rows, DIM))
    return (drawn / np.linalg.norm(drawn, axis=1, keepdims=True) * norm).astype("float32")


def reference_logits(features, vectors, *, logits, scale, normalize_vectors):
    features, vectors = features.astype(np.float64), vectors.astype(np.float64)
    if logits == "cos":
        features = features / np.maximum(np.linalg.norm(features, axis=-1, keepdims=True), EPSILON)
        if normalize_vectors:
            vectors = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    return scale * features @ vectors.T


def reference_gradient_of_length(vectors, upstream, floor):
    """d(upstream . v / max(|v|, floor)) / dv: (g - u (u . g)) / |v|, or g / floor for short ones."""
    norm = np.linalg.norm(vectors, axis=-1, keepdims=True)
    unit = vectors / np.maximum(norm, floor)
    projected = upstream - unit * (unit * upstream).sum(axis=-1, keepdims=True)
    return np.where(norm > floor, projected, upstream) / np.maximum(norm, floor)


def built(**arguments):
    head = HypersphereHead(CLASSES, **arguments)
    head.build((None, DIM))
    return head


@every_head
@pytest.mark.parametrize("norm", NORMS)
def test_values_and_gradients_equal_those_of_float64(logits, fixed, norm):
    """Relative to the largest value: 1e-5, some dozen roundings of float32."""
    import tensorflow as tf

    scale = 3.0
    head = built(logits=logits, fixed=fixed, scale=scale, seed=2)
    if not fixed:  # learned ones do not stay at length 1
        head.class_vectors.assign(class_vectors("uniform", CLASSES, DIM, 2) * np.linspace(0.5, 4, CLASSES)[:, None])
    vectors = keras.ops.convert_to_numpy(head.class_vectors)
    features = features_of_norm(norm)
    upstream = np.random.default_rng(1).normal(size=(len(features), CLASSES)).astype("float32")
    inputs = tf.constant(features)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = head(inputs)
        loss = tf.reduce_sum(outputs * upstream)
    by_features, by_vectors = tape.gradient(loss, [inputs, head.class_vectors.value])

    expected = reference_logits(features, vectors, logits=logits, scale=scale, normalize_vectors=not fixed)
    np.testing.assert_allclose(outputs, expected, atol=1e-5 * max(np.abs(expected).max(), 1e-30))
    f, w, g = features.astype(np.float64), vectors.astype(np.float64), scale * upstream.astype(np.float64)
    if logits == "cos":
        used = w / np.linalg.norm(w, axis=1, keepdims=True) if not fixed else w
        expected_by_features = reference_gradient_of_length(f, g @ used, EPSILON)
        unit = f / np.maximum(np.linalg.norm(f, axis=1, keepdims=True), EPSILON)
        expected_by_vectors = reference_gradient_of_length(w, g.T @ unit, EPSILON)
    else:
        expected_by_features, expected_by_vectors = g @ w, g.T @ f
    np.testing.assert_allclose(by_features, expected_by_features, atol=1e-5 * np.abs(expected_by_features).max())
    if not fixed:
        np.testing.assert_allclose(by_vectors, expected_by_vectors,
                                   atol=1e-5 * max(np.abs(expected_by_vectors).max(), 1e-30))


def test_zero_features_have_cosine_zero_and_a_finite_gradient():
    import tensorflow as tf

    inputs = tf.zeros((2, DIM))
    head = built()
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        loss = tf.reduce_sum(head(inputs)[:, 0])
    gradient = tape.gradient(loss, inputs).numpy()

    np.testing.assert_array_equal(head(inputs), np.zeros((2, CLASSES)))
    np.testing.assert_allclose(gradient, [class_vectors("uniform", CLASSES, DIM)[0] / EPSILON] * 2, rtol=1e-6)


def test_cosines_are_the_logits_of_a_cosine_head_without_its_scale():
    head = built(scale=30.0)
    features = features_of_norm(7.0)

    np.testing.assert_allclose(head(features), 30 * head.cosines(features), rtol=1e-6)
    assert np.abs(head.cosines(features)).max() <= 1 + 1e-6


def test_a_dot_head_has_cosines_too():
    head, cosine_head = built(logits="dot", scale=2.0), built()
    features = features_of_norm(7.0)

    np.testing.assert_allclose(head.cosines(features), cosine_head(features), rtol=1e-6)


def test_features_equal_to_a_class_vector_have_cosine_1_to_it():
    vectors = class_vectors("uniform", CLASSES, DIM, 0)

    np.testing.assert_allclose(np.diag(built()(5 * vectors)), 1, atol=1e-6)


def test_permuting_the_classes_permutes_the_logits():
    head = built(fixed=False)
    features = features_of_norm(1.0)
    before = keras.ops.convert_to_numpy(head(features))
    order = [3, 1, 4, 0, 2]
    head.class_vectors.assign(keras.ops.convert_to_numpy(head.class_vectors)[order])

    np.testing.assert_allclose(head(features), before[:, order], atol=1e-6)


@pytest.mark.parametrize("fixed", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_class_vectors_start_as_drawn_whether_they_are_learned_or_not(kind, fixed):
    head = built(class_vectors=kind, seed=2**40 + 7, fixed=fixed)
    drawn = class_vectors(kind, CLASSES, DIM, 2**40 + 7)

    np.testing.assert_array_equal(head.class_vectors, drawn)
    assert head.vectors_digest == vectors_digest(drawn)
    assert len(head.trainable_weights) == (0 if fixed else 1)
    assert len(head.weights) == 1


@pytest.mark.parametrize("policy", ["float16", "bfloat16"])
def test_it_computes_in_float32_under_a_mixed_policy(policy):
    features = keras.ops.cast(features_of_norm(300.0), policy)  # squared norms beyond float16's 65504
    with precision_policy(policy):
        head = HypersphereHead(CLASSES)
        symbolic = head(keras.Input((DIM,), dtype=policy))
    outputs = head(features)

    assert symbolic.dtype == "float32"
    assert keras.backend.standardize_dtype(outputs.dtype) == "float32"
    assert head.class_vectors.dtype == "float32"
    expected = reference_logits(keras.ops.convert_to_numpy(keras.ops.cast(features, "float32")),
                                class_vectors("uniform", CLASSES, DIM), logits="cos", scale=1.0,
                                normalize_vectors=False)
    np.testing.assert_allclose(outputs, expected, atol=1e-5)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_a_policy_of_16_bits_of_its_own_is_refused(dtype):
    with pytest.raises(ArgumentError, match="does not compute in"):
        HypersphereHead(CLASSES, dtype=dtype)


@pytest.mark.parametrize("arguments, message", [
    ({"num_classes": 1}, "num_classes must be an integer of at least 2, got 1"),
    ({"num_classes": 2.0}, "num_classes must be an integer"),
    ({"num_classes": "ten"}, "num_classes must be an integer of at least 2, got 'ten'"),
    ({"num_classes": 2, "logits": "cosine"}, "logits must be one of dot, cos, got 'cosine'"),
    ({"num_classes": 2, "scale": 0}, "scale must be a positive number, .* got 0"),
    ({"num_classes": 2, "scale": -1.0}, "scale must be a positive number"),
    ({"num_classes": 2, "scale": float("nan")}, "scale must be a positive number, .* got nan"),
    ({"num_classes": 2, "scale": float("inf")}, "scale must be a positive number, .* got inf"),
    ({"num_classes": 2, "scale": "1"}, "scale must be a positive number, .* got '1'"),
    ({"num_classes": 2, "class_vectors": "unifrom"}, "Did you mean 'uniform'"),
    ({"num_classes": 2, "seed": -1}, r"seed must be in \[0, "),
    ({"num_classes": 2, "seed": 1.5}, "seed must be an integer, got 1.5"),
])
def test_a_wrong_argument_is_refused_when_the_layer_is_made(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        HypersphereHead(**arguments)


def test_it_must_know_the_number_of_features():
    with pytest.raises(ArgumentError, match="known number of features"):
        HypersphereHead(CLASSES).build((None, None))


def test_features_of_another_length_or_without_a_batch_are_refused():
    head = built()
    for shape in ((2, DIM + 1), (DIM,)):
        with pytest.raises(ValueError, match="incompatible with the layer"):
            head(np.zeros(shape, "float32"))


@pytest.mark.parametrize("shape", [(2, DIM), (2, 3, DIM), (2, 3, 4, DIM)])
def test_any_leading_axes_are_kept(shape):
    head = HypersphereHead(CLASSES)
    outputs = head(np.ones(shape, "float32"))

    assert outputs.shape == head.compute_output_shape(shape) == (*shape[:-1], CLASSES)


def test_symbolic_inputs_of_rank_3_have_logits_of_rank_3():
    head = HypersphereHead(CLASSES)
    outputs = head(keras.Input((None, DIM)))

    assert outputs.shape == (None, None, CLASSES)
    assert head.compute_output_shape((None, None, DIM)) == (None, None, CLASSES)


@every_head
def test_a_configuration_makes_an_equal_layer(logits, fixed):
    head = HypersphereHead(CLASSES, logits=logits, scale=2.5, fixed=fixed, class_vectors="cube", seed=2**63, name="h")
    for config in (head.get_config(), built(logits=logits, fixed=fixed, class_vectors="cube").get_config()):
        again = HypersphereHead.from_config(json.loads(json.dumps(config)))
        assert again.get_config() == config
    head.build((None, DIM))
    again = HypersphereHead.from_config(head.get_config())

    np.testing.assert_array_equal(again(features_of_norm(1.0)), head(features_of_norm(1.0)))


def test_numpy_numbers_as_arguments_end_in_a_configuration_that_json_takes():
    head = HypersphereHead(np.int64(CLASSES), scale=np.float32(2), seed=np.uint32(3))

    assert HypersphereHead.from_config(json.loads(json.dumps(head.get_config()))).seed == 3


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
def test_fixed_class_vectors_stay_to_the_bit_in_training_and_learned_ones_move(logits, fixed):
    model = small_model(fixed=fixed, logits=logits)
    drawn = class_vectors("uniform", CLASSES, DIM)
    kernel = keras.ops.convert_to_numpy(model.layers[1].kernel)
    fit_a_step(model)

    assert np.array_equal(model.layers[-1].class_vectors, drawn) == fixed
    assert not np.array_equal(model.layers[1].kernel, kernel)


def test_fixed_class_vectors_stay_under_weight_decay_and_when_the_model_is_made_trainable():
    model = small_model()
    model.trainable = False
    model.trainable = True
    model.compile(keras.optimizers.SGD(0.5, weight_decay=0.1),
                  keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(IMAGES, LABELS, verbose=0)

    np.testing.assert_array_equal(model.layers[-1].class_vectors, class_vectors("uniform", CLASSES, DIM))


@every_head
def test_a_saved_model_comes_back_equal(tmp_path, logits, fixed):
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
    """Changes one class vector in a .weights.h5 file by the smallest amount."""
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
    """A .keras file with one changed class vector."""
    small_model(fixed=fixed).save(folder / "m.keras")
    with zipfile.ZipFile(folder / "m.keras") as file:
        file.extractall(folder / "parts")
    tamper(folder / "parts" / "model.weights.h5")
    with zipfile.ZipFile(folder / "t.keras", "w") as file:
        for part in (folder / "parts").iterdir():
            file.write(part, part.name)
    return folder / "t.keras"


def test_changed_fixed_class_vectors_are_an_error_when_weights_are_loaded(tmp_path):
    small_model().save_weights(tmp_path / "m.weights.h5")
    tamper(tmp_path / "m.weights.h5")

    # Keras wraps what a layer raises in a ValueError with the message in it
    with pytest.raises((VectorsError, ValueError), match=r"The class vectors loaded have digest [0-9a-f]{16}, but"):
        small_model().load_weights(tmp_path / "m.weights.h5")


@pytest.mark.filterwarnings("ignore:A total of 1 objects could not be loaded")
@pytest.mark.parametrize("skip_mismatch", [False, True])
def test_changed_fixed_class_vectors_never_get_into_the_head(tmp_path, skip_mismatch):
    """Keras turns a refusal into a warning under `skip_mismatch`: then the vectors must be those of before."""
    small_model().save_weights(tmp_path / "m.weights.h5")
    tamper(tmp_path / "m.weights.h5")
    model = small_model()
    with contextlib.suppress(ValueError, VectorsError):
        model.load_weights(tmp_path / "m.weights.h5", skip_mismatch=skip_mismatch)

    np.testing.assert_array_equal(model.layers[-1].class_vectors, class_vectors("uniform", CLASSES, DIM))


def test_changed_fixed_class_vectors_are_an_error_when_keras_loads_the_model(tmp_path):
    with pytest.raises((VectorsError, ValueError), match=r"The class vectors loaded have digest [0-9a-f]{16}, but"):
        keras.models.load_model(tampered_model(tmp_path, fixed=True))


def test_changed_fixed_class_vectors_are_a_vectors_error_when_we_load_the_model(tmp_path):
    with pytest.raises(VectorsError, match=r"The class vectors loaded have digest [0-9a-f]{16}, but"):
        keras_fixhead.load_model(tampered_model(tmp_path, fixed=True))


def test_changed_learned_class_vectors_are_loaded(tmp_path):
    model = keras_fixhead.load_model(tampered_model(tmp_path, fixed=False))

    assert np.abs(model.layers[-1].class_vectors - class_vectors("uniform", CLASSES, DIM)).max() > 0


def test_a_configuration_whose_seed_does_not_give_its_digest_is_an_error():
    config = {**built().get_config(), "seed": 1}

    with pytest.raises(VectorsError, match="drawn from its configuration have digest"):
        HypersphereHead.from_config(config).build((None, DIM))
    HypersphereHead.from_config({**config, "vectors_digest": None}).build((None, DIM))


def test_a_file_whose_seed_does_not_give_its_digest_is_an_error(tmp_path):
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


def test_assigned_class_vectors_are_found_out_when_the_model_is_loaded_again(tmp_path):
    model = small_model()
    model.layers[-1].class_vectors.assign(class_vectors("uniform", CLASSES, DIM, 1))
    model.save(tmp_path / "m.keras")

    with pytest.raises(VectorsError, match="The class vectors loaded"):
        keras_fixhead.load_model(tmp_path / "m.keras")


LOAD = """
import sys
import keras, keras_fixhead
model = keras.models.load_model(sys.argv[1])
again = keras_fixhead.load_model(sys.argv[1])
print(type(model.layers[-1]).__module__, model.layers[-1].vectors_digest == again.layers[-1].vectors_digest)
"""


def test_another_process_loads_a_model_once_both_packages_are_imported(tmp_path):
    small_model().save(tmp_path / "m.keras")
    done = subprocess.run([sys.executable, "-c", LOAD, str(tmp_path / "m.keras")], capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["keras_fixhead.head.layer", "True"]


@pytest.mark.parametrize("norm", NORMS)
def test_unit_length_divides_by_the_length_or_by_the_floor(norm):
    vectors = features_of_norm(norm)
    exact = vectors.astype(np.float64)
    expected = exact / np.maximum(np.linalg.norm(exact, axis=1, keepdims=True), EPSILON)

    np.testing.assert_allclose(unit_length(vectors), expected, rtol=1e-6, atol=1e-30)


def test_the_weight_decay_of_learned_class_vectors_survives_saving(tmp_path):
    inputs = keras.Input((8,))
    head = HypersphereHead(num_classes=3, fixed=False, vector_weight_decay=0.5)
    keras.Model(inputs, head(inputs)).save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")

    # three vectors of length 1, and torch's c = 0.5: 3 * 0.5 / 2
    np.testing.assert_allclose([float(sum(head.losses)), float(sum(loaded.losses))], 0.75, atol=1e-6)
    assert not HypersphereHead(num_classes=3, fixed=True, vector_weight_decay=0.5).losses
