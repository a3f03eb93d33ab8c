"""A tiny SavedModel with the signatures of our exports, and fixtures to send requests to an app in memory."""

import asyncio
import dataclasses
import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

SIZE = 8
LABELS = ["cat", "dog", "owl"]


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes
    media_type: str

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@pytest.fixture(scope="session")
def base_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns a base path `tiny` with versions 1 and 2, of which 2 is served."""
    import tensorflow as tf

    base = tmp_path_factory.mktemp("models") / "tiny"
    for version in ("1", "2"):
        module = _tiny_module()
        signatures = {"serving_default": module.images, "serving_bytes": module.pictures, "features": module.features}
        tf.saved_model.save(module, str(base / version), signatures=signatures)
    (base / ".tmp-3-x").mkdir()
    (base / "4").mkdir()  # without a saved_model.pb: not a version
    return base


def _tiny_module() -> Any:
    """Returns a module with an unguarded convolution, where a wrong rank aborts the process."""
    import tensorflow as tf

    draw = np.random.default_rng(0)

    class Tiny(tf.Module):
        def __init__(self) -> None:
            self.kernel = tf.Variable(draw.normal(size=(3, 3, 3, 4)).astype("float32"))
            self.class_vectors = tf.Variable(draw.normal(size=(4, len(LABELS))).astype("float32"))
            self.names = tf.constant(LABELS)

        def _features(self, images: Any) -> Any:
            maps = tf.nn.relu(tf.nn.conv2d(images / 255.0, self.kernel, 1, "SAME"))
            return tf.reduce_mean(maps, [1, 2])

        def _outputs(self, images: Any) -> dict[str, Any]:
            logits = self._features(images) @ self.class_vectors
            index = tf.argmax(logits, -1)
            return {
                "logits": logits,
                "cosines": tf.tanh(logits),
                "probabilities": tf.nn.softmax(logits),
                "class_index": index,
                "label": tf.gather(self.names, index),
            }

        @tf.function(input_signature=[tf.TensorSpec([None, SIZE, SIZE, 3], tf.float32, name="images")])
        def images(self, images: Any) -> dict[str, Any]:
            return self._outputs(images)

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="image_bytes")])
        def pictures(self, image_bytes: Any) -> dict[str, Any]:
            def decode(encoded: Any) -> Any:
                image = tf.io.decode_image(encoded, channels=3, expand_animations=False)
                image.set_shape([None, None, 3])
                return tf.image.resize(tf.cast(image, tf.float32), [SIZE, SIZE], antialias=True)

            specification = tf.TensorSpec([SIZE, SIZE, 3], tf.float32)
            return self._outputs(tf.map_fn(decode, image_bytes, fn_output_signature=specification))

        @tf.function(input_signature=[tf.TensorSpec([None, SIZE, SIZE, 3], tf.float32, name="images")])
        def features(self, images: Any) -> dict[str, Any]:
            return {"features": self._features(images)}

    return Tiny()


@pytest.fixture(scope="session")
def served(base_path: Path) -> Any:
    from fixhead_serving.server import load_model

    return load_model(base_path)


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (5, SIZE, SIZE, 3)).astype("uint8")


@pytest.fixture
def ask() -> Callable[..., Answer]:
    """Returns a function that returns an app's answer to one request, in memory."""

    def ask_one(app: Any, method: str, path: str, body: Any = b"", headers: dict[str, str] | None = None) -> Answer:
        return _ask_all(app, [(method, path, body, headers or {})])[0]

    return ask_one


@pytest.fixture
def ask_all() -> Callable[..., list[Answer]]:
    """Returns a function that returns an app's answers to simultaneous requests, in memory."""
    return _ask_all


def _ask_all(app: Any, requests: list[tuple[str, str, Any, dict[str, str]]]) -> list[Answer]:
    async def send_all() -> list[httpx.Response]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app)) as client:
            sent = [  # full URLs: a path that starts with // would be taken for a host
                client.request(method, f"http://test{path}", content=_as_body(body), headers=headers)
                for method, path, body, headers in requests
            ]
            return await asyncio.gather(*sent)

    return [Answer(r.status_code, r.content, r.headers.get("content-type", "")) for r in asyncio.run(send_all())]


def _as_body(body: Any) -> bytes:
    return body if isinstance(body, bytes) else json.dumps(body).encode()


@pytest.fixture(scope="session")
def exported(digits_run: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Returns the first export of a trained run."""
    from fixhead_serving.export import export_run

    return export_run(digits_run.path, tmp_path_factory.mktemp("served") / "digits")


@pytest.fixture
def checked_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs the self-check of exports in this process: a new one would have to load TensorFlow first."""
    from fixhead_serving import export
    from fixhead_serving.export import self_check
    from keras_fixhead.errors import ServingError

    def check(folder: Path, own: Path | None) -> Any:
        try:
            return self_check.check(folder, own)
        except self_check.Mismatch as problem:
            raise ServingError(str(problem)) from None

    monkeypatch.setattr(export, "_self_check", check)


@pytest.fixture(scope="session")
def _written_before(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, set[str]]:
    return tmp_path_factory.mktemp("written"), set()


@pytest.fixture
def written_once(_written_before: tuple[Path, set[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    """Writes the SavedModel of the same answers once for all tests about folders, and copies it from then on."""
    from fixhead_serving.export import formats

    place, known = _written_before
    chosen = formats.FORMATS["saved_model"]

    def write(answers: Any, folder: Path, label_names: Sequence[str], form: Any) -> None:
        found = answers(np.full((1, *answers.input_shape[1:]), 127.0, np.float32), training=False)
        state = [*answers.get_weights(), *(np.asarray(found[name]) for name in sorted(found))]
        parts = [*(each.tobytes() for each in state), repr((list(label_names), form)).encode()]
        key = hashlib.sha256(b"".join(parts)).hexdigest()
        if key not in known:
            chosen.write(answers, place / key, label_names, form)
            known.add(key)
        shutil.copytree(place / key, folder, dirs_exist_ok=True)

    monkeypatch.setitem(formats.FORMATS, "saved_model", dataclasses.replace(chosen, write=write))


@pytest.fixture
def quick_export(written_once: None, checked_here: None) -> None:
    """Makes exports quick, for tests about folders and messages."""
