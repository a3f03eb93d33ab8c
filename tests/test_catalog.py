import dataclasses

import numpy as np
import pytest

from keras_fixhead.catalog import LOSSES, MODELS, feature_dim, import_object, look_up, scaled
from keras_fixhead.data.catalog import DATASETS
from keras_fixhead.errors import ArgumentError
from keras_fixhead.robustness import SUITES

TABLES = {"model": MODELS, "data set": DATASETS, "loss": LOSSES, "corruption": SUITES["paper"]}
PATHS = [(name, getattr(entry, field)) for table in TABLES.values() for name, entry in table.items()
         for field in ("builder", "loader", "function") if getattr(entry, field, None)]


@pytest.mark.parametrize("name, path", PATHS)
def test_every_entry_names_an_existing_function(name, path):
    assert callable(import_object(path))


def test_every_entry_is_covered():
    own_builders = sum(entry.builder is not None for entry in DATASETS.values())
    assert len(PATHS) == sum(len(table) for table in TABLES.values()) + own_builders


@pytest.mark.parametrize("what", TABLES)
def test_every_entry_has_a_one_line_summary(what):
    for name, entry in TABLES[what].items():
        assert entry.summary and "\n" not in entry.summary, name
        assert getattr(entry, "citation", "none needed"), name


@pytest.mark.parametrize("what", TABLES)
def test_names_are_looked_up_and_unknown_ones_suggest_the_nearest(what):
    table = TABLES[what]
    for name in table:
        assert look_up(table, name, what) is table[name]
        with pytest.raises(ArgumentError, match=f"Unknown {what} '{name}x'.* Did you mean '{name}'"):
            look_up(table, f"{name}x", what)
    for wrong in ("qqqq", None, 3, []):
        with pytest.raises(ArgumentError, match=f"Unknown {what} .* Expected one of") as caught:
            look_up(table, wrong, what)
        assert "Did you mean" not in str(caught.value)


def test_entries_are_immutable():
    with pytest.raises(dataclasses.FrozenInstanceError):
        DATASETS["digits"].train = 1


@pytest.mark.parametrize("width, stem, dim", [(1, 64, 512), (0.5, 32, 256), (0.25, 16, 128), (0.125, 8, 64),
                                              (1 / 64, 1, 8), (1e-9, 1, 1), (16, 1024, 8192)])
def test_channels_scale_with_the_width(width, stem, dim):
    assert (scaled(64, width), feature_dim("resnet18", width)) == (stem, dim)


@pytest.mark.parametrize("width", [0, -1, float("nan"), float("inf")])
def test_an_invalid_width_is_refused(width):
    with pytest.raises(ArgumentError, match="width must be a positive number below 1e9, got"):
        feature_dim("resnet18", width)


@pytest.mark.parametrize("model, shape, dim", [
    ("resnet18", (32, 32, 3), 512), ("resnet18", (64, 64, 3), 2048), ("resnet18", (96, 96, 3), 4608),
    ("mobilenet_v2", (32, 32, 3), 1280), ("mobilenet_v2", (64, 64, 3), 5120), ("mobilenet_v2", (96, 96, 3), 11520),
    ("preact_resnet18", (96, 96, 3), 4608), ("fast_cnn", (33, 96, 3), 512),
])
def test_pooling_4x4_gives_as_many_features_as_the_released_code(model, shape, dim):
    assert feature_dim(model, 1.0, shape, "4x4") == dim


def test_options_that_do_not_fit_a_model_are_reported():
    message = r"too small for pooling 4x4 with .*: it needs 25 or more .* --pooling global"
    with pytest.raises(ArgumentError, match=message):
        feature_dim("resnet18", 1.0, (24, 24, 3), "4x4")
    with pytest.raises(ArgumentError, match="too small for pooling 4x4 with fast_cnn: it needs 33 or more"):
        feature_dim("fast_cnn", 1.0, (32, 32, 3), "4x4")
    with pytest.raises(ArgumentError, match=r"keras_cv/resnet18 supports width 1 only, got 0\.25"):
        feature_dim("keras_cv/resnet18", 0.25)
    with pytest.raises(ArgumentError, match="Unknown pooling 'max'"):
        feature_dim("resnet18", 1.0, pooling="max")


def test_data_sets_have_plausible_numbers():
    for name, entry in DATASETS.items():
        whole = entry.train + entry.validation
        assert entry.image_shape[2] == 3, name
        assert np.isclose(entry.validation, 0.1 * whole, atol=0.05 * whole), name
        assert (entry.probe_url is None) == (entry.tfds_name is None), name
        assert entry.label_names is None or len(entry.label_names) == entry.num_classes, name
        assert (whole == 0) == (entry.tests is not None), name
        assert {each for names in entry.groups.values() for each in names} <= set(entry.label_names or ()), name
        alike = [each for names in entry.look_alikes.values() for each in names]
        assert len(set(alike)) == len(alike) and not (entry.groups and alike), name
        assert entry.label_names is None or set(alike) <= set(entry.label_names), name
    assert (DATASETS["digits"].train, DATASETS["digits"].validation, DATASETS["digits"].test) == (1257, 180, 360)
    assert not DATASETS["digits"].flip  # a mirrored 2 is not a 2
    assert DATASETS["cifar10"].train + DATASETS["cifar10"].validation == 50_000
