import numpy as np
import pytest
from mixed_pictures import write_pictures

from keras_fixhead.data import Split, load_dataset


@pytest.fixture(scope="session")
def coloured_digits(tmp_path_factory):
    """A folder of 60 digits in colours, at the sizes of photographs and of all kinds: 20 each of 3, 7 and 8."""
    folder = tmp_path_factory.mktemp("digits") / "pictures"
    digits = load_dataset("digits").test
    tint = np.random.default_rng(0).uniform(0.4, 1, (len(digits), 1, 1, 3))
    split = Split((digits.images * tint).astype(np.uint8), digits.labels)
    assert write_pictures(folder, split, tuple(map(str, range(10))), ("3", "7", "8"), 20) == 60
    return folder
