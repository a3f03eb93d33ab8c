"""A run's own picture files as a part of the export's self-check: what was measured in training is what is served."""
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fixhead_serving.client.pictures import read_file, upright
from fixhead_serving.export.picture_graph import picture_graph
from fixhead_serving.export.reference import Reference, answers_of
from keras_fixhead.data.pictures import PictureForm, picture_array
from keras_fixhead.encodings import JPEG, decoded_alike
from keras_fixhead.errors import ServingError

FILES = 12
LEVELS = 1.0
"""The mean difference of pixels, in grey levels, that is allowed between two decoders of lossy files."""
TIE = 0.05
"""Decoders may disagree on the class where its probability exceeds another's by less than this."""


def own_reference(model: Any, scale: float, label_names: Sequence[str], form: PictureForm,
                  files: Sequence[Path]) -> Reference:
    """Returns picture files, as a client sends them, with a float32 Keras model's answers to the pixels of training.

    Args:
        model: a model from `answers_model`.
        scale: S.
        label_names: one name per class.
        form: how pictures became arrays in training.
        files: picture files.

    Raises:
        DataError: if a file cannot be read.
        ServingError: if the graph's pixels of a file differ by more than `LEVELS` in the mean, or give another class.
    """
    own = [(str(file), read_file(file)) for file in files]
    sent, names, arrays = zip(*((each, name, picture_array(content, name, form)) for name, content in own
                                for each in _as_sent(content, form)), strict=True)
    graph = picture_graph(form)
    trained, served = np.stack(arrays), np.stack([graph(each).numpy() for each in sent])
    answers = answers_of(model, served)
    _check_same(trained, served, answers_of(model, trained), answers, names)
    return Reference(served, sent, answers, answers, scale, label_names)


def _as_sent(content: bytes, form: PictureForm) -> list[bytes]:
    """The bytes that a client sends; if it turns a picture that the graph turns too, also those of the file."""
    if form.decoding == "reduced" and content.startswith(JPEG):
        return [content]  # see `Client.read_picture`
    sent = upright(content)
    return [sent] if sent == content or not decoded_alike(content) else [sent, content]


def _check_same(trained: NDArray[np.uint8], served: NDArray[np.uint8], expected: Any, found: Any,
                names: Sequence[str]) -> None:
    levels = np.abs(trained.astype(np.float32) - served).mean(axis=(1, 2, 3))
    if levels.max() > LEVELS:
        worst = int(levels.argmax())
        raise ServingError(f"A served model would see other pixels than training did: {names[worst]} differs by "
                           f"{levels[worst]:.1f} grey levels in the mean, allowed {LEVELS:g}. Nothing was published.",
                           hint="Save such pictures as PNG, or install Pillow's own wheel: pip install -U pillow")
    rows = np.arange(len(names))
    own, other = (each["logits"].argmax(axis=1) for each in (expected, found))
    margin = expected["probabilities"][rows, own] - expected["probabilities"][rows, other]
    if (margin > TIE).any():
        worst = int(margin.argmax())
        raise ServingError(f"A served model would give {names[worst]} another class than in training: its pixels "
                           f"differ by {levels[worst]:.2f} grey levels in the mean. Nothing was published.",
                           hint="Save such pictures as PNG, or install Pillow's own wheel: pip install -U pillow")
