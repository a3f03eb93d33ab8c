"""The embedded data set: scikit-learn's digits, real images that ship in its wheel."""
import numpy as np

from keras_fixhead.data.catalog import DatasetEntry
from keras_fixhead.data.choice import hold_out_test
from keras_fixhead.data.dataset import Split


def load_digits(entry: DatasetEntry, data_dir: str | None) -> tuple[dict[str, Split], tuple[str, ...]]:
    """Returns the splits of the 1,797 digits and their label names.

    The set has no test split of its own: 360 images are held out, stratified, with a constant seed. The 8x8 images with
    17 grey levels are enlarged four times by nearest neighbour and get three channels.

    Args:
        entry: the data set's entry.
        data_dir: not used; the images are part of scikit-learn.
    """
    from sklearn.datasets import load_digits as load  # takes a second to import

    raw = load()
    levels = np.round(raw.images * (255 / 16)).astype(np.uint8)  # (1797, 8, 8), from 0..16
    enlarged = levels.repeat(4, axis=1).repeat(4, axis=2)  # (1797, 32, 32)
    whole = Split(np.repeat(enlarged[..., None], 3, axis=3), raw.target.astype(np.int32))
    train, test = hold_out_test(whole, entry.test)
    return {"train": train, "test": test}, tuple(str(name) for name in raw.target_names)
