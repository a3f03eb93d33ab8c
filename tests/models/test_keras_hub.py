"""Networks of KerasHub next to KerasHub's own: presets are built here, with few filters, and saved by it."""
import keras
import numpy as np
import pytest

from keras_fixhead.catalog import feature_dim, find_model
from keras_fixhead.errors import ArgumentError, DataError
from keras_fixhead.models import build_model, feature_model, load_model, start_from_weights
from keras_fixhead.models.precision import precision_policy

pytestmark = pytest.mark.long

IMAGES = np.random.default_rng(0).integers(0, 256, (2, 48, 32, 3)).astype("float32")
SCALE, OFFSET = [1 / 58.4, 1 / 57.1, 1 / 57.4], [-2.1, -2.0, -1.8]
RESNET = {"input_conv_filters": [64], "input_conv_kernel_sizes": [3], "stackwise_num_filters": [64, 64],
          "stackwise_num_blocks": [1, 1], "stackwise_num_strides": [1, 2]}
NETWORKS = {
    "basic": ("ResNet", {**RESNET, "block_type": "basic_block"}),
    "bottleneck": ("ResNet", {**RESNET, "block_type": "bottleneck_block", "use_pre_activation": True}),
    "vd": ("ResNet", {**RESNET, "block_type": "bottleneck_block_vd"}),
    "densenet": ("DenseNet", {"stackwise_num_repeats": [2, 3], "compression_ratio": 0.5, "growth_rate": 5}),
    "vgg": ("VGG", {"stackwise_num_repeats": [1, 1], "stackwise_num_filters": [8, 16]}),
    "xception": ("Xception", {"stackwise_conv_filters": [[8, 16], [16, 24], [24, 40]],
                              "stackwise_pooling": [False, True, False]}),
    "cspnet": ("CSPNet", {"stem_filters": 8, "stem_kernel_size": 3, "stem_strides": 1, "stackwise_depth": [1, 1],
                          "stackwise_strides": [1, 2], "stackwise_num_filters": [8, 16], "stage_type": "csp",
                          "block_type": "bottleneck_block", "bottle_ratio": [0.5], "expand_ratio": [2.0]}),
}


def save(folder, name, *, converter=True):
    """Saves a small network with random weights as a preset; returns its `--model` and KerasHub's own network."""
    import keras_hub

    family, sizes = NETWORKS[name]
    keras.utils.set_random_seed(1)
    network = getattr(keras_hub.models, f"{family}Backbone")(**sizes)
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.moving_mean.assign(np.full(layer.moving_mean.shape, 0.01))
    network.save_to_preset(str(folder))
    if converter:
        kind = getattr(keras_hub.layers, f"{family}ImageConverter")
        kind(image_size=(224, 224), scale=SCALE, offset=OFFSET).save_to_preset(str(folder))
    return f"keras_hub/{folder}", network


def features(model, images=IMAGES):
    return np.asarray(feature_model(model)(images))


@pytest.mark.parametrize("name", NETWORKS)
def test_features_of_a_preset_are_those_of_keras_hub(tmp_path, name):
    preset, network = save(tmp_path / "preset", name)
    model = build_model(preset, (48, 32, 3), 3, seed=5)
    random = features(model)
    start_from_weights(model, preset, "imagenet")
    expected = np.asarray(network((IMAGES * SCALE + OFFSET).astype("float32")))
    model.save(tmp_path / "m.keras")

    assert model.name == "keras_hub_preset" and expected.shape[-1] == feature_dim(preset, 1.0)
    np.testing.assert_allclose(features(model), expected.mean(axis=(1, 2)), rtol=1e-4, atol=1e-4)
    assert not np.allclose(random, features(model), atol=1e-2)
    assert find_model(preset).signed_features or expected.min() >= 0
    np.testing.assert_allclose(load_model(tmp_path / "m.keras")(IMAGES), model(IMAGES), atol=1e-6)
    assert not any("keras_hub" in type(layer).__module__ for layer in model.layers)


def test_initial_weights_depend_on_the_seed_alone(tmp_path):
    preset, _ = save(tmp_path / "preset", "basic")
    one, same, other = (build_model(preset, (32, 32, 3), 3, seed=seed).get_weights() for seed in (1, 1, 2))

    for a, b, c in zip(one, same, other, strict=True):
        np.testing.assert_array_equal(a, b)
        assert a.ndim == 1 or not np.allclose(a, c)


def test_channels_precision_and_data_decide_how_pixels_enter(tmp_path):
    preset, _ = save(tmp_path / "preset", "basic")
    unscaled, _ = save(tmp_path / "unscaled", "basic", converter=False)
    grey = build_model(preset, (32, 32, 1), 3).get_layer("preprocess")
    with precision_policy("bfloat16"):
        half = build_model(preset, (32, 32, 3), 3)
    normalized = build_model(unscaled, (32, 32, 3), 3, mean=(1, 2, 3), std=4)

    np.testing.assert_allclose([grey.scale, grey.offset], [np.mean(SCALE), np.mean(OFFSET)])
    assert half.get_layer("preprocess").compute_dtype == "float32"
    assert half.get_layer("conv1_conv").compute_dtype == "bfloat16"
    np.testing.assert_allclose(normalized.get_layer("normalize")(np.array([[[[5, 6, 7]]]])), np.ones((1, 1, 1, 3)))
    assert "preprocess" not in {layer.name for layer in normalized.layers}


def test_weights_that_do_not_fit_are_one_line_errors(tmp_path):
    preset, _ = save(tmp_path / "preset", "basic")
    save(tmp_path / "other", "vgg")
    model = build_model(preset, (48, 32, 3), 3)
    before = features(model)
    for weights in (tmp_path / "other" / "model.weights.h5", tmp_path / "other" / "config.json"):
        with pytest.raises(DataError, match=r"does not have the weights of preset: .*--weights none\.$"):
            start_from_weights(model, preset, str(weights))
    with pytest.raises(ArgumentError, match="for images with 3 channels, got 1"):
        start_from_weights(build_model(preset, (48, 32, 1), 3), preset, "imagenet")
    np.testing.assert_array_equal(features(model), before)
