"""A trained model as a function from images to class probabilities."""
import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import keras
import numpy as np
from numpy.typing import NDArray

from keras_fixhead.data import Dataset
from keras_fixhead.data.pictures import FITS, PictureForm, decode_picture, fit_picture, in_channels
from keras_fixhead.errors import ArgumentError
from keras_fixhead.evaluation.measurer import BATCH_SIZE
from keras_fixhead.models import head_of_logits

Images = NDArray[np.uint8] | NDArray[np.float32]


@dataclass(frozen=True)
class Predictor:
    """A trained model that classifies images.

    Attributes:
        model: maps pixels in [0, 255], (N, H, W, 3), to logits, (N, m).
        label_names: names of its m classes.
        fit: how pictures are fitted to the size of its images, as they were in its training.
    """

    model: keras.Model
    label_names: tuple[str, ...]
    fit: str = FITS[0]

    def __post_init__(self) -> None:
        head_of_logits(self.model)

    @property
    def form(self) -> PictureForm:
        """How a picture becomes an image that the model takes."""
        return PictureForm.of(self.image_shape, self.fit)

    @property
    def image_shape(self) -> tuple[int, ...]:
        """The shape of an image that the model takes: (H, W, C)."""
        return tuple(self.model.input_shape[1:])

    @functools.cached_property
    def scale(self) -> float:
        """The factor S on the model's logits."""
        return float(keras.ops.convert_to_numpy(head_of_logits(self.model).current_scale()))

    def logits(self, images: Images) -> NDArray[np.float32]:
        """Returns the logits of images, shape (N, m).

        Args:
            images: pixels in [0, 255], shape (N, H, W, C), of the model's size; uint8 pixels may have 3 channels
                for a model that takes 1, and the other way round.

        Raises:
            ArgumentError: (a ValueError) for images of another size.
        """
        if images.dtype == np.uint8 and images.shape[-1] in (1, 3):
            images = in_channels(np.asarray(images, np.uint8), self.image_shape[2])
        if images.shape[1:] != self.image_shape:
            raise ArgumentError(f"The images have shape {images.shape[1:]}; the model takes {self.image_shape}.",
                                hint="Resize them, or pass them as uint8 to `fixhead predict`, which resizes them.")
        return np.asarray(self.model.predict(images, batch_size=BATCH_SIZE, verbose=0), np.float32)

    def probabilities(self, images: Images, temperature: float = 1.0) -> NDArray[np.float32]:
        """Returns the class probabilities of images as `logits` takes them, shape (N, m): softmax(logits / T)."""
        logits = self.logits(images)
        return np.asarray(keras.ops.convert_to_numpy(keras.ops.softmax(
            logits if temperature == 1 else logits / np.float32(temperature))))

    def classes(self, images: Images) -> NDArray[np.int64]:
        """Returns the predicted class of each image as `logits` takes them, shape (N,)."""
        return self.logits(images).argmax(axis=1)

    def picture_probabilities(self, contents: Sequence[bytes], names: Sequence[str]) -> NDArray[np.float32]:
        """Returns the class probabilities of encoded pictures of any size, shape (N, m).

        Args:
            contents: the bytes of each picture's file.
            names: name of each picture in messages.

        Raises:
            DataError: if one of them cannot be read.
        """
        return self.resized_probabilities([decode_picture(content, name)
                                           for content, name in zip(contents, names, strict=True)])

    def resized_probabilities(self, images: Iterable[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Returns the class probabilities of upright images of any size, each uint8, (H, W, 3); shape (N, m)."""
        return self.probabilities(np.stack([fit_picture(image, self.form) for image in images]))

    def check_fits(self, dataset: Dataset) -> None:
        """Raises an ArgumentError unless a data set has the model's classes, in the same order, and its image size."""
        if dataset.label_names != self.label_names:
            raise ArgumentError(
                f"{dataset.name} does not have the run's classes: {', '.join(dataset.label_names[:3])}, ... instead of "
                f"{', '.join(self.label_names[:3])}, ....",
                hint="Give a --dataset with the same classes in the same order, or leave it out.")
        if (shape := dataset.image_shape) != self.image_shape:
            raise ArgumentError(f"{dataset.name} has images of shape {shape}; the model takes {self.image_shape}.",
                                hint="Give a --dataset with images of that size, or leave it out.")
