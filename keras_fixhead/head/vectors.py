"""Where the class vectors of a head come from, and the digest that they must have."""
import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_fixhead.errors import ArgumentError, VectorsError
from keras_fixhead.head.held import check_values
from keras_fixhead.head_config import HeadConfig
from keras_fixhead.vectors import array_vectors, class_vectors, draw_digest, kind_of, vectors_digest

RECORD = "class_vectors_origin"
"""Name of the entry of a weights file that says where its class vectors come from, as JSON in bytes."""


class Origin:
    """Where the class vectors of a head come from: a draw or an array.

    Fixed class vectors are identified by the digest of their bytes. If their digest differs, they were changed by hand
    (by `assign` or `set_weights`): from then on they count as an array, are stored in files, and have their own digest.

    Args:
        options: the head's options.
        given: the head's argument `class_vectors`.
        num_classes: number of classes m.
        digest: the digest that the class vectors must have; None for no check.
        shape: (m, d) of an array that is still to be loaded, from a saved configuration.

    Attributes:
        kind: a kind of draw, or 'array'.
        stored: whether files contain the class vectors.
        digest: digest of the bytes of fixed class vectors; None before they are known.
        shape: (m, d) of an array; None for a draw.
        awaited: whether the class vectors are zeros until weights are loaded.
    """

    def __init__(self, options: HeadConfig, given: Any, num_classes: int, digest: Any, shape: Any) -> None:
        self.kind = options.class_vectors
        self.stored = options.store_vectors
        self.digest = _checked_digest(digest)
        self.shape: tuple[int, int] | None = None
        self.array: NDArray[np.float32] | None = None
        self.awaited = False
        self._fixed = options.fixed
        self._seed = options.seed
        self._rotate = options.rotate
        self._num_classes = num_classes
        if self.kind == "array":
            self._take(given, shape)
        elif shape is not None:
            raise ArgumentError(f"vectors_shape is that of an array, but class_vectors is {self.kind!r}.",
                                hint="Leave vectors_shape out.")

    def _take(self, given: Any, shape: Any) -> None:
        """Keeps an array until the layer is built; or only its shape, from a saved configuration."""
        if isinstance(given, str):
            if shape is None:
                raise ArgumentError("class_vectors='array' is for saved configurations only.",
                                    hint="Pass the array itself: class_vectors=W of shape (num_classes, dim).")
            self.shape = _checked_shape(shape)
            self.awaited = True
        else:
            self.array = array_vectors(given)
            self.shape = (len(self.array), self.array.shape[1])
            self.digest = self.digest or vectors_digest(self.array)
        if self.shape[0] != self._num_classes:
            raise ArgumentError(f"class_vectors has {self.shape[0]} rows, but num_classes is {self._num_classes}.")

    def initial(self, dim: int, layer: str) -> NDArray[np.float32]:
        """Returns the initial values: the draw, the array, or zeros that loaded weights will replace."""
        if self.shape is not None:
            if self.shape[1] != dim:
                raise ArgumentError(f"The features have {dim} entries, but the class vectors have {self.shape[1]}.",
                                    hint="Make them equal, for example with a Dense layer before the head.")
            if self.array is None:
                return np.zeros(self.shape, np.float32)
            vectors = self.array
        else:
            vectors = class_vectors(self.kind, self._num_classes, dim, self._seed, rotate=self._rotate)
            if self.digest not in (None, vectors_digest(vectors)) and not kind_of(self.kind).portable:
                self.awaited = True  # drawn on another machine, where the last bits differ
                return np.zeros_like(vectors)
        self.check_drawn(vectors_digest(vectors), dim, layer)
        return vectors

    def check_drawn(self, found: str, dim: int, layer: str) -> None:
        """Takes over the digest of the initial values.

        Raises:
            VectorsError: if fixed class vectors must have another digest. That of the recipe of the same draw is
                accepted: heads that draw their class vectors again have it.
        """
        if self._fixed and self.digest not in (None, found) and self.digest != self.recipe_digest(dim):
            raise VectorsError(f"The class vectors drawn from its configuration have digest {found[:16]}, but layer "
                               f"{layer!r} was saved with {str(self.digest)[:16]} ({self}).",
                               hint="Load another copy: the configuration was edited, or the file is damaged.")
        self.digest = found

    def recipe_digest(self, dim: int) -> str | None:
        """Returns the digest of the recipe of a draw that is made class by class; None for any other."""
        if self.kind == "array" or not kind_of(self.kind).by_class:
            return None
        return draw_digest(self.kind, self._num_classes, dim, self._seed)

    def require(self, layer: str) -> None:
        """Raises a VectorsError if the class vectors are still zeros."""
        if self.awaited:
            raise VectorsError(f"Layer {layer!r} has no class vectors yet: its configuration names them ({self}) but "
                               "does not contain them.",
                               hint="Load its weights: model.load_weights(FILE) or model.set_weights(WEIGHTS)")

    def arrived(self) -> None:
        """Notes that the class vectors are no longer zeros."""
        self.awaited = False

    def note(self, values: NDArray[Any], layer: str, *, of_unit_length: bool) -> None:
        """Notes if fixed class vectors were changed by hand: from then on they count as an array.

        Raises:
            VectorsError: if they were changed to values that a fixed head cannot have.
        """
        if not self._fixed or self.awaited:
            return
        found = vectors_digest(values)
        if found == self.digest:
            return
        check_values(values, layer, of_unit_length=of_unit_length)
        self.kind, self.shape, self.digest, self.stored = "array", tuple(values.shape), found, True

    def record(self) -> NDArray[np.uint8]:
        """Returns the entry of a weights file that describes its class vectors, for error messages."""
        said = {"kind": self.kind, "seed": self._seed, "rotate": self._rotate, "digest": self.digest}
        return np.frombuffer(json.dumps(said).encode(), np.uint8)

    def check_loaded(self, values: NDArray[Any], record: Any, layer: str) -> None:
        """Raises a VectorsError if the class vectors in a file are not those of a fixed head.

        A changed vector must be an error, not a silent loss of accuracy.
        """
        if not self._fixed or self.digest is None:
            return
        found = vectors_digest(values)
        if found == self.digest:
            return
        told = f"The class vectors in the file have digest {found[:16]}, but"
        mine = f"layer {layer!r} has {self.digest[:16]} ({self})"
        saved = _read_record(record)
        if saved is None:  # a file from an earlier version
            raise VectorsError(f"{told} {mine}.", hint="Load the whole model (keras_fixhead.load_model), or another "
                               "copy: the file is damaged, or of a head with other class vectors.")
        if saved.get("digest") != found:
            raise VectorsError(f"{told} were saved with {str(saved.get('digest'))[:16]}: the file is damaged.",
                               hint="Load another copy of the file.")
        if saved.get("kind") == "array":
            raise VectorsError(f"{told} {mine}: those in the file were given as an array or changed by hand.",
                               hint="Load the whole model (keras_fixhead.load_model), or build the head with "
                                    "class_vectors=W.")
        raise VectorsError(f"{told} {mine}: the file has a different draw, kind {saved.get('kind')!r} with seed "
                           f"{saved.get('seed')}.", hint="Build the head with that kind and seed.")

    def check_record(self, record: Any, layer: str) -> None:
        """Raises a VectorsError if a file was saved with another draw than that of a head that draws its own again."""
        saved = _read_record(record) or {}
        if (saved.get("kind"), saved.get("seed")) != (self.kind, self._seed):
            raise VectorsError(f"The class vectors in the file are of kind {saved.get('kind')!r} with seed "
                               f"{saved.get('seed')}, but layer {layer!r} has {self}.",
                               hint="Build the head with that kind and seed.")

    def __str__(self) -> str:
        return "an array" if self.kind == "array" else f"kind {self.kind!r}, seed {self._seed}"


def _checked_digest(digest: Any) -> str | None:
    if digest is None or (isinstance(digest, str) and len(digest) == 64):
        return digest
    raise ArgumentError(f"vectors_digest must be a sha256 of 64 hexadecimal digits or None, got {digest!r}.")


def _checked_shape(shape: Any) -> tuple[int, int]:
    if isinstance(shape, (list, tuple)) and [type(each) for each in shape] == [int, int] and min(shape) > 0:
        return shape[0], shape[1]
    raise ArgumentError(f"vectors_shape must be (num_classes, dim), got {shape!r}.")


def _read_record(record: Any) -> dict[str, Any] | None:
    if record is None:
        return None
    try:
        said = json.loads(np.asarray(record, np.uint8).tobytes())
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}
