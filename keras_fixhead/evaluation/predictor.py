"""A trained model as a function from images to class probabilities."""
import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import keras
import numpy as np
from numpy.typing import NDArray

from keras_fixhead.catalog import TOP_CLASSES
from keras_fixhead.data import Dataset
from keras_fixhead.data.pictures import FITS, PictureForm, fit_picture, in_channels, picture_array
from keras_fixhead.data.reduced import DECODINGS
from keras_fixhead.data.rows import first_not_finite
from keras_fixhead.errors import ArgumentError
from keras_fixhead.evaluation.measurer import predict_arrays
from keras_fixhead.evaluation.streamed import best_model
from keras_fixhead.models import head_of
from keras_fixhead.streaming import StreamingHead

Images = NDArray[np.uint8] | NDArray[np.float32]


@dataclass(frozen=True)
class Predictor:
    """A trained model that classifies images.

    Attributes:
        model: maps pixels in [0, 255], (N, H, W, 3), or vectors, (N, D), to logits, (N, m), or for very many classes to
            the features of a `StreamingHead`.
        label_names: names of its m classes.
        fit: how pictures are fitted to the size of its images, as they were in its training.
        decoding: how JPEG files are decoded, one of `DECODINGS`, as they were in its training.
    """

    model: keras.Model
    label_names: Sequence[str]
    fit: str = FITS[0]
    decoding: str = DECODINGS[0]

    def __post_init__(self) -> None:
        head_of(self.model)

    @property
    def streams(self) -> bool:
        """Whether the model never has all logits, but only its best classes (`best`)."""
        return isinstance(head_of(self.model), StreamingHead)

    @property
    def takes_vectors(self) -> bool:
        """Whether the model takes vectors of an embedding set instead of pictures."""
        return len(self.image_shape) == 1

    @property
    def form(self) -> PictureForm:
        """How a picture becomes an image that the model takes.

        Raises:
            ArgumentError: (a ValueError) if it takes vectors.
        """
        if self.takes_vectors:
            raise ArgumentError(f"The model takes vectors of {self.image_shape[0]} numbers, not pictures.",
                                hint="Give an .npy or .npz file of vectors: float16 or float32, "
                                     f"(N, {self.image_shape[0]}).")
        return PictureForm.of(self.image_shape, self.fit, self.decoding)

    @property
    def image_shape(self) -> tuple[int, ...]:
        """The shape of an image that the model takes, (H, W, C), or of a vector, (D,)."""
        return tuple(self.model.input_shape[1:])

    @functools.cached_property
    def scale(self) -> float:
        """The factor S on the model's logits."""
        return float(keras.ops.convert_to_numpy(head_of(self.model).current_scale()))

    def logits(self, images: Images) -> NDArray[np.float32]:
        """Returns the logits of images, shape (N, m).

        Args:
            images: pixels in [0, 255], shape (N, H, W, C), of the model's size; uint8 pixels may have 3 channels
                for a model that takes 1, and the other way round. Or vectors, shape (N, D).

        Raises:
            ArgumentError: (a ValueError) for images of another size, or a model that never has all logits.
        """
        if self.streams:
            raise ArgumentError(f"A model of {len(self.label_names):,} classes with a streaming head never has all "
                                "logits.", hint="Ask for its best classes: Predictor.best, or fixhead predict.")
        images = self._of_model(images)
        return np.asarray(predict_arrays(self.model, images), np.float32)

    def best(self, images: Images, k: int = TOP_CLASSES) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Returns the k most probable classes of images and their probabilities, each (N, k), largest first.

        Args:
            images: as in `logits`.
            k: number of classes, or all if there are fewer.

        Raises:
            ArgumentError: (a ValueError) for images of another size, or more classes than a model of very many tells.
        """
        k = min(k, len(self.label_names))
        if not self.streams:
            probabilities = self.probabilities(images)
            order = np.argsort(-probabilities, axis=1, kind="stable")[:, :k].astype(np.int32)
            return order, np.take_along_axis(probabilities, order, axis=1)
        if k > TOP_CLASSES:
            raise ArgumentError(f"A model of very many classes returns its {TOP_CLASSES} best ones, not {k}.",
                                hint=f"Ask for at most {TOP_CLASSES}.")
        images = self._of_model(images)
        found = predict_arrays(self._best_model, images)
        return found["classes"][:, :k], found["probabilities"][:, :k]

    @functools.cached_property
    def _best_model(self) -> keras.Model:
        return best_model(self.model, min(TOP_CLASSES, len(self.label_names)))

    def _of_model(self, images: Images) -> Images:
        """Images with the model's channels; refused if they have another shape."""
        if images.dtype == np.uint8 and images.ndim == len(self.image_shape) + 1 == 4 and images.shape[3] in (1, 3):
            images = in_channels(np.asarray(images, np.uint8), self.image_shape[2])
        if images.shape[1:] != self.image_shape:
            raise ArgumentError(f"The images have shape {images.shape[1:]}; the model takes {self.image_shape}.",
                                hint="Give vectors of that length." if self.takes_vectors else
                                "Resize them, or pass them as uint8 to `fixhead predict`, which resizes them.")
        if (row := first_not_finite(images)) is not None:
            raise ArgumentError(f"Row {row:,} has NaN or infinity.", hint="Leave it out.")
        return images

    def probabilities(self, images: Images, temperature: float = 1.0) -> NDArray[np.float32]:
        """Returns the class probabilities of images as `logits` takes them, shape (N, m): softmax(logits / T)."""
        logits = self.logits(images)
        return np.asarray(keras.ops.convert_to_numpy(keras.ops.softmax(
            logits if temperature == 1 else logits / np.float32(temperature))))

    def classes(self, images: Images) -> NDArray[np.int64]:
        """Returns the predicted class of each image as `logits` takes them, shape (N,)."""
        return self.best(images, 1)[0][:, 0].astype(np.int64) if self.streams else self.logits(images).argmax(axis=1)

    def picture_images(self, contents: Sequence[bytes], names: Sequence[str]) -> NDArray[np.uint8]:
        """Returns encoded pictures of any size as images that the model takes, uint8 (N, H, W, 3).

        Args:
            contents: the bytes of each picture's file.
            names: name of each picture in messages.

        Raises:
            DataError: if one of them cannot be read.
        """
        form = self.form
        return np.stack([picture_array(content, name, form) for content, name in zip(contents, names, strict=True)])

    def resized(self, images: Iterable[NDArray[np.uint8]]) -> NDArray[np.uint8]:
        """Returns upright images of any size, each uint8, (H, W, 3), as images that the model takes."""
        return np.stack([fit_picture(image, self.form) for image in images])

    def picture_probabilities(self, contents: Sequence[bytes], names: Sequence[str]) -> NDArray[np.float32]:
        """Returns the class probabilities of encoded pictures of any size, (N, m); arguments as `picture_images`."""
        return self.probabilities(self.picture_images(contents, names))

    def resized_probabilities(self, images: Iterable[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Returns the class probabilities of upright images of any size, each uint8, (H, W, 3); shape (N, m)."""
        return self.probabilities(self.resized(images))

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
