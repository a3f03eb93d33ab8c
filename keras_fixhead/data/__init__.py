"""Data sets: which ones exist, their images as uint8 arrays in memory, their parts, and augmentation.

Only the names exported here, and those of `cache`, `catalog`, `packing`, `pictures`, `sources` and `tfds`, are public.
NumPy is required; Pillow, scikit-learn, SciPy and TensorFlow are imported by the functions that use them.
"""
from keras_fixhead.data.augmentation import Augmentation, augment, change, draw, epoch_order, make_batch, mixing
from keras_fixhead.data.choice import choose_classes, limit_train, long_tail
from keras_fixhead.data.dataset import SPLITS, Dataset, Split, pixel_statistics
from keras_fixhead.data.reading import check_available, load_dataset, measured_fields, reads_tfds, run_dataset

__all__ = ["SPLITS", "Augmentation", "Dataset", "Split", "augment", "change", "check_available", "choose_classes",
           "draw", "epoch_order", "limit_train", "load_dataset", "long_tail", "make_batch", "measured_fields",
           "mixing", "pixel_statistics", "reads_tfds", "run_dataset"]
