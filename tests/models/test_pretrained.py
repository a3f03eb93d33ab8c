import h5py
import keras
import numpy as np
import pytest
from keras.src.legacy.saving import legacy_h5_format

from keras_fixhead.applications import APPLICATIONS
from keras_fixhead.catalog import feature_dim, find_model
from keras_fixhead.errors import ArgumentError, DataError
from keras_fixhead.models import build_model, feature_model, load_model, start_from_model, start_from_weights
from keras_fixhead.models.keras_applications import _preprocessed

IMAGES = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)).astype("uint8")
MOBILE = "keras_applications/MobileNetV3Small"


def features(model, images=IMAGES):
    return np.asarray(feature_model(model)(images.astype("float32")))


def small(classes=3, **changes):
    return build_model("resnet18", (32, 32, 3), classes, **{"width": 1 / 16, **changes})


def test_every_network_of_keras_applications_is_in_the_table():
    """Keras exports its networks as functions with capitals; Keras' constructors are the reference for the names."""
    found = {name for name in vars(keras.applications) if name[0].isupper()}

    assert {name.partition("/")[2] for name in APPLICATIONS} == found


@pytest.mark.parametrize("name, kind, module", [
    ("ResNet50", "caffe", keras.applications.resnet), ("ResNet50V2", "tf", keras.applications.resnet_v2),
    ("DenseNet121", "torch", keras.applications.densenet), ("MobileNetV3Small", "inside",
                                                             keras.applications.mobilenet_v3)])
def test_preprocessing_is_that_of_the_network_itself(name, kind, module):
    images = keras.Input((32, 32, 3))
    found = keras.Model(images, _preprocessed(images, kind))(IMAGES.astype("float32"))

    assert APPLICATIONS[f"keras_applications/{name}"].preprocessing == kind
    np.testing.assert_allclose(found, module.preprocess_input(IMAGES.astype("float32")), atol=1e-4)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A file in the form that Keras publishes, made on the spot: without the classifier, in its older format."""
    keras.utils.set_random_seed(1)
    network = keras.applications.MobileNetV3Small(include_top=False, weights=None, input_shape=(32, 32, 3))
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.moving_mean.assign(np.full(layer.moving_mean.shape, 0.01))
    file = tmp_path_factory.mktemp("weights") / "mobilenet_notop.h5"
    with h5py.File(file, "w") as content:
        legacy_h5_format.save_weights_to_hdf5_group(content, network)
    return network, file


def test_a_network_of_keras_applications_starts_from_a_file_of_its_weights(weights, tmp_path):
    network, file = weights
    model = build_model(MOBILE, (32, 32, 3), 3, seed=5)
    before = features(model)
    start_from_weights(model, MOBILE, str(file))
    expected = network(IMAGES.astype("float32")).numpy().mean(axis=(1, 2))
    model.save(tmp_path / "m.keras")

    assert not np.allclose(before, expected, atol=1e-3) and expected.shape[1] == feature_dim(MOBILE, 1.0)
    np.testing.assert_allclose(features(model), expected, atol=1e-5)
    np.testing.assert_allclose(load_model(tmp_path / "m.keras")(IMAGES), model(IMAGES), atol=1e-6)
    assert not any(isinstance(layer, keras.Model) for layer in model.layers)


def test_initial_weights_depend_on_the_seed_alone():
    one, same, other = (build_model(MOBILE, (32, 32, 3), 3, seed=seed).get_weights() for seed in (1, 1, 2))

    for a, b, c in zip(one, same, other, strict=True):
        np.testing.assert_array_equal(a, b)
        assert a.ndim == 1 or not np.allclose(a, c)


def test_weights_that_cannot_be_used_are_one_line_errors(weights, tmp_path, monkeypatch):
    model = small()
    (tmp_path / "broken.h5").write_bytes(b"no weights")
    with pytest.raises(DataError, match=r"broken\.h5 does not have the weights of MobileNetV3Small.*'notop'"):
        start_from_weights(model, MOBILE, str(tmp_path / "broken.h5"))
    with pytest.raises(DataError, match="weights of MobileNet without its classifier"):
        start_from_weights(model, "keras_applications/MobileNet", str(weights[1]))
    with pytest.raises(ArgumentError, match=r"no published weights of resnet18\. Use --init-from RUN"):
        start_from_weights(small(), "resnet18", "imagenet")

    def fetch(*_, **__):
        raise OSError("URL fetch failure on the address: no route to host")

    monkeypatch.setattr("keras.src.utils.file_utils.get_file", fetch)
    with pytest.raises(DataError, match=r"cannot be downloaded here: URL fetch failure.*--weights FILE"):
        start_from_weights(model, MOBILE, "imagenet")


def test_a_model_starts_from_another_of_the_same_network_except_for_the_head():
    source, model = small(10, seed=1, scale=4.0), small(3, seed=2)
    head = np.array(model.get_layer("head").class_vectors)
    start_from_model(model, source, "the run")

    np.testing.assert_array_equal(features(model), features(source))
    np.testing.assert_array_equal(model.get_layer("head").class_vectors, head)


@pytest.mark.parametrize("changes, message", [
    ({"width": 1 / 8}, r"the run has another network: the weights of its layer '.*' have shapes .* instead of"),
    ({"name": "mobilenet_v2"}, r"the run has another network: \d+ layers with weights instead of \d+\. Give the --mod"),
])
def test_another_network_is_refused_before_anything_is_copied(changes, message):
    changes = {"name": "resnet18", "width": 1 / 16, **changes}
    source, model = build_model(input_shape=(32, 32, 3), num_classes=3, **changes), small()
    before = features(model)
    with pytest.raises(ArgumentError, match=message):
        start_from_model(model, source, "the run")
    np.testing.assert_array_equal(features(model), before)


def test_wrong_names_and_forms_of_networks_are_named():
    with pytest.raises(ArgumentError, match=r"no network 'ResNet55'\. Did you mean 'keras_applications/ResNet50'"):
        find_model("keras_applications/ResNet55")
    with pytest.raises(ArgumentError, match="too small for keras_applications/Xception: it needs 71 or more"):
        feature_dim("keras_applications/Xception", 1.0, (32, 32, 3))
    with pytest.raises(ArgumentError, match=r"one form only, .* are signed\. Leave --no-signed-features out"):
        build_model("keras_applications/ConvNeXtTiny", (32, 32, 3), 3, signed_features=False)
