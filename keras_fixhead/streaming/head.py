"""`StreamingHead`: a `HypersphereHead` for very many classes, which returns features instead of logits."""
from typing import Any, ClassVar

import keras
from keras import ops

from keras_fixhead.errors import ArgumentError, VectorsError
from keras_fixhead.head import HypersphereHead, unit_length
from keras_fixhead.head.limits import Limits
from keras_fixhead.head.logits import remember
from keras_fixhead.head_config import MEMORY_BYTES, checked_flag
from keras_fixhead.streaming.chunks import chunk_rows
from keras_fixhead.streaming.passes import best_classes, logsumexp_of_others
from keras_fixhead.streaming.rows import Rows, Signs, Table
from keras_fixhead.streaming.table import add_table, table_digest
from keras_fixhead.vectors import checked_integer, kind_of

_OWN_OPTIONS = ("in_memory", "product_dtype", "chunk", "memory_bytes")


@keras.saving.register_keras_serializable(package="keras_fixhead")
class StreamingHead(HypersphereHead):
    """A `HypersphereHead` for very many classes: it returns features, and logits are never held all at once.

    Compile a model that ends in it with a `StreamingLoss` and, for example, `StreamingAccuracy`: they read the class
    vectors from the head, in chunks. Loss, gradients and accuracy are exact. Class vectors are fixed and there is no
    bias. A `HypersphereHead` with the same options has the same class vectors; `keras_fixhead.as_streaming` and
    `as_dense` make a trained model with one head a model with the other.

    Args:
        num_classes: number of classes m, at least 2.
        in_memory: whether the class vectors are held in memory. False draws them again whenever they are needed, for
            the kind 'rademacher' only: the head then takes no memory at all, and saved files contain no class vectors.
        product_dtype: 'bfloat16' for products in bfloat16, with sums in float32: on processors with bfloat16
            instructions about twice as fast. The loss of an example is then off by up to scale |f| / 150 + 0.002, with
            |f| = 1 for cosine logits, and with ArcFace by that over the sine of the angle to the own class vector;
            logits that are as close count as equal or change places, and another class may be predicted. Class vectors
            of kinds 'uniform', 'cube' and 'rademacher' are held in bfloat16, and drawn again when a file is loaded.
            None for the precision of the layer.
        chunk: number of classes whose logits are held at a time; None for as many as `memory_bytes` allows.
        memory_bytes: memory for one chunk. It has at least 16 classes, which for a batch of 100,000 examples take 26 MB
            whatever is given here; if the batch size is not known, it is taken to be 256.
        head_arguments: arguments of `HypersphereHead`: logits, scale, class_vectors, seed, ...

    Call args:
        features: tensor of shape (N, d), any float type.
        training: whether a schedule of S advances by one step.

    Returns:
        the features as they are, in the precision of the layer.

    Raises:
        ArgumentError: (a ValueError) for learned class vectors, a bias, or an argument out of range.

    Example:
        >>> import numpy as np
        >>> head = StreamingHead(num_classes=100_000, class_vectors="rademacher", in_memory=False)
        >>> head(np.ones((2, 16), "float32")).shape, head.weights
        (TensorShape([2, 16]), [])
    """

    returns = "features"
    _read_only: ClassVar[dict[str, str]] = {**HypersphereHead._read_only, **{name: name for name in _OWN_OPTIONS}}

    def __init__(self, num_classes: int, *, in_memory: bool = True, product_dtype: str | None = None,
                 chunk: int | None = None, memory_bytes: int = MEMORY_BYTES, **head_arguments: Any) -> None:
        super().__init__(num_classes, **head_arguments)
        if not self.fixed:
            raise ArgumentError("A StreamingHead has fixed class vectors; learned ones need their whole gradient in "
                                "memory.", hint="Leave fixed out, or use a HypersphereHead.")
        if self.bias_kind != "none":
            raise ArgumentError("A StreamingHead has no bias: its gradient would need another pass over all classes.",
                                hint="Leave bias out, or use a HypersphereHead.")
        checked_integer("num_classes", num_classes, 2, 2**31 - 1)
        if product_dtype not in (None, "bfloat16"):
            raise ArgumentError(f"product_dtype must be 'bfloat16' or None, got {product_dtype!r}.")
        self.in_memory = checked_flag("in_memory", in_memory)
        self.product_dtype = product_dtype
        self.chunk = None if chunk is None else checked_integer("chunk", chunk, 1, 2**31 - 1)
        self.memory_bytes = checked_integer("memory_bytes", memory_bytes, 1 << 20, 2**62)
        kind = self._origin.kind
        if not self.in_memory and kind != "rademacher":
            raise ArgumentError(f"in_memory=False needs class vectors of kind 'rademacher', got {kind!r}: only random "
                                "signs are quick to draw again.", hint="Pass class_vectors='rademacher'.")
        if not self.in_memory or self._holds_bfloat16:
            self._origin.stored = False
        self._held_digest: str | None = None

    @property
    def _holds_bfloat16(self) -> bool:
        kind = self._origin.kind
        return self.product_dtype == "bfloat16" and kind != "array" and kind_of(kind).by_class

    def _add_class_vectors(self, dim: int) -> None:
        origin = self._origin
        if not self.in_memory:
            self._check_recipe(dim)
        elif origin.kind == "array" or not kind_of(origin.kind).by_class:
            super()._add_class_vectors(dim)
        else:
            dtype = "bfloat16" if self._holds_bfloat16 else self.variable_dtype
            self.class_vectors, digest, self._held_digest = add_table(self, origin.kind, self.num_classes, dim,
                                                                      self.seed, dtype)
            origin.check_drawn(digest, dim, self.name)

    def _check_recipe(self, dim: int) -> None:
        """Takes the digest of the recipe; a digest of bytes, from a head with a table, is checked by drawing once."""
        origin = self._origin
        recipe = origin.recipe_digest(dim)
        if origin.digest not in (None, recipe):
            twin = Signs(self.num_classes, dim, self.seed, "float32")
            origin.check_drawn(twin.digest(), dim, self.name)
        origin.digest = recipe

    def _note_changes(self) -> None:
        if not (self.built and self.in_memory) or self._origin.awaited:
            return
        found = table_digest(self.class_vectors)
        if found == self._held_digest:
            return
        if self._holds_bfloat16:
            raise VectorsError(f"The class vectors of layer {self.name!r} were changed by hand, but it holds them in "
                               "bfloat16.", hint="Build the head with class_vectors=W.")
        super()._note_changes()
        self._held_digest = found

    def call(self, features: Any, training: bool | None = None) -> Any:
        self._origin.require(self.name)
        if training and self.step is not None:
            self.step.assign(self.step + 1)
        features = ops.copy(ops.cast(features, self.compute_dtype))  # a tensor of its own, which tells losses the head
        remember(features, self, training=bool(training))
        return features

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape

    def rows(self) -> Rows:
        """Returns the class vectors in a form that is read in chunks."""
        self._origin.require(self.name)
        dtype = self.product_dtype or self.compute_dtype
        if not self.in_memory:
            return Signs(self.num_classes, self._built_dim(), self.seed, dtype)
        self._built_dim()
        # once, before any loop: reading a variable in parts can copy the whole of it
        return Table(ops.convert_to_tensor(self.class_vectors), dtype)

    def rows_per_chunk(self, examples: int | None) -> int:
        """Returns the number of classes in a chunk, for a batch of that many examples (None if it is not known)."""
        if self.chunk is not None:
            return min(self.chunk, self.num_classes)
        examples = examples if isinstance(examples, int) else None  # JAX infers shapes with numbers yet unknown
        drawn = not self.in_memory or (self.product_dtype is not None and not self._holds_bfloat16)
        return min(self.num_classes, chunk_rows(self.memory_bytes, examples, self._built_dim() if drawn else 0))

    def _built_dim(self) -> int:
        if self.dim is None:
            raise ArgumentError("The layer has no class vectors yet.", hint="Call it or build it first.")
        return self.dim

    def directions(self, features: Any) -> Any:
        """Returns what class vectors are multiplied with: embeddings for cosine logits, features for dot logits."""
        return unit_length(features) if self.logits == "cos" else features

    def top_classes(self, features: Any, k: int = 1) -> tuple[Any, Any]:
        """Returns the k largest logits of each example and their classes, as `top_k` of all logits would.

        Args:
            features: float tensor of shape (N, d), the output of the layer.
            k: in [1, num_classes].

        Returns:
            logits (N, k), largest first, in the precision of the layer, and classes (N, k), int32; of equal logits,
            the lower class comes first.

        Example:
            >>> import numpy as np
            >>> head = StreamingHead(num_classes=3, class_vectors=[[1, 0], [0, 1], [-1, 0]], scale=2)
            >>> logits, classes = head.top_classes(head(np.array([[3.0, 4.0]], "float32")), k=2)
            >>> ops.convert_to_numpy(classes).tolist()
            [[1, 0]]
        """
        products, classes = self.top_products(features, k, self.rows())
        return products * self.current_scale(), classes

    def top_probabilities(self, features: Any, k: int = 1) -> tuple[Any, Any, Any]:
        """Returns what `top_classes` returns, and the probabilities of these classes among all.

        Args:
            features, k: as in `top_classes`.

        Returns:
            logits (N, k), classes (N, k), and probabilities (N, k): the softmax of all logits, at these classes.

        Example:
            >>> import numpy as np
            >>> head = StreamingHead(num_classes=2, class_vectors=[[1, 0], [0, 1]])
            >>> features = head(np.array([[1.0, 1.0]], "float32"))
            >>> ops.convert_to_numpy(head.top_probabilities(features, k=2)[2]).round(4).tolist()
            [[0.5, 0.5]]
        """
        source = self.rows()
        features = ops.cast(features, self.compute_dtype)
        products, classes = self.top_products(features, k, source)
        scale = self.current_scale()
        nobody = ops.full(ops.shape(features)[:1], -1, dtype="int32")
        total, _ = logsumexp_of_others(self.directions(features) * (scale * source.factor), nobody, source,
                                       rows=self.rows_per_chunk(features.shape[0]), ahead=False)
        logits = products * scale
        return logits, classes, ops.exp(logits - total[:, None])

    def top_products(self, features: Any, k: int, source: Rows) -> tuple[Any, Any]:
        """Returns what `top_classes` returns, with scale 1: cosines or dot products."""
        features = ops.cast(features, self.compute_dtype)
        return best_classes(self.directions(features) * source.factor, source,
                            k=checked_integer("k", k, 1, self.num_classes), rows=self.rows_per_chunk(features.shape[0]))

    def cosines(self, features: Any) -> Any:
        """Raises an ArgumentError: a streaming head never has the cosines to all class vectors."""
        raise ArgumentError("A StreamingHead never has the cosines to all its class vectors.",
                            hint="Call head.dense().cosines(features), or head.top_classes(features, k).")

    def limits(self, *, signed_features: bool = True) -> Limits:
        """Returns what `HypersphereHead.limits` returns, if the class vectors are in memory in full precision.

        Raises:
            ArgumentError: if they are not; or as `HypersphereHead.limits`.
        """
        if self.in_memory and not self._holds_bfloat16:
            return super().limits(signed_features=signed_features)
        raise ArgumentError("limits needs all class vectors in memory, in full precision.",
                            hint="Call head.dense().limits().")

    def dense(self) -> HypersphereHead:
        """Returns a `HypersphereHead` with the same options and class vectors; built, if this head is."""
        return _twin(self, HypersphereHead, {name: value for name, value in self.get_config().items()
                                             if name not in _OWN_OPTIONS})

    @classmethod
    def of(cls, head: HypersphereHead, **options: Any) -> "StreamingHead":
        """Returns a streaming head with the options and class vectors of a head; built, if that head is.

        Args:
            head: a head with fixed class vectors and without bias.
            options: `in_memory`, `product_dtype`, `chunk`, `memory_bytes`.
        """
        return _twin(head, cls, {**head.get_config(), **options})

    def load_own_variables(self, store: Any) -> None:
        if self.built and self._stored_variables() and not list(store.keys()):
            raise ValueError(f"The file has nothing for layer {self.name!r}. If it is of a model with a "
                             "HypersphereHead, use keras_fixhead.as_streaming(keras_fixhead.load_model(FILE)).")
        super().load_own_variables(store)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **{name: getattr(self, name) for name in _OWN_OPTIONS}}


def _twin(head: HypersphereHead, kind: type[Any], config: dict[str, Any]) -> Any:
    """A head of another kind, with the class vectors and weights of a head."""
    of_array = head.built and config["class_vectors"] == "array"
    if of_array:
        config = {**config, "class_vectors": ops.convert_to_numpy(head.class_vectors.value), "vectors_shape": None,
                  "vectors_digest": None}
    twin = kind.from_config(config)
    if head.built:
        twin.build((None, head.dim))
        if of_array:  # those of an argument get length 1, which changes last bits, and all of dot vectors set by hand
            twin.class_vectors.assign(head.class_vectors.value)
        for mine, its in ((head.log_scale, twin.log_scale), (head.step, twin.step)):
            if mine is not None:
                its.assign(mine)
    return twin
