"""Image sizes, channels and precision policies: valid ones work, and the rest give a one-line error."""
import keras
import numpy as np
import pytest

from keras_fixhead.catalog import MODELS
from keras_fixhead.errors import ArgumentError
from keras_fixhead.models import attach_head, build_model, feature_model, load_model, multiply_adds

LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
OURS = [name for name, entry in MODELS.items() if entry.extra is None]


def images_of(side, channels, n=2):
    return np.random.default_rng(0).integers(0, 256, (n, side, side, channels)).astype("uint8")


@pytest.mark.parametrize("name", OURS)
def test_a_network_accepts_images_of_any_size(name, tmp_path):
    model = build_model(name, (None, None, 3), 5, width=1 / 32, scale=9.0, seed=3)
    fixed_size = build_model(name, (16, 16, 3), 5, width=1 / 32, scale=9.0, seed=3)
    np.testing.assert_allclose(model(images_of(16, 3)), fixed_size(images_of(16, 3)), atol=1e-5)
    model.compile(keras.optimizers.SGD(0.01), LOSS)
    for side in (16, 24):
        model.fit(images_of(side, 3), np.arange(2), verbose=0)
        assert np.isfinite(model.predict(images_of(side, 3), verbose=0)).all()
    model.save(tmp_path / "m.keras")

    np.testing.assert_array_equal(load_model(tmp_path / "m.keras")(images_of(20, 3)), model(images_of(20, 3)))
    with pytest.raises(ArgumentError, match="depend on the image size, which it does not fix"):
        multiply_adds(model)


@pytest.mark.parametrize("channels", [1, 4])
@pytest.mark.parametrize("name", OURS)
def test_a_network_accepts_other_numbers_of_channels(name, channels):
    mean, std = [100.0 + each for each in range(channels)], [50.0 + each for each in range(channels)]
    model = build_model(name, (16, 16, channels), 5, width=1 / 32, scale=9.0, mean=mean, std=std)
    images = images_of(16, channels)
    normalized = keras.Model(model.inputs, model.get_layer("normalize").output)(images)
    model.compile(keras.optimizers.SGD(0.01), LOSS)

    assert np.isfinite(model.fit(images, np.arange(2), verbose=0).history["loss"][0])
    np.testing.assert_allclose(normalized, (images - np.array(mean)) / np.array(std), atol=1e-5)


@pytest.mark.parametrize("shape", [(32, 32), (32, 32, None), (32, 32, 0), (7, 32, 3), (32, 4, 3), (32.0, 32, 3),
                                   ("32", 32, 3), None, 32, (None, 32, 32, 3), "abc", (True, 32, 3), ()])
def test_an_invalid_shape_gives_a_one_line_error(shape):
    with pytest.raises(ArgumentError, match=r"input_shape must be \(H, W, C\) with H, W >= 8 or .* got") as caught:
        build_model("resnet18", shape, 5)

    assert "\n" not in str(caught.value)


def test_pooling_by_positions_needs_a_known_size():
    for shape in ((None, None, 3), (None, 32, 3)):
        with pytest.raises(ArgumentError, match=r"Pooling 4x4 needs images of known size: .* use pooling 'global'"):
            build_model("resnet18", shape, 5, pooling="4x4")


@pytest.mark.parametrize("policy, expected", [("float32", "float32"), ("float64", "float64"), ("float16", "float32"),
                                              ("bfloat16", "float32"), ("mixed_float16", "float32"),
                                              ("mixed_bfloat16", "float32")])
def test_features_and_logits_have_full_precision_under_every_policy(policy, expected):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        model = build_model("resnet18", (16, 16, 3), 5, width=1 / 32, scale=9.0)
        backbone = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(16, 3)])
        attached = attach_head(backbone, 5, scale=9.0)
    finally:
        keras.config.set_dtype_policy(before)
    for each, images in ((model, images_of(16, 3)), (attached, images_of(8, 3).astype("float32"))):
        assert {each.layers[-1].compute_dtype, each.layers[-1].class_vectors.dtype, each.output.dtype,
                feature_model(each).output.dtype} == {expected}
        assert keras.backend.standardize_dtype(each(images).dtype) == expected
