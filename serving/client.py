"""A client of a model served over TensorFlow Serving's REST protocol: ours, or TensorFlow Serving itself.

Needs NumPy, orjson and httpx, and Pillow for `encode_png`; neither TensorFlow nor Keras. Every call ends within its
timeout, with the answer or with one error that says what happened:

    ArgumentError   what was passed cannot be sent
    RequestError    the server refused; `status` is the HTTP status
    ServingError    no server, no answer in time, or an answer that is not the protocol's
"""

import io
import json
import math
import re
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import httpx
import numpy as np
import numpy.typing as npt
import orjson

from keras_fixhead.errors import ArgumentError, RequestError, ServingError

Array = npt.NDArray[Any]

TIMEOUT_SECONDS = 60.0
BATCH_SIZE = 32

# Bounds of one request, well below the 32 MiB that a server of ours takes.
_REQUEST_NUMBERS = 500_000  # about 16 bytes each at the most, written as JSON
_REQUEST_BYTES = 8 * 2**20
_URL = re.compile(r"https?://[^/?#]+/v1/models/[^/:?#]+(/versions/[0-9]+|/labels/[^/:?#]+)?/?", re.IGNORECASE)
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_START_HINT = "Start one: fixhead serve DIR"


class Client:
    """A connection to one served model.

    Args:
        url: the model's address, such as `http://127.0.0.1:8501/v1/models/digits`; `/versions/2` or `/labels/stable`
            may follow.
        timeout: the longest wait for the server at any one point, in seconds.

    Raises:
        ArgumentError: if `url` is not such an address, or `timeout` is not positive.

    Example:
        with Client("http://127.0.0.1:8501/v1/models/digits") as client:
            labels = client.predict_pictures([Path("seven.png").read_bytes()])["label"]
    """

    def __init__(self, url: str, timeout: float = TIMEOUT_SECONDS) -> None:
        if not 0 < timeout < math.inf:
            raise ArgumentError(f"timeout={timeout} is not a time to wait. Expected seconds above 0.")
        self.url = _checked_url(url)
        self.timeout = timeout
        # A proxy from the environment cannot reach this machine's own ports.
        self._http = httpx.Client(timeout=timeout, trust_env=httpx.URL(self.url).host not in _LOOPBACK)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection."""
        self._http.close()

    def status(self) -> dict[str, Any]:
        """Returns the states of the model's versions, as the server's JSON object has them.

        Raises:
            ServingError: if the server cannot be reached, refuses, or answers something else.
        """
        return self._object(self._ask("GET", ""), "model_version_status")

    def metadata(self) -> dict[str, Any]:
        """Returns the model's name, version and signatures, as the server's JSON object has them.

        Raises:
            ServingError: if the server cannot be reached, refuses, or answers something else.
        """
        return self._object(self._ask("GET", "/metadata"), "metadata")

    def predict_images(
        self, images: npt.ArrayLike, signature: str = "serving_default", batch_size: int | None = None
    ) -> dict[str, Array]:
        """Returns what the model says of images, sent as numbers.

        Args:
            images: array (N, H, W, 3) of numbers in [0, 255], of the size that the model takes; sent as float32.
            signature: the signature to call.
            batch_size: how many images go into one request; as many as fit in some megabytes if None.

        Returns:
            For each output an array whose first dimension is N: float32, int64 or text.

        Raises:
            ArgumentError: if `images` is not such an array, or `batch_size` is below 1.
            ServingError: if the server cannot be reached, refuses, or answers something else.
        """
        array = _checked_images(images)
        size = _checked_batch_size(batch_size if batch_size is not None else _fitting(array))
        batches = (array[start : start + size] for start in range(0, len(array), size))
        return self._predict(signature, batches, _images_body)

    def predict_pictures(self, pictures: Sequence[bytes], batch_size: int = BATCH_SIZE) -> dict[str, Array]:
        """Returns what the model says of encoded pictures, which the server decodes and resizes.

        Args:
            pictures: the contents of PNG, JPEG, BMP or WebP files.
            batch_size: how many pictures go into one request at the most.

        Returns:
            For each output an array whose first dimension is the number of pictures: float32, int64 or text.

        Raises:
            ArgumentError: if there is no picture, or one is not bytes or empty, or `batch_size` is below 1.
            ServingError: if the server cannot be reached, refuses, or answers something else.
        """
        _check_pictures(pictures)
        return self._predict("serving_bytes", _packs(pictures, _checked_batch_size(batch_size)), _pictures_body)

    def classify(self, images: npt.NDArray[np.uint8]) -> dict[str, Array]:
        """Returns the outputs of `serving_bytes` for images, sent as PNG.

        Args:
            images: uint8 array of shape (N, H, W, 3).

        Returns:
            the outputs as in `predict_pictures`, `class_index` and `label` among them.
        """
        return self.predict_pictures([encode_png(image) for image in images])

    def _predict(self, signature: str, batches: Iterator[Any], body: Callable[[str, Any], bytes]) -> dict[str, Array]:
        answers = [self._predict_batch(signature, body(signature, batch), len(batch)) for batch in batches]
        if any(answer.keys() != answers[0].keys() for answer in answers):
            raise self._malformed("its outputs changed from one batch to the next")
        return {name: np.concatenate([answer[name] for answer in answers]) for name in answers[0]}

    def _predict_batch(self, signature: str, body: bytes, size: int) -> dict[str, Array]:
        outputs = self._object(self._ask("POST", ":predict", body), "outputs")["outputs"]
        if not isinstance(outputs, dict):  # the protocol drops the name of an only output
            outputs = {self._only_output(signature): outputs}
        return {name: self._array(name, value, size) for name, value in outputs.items()}

    def _only_output(self, signature: str) -> str:
        try:
            [name] = self.metadata()["metadata"]["signature_def"]["signature_def"][signature]["outputs"]
        except (KeyError, TypeError, ValueError):
            raise self._malformed(f"its metadata name no single output of '{signature}'") from None
        return str(name)

    def _array(self, name: str, value: Any, size: int) -> Array:
        try:
            array = np.array(value)
        except ValueError:  # ragged
            raise self._malformed(f"its output '{name}' is not an array") from None
        if array.dtype.kind not in "fiubU" or array.ndim == 0 or len(array) != size:
            raise self._malformed(f"its output '{name}' is not an array of {size} values")
        return array.astype(np.float32) if array.dtype.kind == "f" else array

    def _ask(self, method: str, suffix: str, body: bytes | None = None) -> bytes:
        headers = {"Content-Type": "application/json"}
        try:
            response = self._http.request(method, self.url + suffix, content=body, headers=headers)
        except httpx.TimeoutException:
            text = f"No answer from {self.url} within {self.timeout:g} seconds."
            raise ServingError(text, hint="Is the server up (fixhead serve DIR)? Raise the timeout.") from None
        except (httpx.HTTPError, UnicodeError) as error:  # UnicodeError: a host that is no name
            raise ServingError(f"No model server answers at {self.url}: {_reason(error)}.", hint=_START_HINT) from None
        if response.is_success:
            return response.content
        text = f"{self.url} answered {response.status_code}: {_error_text(response)}"
        raise RequestError(text, status=response.status_code)

    def _object(self, body: bytes, key: str) -> dict[str, Any]:
        try:
            answer = _parse(body)
        except (ValueError, RecursionError):
            raise self._malformed("it is not JSON") from None
        if not isinstance(answer, dict) or key not in answer:
            raise self._malformed(f"it is not an object with '{key}'")
        return answer

    def _malformed(self, what: str) -> ServingError:
        return ServingError(f"The answer of {self.url} is not a model server's: {what}.", hint=_START_HINT)


def encode_png(image: Array) -> bytes:
    """Returns an image as a PNG file's contents, from which a server decodes the very same pixels.

    Args:
        image: uint8 array (H, W, 3).

    Raises:
        ArgumentError: if `image` is not such an array.
    """
    from PIL import Image  # here, so that those who have files already need no Pillow

    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ArgumentError(f"{_described(image)} is no image to encode. Expected a uint8 array (H, W, 3).")
    if 0 in image.shape:
        raise ArgumentError(f"An image of shape {image.shape} has no pixels.")
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image)).save(file, "PNG")
    return file.getvalue()


def _checked_url(url: str) -> str:
    try:
        parsed = httpx.URL(url)
        valid = _URL.fullmatch(url) is not None and bool(parsed.host) and (parsed.port or 1) <= 65535
    except (httpx.InvalidURL, TypeError):
        valid = False
    if not valid:
        raise ArgumentError(f"'{url}' is not a served model's URL. Expected http://HOST:PORT/v1/models/NAME.")
    return url.rstrip("/")


def _checked_images(images: npt.ArrayLike) -> npt.NDArray[np.float32]:
    try:
        array = np.ascontiguousarray(images, np.float32)
    except (TypeError, ValueError):
        raise ArgumentError("images are not numbers of one shape. Expected an array (N, H, W, 3).") from None
    if array.ndim != 4 or 0 in array.shape:
        raise ArgumentError(f"images have shape {array.shape}. Expected (N, H, W, 3) with N of at least 1.")
    return array


def _fitting(images: Array) -> int:
    return max(1, min(128, _REQUEST_NUMBERS // math.prod(images.shape[1:])))


def _checked_batch_size(batch_size: int) -> int:
    if batch_size < 1:
        raise ArgumentError(f"batch_size={batch_size} is not a number of pictures. Expected at least 1.")
    return batch_size


def _check_pictures(pictures: Sequence[bytes]) -> None:
    if isinstance(pictures, (bytes, str)) or not len(pictures):
        raise ArgumentError("There are no pictures to predict. Expected a list of the contents of picture files.")
    for index, picture in enumerate(pictures):
        if not isinstance(picture, bytes) or not picture:
            text = f"Picture {index} is {_described(picture)}. Expected the contents of a picture file, as bytes."
            raise ArgumentError(text)


def _packs(pictures: Sequence[bytes], batch_size: int) -> Iterator[list[bytes]]:
    """Yields the pictures in batches that are small enough in number and in bytes."""
    pack: list[bytes] = []
    for picture in pictures:
        if pack and (len(pack) == batch_size or sum(map(len, pack)) + len(picture) > _REQUEST_BYTES):
            yield pack
            pack = []
        pack.append(picture)
    yield pack


def _images_body(signature: str, images: Array) -> bytes:
    body = {"signature_name": signature, "inputs": images}
    if np.isfinite(images).all():
        return orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY)
    return json.dumps({**body, "inputs": images.tolist()}).encode("ascii")  # orjson would write NaN as null


def _pictures_body(signature: str, pictures: list[bytes]) -> bytes:
    inputs = [{"b64": b64encode(picture).decode("ascii")} for picture in pictures]
    return orjson.dumps({"signature_name": signature, "inputs": inputs})


def _parse(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return json.loads(body)  # which reads NaN and Infinity


def _error_text(response: httpx.Response) -> str:
    try:
        answer = _parse(response.content)
    except (ValueError, RecursionError):
        answer = None
    text = answer.get("error") if isinstance(answer, Mapping) else None
    return " ".join(str(text or response.reason_phrase).split())


def _reason(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__


def _described(value: object) -> str:
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape} and type {value.dtype}"
    return "empty" if value == b"" else f"a {type(value).__name__}"
