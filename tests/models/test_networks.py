"""The networks: parameter counts, feature counts, initialization."""
import math

import keras
import numpy as np
import pytest

from keras_fixhead.catalog import MODELS, feature_dim
from keras_fixhead.errors import ArgumentError
from keras_fixhead.models import IdentityUniform, build_model, feature_model, head_of
from keras_fixhead.models.layers import Layers

# network, width, form, signed features: (features, trainable backbone, BN statistics,
# trainable with a learned head and bias for 10, 100 and 200 classes)
COUNTS = {
    ("resnet18", 1, None, None): (512, 11_168_832, 9_600, 11_173_962, 11_220_132, 11_271_432),
    ("resnet18", 1 / 2, None, None): (256, 2_795_040, 4_800, 2_797_610, 2_820_740, 2_846_440),
    ("resnet18", 1 / 4, None, None): (128, 700_176, 2_400, 701_466, 713_076, 725_976),
    ("resnet18", 1 / 8, None, None): (64, 175_752, 1_200, 176_402, 182_252, 188_752),
    ("preact_resnet18", 1, None, True): (512, 11_166_016, 6_784, 11_171_146, 11_217_316, 11_268_616),
    ("preact_resnet18", 1 / 2, None, True): (256, 2_793_632, 3_392, 2_796_202, 2_819_332, 2_845_032),
    ("preact_resnet18", 1 / 4, None, True): (128, 699_472, 1_696, 700_762, 712_372, 725_272),
    ("preact_resnet18", 1, None, False): (512, 11_167_040, 7_808, 11_172_170, 11_218_340, 11_269_640),
    ("preact_resnet18", 1 / 4, None, False): (128, 699_728, 1_952, 701_018, 712_628, 725_528),
    ("mobilenet_v2", 1, None, None): (1280, 2_284_112, 35_088, 2_296_922, 2_412_212, 2_540_312),
    ("mobilenet_v2", 1 / 2, None, None): (1280, 699_752, 18_824, 712_562, 827_852, 955_952),
    ("mobilenet_v2", 1 / 4, None, None): (1280, 240_260, 10_692, 253_070, 368_360, 496_460),
    ("mobilenet_v2", 1 / 4, ("last_channels", 320), None): (320, 161_540, 8_772, 164_750, 193_640, 225_740),
    ("mobilenet_v2", 1 / 4, ("multiple_of", 8), None): (1280, 241_984, 10_880, 254_794, 370_084, 498_184),
    ("mobilenet_v2", 1, ("cifar_form", False), None): (1280, 2_223_872, 34_112, 2_236_682, 2_351_972, 2_480_072),
    ("mobilenet_v2", 1 / 4, ("cifar_form", False, "multiple_of", 8), None): (
        1280, 238_112, 10_656, 250_922, 366_212, 494_312),
    # in `statistics`, its whitening kernel too: 2 x 2 x 3 x 24
    ("fast_cnn", 1, None, None): (256, 1_968_792, 2_592, 1_971_362, 1_994_492, 2_020_192),
    ("fast_cnn", 1 / 4, None, None): (64, 125_880, 864, 126_530, 132_380, 138_880),
}
OURS = [name for name, entry in MODELS.items() if entry.extra is None]


def count(weights):
    return sum(math.prod(weight.shape) for weight in weights)


@pytest.mark.parametrize("name, width, form, signed", COUNTS)
def test_every_form_has_as_many_parameters_as_the_published_code(name, width, form, signed):
    dim, backbone, statistics, *learned = COUNTS[name, width, form, signed]
    form = dict(zip(form[::2], form[1::2], strict=True)) if form else None
    model = build_model(name, (32, 32, 3), 10, width=width, form=form, signed_features=signed)

    assert feature_model(model).output_shape == (None, dim)
    assert count(model.trainable_weights) == backbone
    assert count(model.non_trainable_weights) == statistics + 10 * dim
    for num_classes, expected in zip((10, 100, 200), learned, strict=True):
        assert backbone + num_classes * (dim + 1) == expected


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("num_classes", [10, 100, 200])
def test_a_learned_head_with_a_bias_adds_its_vectors_and_biases(name, num_classes):
    key = next(key for key in COUNTS if key[0] == name and key[1] == 1 / 4 and not key[2])
    model = build_model(name, (32, 32, 3), num_classes, width=1 / 4, signed_features=key[3], fixed=False,
                        bias="learned")

    assert count(model.trainable_weights) == COUNTS[key][{10: 3, 100: 4, 200: 5}[num_classes]]


def test_the_released_form_has_4608_features_at_96_pixels():
    """It has 11,214,922 trainable parameters with its learned head and bias."""
    model = build_model("resnet18", (96, 96, 3), 10, pooling="4x4", fixed=False, bias="learned")

    assert count(model.trainable_weights) == 11_214_922
    assert head_of(model).class_vectors.shape == (10, 4608)


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("side, pooling", [(32, "global"), (33, "global"), (64, "global"), (96, "4x4"), (128, "global"),
                                           (64, "4x4")])
def test_any_input_size_gives_the_features_listed_in_the_catalog(name, side, pooling):
    model = build_model(name, (side, side, 3), 10, width=1 / 16, pooling=pooling)

    assert feature_model(model).output_shape == (None, feature_dim(name, 1 / 16, (side, side, 3), pooling))
    assert model(np.zeros((1, side, side, 3), "uint8")).shape == (1, 10)


