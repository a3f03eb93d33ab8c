import dataclasses

import numpy as np
import pytest

from keras_fixhead import catalog
from keras_fixhead.catalog import (
    CORRUPTIONS,
    DATASETS,
    LOSSES,
    MODELS,
    feature_dim,
    import_object,
    look_up,
    stem_channels,
)
from keras_fixhead.errors import ArgumentError

TABLES = {"model": MODELS, "data set": DATASETS, "loss": LOSSES, "corruption": CORRUPTIONS}
PATHS = [(name, getattr(entry, field)) for table in TABLES.values() for name, entry in table.items()
         for field in ("builder", "loader", "function") if hasattr(entry, field)]


@pytest.mark.parametrize("name, path", PATHS)
def test_every_entry_names_a_function_that_is_there(name, path):
    assert callable(import_object(path))


def test_every_entry_has_been_looked_at():
    assert len(PATHS) == sum(len(table) for table in TABLES.values())


@pytest.mark.parametrize("what", TABLES)
def test_every_entry_says_what_it_is_in_one_line(what):
    for name, entry in TABLES[what].items():
        assert entry.summary and "\n" not in entry.summary, name
        assert getattr(entry, "citation", "none needed"), name


@pytest.mark.parametrize("what", TABLES)
def test_names_are_looked_up_and_unknown_ones_are_answered_with_the_nearest(what):
    table = TABLES[what]
    for name in table:
        assert look_up(table, name, what) is table[name]
        with pytest.raises(ArgumentError, match=f"Unknown {what} '{name}x'.* Did you mean '{name}'"):
            look_up(table, f"{name}x", what)
    for wrong in ("qqqq", None, 3, []):
        with pytest.raises(ArgumentError, match=f"Unknown {what} .* Expected one of") as caught:
            look_up(table, wrong, what)
        assert "Did you mean" not in str(caught.value)


def test_entries_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        DATASETS["digits"].train = 1


@pytest.mark.parametrize("width, stem, dim", [(1, 64, 512), (0.5, 32, 256), (0.25, 16, 128), (0.125, 8, 64),
                                              (1 / 64, 1, 8), (1e-9, 1, 8), (16, 1024, 8192)])
def test_channels_follow_the_width(width, stem, dim):
    assert (stem_channels("resnet18", width), feature_dim("resnet18", width)) == (stem, dim)


@pytest.mark.parametrize("width", [0, -1, float("nan"), float("inf")])
def test_a_width_that_is_no_positive_number_is_refused(width):
    with pytest.raises(ArgumentError, match="width must be a positive number, got"):
        feature_dim("resnet18", width)


def test_multiply_adds_of_resnet18_by_hand():
    """Kernel volume x output positions of each convolution, and the head's 512 x 10, at 32x32."""
    total, channels, side = 3 * 3 * 3 * 64 * 32**2, 64, 32
    for out, strides in ((64, 1), (128, 2), (256, 2), (512, 2)):
        side //= strides
        for _ in range(2):
            total += 9 * channels * out * side**2 + 9 * out * out * side**2
            if channels != out:
                total += channels * out * side**2
            channels = out

    assert MODELS["resnet18"].multiply_adds == pytest.approx(total, rel=1e-3)  # given to four digits


def test_data_sets_have_plausible_numbers():
    for name, entry in DATASETS.items():
        whole = entry.train + entry.validation
        assert entry.image_shape[2] == 3, name
        assert np.isclose(entry.validation / whole, 0.1, atol=0.05), name
        assert (entry.probe_url is None) == (entry.tfds_name is None), name
    assert (DATASETS["digits"].train, DATASETS["digits"].validation, DATASETS["digits"].test) == (1257, 180, 360)
    assert not DATASETS["digits"].flip  # a mirrored 2 is no 2
    assert catalog.DATASETS["cifar10"].train + catalog.DATASETS["cifar10"].validation == 50_000
