"""A client for models served over TensorFlow Serving's REST protocol, by our server or by TensorFlow Serving itself.

Needs NumPy, orjson and httpx, and Pillow for picture files; neither TensorFlow nor Keras, and nothing of
`keras_fixhead` but its errors and its definition of a picture. Every request ends within its timeout, with an answer or
with one of these errors:

    ArgumentError   an argument cannot be sent
    DataError       a file cannot be read
    RequestError    the server refused; `status` is the HTTP status
    ServingError    no server, no answer in time, or an answer that does not follow the protocol

`docs/client.md` has examples.
"""

from fixhead_serving.client.bodies import picture_batches
from fixhead_serving.client.client import BATCH_SIZE, Client
from fixhead_serving.client.connection import TIMEOUT_SECONDS
from fixhead_serving.client.curl import curl_line
from fixhead_serving.client.files import ARRAY_ENDINGS, FileBatch, find_pictures, predict_files, read_images
from fixhead_serving.client.labels import read_label_names, top_classes
from fixhead_serving.client.pictures import encode_png, read_picture, thumbnail, upright
from fixhead_serving.client.retries import Retries

__all__ = [
    "ARRAY_ENDINGS",
    "BATCH_SIZE",
    "TIMEOUT_SECONDS",
    "Client",
    "FileBatch",
    "Retries",
    "curl_line",
    "encode_png",
    "find_pictures",
    "picture_batches",
    "predict_files",
    "read_images",
    "read_label_names",
    "read_picture",
    "thumbnail",
    "top_classes",
    "upright",
]
