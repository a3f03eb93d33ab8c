"""`HypersphereHead`: the classification layer whose class vectors are drawn at random."""
import math
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_fixhead.config import HEADS
from keras_fixhead.errors import ArgumentError, VectorsError
from keras_fixhead.vectors import class_vectors as draw_class_vectors
from keras_fixhead.vectors import vectors_digest

EPSILON = 1e-6
"""Floor of a norm that is divided by: features shorter than this count as of this length."""


@keras.saving.register_keras_serializable(package="keras_fixhead")
class HypersphereHead(keras.layers.Layer):
    """Logits from the comparison of features with class vectors on the hypersphere.

    With features f and class vectors w_j of length 1:

        logits='cos':  scale * w_j . f / max(|f|, 1e-6)    (the paper's Eq. 2, 3)
        logits='dot':  scale * w_j . f                     (the paper's Eq. 1)

    Learned class vectors start from the same draw and are divided by their length in every 'cos' forward pass. It
    computes in float32 under any precision policy. There is no softmax in it: use losses with `from_logits=True`.

    Its one weight is `class_vectors`, float32 of shape (num_classes, d), non-trainable when fixed. The config
    names the draw by its digest; for fixed heads it is checked whenever weights are loaded.

    Args:
        num_classes: number of classes m, at least 2.
        logits: 'cos' or 'dot'.
        scale: factor S on the logits, a positive number.
        fixed: whether the class vectors stay as drawn.
        class_vectors: kind of the draw: 'uniform', 'cube' or 'rademacher'.
        seed: seed of the draw, in [0, 2^64).
        vectors_digest: the digest the draw must have; None for no check.
        vector_weight_decay: torch's c, an L2 penalty of c / 2 on class vectors that are learned.

    Call args:
        features: tensor of shape (..., d), any float type.

    Returns:
        float32 logits of shape (..., num_classes).

    Raises:
        ArgumentError: (a ValueError) for an argument out of its range.
        VectorsError: if class vectors are loaded into a fixed head that are not the ones its digest names.

    Reference: "Redesigning the classification layer by randomizing the class representation vectors",
        arXiv:2011.08704.

    Example:
        >>> head = HypersphereHead(num_classes=10)
        >>> head(np.ones((2, 128), "float32")).shape
        TensorShape([2, 10])
        >>> len(head.trainable_weights)
        0
    """

    def __init__(self, num_classes: int, logits: str = "cos", scale: float = 1.0, fixed: bool = True,
                 class_vectors: str = "uniform", seed: int = 0, vectors_digest: str | None = None,
                 vector_weight_decay: float = 0.0, **kwargs: Any) -> None:
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)
        if self.compute_dtype in ("float16", "bfloat16"):
            raise ArgumentError(
                f"HypersphereHead does not compute in {self.compute_dtype}: cosines near 1 come in steps of 4e-3.",
                hint="Leave dtype out: under a mixed policy the head then casts its input to float32.",
            )
        if not isinstance(num_classes, (int, np.integer)) or num_classes < 2:
            raise ArgumentError(f"num_classes must be an integer of at least 2, got {num_classes!r}.")
        if logits not in HEADS:
            raise ArgumentError(f"logits must be one of {', '.join(HEADS)}, got {logits!r}.")
        if not isinstance(scale, (int, float, np.number)) or not (math.isfinite(scale) and scale > 0):
            raise ArgumentError(f"scale must be a positive number, got {scale!r}.")
        if not (math.isfinite(vector_weight_decay) and vector_weight_decay >= 0):
            raise ArgumentError(f"vector_weight_decay must be 0 or a positive number, got {vector_weight_decay!r}.")
        draw_class_vectors(class_vectors, 1, 1, seed)  # an unknown kind is said now, not when the layer is built
        self.num_classes = int(num_classes)
        self.logits = logits
        self.scale = float(scale)
        self.fixed = bool(fixed)
        self.kind = class_vectors
        self.seed = int(seed)
        self.vectors_digest = vectors_digest
        self.vector_weight_decay = float(vector_weight_decay)
        self.input_spec = keras.layers.InputSpec(min_ndim=2)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        dim = input_shape[-1]
        if dim is None:
            raise ArgumentError(f"HypersphereHead needs a known number of features, got input shape {input_shape}.")
        vectors = draw_class_vectors(self.kind, self.num_classes, dim, self.seed)
        self._check_digest(vectors, "drawn from its configuration")
        self.vectors_digest = vectors_digest(vectors)
        decays = self.vector_weight_decay > 0 and not self.fixed
        self.class_vectors = self.add_weight(
            name="class_vectors",
            shape=vectors.shape,
            initializer=lambda shape, dtype=None: ops.convert_to_tensor(vectors, dtype=dtype),
            regularizer=keras.regularizers.L2(self.vector_weight_decay / 2) if decays else None,
            trainable=not self.fixed,
        )
        self.input_spec = keras.layers.InputSpec(min_ndim=2, axes={-1: dim})

    def call(self, features: Any) -> Any:
        features = ops.cast(features, self.compute_dtype)
        products = self.cosines(features) if self.logits == "cos" else ops.matmul(features, self._transposed())
        return products * self.scale

    def cosines(self, features: Any) -> Any:
        """Returns the cosines of features to the class vectors.

        Args:
            features: float tensor of shape (..., d).

        Returns:
            float32 tensor of shape (..., num_classes).
        """
        embedding = unit_length(ops.cast(features, self.compute_dtype))
        return ops.matmul(embedding, self._transposed(normalize=True))

    def _transposed(self, normalize: bool = False) -> Any:
        vectors = ops.convert_to_tensor(self.class_vectors)
        if normalize and not self.fixed:  # fixed ones are drawn with length 1 and stay so
            vectors = unit_length(vectors)
        return ops.transpose(vectors)  # (d, m)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (*input_shape[:-1], self.num_classes)

    def load_own_variables(self, store: Any) -> None:
        if "0" in store:  # before it is assigned: where Keras goes on after an error, the head keeps its own
            self._check_digest(np.asarray(store["0"]), "loaded")
        super().load_own_variables(store)

    def _check_digest(self, vectors: np.ndarray, origin: str) -> None:
        """A changed vector must be an error, not a silent fall in accuracy."""
        if not self.fixed or self.vectors_digest is None:
            return
        found = vectors_digest(vectors)
        if found != self.vectors_digest:
            raise VectorsError(
                f"The class vectors {origin} have digest {found[:16]}, but layer {self.name!r} was saved with "
                f"{self.vectors_digest[:16]} (kind {self.kind!r}, seed {self.seed}).",
                hint="The file is damaged or belongs to another model: load one whose class vectors match.",
            )

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "logits": self.logits,
            "scale": self.scale,
            "fixed": self.fixed,
            "class_vectors": self.kind,
            "seed": self.seed,
            "vectors_digest": self.vectors_digest,
            "vector_weight_decay": self.vector_weight_decay,
        }


def unit_length(vectors: Any) -> Any:
    """Returns vectors divided by their length, or by 1e-6 where they are shorter.

    A zero vector gives zero, with a finite gradient. (`ops.normalize` squares in the input's type: in float16 its
    gradient is infinite.)

    Args:
        vectors: float tensor of shape (..., d).

    Returns:
        tensor of the same shape and type.

    Example:
        >>> ops.convert_to_numpy(unit_length(np.array([[3.0, 4.0], [0.0, 0.0]], "float32"))).round(4).tolist()
        [[0.6000000238418579, 0.800000011920929], [0.0, 0.0]]
    """
    squared_norm = ops.sum(ops.square(vectors), axis=-1, keepdims=True)
    return vectors * ops.rsqrt(ops.maximum(squared_norm, EPSILON**2))
