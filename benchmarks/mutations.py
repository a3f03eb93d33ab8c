"""The campaign's requests: valid ones and random mutations of them. Each is a function of seed and number."""

import copy
import gzip
import io
import json
import random
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from PIL import Image

HALF = "/v1/models/conformance"
PICTURES = "/v1/models/pictures"
SIDE = 8  # image size of the pictures model
Documents = dict[str, Any]


@dataclass(frozen=True)
class Sent:
    """One request, as bytes on the wire.

    Args:
        kind: how it was made.
        wire: request line, headers and body.
        method: the HTTP method, which decides whether an answer has a body.
        framed: whether it is HTTP; the server may answer anything else by closing the connection.
        expected: the answer's JSON, for a sentinel.
    """

    kind: str
    wire: bytes
    method: str = "POST"
    framed: bool = True
    expected: Any = None


@dataclass
class Draft:
    """A request before it is written out."""

    path: str
    body: bytes
    method: str = "POST"
    headers: dict[str, str] = field(default_factory=dict)

    def sent(self, kind: str, expected: Any = None) -> Sent:
        lines = [f"{self.method} {self.path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(self.body)}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        head = "\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n"
        return Sent(kind, head + self.body, self.method, expected=expected)


def make_request(seed: int, number: int) -> Sent:
    """Returns a request of the campaign, always the same for the same seed and number."""
    chance = random.Random(f"{seed}/{number}")
    if number % 20 == 0:
        return _sentinel(number)
    makers, weights = zip(*KINDS.items(), strict=True)
    [kind] = chance.choices(makers, [weight for weight, _ in weights])
    return KINDS[kind][1](chance)


def _sentinel(number: int) -> Sent:
    values = [float(number % 100_000), float(number % 7), -1.5]
    expected = {"predictions": [0.5 * value + 3.0 for value in values]}
    return Draft(f"{HALF}:predict", _dump({"instances": values})).sent("sentinel", expected)


# Valid requests


def _document(chance: random.Random) -> tuple[str, Documents]:
    """Returns a model's path and a valid request to it."""
    rows = chance.randint(1, 4)
    name = chance.choice(list(_DOCUMENTS))
    path, values = _DOCUMENTS[name]
    elements = [values(chance) for _ in range(rows)]
    if name == "pair" and chance.random() < 0.5:
        return path, {"signature_name": name, "inputs": {key: [one[key] for one in elements] for key in ("a", "b")}}
    key = "instances" if name == "pair" else chance.choice(["instances", "inputs"])
    return path, {"signature_name": name, key: elements}


def _number(chance: random.Random) -> float:
    return chance.choice([chance.uniform(-10, 10), chance.randint(-300, 300), chance.random(), 0, 255.0])


def _image(chance: random.Random) -> list[Any]:
    return [[[chance.randint(0, 255) for _ in range(3)] for _ in range(SIDE)] for _ in range(SIDE)]


def _picture(chance: random.Random) -> dict[str, str]:
    return {"b64": b64encode(chance.choice(_pictures())).decode()}


@cache
def _pictures() -> list[bytes]:
    chance = random.Random(0)
    encoded = []
    for size in (1, SIDE, 20):
        image = Image.frombytes("RGB", (size, size), chance.randbytes(3 * size * size))
        for kind in ("PNG", "JPEG", "BMP", "GIF", "WEBP"):
            buffer = io.BytesIO()
            image.save(buffer, kind)
            encoded.append(buffer.getvalue())
    return encoded


_DOCUMENTS: dict[str, tuple[str, Callable[[random.Random], Any]]] = {
    "serving_default": (HALF, _number),
    "double": (HALF, _number),
    "int32": (HALF, lambda chance: chance.randint(-1000, 1000)),
    "uint8": (HALF, lambda chance: chance.randint(0, 255)),
    "bool": (HALF, lambda chance: chance.random() < 0.5),
    "text": (HALF, lambda chance: chance.choice(["", "text", "\u00e9", {"b64": "aGVsbG8="}])),
    "bytes": (HALF, lambda chance: {"b64": b64encode(chance.randbytes(chance.randint(0, 9))).decode()}),
    "pair": (HALF, lambda chance: {"a": _number(chance), "b": [chance.randint(-9, 9), chance.randint(-9, 9)]}),
    "guarded": (HALF, lambda chance: [[_number(chance) for _ in range(3)] for _ in range(2)]),
    "several": (HALF, _number),
    "unlike_batches": (HALF, _number),
    "half_input": (HALF, _number),
    "half_output": (HALF, _number),
    "images": (PICTURES, _image),
    "image_bytes": (PICTURES, _picture),
}


def _valid(chance: random.Random) -> Sent:
    path, document = _document(chance)
    return Draft(f"{path}:predict", _dump(document)).sent("valid")


# Mutations of the JSON

_ODDITIES: list[Any] = [
    None, True, False, "x", "1.5", "", 0, -1, 1.0, 300, 2**31, -(2**31) - 1, 2**53 + 1, 2**63, 2**64, 1e39, -1e300,
    5e-324, float("nan"), float("inf"), float("-inf"), [], {}, [[]], [None], {"b64": "aGk="}, {"b64": 1}, {"b64": "?"},
    {"b64": "", "a": 1}, "\ud83d\ude00", "\x00", "x" * 3000, {"x": 1.0}, {"inputs": []}, [1, [2, [3]]],
]  # fmt: skip


def _mutated_json(chance: random.Random) -> Sent:
    path, document = _document(chance)
    for _ in range(chance.choice([1, 1, 1, 2, 3])):
        _mutate(chance, document)
    return Draft(f"{path}:predict", _dump(document)).sent("mutated JSON")


def _other_numbers(chance: random.Random) -> Sent:
    """Mutations that mostly leave a request valid, so that it reaches the model."""
    path, document = _document(chance)
    for holder, key in _places(document):
        if type(holder[key]) in (int, float) and chance.random() < 0.3:
            holder[key] = chance.choice([0, 1, 2, 0.5, 1e-30, 127, -7, 3.5, 2**20, float("nan"), 1e38])
    if chance.random() < 0.3:
        document[chance.choice(["extra", "context", "b64"])] = chance.choice(_ODDITIES)
    return Draft(f"{path}:predict", _dump(document)).sent("other numbers")


def _mutate(chance: random.Random, document: Documents) -> None:
    places = list(_places(document))
    if not places:
        return
    holder, key = chance.choice(places)
    how = chance.randrange(8)
    if how <= 2:
        holder[key] = copy.deepcopy(chance.choice(_ODDITIES))
    elif how == 3:
        del holder[key]
    elif how == 4:
        holder[key] = [holder[key]] * chance.choice([1, 2, 300])
    elif how == 5 and isinstance(holder[key], list) and holder[key]:
        holder[key] = holder[key][0]
    elif how == 6 and isinstance(holder, dict):
        holder[chance.choice(["inputs", "instances", "x", "a", "b", "b64", "signature_name", ""])] = holder.pop(key)
    else:
        for _ in range(chance.choice([3, 31, 70, 400])):
            holder[key] = [holder[key]]


def _places(value: Any) -> Any:
    """Yields every container and key in a document, without recursion: a mutation may have nested it deeply."""
    waiting = [value]
    while waiting:
        holder = waiting.pop()
        keys: Any = list(holder) if isinstance(holder, dict) else range(len(holder))
        for key in keys:
            yield holder, key
            if isinstance(holder[key], dict | list):
                waiting.append(holder[key])


# Mutations of bytes


_PIECES = [b"\x00", b"[", b"]", b"{", b"}", b",", b'"', b"\\", b"\xff", b"1e999", b"NaN"]


def _damaged(chance: random.Random, data: bytes) -> bytes:
    """Returns bytes with a few flipped, removed, inserted or doubled."""
    damaged = bytearray(data)
    for _ in range(chance.choice([1, 1, 2, 5])):
        at = chance.randrange(len(damaged) + 1)
        how = chance.randrange(5)
        if how == 0 and at < len(damaged):
            damaged[at] ^= 1 << chance.randrange(8)
        elif how == 1:
            del damaged[at : at + chance.choice([1, 2, 10])]
        elif how == 2:
            damaged[at:at] = chance.choice(_PIECES)
        elif how == 3:
            damaged[at:at] = damaged[at : at + 8]
        else:
            del damaged[at:]
    return bytes(damaged)


def _damaged_json(chance: random.Random) -> Sent:
    path, document = _document(chance)
    return Draft(f"{path}:predict", _damaged(chance, _dump(document))).sent("damaged JSON")


def _random_bytes(chance: random.Random) -> Sent:
    model = chance.choice([HALF, PICTURES])
    return Draft(f"{model}:predict", chance.randbytes(chance.choice([0, 1, 10, 100, 5000]))).sent("random bytes")


def _damaged_picture(chance: random.Random) -> Sent:
    count = chance.choice([1, 1, 3])
    pictures = [_damaged(chance, chance.choice(_pictures())) for _ in range(count)]
    instances = [{"b64": b64encode(picture).decode()} for picture in pictures]
    body = _dump({"signature_name": "image_bytes", "instances": instances})
    return Draft(f"{PICTURES}:predict", body).sent("damaged picture")


def _compressed(chance: random.Random) -> Sent:
    path, document = _document(chance)
    body = gzip.compress(_dump(document), 1, mtime=0)
    how = chance.randrange(10)
    if how == 0:
        body = _bomb()
    elif how > 4:
        body = _damaged(chance, body)
    encoding = chance.choice(["gzip", "gzip", "gzip", "x-gzip", "deflate", "br", "gzip, gzip", ""])
    return Draft(f"{path}:predict", body, headers={"Content-Encoding": encoding}).sent("compressed")


@cache
def _bomb() -> bytes:
    return gzip.compress(bytes(40 * 2**20), mtime=0)  # exceeds the server's limit of 32 MiB


# Mutations of path, headers, framing

_PATH_PIECES = ["%00", "%2F", "%3A", "%ff", "%", "//", "..", "9" * 30, "?a=b"]
_CHARACTERS = "abcXYZ019-._~!$&'()*+,;=:@/%?"


def _mutated_path(chance: random.Random) -> Sent:
    path = chance.choice([
        f"{HALF}:predict", f"{HALF}/versions/2:predict", f"{HALF}/labels/canary:predict", HALF, f"{HALF}/metadata",
        f"{PICTURES}:classify", f"{PICTURES}/versions/1/metadata", "/v1/models", "/monitoring/prometheus/metrics",
    ])  # fmt: skip
    for _ in range(chance.choice([0, 1, 1, 2, 4])):
        at = chance.randint(1, len(path))
        how = chance.randrange(4)
        if how == 0:
            path = path[:at] + chance.choice(_CHARACTERS) + path[at:]
        elif how == 1:
            path = path[:at] + path[at + 1 :]
        elif how == 2:
            path = path[:at] + chance.choice(_PATH_PIECES) + path[at:]
        else:
            path = path[:at] + path[at:].swapcase()
    method = chance.choice(["POST", "POST", "GET", "GET", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "BREW"])
    body = _dump({"instances": [1.0]}) if chance.random() < 0.7 else b""
    return Draft(path, body, method).sent("path and method")


def _mutated_headers(chance: random.Random) -> Sent:
    path, document = _document(chance)
    odd = {
        "Content-Type": chance.choice(["text/plain", "application/json; charset=utf-16", "", "multipart/form-data"]),
        "Accept": chance.choice(["*/*", "image/png", ""]),
        "Accept-Encoding": chance.choice(["gzip, br", "identity;q=0"]),
        "Origin": "https://example.org",
        "Authorization": chance.choice(["Bearer x", "Basic eDp5"]),
        "X-Long": "x" * chance.choice([10, 1000, 20_000]),
        "X-Bytes": bytes(chance.randrange(0xA0, 0x100) for _ in range(8)).decode("latin-1"),
        "Transfer-Coding": "chunked",
        "Range": "bytes=0-1",
        "Expect": "",
    }
    names = chance.sample(list(odd), chance.randint(1, 4))
    return Draft(f"{path}:predict", _dump(document), headers={name: odd[name] for name in names}).sent("headers")


def _not_http(chance: random.Random) -> Sent:
    path, document = _document(chance)
    whole = Draft(f"{path}:predict", _dump(document)).sent("").wire
    head_size = whole.index(b"\r\n\r\n")
    how = chance.randrange(3)
    if how == 0:
        wire = chance.randbytes(chance.choice([1, 20, 300])) + b"\r\n\r\n"
    elif how == 1:
        wire = _damaged(chance, whole[:head_size]) + whole[head_size:]
    else:
        wire = whole[: chance.randint(1, len(whole) - 1)]  # the client disconnects
    return Sent("not HTTP", wire, framed=False)


def _dump(document: Any) -> bytes:
    return json.dumps(document).encode()


KINDS: dict[str, tuple[int, Callable[[random.Random], Sent]]] = {
    "valid": (18, _valid),
    "other numbers": (18, _other_numbers),
    "mutated JSON": (24, _mutated_json),
    "damaged JSON": (10, _damaged_json),
    "random bytes": (3, _random_bytes),
    "damaged picture": (8, _damaged_picture),
    "compressed": (6, _compressed),
    "path and method": (7, _mutated_path),
    "headers": (4, _mutated_headers),
    "not HTTP": (2, _not_http),
}
