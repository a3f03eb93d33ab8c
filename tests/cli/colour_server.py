"""A small server with known answers: the class of a picture is its strongest colour."""
import base64
import gzip
import http.server
import io
import json

import numpy as np
from PIL import Image

LABELS = ["red", "green", "blue", "never the best"]
COLOURS = {"red": (200, 20, 10), "green": (20, 200, 10), "blue": (20, 10, 200)}
SIZES = {"tensor_shape": {"dim": [{"size": size} for size in ("-1", "32", "32", "3")]}}
METADATA = {"metadata": {"signature_def": {"signature_def": {"serving_default": {"inputs": {"images": SIZES}}}}}}


def answer_to(body):
    """Returns the answer of a model of four classes whose probabilities are the shares of the colours."""
    if body["signature_name"] == "serving_bytes":
        images = [np.asarray(Image.open(io.BytesIO(base64.b64decode(each["b64"], validate=True))).convert("RGB"))
                  for each in body["inputs"]]
    else:
        images = [np.array(each) for each in body["inputs"]]
    strengths = np.array([[*image.reshape(-1, 3).mean(axis=0), 5.0] for image in images]) + 1e-3
    probabilities = strengths / strengths.sum(axis=1, keepdims=True)
    index = probabilities.argmax(axis=1)
    return {"outputs": {"probabilities": probabilities.tolist(), "class_index": index.tolist(),
                        "label": [LABELS[each] for each in index]}}


class ColourServer(http.server.ThreadingHTTPServer):
    """Keeps its requests; `answer` may be replaced."""

    def __init__(self):
        self.requests = []
        self.answer = lambda body: (200, answer_to(body))
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}/v1/models/colours"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        sent = self.rfile.read(int(self.headers["Content-Length"]))
        body = json.loads(gzip.decompress(sent) if self.headers["Content-Encoding"] == "gzip" else sent)
        self.server.requests.append((self.path, dict(self.headers), body))
        status, content = self.server.answer(body)
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        self.server.requests.append((self.path, dict(self.headers), None))
        data = json.dumps({**METADATA, "model_version_status": [{"version": "1", "state": "AVAILABLE"}]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


def picture(path, colour="red", size=(6, 4), **options):
    Image.new("RGB", size, COLOURS[colour]).save(path, **options)
    return path
