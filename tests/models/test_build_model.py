"""The structure of ResNet18, and what all models from `build_model` have in common."""
import math
import subprocess
import sys

import keras
import numpy as np
import pytest

from keras_fixhead.catalog import MODELS
from keras_fixhead.errors import ArgumentError
from keras_fixhead.models import FEATURES, build_model, feature_model, head_of, precision_policy
from keras_fixhead.models.layers import Layers
from keras_fixhead.vectors import class_vectors

SHAPE = (32, 32, 3)
PIXELS = np.random.default_rng(0).integers(0, 256, (3, *SHAPE)).astype("uint8")

def count(weights):
    return sum(math.prod(weight.shape) for weight in weights)


def build(**arguments):
    return build_model("resnet18", SHAPE, 10, **{"width": 1 / 32, **arguments})


@pytest.fixture(scope="module")
def model():
    return build()


def test_the_model_is_flat_and_its_layers_have_the_structure_of_resnet18(model):
    assert not any(isinstance(layer, keras.Model) for layer in model.layers)
    kinds = [type(layer).__name__ for layer in model.layers]
    assert kinds.count("Conv2D") == 20  # stem, 4 stages x 2 blocks x 2, 3 shortcuts
    assert kinds.count("FusedBatchNormalization") == 20
    assert "MaxPooling2D" not in kinds
    assert [layer.strides[0] for layer in model.layers if layer.name.endswith("conv1")] == [1, 1, 2, 1, 2, 1, 2, 1]
    assert not any(layer.use_bias for layer in model.layers if isinstance(layer, keras.layers.Conv2D))
    assert model.layers[-1] is head_of(model)
    assert model.name == "resnet18" and model.input.name == "images"


