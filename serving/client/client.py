"""The client itself: sends requests to a served model and returns its answers as arrays."""

import functools
import gzip
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import httpx
import numpy as np
import numpy.typing as npt

from fixhead_serving.client import bodies
from fixhead_serving.client.answers import (
    Array,
    MalformedAnswer,
    available_versions,
    image_shape_of,
    parse_json,
    parse_object,
    signatures_of,
    to_array,
)
from fixhead_serving.client.connection import ADDRESS_HINT, TIMEOUT_SECONDS, Connection, refusal
from fixhead_serving.client.files import FileBatch, find_pictures, predict_files
from fixhead_serving.client.fitting import served_decoding, served_fit
from fixhead_serving.client.pictures import encode_png, read_file, upright
from fixhead_serving.client.retries import Retries
from keras_fixhead.errors import RequestError, ServingError

if TYPE_CHECKING:
    from keras_fixhead.data.pictures import PictureForm

BATCH_SIZE = 32
"""Pictures in one request."""
_COMPRESS_FROM_BYTES = 2**16
_EXPLAIN_SECONDS = 5.0  # the longest we wait for something that would explain a refusal
_UNNAMED = ""  # the protocol drops the name if there is only one output


class Client:
    """A connection to one served model.

    Args:
        url: the model's address, such as `http://127.0.0.1:8501/v1/models/digits`; `/versions/2` or `/labels/stable`
            may follow.
        timeout: the longest time that one request may take, including retries, in seconds. A call with many images
            sends several requests.
        token: sent as `Authorization: Bearer TOKEN`.
        ca_cert: a PEM file with the certificates of the authorities that an https server's certificate must be signed
            by; None for the usual authorities.
        retries: how often, and after which waits, a request is sent again if the server is busy (429, 503) or drops
            the connection.
        compress: whether to compress images sent as numbers with gzip: half the bytes or less, which pays off on
            networks slower than a gigabit per second.
        transport: carries requests instead of the network; for tests.

    Raises:
        ArgumentError: if one of these is invalid.

    Example:
        with Client("http://127.0.0.1:8501/v1/models/digits") as client:
            labels = client.predict_pictures([Path("seven.png").read_bytes()])["label"]
    """

    def __init__(
        self,
        url: str,
        timeout: float = TIMEOUT_SECONDS,
        *,
        token: str | None = None,
        ca_cert: str | os.PathLike[str] | None = None,
        retries: Retries = Retries(),  # noqa: B008  (it is frozen)
        compress: bool = False,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._connection = Connection(
            url, timeout=timeout, token=token, ca_cert=ca_cert, retries=retries, transport=transport
        )
        self.url = self._connection.url
        self.timeout = timeout
        self._compress = compress
        self._refused_bytes: int | None = None  # the smallest body that the server found too large

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection."""
        self._connection.close()

    def status(self) -> dict[str, Any]:
        """Returns the states of the model's versions, as the server's JSON object.

        Raises:
            ServingError: if the server cannot be reached, refuses the request, or answers with something else.
        """
        return self._object(self._connection.ask("GET", ""), "model_version_status")

    def metadata(self) -> dict[str, Any]:
        """Returns the model's name, version and signatures, as the server's JSON object.

        Raises:
            ServingError: if the server cannot be reached, refuses the request, or answers with something else.
        """
        return self._object(self._connection.ask("GET", "/metadata"), "metadata")

    def image_shape(self) -> tuple[int, ...]:
        """Returns the shape of an image that the model takes as numbers, (H, W, C), from its metadata.

        Raises:
            ServingError: if the server cannot be reached, refuses the request, or its model does not take images of one
                size.
        """
        try:
            return image_shape_of(self.metadata())
        except MalformedAnswer as error:
            raise self._malformed(str(error)) from None

    def picture_form(self) -> "PictureForm | None":
        """Returns how the model's `serving_bytes` turns a picture into an image: it is sent three pictures to find out.

        None if it fits pictures in another way than this library does.

        Raises:
            ServingError: if the server cannot be reached, or has no model that takes images and pictures.
        """
        from keras_fixhead.data.pictures import PictureForm

        height, width, channels = self.image_shape()
        fit = served_fit(height, width, channels, self.predict_pictures, self.predict_images)
        if fit is None:
            return None
        form = PictureForm(height, width, fit, channels=channels)
        return served_decoding(form, self.predict_pictures, self.predict_images)

    def read_picture(self, path: str | os.PathLike[str]) -> bytes:
        """Returns the contents of a picture file in the form in which this model takes it.

        It is turned upright, as by `client.read_picture`; except a JPEG file for a model that decodes them at a reduced
        size, which turns them itself: in another format, it would be decoded in full.

        Raises:
            DataError: if the file cannot be read or is not such a picture.
        """
        from keras_fixhead.encodings import JPEG

        content = read_file(path)
        sent = upright(content, os.fspath(path))
        is_turned_jpeg = sent != content and content.startswith(JPEG)
        return content if is_turned_jpeg and self._reduces else sent

    @functools.cached_property
    def _reduces(self) -> bool:
        """Whether the model decodes JPEG files at a reduced size, as far as it can be asked."""
        try:
            form = self.picture_form()
        except ServingError:
            return False
        return form is not None and form.decoding == "reduced"

    def predict(self, images: npt.ArrayLike) -> dict[str, Array]:
        """Returns the model's outputs for images, sent in the shorter of two forms.

        uint8 images are sent as PNG, which the server resizes to the model's input: from 8x8 pixels on, this takes a
        third of the bytes of numbers or less. Other numbers are sent as they are, and must have the model's size.

        Args:
            images: array (N, H, W, 3) of numbers in [0, 255].

        Returns:
            an array for each output, with first dimension N: float32, int64 or text.

        Raises:
            ArgumentError: if `images` is not such an array.
            ServingError: if the server cannot be reached, refuses the request, or answers with something else.
        """
        array = bodies.checked_images(images)
        return self.classify(array) if array.dtype == np.uint8 else self.predict_images(array)

    def predict_images(
        self, images: npt.ArrayLike, signature: str = "serving_default", batch_size: int | None = None
    ) -> dict[str, Array]:
        """Returns the model's outputs for images, sent as numbers.

        Args:
            images: array (N, H, W, 3) of numbers in [0, 255], of the model's image size; read as float32.
            signature: the signature to call.
            batch_size: number of images per request; if None, as many as fit into a few megabytes.

        Returns:
            an array for each output, with first dimension N: float32, int64 or text.

        Raises:
            ArgumentError: if `images` is not such an array, or `batch_size` is below 1.
            ServingError: if the server cannot be reached, refuses the request, or answers with something else.
        """
        array = bodies.checked_images(images)
        return self._predict(signature, bodies.image_batches(array, batch_size), bodies.images_body, self._compress)

    def predict_vectors(
        self, vectors: npt.ArrayLike, signature: str = "serving_default", batch_size: int | None = None
    ) -> dict[str, Array]:
        """Returns the model's outputs for the vectors of an embedding set.

        Args:
            vectors: array (N, D) of numbers, read as float32.
            signature, batch_size: as in `predict_images`.

        Returns:
            an array for each output, with first dimension N: float32, int64 or text.

        Raises:
            ArgumentError: if `vectors` is not such an array, or `batch_size` is below 1.
            ServingError: if the server cannot be reached, refuses the request, or answers with something else.
        """
        array = bodies.checked_vectors(vectors)
        return self._predict(signature, bodies.image_batches(array, batch_size), bodies.images_body, self._compress)

    def predict_pictures(self, pictures: Sequence[bytes], batch_size: int = BATCH_SIZE) -> dict[str, Array]:
        """Returns the model's outputs for encoded pictures, which the server decodes and resizes.

        Args:
            pictures: the contents of PNG, JPEG, BMP, GIF or WebP files, sent as they are; `read_picture` rotates
                pictures that a camera stored on their side.
            batch_size: the largest number of pictures per request.

        Returns:
            an array for each output, with the number of pictures as first dimension: float32, int64 or text.

        Raises:
            ArgumentError: if there are no pictures, one is empty or not bytes, or `batch_size` is below 1.
            ServingError: if the server cannot be reached, refuses the request, or answers with something else.
        """
        bodies.check_pictures(pictures)
        batches = bodies.picture_batches(pictures, len, bodies.checked_batch_size(batch_size))
        return self._predict("serving_bytes", batches, bodies.pictures_body)

    def predict_files(
        self, paths: Iterable[str | os.PathLike[str]], batch_size: int = BATCH_SIZE
    ) -> Iterator[FileBatch]:
        """Yields the model's outputs for picture files, and for all pictures in folders, a batch at a time.

        Args:
            paths: files and folders.
            batch_size: the number of files read and sent at a time.

        Raises:
            ArgumentError: if `batch_size` is below 1.
            DataError: if a folder has no pictures or cannot be read.
            ServingError: if the server cannot be reached, refuses the request, or answers with something else.
        """
        def predict(contents: list[bytes], names: list[str]) -> dict[str, Array]:
            return self.predict_pictures(contents, batch_size)

        return predict_files(predict, find_pictures(paths), batch_size, self.read_picture)

    def classify(self, images: npt.NDArray[np.uint8]) -> dict[str, Array]:
        """Returns the outputs of `serving_bytes` for images, sent as PNG.

        Args:
            images: uint8 array of shape (N, H, W, 3), or (N, H, W, 1) of grey.

        Returns:
            the outputs as in `predict_pictures`, including `class_index` and `label`.
        """
        return self.predict_pictures([encode_png(image) for image in images])

    def _predict(
        self, signature: str, batches: Iterator[Any], write: Callable[[str, Any], bytes], compress: bool = False
    ) -> dict[str, Array]:
        answers = [each for batch in batches for each in self._answers(signature, batch, write, compress)]
        if any(answer.keys() != answers[0].keys() for answer in answers):
            raise self._malformed("its outputs changed from one batch to the next")
        try:
            outputs = {name: np.concatenate([answer[name] for answer in answers]) for name in answers[0]}
        except ValueError:
            raise self._malformed("its outputs have other shapes from one batch to the next") from None
        return {self._only_output(signature): outputs[_UNNAMED]} if _UNNAMED in outputs else outputs

    def _answers(
        self, signature: str, batch: Any, write: Callable[[str, Any], bytes], compress: bool
    ) -> Iterator[dict[str, Array]]:
        """Yields the answers to a batch: one, or one for each half if the batch is too large for the server."""
        body = write(signature, batch)
        single = len(batch) == 1
        if single or self._refused_bytes is None or len(body) < self._refused_bytes:
            try:
                yield self._answer(body, len(batch), compress)
                return
            except RequestError as error:
                if error.status != 413 or single:
                    raise self._explained(error, signature) from None
        for half in (batch[: len(batch) // 2], batch[len(batch) // 2 :]):
            yield from self._answers(signature, half, write, compress)
        # Only remembered if the halves were accepted: a picture with too many pixels says nothing about bytes.
        self._refused_bytes = min(len(body), self._refused_bytes or len(body))

    def _answer(self, body: bytes, size: int, compress: bool) -> dict[str, Array]:
        headers = {}
        if compress and len(body) >= _COMPRESS_FROM_BYTES:
            body, headers = gzip.compress(body, 1, mtime=0), {"Content-Encoding": "gzip"}
        outputs = self._object(self._connection.ask("POST", ":predict", body, headers), "outputs")["outputs"]
        if not isinstance(outputs, dict):
            outputs = {_UNNAMED: outputs}
        try:
            return {name: to_array(name, value, size) for name, value in outputs.items()}
        except MalformedAnswer as error:
            raise self._malformed(str(error)) from None

    def _only_output(self, signature: str) -> str:
        try:
            [name] = signatures_of(self.metadata())[signature]["outputs"]
        except (KeyError, TypeError, ValueError):  # MalformedAnswer is a ValueError
            raise self._malformed(f"its metadata does not name exactly one output of '{signature}'") from None
        return str(name)

    def _explained(self, error: RequestError, signature: str) -> RequestError:
        """The refusal, with what the server does have as a hint, if that can be found out."""
        hint = error.hint
        try:
            if error.status == 400 and "not found in signature def" in error.what:
                metadata = parse_json(self._connection.ask("GET", "/metadata", seconds=_EXPLAIN_SECONDS))
                names = ", ".join(map(repr, sorted(signatures_of(metadata))))
                hint = f"The model has no '{signature}'; it has {names or 'none'}."
            elif error.status == 404 and "/versions/" in self.url:
                whole = self.url.rpartition("/versions/")[0]
                status = parse_json(self._connection.ask("GET", "", url=whole, seconds=_EXPLAIN_SECONDS))
                hint = f"Versions served: {', '.join(available_versions(status)) or 'none'}."
        except (ServingError, ValueError, RecursionError):
            pass  # the refusal says enough
        return refusal(error.what, hint, error.status)

    def _object(self, body: bytes, key: str) -> dict[str, Any]:
        try:
            return parse_object(body, key)
        except MalformedAnswer as error:
            raise self._malformed(str(error)) from None

    def _malformed(self, what: str) -> ServingError:
        return ServingError(f"The answer from {self.url} is not a model server's: {what}.", hint=ADDRESS_HINT)
