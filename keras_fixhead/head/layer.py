"""`HypersphereHead`: a classification layer whose class vectors are drawn at random."""
from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from keras_fixhead.errors import ArgumentError, warn_once
from keras_fixhead.head.held import hold, hold_bias, tell_of_first_assignment
from keras_fixhead.head.lengths import unit_length
from keras_fixhead.head.limits import Limits, limits_of
from keras_fixhead.head.logits import remember
from keras_fixhead.head.precision import full_precision
from keras_fixhead.head.read_only import ReadOnlyOptions
from keras_fixhead.head.scale import (
    initial_log_scale,
    scale_from_config,
    scale_now,
    scale_to_config,
    settled_scale,
    warn_of_scale,
)
from keras_fixhead.head.shapes import checked_dim
from keras_fixhead.head.vectors import RECORD, Origin
from keras_fixhead.head_config import HeadConfig
from keras_fixhead.vectors import kind_of

INITIAL_BIAS = 0.01
"""Initial bias of every class, as in the paper's released code."""


@keras.saving.register_keras_serializable(package="keras_fixhead")
class HypersphereHead(ReadOnlyOptions, keras.layers.Layer):
    """Compares features with class vectors on the hypersphere and returns logits.

    With features f, class vectors w_j of length 1 and a bias b_j, if any:

        logits='cos':  scale * w_j . f / max(|f|, 1e-6) + b_j    (the paper's Eq. 2, 3)
        logits='dot':  scale * w_j . f + b_j                     (the paper's Eq. 1)

    Learned class vectors start from the same draw; with logits='cos' they are divided by their length in every forward
    pass. The layer computes in float32 under any 16-bit or mixed policy, and in float64 under a float64 policy. It has
    no softmax: use losses with `from_logits=True`.

    With a numeric scale and no bias, its only weight is `class_vectors`, float32 of shape (num_classes, d),
    non-trainable when fixed. The config contains the digest of the class vectors; for fixed heads it is checked
    whenever weights are loaded.

    Args:
        num_classes: number of classes m, at least 2.
        logits: 'cos' or 'dot'.
        scale: factor S on the logits: a positive number; 'auto' for max(1, sqrt(2) ln(m - 1)), as in AdaCos, which is
            logged and kept as a number; 'learned' for a positive trainable scalar that starts at that value; or a
            schedule over training steps (a `keras.optimizers.schedules.LearningRateSchedule`).
        fixed: whether the class vectors stay as drawn.
        class_vectors: kind of draw, a name in `keras_fixhead.vectors.KINDS`; or an array of shape (m, d), whose rows
            are divided by their length. A layer recreated from the config of a head with an array has zeros until
            weights are loaded, and raises an error if it is called before.
        seed: seed of the draw, in [0, 2^64).
        rotate: whether to rotate at random the kinds that support it.
        bias: 'none', 'fixed' or 'learned'; it starts at 0.01 for every class. A fixed bias does not change
            probabilities.
        vector_lr: factor in [0, 1] on the learning rate of learned class vectors, applied to their gradient. This is
            exact for SGD with any momentum; optimizers that normalise gradients, such as Adam, undo it.
        vector_weight_decay: torch's c, an L2 penalty of c / 2 on learned class vectors and a learned bias.
        store_vectors: False leaves fixed class vectors of the kinds 'uniform', 'cube' and 'rademacher' out of saved
            files; they are drawn again when the model is loaded.
        vectors_digest: the expected digest of the draw; None for no check.
        vectors_shape: (m, d) of a head that was created from an array; used by saved configs only.

    Call args:
        features: tensor of shape (..., d), any float type.
        training: whether a schedule of S advances by one step.

    Returns:
        float32 logits of shape (..., num_classes).

    Raises:
        ArgumentError: (a ValueError) for an argument out of range.
        VectorsError: if class vectors loaded into a fixed head do not match its digest, or if the config does not
            define them and none have been loaded.

    Reference: "Redesigning the classification layer by randomizing the class representation vectors",
        arXiv:2011.08704.

    Example:
        >>> head = HypersphereHead(num_classes=10)
        >>> head(np.ones((2, 128), "float32")).shape
        TensorShape([2, 10])
        >>> len(head.trainable_weights)
        0
    """

    returns = "logits"
    _read_only: ClassVar[dict[str, str]] = {
        **{name: name for name in ("num_classes", "logits", "scale", "fixed", "seed", "rotate", "vector_lr",
                                   "vector_weight_decay", "store_vectors", "vectors_digest", "vectors_shape")},
        "bias_kind": "bias", "kind": "class_vectors", "dim": "class_vectors",
    }
    _read_only_weights: ClassVar[dict[str, str]] = {
        "class_vectors": "class_vectors", "log_scale": "scale", "step": "scale", "bias": "bias"}

    def __init__(self, num_classes: int, logits: str = HeadConfig.logits, scale: Any = HeadConfig.scale,
                 fixed: bool = HeadConfig.fixed, class_vectors: Any = HeadConfig.class_vectors,
                 seed: int = HeadConfig.seed, rotate: bool = HeadConfig.rotate, bias: str | None = HeadConfig.bias,
                 vector_lr: float = HeadConfig.vector_lr, vector_weight_decay: float = HeadConfig.vector_weight_decay,
                 store_vectors: bool = HeadConfig.store_vectors, vectors_digest: str | None = None,
                 vectors_shape: tuple[int, int] | None = None, **kwargs: Any) -> None:
        kwargs["dtype"] = full_precision(kwargs.get("dtype"))
        super().__init__(**kwargs)
        options = HeadConfig(logits, scale_from_config(scale), fixed,
                             class_vectors if isinstance(class_vectors, str) else "array", seed, rotate,
                             "none" if bias is None else bias, vector_lr, vector_weight_decay, store_vectors)
        self.num_classes = _checked_num_classes(num_classes)
        self.logits = options.logits
        self.scale = settled_scale(options.scale, self.num_classes)
        self._fixed = options.fixed
        self.seed = options.seed
        self.rotate = options.rotate
        self.bias_kind = options.bias
        self.vector_lr = options.vector_lr
        self.vector_weight_decay = options.vector_weight_decay
        self._origin = Origin(options, class_vectors, self.num_classes, vectors_digest, vectors_shape)
        self.class_vectors: Any = None
        self.log_scale: Any = None
        self.step: Any = None
        self.bias: Any = None
        self.supports_masking = True
        self.input_spec = keras.layers.InputSpec(min_ndim=2)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        dim = checked_dim(input_shape)
        self._add_class_vectors(dim)
        if self.fixed and self.class_vectors is not None:
            hold(self.class_vectors, self.name, of_unit_length=self.logits == "cos")
        if self._origin.awaited:
            tell_of_first_assignment(self.class_vectors, self._origin.arrived)
        self._add_scale_and_bias()
        self.input_spec = keras.layers.InputSpec(min_ndim=2, axes={-1: dim})
        if self.logits == "cos":
            warn_of_scale(self.num_classes, self.scale, fixed=self.fixed)

    def _add_class_vectors(self, dim: int) -> None:
        vectors = self._origin.initial(dim, self.name)
        decay = 0.0 if self.fixed else self.vector_weight_decay * self.vector_lr  # vector_lr scales this gradient too
        self.class_vectors = self.add_weight(
            name="class_vectors",
            shape=vectors.shape,
            initializer=lambda shape, dtype=None: ops.convert_to_tensor(vectors, dtype=dtype),
            regularizer=keras.regularizers.L2(decay / 2) if decay else None,
            trainable=not self.fixed,
        )

    def _add_scale_and_bias(self) -> None:
        if self.scale == "learned":
            self.log_scale = self.add_weight(name="log_scale", shape=(), initializer=keras.initializers.Constant(
                initial_log_scale(self.num_classes)))
        elif not isinstance(self.scale, float):
            self.step = self.add_weight(name="step", shape=(), dtype="int32", initializer="zeros", trainable=False)
        if self.bias_kind != "none":
            self.bias = self.add_weight(name="bias", shape=(self.num_classes,), trainable=self.bias_kind == "learned",
                                        initializer=keras.initializers.Constant(INITIAL_BIAS),
                                        regularizer=keras.regularizers.L2(self.vector_weight_decay / 2)
                                        if self.bias_kind == "learned" and self.vector_weight_decay else None)
        if self.bias_kind == "fixed":
            hold_bias(self.bias, self.name)

    @property
    def dim(self) -> int | None:
        """Number of features d; None before the layer is built."""
        return self.input_spec.axes.get(-1)

    @property
    def fixed(self) -> bool:
        """Whether the class vectors stay fixed in training; decided when the layer is created."""
        return self._fixed

    def __setattr__(self, name: str, value: Any) -> None:
        # not a property: Keras does not call a setter if the value stays the same
        if name == "trainable" and value and getattr(self, "_fixed", False):
            warn_once(f"Setting trainable = True leaves the class vectors of layer {self.name!r} fixed. To learn them "
                      "from their current values, create another head on the same features: "
                      "HypersphereHead(..., fixed=False, class_vectors=W).", stacklevel=2)
        super().__setattr__(name, full_precision(value) if name == "dtype_policy" else value)

    @property
    def kind(self) -> str:
        """The kind of draw of the class vectors; 'array' if they were given as an array or changed by hand."""
        self._note_changes()
        return self._origin.kind

    @property
    def store_vectors(self) -> bool:
        """Whether files contain the class vectors; always True if they were changed by hand."""
        if not self._origin.stored:
            self._note_changes()
        return self._origin.stored

    @property
    def vectors_digest(self) -> str | None:
        """The digest of fixed class vectors, or of the initial learned ones; None before the layer is built."""
        self._note_changes()
        return self._origin.digest

    @property
    def vectors_shape(self) -> tuple[int, int] | None:
        """(m, d) of class vectors that were given as an array or changed by hand; None for a draw."""
        self._note_changes()
        return self._origin.shape

    def _note_changes(self) -> None:
        if self.built:
            self._origin.note(self._values(), self.name, of_unit_length=self.logits == "cos")

    def _values(self) -> NDArray[Any]:
        return np.asarray(ops.convert_to_numpy(self.class_vectors.value))

    def call(self, features: Any, training: bool | None = None) -> Any:
        self._origin.require(self.name)
        if training and self.step is not None:
            self.step.assign(self.step + 1)  # first, so that a loss that asks for S afterwards gets the S of this call
        features = ops.cast(features, self.compute_dtype)
        products = self.cosines(features) if self.logits == "cos" else ops.matmul(features, self._transposed())
        logits = products * self.current_scale()
        logits = logits if self.bias is None else logits + self.bias
        remember(logits, self)
        return logits

    def cosines(self, features: Any) -> Any:
        """Returns the cosines of features to the class vectors.

        Args:
            features: float tensor of shape (..., d).

        Returns:
            tensor of shape (..., num_classes), in the layer's precision.
        """
        self._check_built()
        embedding = unit_length(ops.cast(features, self.compute_dtype))
        return ops.matmul(embedding, self._transposed(normalize=True))

    def current_scale(self) -> Any:
        """Returns S: a number, or a scalar tensor in the layer's precision if it is learned or follows a schedule.

        With a schedule, this is the S of the last training step, or of step 0 before any training.
        """
        if not isinstance(self.scale, float):
            self._check_built()
        return scale_now(self.scale, self.log_scale, self.step, self.compute_dtype)

    def _check_built(self) -> None:
        if not self.built:
            raise ArgumentError("The layer has no class vectors yet.", hint="Call it or build it first.")

    def _transposed(self, normalize: bool = False) -> Any:
        vectors = ops.convert_to_tensor(self.class_vectors)
        if not self.fixed and self.vector_lr < 1:
            still = ops.stop_gradient(vectors)
            vectors = still + self.vector_lr * (vectors - still)  # the same vectors, with a scaled gradient
        if normalize and not (self.fixed and self.logits == "cos"):  # these have length 1 and keep it
            vectors = unit_length(vectors)
        return ops.transpose(vectors)  # (d, m)

    def limits(self, *, signed_features: bool = True) -> Limits:
        """Returns the largest probability and the smallest loss that S, m and these class vectors allow.

        Args:
            signed_features: whether features may have negative entries; False for features that end in ReLU.

        Raises:
            ArgumentError: with dot logits, which have no such limit, or before the layer is built.

        Example:
            >>> head = HypersphereHead(num_classes=10, scale=1.0)
            >>> head.build((None, 512))
            >>> limits = head.limits(signed_features=False)
            >>> round(limits.ceiling_probability, 3), 1.6 < limits.smallest_loss < 1.7
            (0.451, True)
        """
        if self.logits != "cos":
            raise ArgumentError("Dot logits have no limit, because they scale with the length of the features.")
        self._check_built()
        self._origin.require(self.name)
        self._note_changes()
        return limits_of(self._values(), float(ops.convert_to_numpy(self.current_scale())),
                         signed_features=signed_features)

    def with_classes(self, num_classes: int) -> "HypersphereHead":
        """Returns a head with more classes: fixed class vectors stay bit-identical, and new ones are appended.

        If this head is built, so is the new one: it takes over a learned S, the step of a schedule and the biases of
        old classes; new classes start with the initial bias, 0.01.

        Args:
            num_classes: the new total.

        Raises:
            ArgumentError: if class vectors are learned, given as an array, changed by hand, or of a kind that does not
                extend; or if `num_classes` is not larger than before.

        Example:
            >>> head = HypersphereHead(num_classes=10, seed=1)
            >>> head.with_classes(12).num_classes
            12
        """
        total = _checked_num_classes(num_classes)
        if not self.fixed:
            raise ArgumentError("Learned class vectors cannot be extended: the new ones would be untrained.",
                                hint="Use a head with fixed=True.")
        if self.kind == "array":
            raise ArgumentError("Class vectors that were given as an array or changed by hand cannot be extended.",
                                hint="Build a head with class_vectors=W, with rows for the new classes as well.")
        if not kind_of(self.kind).extends:
            raise ArgumentError(f"Class vectors of kind {self.kind!r} are arranged for {self.num_classes} classes: "
                                "new classes would move the old ones.",
                                hint="Kinds that extend: uniform, cube and rademacher; orthogonal, hadamard and "
                                     "orthoplex up to their limits.")
        if total <= self.num_classes:
            raise ArgumentError(f"num_classes is the new total and must be above {self.num_classes}, got {total}.")
        head = type(self).from_config({**self.get_config(), "num_classes": total, "vectors_digest": None})
        if self.built:
            head.build((None, self.dim))
            for mine, its in ((self.log_scale, head.log_scale), (self.step, head.step)):
                if mine is not None:
                    its.assign(mine)
            if self.bias is not None:
                head.bias.assign(ops.concatenate([self.bias.value, head.bias.value[self.num_classes:]]))
        return head

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (*input_shape[:-1], self.num_classes)

    def save_own_variables(self, store: Any) -> None:
        if not self.built:
            if self._origin.array is not None:
                store["class_vectors"] = self._origin.array
            return
        self._origin.require(self.name)
        self._note_changes()
        variables = self._stored_variables()
        for key, variable in variables.items():
            store[key] = variable
        if self.fixed:
            store[RECORD] = self._origin.record()

    def load_own_variables(self, store: Any) -> None:
        if not self.built:
            self._load_unbuilt(store)
            return
        variables = self._stored_variables()
        if missing := [key for key in variables if key not in store]:
            there = ", ".join(key for key in store.keys() if key != RECORD) or "nothing"  # noqa: SIM118
            raise ValueError(f"The file has no {', '.join(missing)} for layer {self.name!r}; it has {there}.")
        record = store[RECORD] if RECORD in store else None  # noqa: SIM401 - a store's `get` differs
        if "class_vectors" in variables:  # before assigning: if Keras ignores the error, the layer keeps its own
            self._origin.check_loaded(np.asarray(store["class_vectors"]), record, self.name)
        elif record is not None:
            self._origin.check_record(record, self.name)
        for key, variable in variables.items():
            variable.assign(store[key])

    def _load_unbuilt(self, store: Any) -> None:
        """Loads the array of a head that was saved before it was built."""
        if self.kind == "array" and "class_vectors" in store:
            self._origin.array = np.array(store["class_vectors"], np.float32)
            self._origin.awaited = False
        elif keys := set(store.keys()) - {RECORD}:
            raise ValueError(f"Layer {self.name!r} is not built yet, so it cannot load {', '.join(sorted(keys))}. Call "
                             "the model once, or model.build(INPUT_SHAPE), first.")

    def _stored_variables(self) -> dict[str, Any]:
        named = {"class_vectors": self.class_vectors if self.store_vectors else None, "log_scale": self.log_scale,
                 "step": self.step, "bias": self.bias}
        return {name: variable for name, variable in named.items() if variable is not None}

    def get_config(self) -> dict[str, Any]:
        self._note_changes()
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "logits": self.logits,
            "scale": scale_to_config(self.scale),
            "fixed": self.fixed,
            "class_vectors": self._origin.kind,
            "seed": self.seed,
            "rotate": self.rotate,
            "bias": self.bias_kind,
            "vector_lr": self.vector_lr,
            "vector_weight_decay": self.vector_weight_decay,
            "store_vectors": self._origin.stored,
            "vectors_digest": self._origin.digest,
            "vectors_shape": None if self._origin.shape is None else list(self._origin.shape),
        }


def _checked_num_classes(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 2:
        raise ArgumentError(f"num_classes must be an integer of at least 2, got {value!r}.")
    return int(value)
