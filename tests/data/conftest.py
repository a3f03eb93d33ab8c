"""Small data sets of random images."""
import numpy as np
import pytest

from keras_fixhead.data import Split
from keras_fixhead.data.catalog import DatasetEntry
from keras_fixhead.data.whole import WholeSet


@pytest.fixture(scope="session")
def whole_set():
    """Returns a function that makes a data set of random images with groups, before anything is held out."""

    def make(train=20, test=6, side=9, *, seed=0, num_classes=4, images=None):
        draw = np.random.default_rng(seed)
        counts = {"train": train, "test": test}
        if images is None:
            images = {split: draw.integers(0, 256, (count, side, side, 3)).astype(np.uint8)
                      for split, count in counts.items()}
        shape = images["test"].shape[1:]
        names = tuple(f"class {number}" for number in range(num_classes))
        entry = DatasetEntry(
            summary="random images", loader="", source=None, image_shape=shape, num_classes=num_classes,
            train=train - train // 10, validation=train // 10, test=test, crop_padding=0, flip=False, probe_url=None,
            citation="nobody", label_names=names, groups={"even": names[::2], "odd": names[1::2]}, terms="none")
        parts = {split: Split(images[split], (np.arange(count) % num_classes).astype(np.int32))
                 for split, count in counts.items()}
        return WholeSet("random", entry, parts, names)

    return make