def test_pooling_4x4_averages_adjacent_blocks():
    """From a feature map of 8x8 positions, each pooled feature is the mean of a 4x4 block."""
    model = build_model("resnet18", (64, 64, 3), 10, width=1 / 32, pooling="4x4")
    images = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3)).astype("uint8")
    maps = keras.Model(model.inputs, model.get_layer("pool").input).predict(images, verbose=0)
    expected = maps.reshape(2, 2, 4, 2, 4, 16).mean(axis=(2, 4)).reshape(2, -1)

    np.testing.assert_allclose(feature_model(model).predict(images, verbose=0), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", OURS)
def test_signed_features_are_optional(name):
    """In training mode, where normalisation spreads the features; the images give a map of one or a few positions."""
    images = np.random.default_rng(0).integers(0, 256, (4, 16, 16, 3)).astype("uint8")
    negative = {}
    for signed in (None, True, False):
        features = feature_model(build_model(name, (16, 16, 3), 10, width=1 / 8, signed_features=signed))
        found = keras.ops.convert_to_numpy(features(images, training=True))
        negative[signed] = bool((found < MODELS[name].lowest).any())

    assert negative == {None: MODELS[name].signed_features, True: True, False: False}


@pytest.mark.parametrize("name", OURS)
def test_kernels_start_with_the_variance_of_torch_by_their_own_fan_in(name):
    """Uniform with variance 1 / (3 fan_in); the sample variance of n values has sd sqrt(0.8 / n): within 5 sd.

    A depthwise kernel has fan_in 9. Keras also counts the channels, which would start it far too small.
    """
    model = build_model(name, (32, 32, 3), 10, width=1 / 4)
    seen = set()
    for layer in model.layers:
        if isinstance(layer, (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)):
            depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
            kernel = keras.ops.convert_to_numpy(layer.kernel).astype(np.float64)
            if not depthwise and isinstance(layer.kernel_initializer, IdentityUniform):
                kernel = kernel[..., kernel.shape[2]:]  # test_initializers.py has the others
                if not kernel.size:
                    continue
            fan_in = 9 if depthwise else math.prod(kernel.shape[:3])
            assert kernel.var() * 3 * fan_in == pytest.approx(1, abs=5 * math.sqrt(0.8 / kernel.size)), layer.name
            assert np.abs(kernel).max() <= 1 / math.sqrt(fan_in) + 1e-7
            seen.add(depthwise)
        if isinstance(layer, keras.layers.BatchNormalization):
            assert layer.scale == (name != "fast_cnn")
            assert not layer.scale or (keras.ops.convert_to_numpy(layer.gamma) == 1).all()
            assert (keras.ops.convert_to_numpy(layer.beta) == 0).all()
    assert seen == ({True, False} if name == "mobilenet_v2" else {False})


@pytest.mark.parametrize("strides", [1, 2])
def test_a_depthwise_convolution_matches_torch(strides):
    """By hand in float64: padding of 1 on each side, then every `strides`-th position."""
    inputs = keras.Input((9, 8, 5))
    model = keras.Model(inputs, Layers(0, 0.0).depthwise_conv(inputs, 3, strides, name="conv"))
    x = np.random.default_rng(0).normal(size=(2, 9, 8, 5)).astype("float32")
    kernel = keras.ops.convert_to_numpy(model.get_layer("conv").kernel)[..., 0].astype(np.float64)  # (3, 3, 5)
    padded = np.pad(x.astype(np.float64), [(0, 0), (1, 1), (1, 1), (0, 0)])
    expected = sum(padded[:, row : row + 9, column : column + 8] * kernel[row, column]
                   for row in range(3) for column in range(3))[:, ::strides, ::strides]

    np.testing.assert_allclose(model.predict(x, verbose=0), expected, atol=1e-5)


def test_normalization_layers_are_decayed_only_on_request():
    plain, decayed = (build_model("resnet18", (32, 32, 3), 10, width=1 / 32, weight_decay=0.1, decay_norms=each)
                      for each in (False, True))
    assert len(plain.losses) == 20 and len(decayed.losses) == 20 + 2 * 20
    # gamma is 1 and beta 0: 0.1 / 2 for each channel
    channels = sum(layer.gamma.shape[0] for layer in decayed.layers if hasattr(layer, "gamma"))
    assert float(sum(decayed.losses) - sum(plain.losses)) == pytest.approx(0.05 * channels, rel=1e-5)


def test_an_unknown_form_or_pooling_is_refused():
    with pytest.raises(ArgumentError, match=r"form of mobilenet_v2 must be a dict with keys from: .*last_chanels"):
        build_model("mobilenet_v2", (32, 32, 3), 10, width=1 / 8, form={"last_chanels": 320})
    with pytest.raises(ArgumentError, match="Unknown pooling 'max'"):
        build_model("resnet18", (32, 32, 3), 10, pooling="max")


@pytest.mark.parametrize("side, expected", [(8, (1, 1)), (9, (1, 1)), (17, (2, 2)), (32, (3, 3)), (33, (4, 4))])
def test_the_feature_map_of_fast_cnn_has_as_many_positions_as_the_catalog_says(side, expected):
    model = build_model("fast_cnn", (side, side, 3), 10, width=1 / 32)

    assert model.get_layer("features").input.shape[1:3] == expected
    assert MODELS["fast_cnn"].positions(side) == expected[0]
    assert np.isfinite(model(np.zeros((1, side, side, 3), "uint8"))).all()