@pytest.mark.parametrize("shape", [(8, 8, 3), (32, 32, 3), (48, 48, 3), (96, 96, 3), (33, 40, 3)])
def test_any_input_size_gives_the_same_number_of_features(shape):
    any_size = build_model("resnet18", shape, 10, width=1 / 32)
    features = feature_model(any_size)
    positions = features.layers[-1].input.shape[1:3]

    assert features.output_shape == (None, 16) and any_size.output_shape == (None, 10)
    assert positions == tuple(-(-side // 8) for side in shape[:2])  # a total stride of 8


def test_features_are_a_named_layer_that_feeds_the_logits(model):
    features = feature_model(model).predict(PIXELS, verbose=0)
    logits = model.predict(PIXELS, verbose=0)
    expected = features @ class_vectors("uniform", 10, 16, 0).T / np.linalg.norm(features, axis=1, keepdims=True)

    assert model.get_layer(FEATURES).output.dtype == "float32"
    assert (features >= 0).all() and not MODELS["resnet18"].signed_features
    np.testing.assert_allclose(logits, expected, atol=1e-5)


def test_the_head_has_the_given_arguments():
    model = build(logits="dot", fixed=False, scale=7.0, class_vectors="cube", seed=3, vector_seed=5)
    head = head_of(model)

    assert (head.logits, head.fixed, head.scale, head.kind, head.seed) == ("dot", False, 7.0, "cube", 5)
    assert head_of(build(seed=3)).seed == 3


def test_batch_normalization_has_the_momentum_and_epsilon_of_torch(model):
    layers = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]

    assert {(layer.momentum, layer.epsilon, layer.center, layer.scale) for layer in layers} == {(0.9, 1e-5, True, True)}


def weights(model):
    return [keras.ops.convert_to_numpy(weight) for weight in model.weights]


def test_initial_weights_depend_only_on_the_seed():
    keras.utils.set_random_seed(1)
    one = build(seed=5)
    keras.utils.set_random_seed(2)
    again, other = build(seed=5), build(seed=6)

    for a, b in zip(weights(one), weights(again), strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b, weight in zip(weights(one), weights(other), one.weights, strict=True):
        if weight.name in ("kernel", "class_vectors"):
            assert not np.array_equal(a, b), weight.path


def test_the_class_vector_seed_does_not_affect_the_backbone():
    one, other = build(seed=5), build(seed=5, vector_seed=6)
    for a, b, weight in zip(weights(one), weights(other), one.weights, strict=True):
        assert np.array_equal(a, b) == (weight.name != "class_vectors")


def test_no_two_layers_start_with_the_same_weights(model):
    kernels = [keras.ops.convert_to_numpy(layer.kernel) for layer in model.layers if hasattr(layer, "kernel")]
    starts = {kernel.ravel()[:8].tobytes() for kernel in kernels}

    assert len(starts) == len(kernels) == 20


def test_pixels_are_scaled_to_minus_1_to_1_by_default(model):
    normalized = keras.Model(model.inputs, model.get_layer("normalize").output)
    pixels = np.zeros((3, *SHAPE), "float32") + np.array([0, 127.5, 255])[:, None, None, None]

    np.testing.assert_allclose(normalized(pixels)[:, 0, 0, 0], [-1, 0, 1], atol=1e-6)
    assert not model.get_layer("normalize").weights


def test_mean_and_std_are_one_number_or_one_per_channel():
    mean, std = [125.3, 123.0, 113.9], [63.0, 62.1, 66.7]
    found = build(mean=mean, std=std).get_layer("normalize")(PIXELS)

    # float32 rounding of values up to 2, after subtracting values up to 2
    np.testing.assert_allclose(found, (PIXELS - np.array(mean)) / np.array(std), atol=2e-6)
    np.testing.assert_allclose(build(mean=100, std=50).get_layer("normalize")(PIXELS), (PIXELS - 100.0) / 50, atol=2e-6)


@pytest.mark.parametrize("arguments", [{"std": 0}, {"std": -1}, {"std": float("nan")}, {"mean": float("inf")},
                                       {"std": [1, 0, 1]}])
def test_an_invalid_normalization_is_refused(arguments):
    with pytest.raises(ArgumentError, match="mean must be finite and std positive"):
        build(**arguments)


@pytest.mark.parametrize("shape", [(32, 32), (3, 32, 32), (7, 32, 3), (32, 32, 3, 3)])
def test_an_input_that_is_not_an_image_is_refused(shape):
    with pytest.raises(ArgumentError, match=r"input_shape must be \(H, W, C\) with H, W >= 8 or None for any size"):
        build_model("resnet18", shape, 10)


def test_an_unknown_model_suggests_the_nearest_name():
    with pytest.raises(ArgumentError, match="Did you mean 'resnet18'"):
        build_model("resnet8", SHAPE, 10)


def test_weight_decay_is_half_as_an_l2_penalty_on_kernels_only():
    model = build(weight_decay=1e-3, vector_weight_decay=1e-2, fixed=False)
    expected = sum(0.5e-3 * (kernel.astype(np.float64) ** 2).sum() for kernel in (
        keras.ops.convert_to_numpy(layer.kernel) for layer in model.layers if hasattr(layer, "kernel")))
    expected += 0.5e-2 * 10  # ten vectors of length 1

    assert float(sum(model.losses)) == pytest.approx(expected, rel=1e-5)
    assert not build().losses
    assert len(build(vector_weight_decay=1e-2).losses) == 0  # fixed class vectors are not decayed


@pytest.mark.parametrize("name", ["weight_decay", "vector_weight_decay"])
@pytest.mark.parametrize("value", [-1e-4, float("nan"), float("inf")])
def test_an_invalid_weight_decay_is_refused(name, value):
    with pytest.raises(ArgumentError, match=f"{name} must be 0 or a positive number"):
        build(**{name: value})


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_under_a_mixed_policy_weights_features_and_logits_are_float32(precision):
    before = keras.config.dtype_policy().name
    with precision_policy(precision):
        model = build()

    assert keras.config.dtype_policy().name == before == "float32"
    assert model.get_layer("stage1_block1_conv1").compute_dtype == precision
    assert {weight.dtype for weight in model.weights} == {"float32"}
    assert [output.dtype for output in (model.get_layer(FEATURES).output, *model.outputs)] == ["float32"] * 2
    assert model.get_layer("normalize").compute_dtype == "float32"


def test_the_policy_is_restored_after_an_error():
    with pytest.raises(KeyError), precision_policy("bfloat16"):
        raise KeyError
    assert keras.config.dtype_policy().name == "float32"


def test_fused_and_stock_normalization_give_the_same_network():
    """Inference is bit-identical; training outputs and gradients agree to float32 rounding over 20 layers."""
    import tensorflow as tf

    fused, stock = build(width=1 / 8), build(width=1 / 8, normalization=keras.layers.BatchNormalization)
    images = np.random.default_rng(1).integers(0, 256, (16, *SHAPE)).astype("uint8")
    results = []
    for model in (fused, stock):
        with tf.GradientTape() as tape:
            logits = model(images, training=True)
            loss = tf.reduce_mean(logits[:, 0])
        gradients = tape.gradient(loss, [weight.value for weight in model.trainable_weights])
        statistics = [weight for weight in model.non_trainable_weights if weight.name.startswith("moving")]
        results.append([logits, *gradients, *statistics])

    assert len(results[0]) == 1 + 60 + 40
    for found, expected in zip(*results, strict=True):
        found, expected = keras.ops.convert_to_numpy(found), keras.ops.convert_to_numpy(expected)
        np.testing.assert_allclose(found, expected, atol=2e-4 * np.abs(expected).max() + 1e-9)
    stock.set_weights(fused.get_weights())
    np.testing.assert_array_equal(fused.predict(images, verbose=0), stock.predict(images, verbose=0))


def test_a_user_can_compile_and_fit_it_with_a_plain_loss():
    model = build()
    model.compile(keras.optimizers.SGD(0.01), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    before = weights(model)
    history = model.fit(np.repeat(PIXELS, 2, axis=0), np.arange(6), verbose=0)

    assert np.isfinite(history.history["loss"][0])
    for old, weight in zip(before, model.weights, strict=True):
        assert np.array_equal(old, weight) == (weight.name == "class_vectors"), weight.path


ODD_BATCHES = """
import keras, numpy as np
from keras_fixhead.models import build_model
model = build_model("resnet18", (32, 32, 3), 10, width=1 / 8)
model.compile(keras.optimizers.SGD(0.01), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
for size in (1, 3, 9):
    model.fit(np.zeros((3 * size, 32, 32, 3), "uint8"), np.arange(3 * size) % 10, batch_size=size, verbose=0)
print("trained")
"""


def test_odd_batches_on_few_channels_do_not_write_out_of_bounds():
    """oneDNN writes the filter gradient of a 1x1 convolution with stride 2 out of bounds if it has
    fewer channels than a vector register (8 at 1/8 of the width): uxlfoundation/oneDNN issue 6035. That may abort the
    process, so the test starts another one. Subsampling and then convolving with stride 1 is the same function.
    """
    done = subprocess.run([sys.executable, "-c", ODD_BATCHES], capture_output=True, text=True)

    assert (done.returncode, done.stdout.strip()) == (0, "trained"), done.stderr[-500:]


def test_no_1x1_convolution_on_few_channels_has_a_stride(model):
    """Checks for the cause of the above, so that it cannot pass by luck."""
    shortcuts = [layer for layer in model.layers
                 if isinstance(layer, keras.layers.Conv2D) and layer.kernel_size == (1, 1)]

    assert len(shortcuts) == 3
    for layer in shortcuts:
        assert layer.strides == (1, 1) or layer.input.shape[-1] >= 16, layer.name


def test_subsampling_before_a_1x1_convolution_equals_striding():
    for size in (8, 9):  # even and odd sizes
        x = keras.Input((size, size, 4))
        ours = keras.Model(x, Layers(seed=0, weight_decay=0.0).conv(x, 6, 1, 2, name="conv"))
        stock = keras.layers.Conv2D(6, 1, 2, "same", use_bias=False)
        stock.build((None, size, size, 4))
        stock.set_weights(ours.get_weights())
        images = np.random.default_rng(size).normal(size=(2, size, size, 4)).astype("float32")

        np.testing.assert_allclose(ours(images), stock(images), atol=1e-6)  # float32 sums of four terms


def test_head_of_a_model_without_a_head_is_an_error():
    dense = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)], name="plain")

    with pytest.raises(ArgumentError, match="last layer of 'plain' is a Dense, not a HypersphereHead"):
        head_of(dense)
    with pytest.raises(ArgumentError, match="'plain' has no layer named 'features'"):
        feature_model(dense)
