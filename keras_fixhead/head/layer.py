"""`HypersphereHead`: the classification layer whose class vectors are drawn at random."""
import logging
import math
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from keras_fixhead.errors import ArgumentError, VectorsError, warn_once
from keras_fixhead.head_config import HeadConfig
from keras_fixhead.vectors import (
    adacos_scale,
    array_vectors,
    auto_scale_reason,
    ceiling,
    kind_of,
    loss_optimum,
    reachable_cosine,
    scale_warning,
    vectors_digest,
)
from keras_fixhead.vectors import class_vectors as draw_class_vectors

_log = logging.getLogger(__name__)

EPSILON = 1e-6
"""Floor of a norm that is divided by: features shorter than this count as of this length."""

INITIAL_BIAS = 0.01
"""Of every class, as in the paper's released code."""


@dataclass(frozen=True)
class Limits:
    """What cosine logits can reach before any training: from S, m and the class vectors alone.

    Attributes:
        scale: S.
        ceiling_probability: largest probability of Eq. 5: true cosine 1, all others -1. No set of class vectors offers
            it to more than one class, for m > 2.
        ceiling_loss: the loss there, in nats.
        largest_probability: the largest that these class vectors allow any class.
        smallest_loss: the mean over classes of the smallest loss that they allow, in nats: expect no training loss
            below it.
        cosine: the mean cosine of features and their class vector at that loss.
        reachable_cosine: the mean over classes of the largest cosine that the features can have; 1 where signed.
    """

    scale: float
    ceiling_probability: float
    ceiling_loss: float
    largest_probability: float
    smallest_loss: float
    cosine: float
    reachable_cosine: float


@keras.saving.register_keras_serializable(package="keras_fixhead")
class HypersphereHead(keras.layers.Layer):
    """Logits from the comparison of features with class vectors on the hypersphere.

    With features f, class vectors w_j of length 1 and a bias b_j, where there is one:

        logits='cos':  scale * w_j . f / max(|f|, 1e-6) + b_j    (the paper's Eq. 2, 3)
        logits='dot':  scale * w_j . f + b_j                     (the paper's Eq. 1)

    Learned class vectors start from the same draw and are divided by their length in every 'cos' forward pass. It
    computes in float32 under any mixed policy. There is no softmax in it: use losses with `from_logits=True`.

    With a numeric scale and no bias its one weight is `class_vectors`, float32 of shape (num_classes, d), non-trainable
    when fixed. The config names the draw by its digest; for fixed heads it is checked whenever weights are loaded.

    Args:
        num_classes: number of classes m, at least 2.
        logits: 'cos' or 'dot'.
        scale: factor S on the logits: a positive number; 'auto' for max(1, sqrt(2) ln(m - 1)), as AdaCos has it, which
            is printed and kept as a number; 'learned' for a positive trainable scalar that starts there; or a schedule
            (a `keras.optimizers.schedules.LearningRateSchedule`) of the number of training steps.
        fixed: whether the class vectors stay as drawn.
        class_vectors: kind of the draw, a name in `keras_fixhead.vectors.KINDS`; or an array of shape (m, d), whose
            rows are divided by their length. A layer that is rebuilt from the config of such a head holds zeros until
            weights are loaded, and raises when it is called before.
        seed: seed of the draw, in [0, 2^64).
        rotate: whether kinds that are rotated at random are.
        bias: 'none', 'fixed' or 'learned'; it starts at 0.01 for every class. A fixed one changes no probability.
        vector_lr: factor in [0, 1] on the learning rate of learned class vectors, by a factor on their gradient: exact
            for SGD with any momentum. Optimizers that divide by the gradient's size, like Adam, undo it.
        vector_weight_decay: torch's c, an L2 penalty of c / 2 on class vectors, and on a bias, that are learned.
        store_vectors: False leaves fixed class vectors of the kinds 'uniform', 'cube' and 'rademacher' out of saved
            files; they are drawn again when the model is loaded.
        vectors_digest: the digest the draw must have; None for no check.
        vectors_shape: (m, d) of a head that was made from an array; only a saved config has it.

    Call args:
        features: tensor of shape (..., d), any float type.
        training: whether a schedule of S takes a step.

    Returns:
        float32 logits of shape (..., num_classes).

    Raises:
        ArgumentError: (a ValueError) for an argument out of its range.
        VectorsError: if class vectors are loaded into a fixed head that are not the ones its digest names, or none
            have been loaded where the config does not give them.

    Reference: "Redesigning the classification layer by randomizing the class representation vectors",
        arXiv:2011.08704.

    Example:
        >>> head = HypersphereHead(num_classes=10)
        >>> head(np.ones((2, 128), "float32")).shape
        TensorShape([2, 10])
        >>> len(head.trainable_weights)
        0
    """

    def __init__(self, num_classes: int, logits: str = HeadConfig.logits, scale: Any = HeadConfig.scale,
                 fixed: bool = HeadConfig.fixed, class_vectors: Any = HeadConfig.class_vectors,
                 seed: int = HeadConfig.seed, rotate: bool = HeadConfig.rotate, bias: str | None = HeadConfig.bias,
                 vector_lr: float = HeadConfig.vector_lr, vector_weight_decay: float = HeadConfig.vector_weight_decay,
                 store_vectors: bool = HeadConfig.store_vectors, vectors_digest: str | None = None,
                 vectors_shape: tuple[int, int] | None = None, **kwargs: Any) -> None:
        kwargs["dtype"] = _float32_policy(kwargs.get("dtype"))
        super().__init__(**kwargs)
        self.num_classes = _checked_num_classes(num_classes)
        if isinstance(scale, dict):  # of a saved configuration
            scale = keras.saving.deserialize_keras_object(scale)
        options = HeadConfig(logits, scale, fixed, class_vectors if isinstance(class_vectors, str) else "array", seed,
                             rotate, "none" if bias is None else bias, vector_lr, vector_weight_decay, store_vectors)
        self.logits = options.logits
        self.scale = self._settled_scale(options.scale)
        self.fixed = options.fixed
        self.kind = options.class_vectors
        self.seed = options.seed
        self.rotate = options.rotate
        self.bias_kind = options.bias
        self.vector_lr = options.vector_lr
        self.vector_weight_decay = options.vector_weight_decay
        self.store_vectors = options.store_vectors
        self.vectors_digest = vectors_digest
        self.vectors_shape = None if vectors_shape is None else (int(vectors_shape[0]), int(vectors_shape[1]))
        self._array: NDArray[np.float32] | None = None
        self._awaits_vectors = False
        self._keep_array(class_vectors)
        self.supports_masking = True
        self.input_spec = keras.layers.InputSpec(min_ndim=2)

    def _settled_scale(self, scale: Any) -> Any:
        """The scale as a number, 'learned' or a schedule."""
        if scale == "auto":
            _log.info(auto_scale_reason(self.num_classes))
            return adacos_scale(self.num_classes)
        if not isinstance(scale, (float, str, keras.optimizers.schedules.LearningRateSchedule)):
            raise ArgumentError(f"scale must be a positive number, 'auto', 'learned' or a schedule, got {scale!r}.")
        return scale

    def _keep_array(self, class_vectors: Any) -> None:
        """Keeps class vectors that were given as an array until the layer is built."""
        if self.kind != "array":
            self.vectors_shape = None
            return
        if isinstance(class_vectors, str):
            if self.vectors_shape is None:
                raise ArgumentError("class_vectors='array' stands in saved configurations only.",
                                    hint="Pass the array itself: class_vectors=W, of shape (num_classes, dim).")
            self._awaits_vectors = True
        else:
            self._array = array_vectors(class_vectors)
            self.vectors_shape = (len(self._array), self._array.shape[1])
        if self.vectors_shape[0] != self.num_classes:
            raise ArgumentError(f"class_vectors has {self.vectors_shape[0]} rows for num_classes = {self.num_classes}.")

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        dim = input_shape[-1]
        if dim is None:
            raise ArgumentError(f"HypersphereHead needs a known number of features, got input shape {input_shape}.")
        vectors = self._initial_vectors(dim)
        decay = 0.0 if self.fixed else self.vector_weight_decay * self.vector_lr  # its gradient, too, by vector_lr
        self.class_vectors = self.add_weight(
            name="class_vectors",
            shape=vectors.shape,
            initializer=lambda shape, dtype=None: ops.convert_to_tensor(vectors, dtype=dtype),
            regularizer=keras.regularizers.L2(decay / 2) if decay else None,
            trainable=not self.fixed,
        )
        if self._awaits_vectors:
            self._await_vectors()
        self.log_scale = self.step = self.bias = None
        if self.scale == "learned":
            self.log_scale = self.add_weight(name="log_scale", shape=(), initializer=keras.initializers.Constant(
                math.log(adacos_scale(self.num_classes))))
        elif not isinstance(self.scale, float):
            self.step = self.add_weight(name="step", shape=(), dtype="int32", initializer="zeros", trainable=False)
        if self.bias_kind != "none":
            self.bias = self.add_weight(name="bias", shape=(self.num_classes,), trainable=self.bias_kind == "learned",
                                        initializer=keras.initializers.Constant(INITIAL_BIAS),
                                        regularizer=keras.regularizers.L2(self.vector_weight_decay / 2)
                                        if self.bias_kind == "learned" and self.vector_weight_decay else None)
        self.input_spec = keras.layers.InputSpec(min_ndim=2, axes={-1: dim})
        self._warn_of_scale()

    def _initial_vectors(self, dim: int) -> NDArray[np.float32]:
        """The draw, the user's array, or zeros to be replaced by loaded weights."""
        if self.vectors_shape is not None:
            if self.vectors_shape[1] != dim:
                raise ArgumentError(f"The features have {dim} entries and the class vectors {self.vectors_shape[1]}.",
                                    hint="Project one onto the other, for example by a Dense layer before the head.")
            if self._array is None:
                return np.zeros(self.vectors_shape, np.float32)
            vectors = self._array
        else:
            vectors = draw_class_vectors(self.kind, self.num_classes, dim, self.seed, rotate=self.rotate)
            if self.vectors_digest not in (None, vectors_digest(vectors)) and not kind_of(self.kind).portable:
                self._awaits_vectors = True  # drawn on another machine, whose last bits were others
                return np.zeros_like(vectors)
        self._check_digest(vectors, "drawn from its configuration")
        self.vectors_digest = vectors_digest(vectors)
        return vectors

    def _warn_of_scale(self) -> None:
        if self.logits == "cos" and isinstance(self.scale, float):
            text = scale_warning(self.num_classes, self.scale, fixed=self.fixed)
            if text is not None:
                warn_once(text)

    def call(self, features: Any, training: bool | None = None) -> Any:
        self._require_vectors()
        if training and self.step is not None:
            self.step.assign(self.step + 1)  # first, so that a loss that asks for S afterwards gets this call's
        features = ops.cast(features, self.compute_dtype)
        products = self.cosines(features) if self.logits == "cos" else ops.matmul(features, self._transposed())
        logits = products * self.current_scale()
        return logits if self.bias is None else logits + self.bias

    def cosines(self, features: Any) -> Any:
        """Returns the cosines of features to the class vectors.

        Args:
            features: float tensor of shape (..., d).

        Returns:
            float32 tensor of shape (..., num_classes).
        """
        embedding = unit_length(ops.cast(features, self.compute_dtype))
        return ops.matmul(embedding, self._transposed(normalize=True))

    def current_scale(self) -> Any:
        """Returns S: a number, or a float32 scalar tensor where it is learned or follows a schedule.

        Of a schedule it is the S of the last training step, and of step 0 before any.
        """
        if isinstance(self.scale, float):
            return self.scale
        if self.scale == "learned":
            # positive and finite whatever an optimizer has made of its logarithm
            return ops.exp(ops.clip(ops.convert_to_tensor(self.log_scale), -80.0, 80.0))
        return ops.cast(self.scale(ops.maximum(ops.convert_to_tensor(self.step) - 1, 0)), self.compute_dtype)

    def _transposed(self, normalize: bool = False) -> Any:
        vectors = ops.convert_to_tensor(self.class_vectors)
        if not self.fixed and self.vector_lr < 1:
            still = ops.stop_gradient(vectors)
            vectors = still + self.vector_lr * (vectors - still)  # the same vectors, a part of the gradient
        if normalize and not self.fixed:  # fixed ones are drawn with length 1 and stay so
            vectors = unit_length(vectors)
        return ops.transpose(vectors)  # (d, m)

    def limits(self, *, signed_features: bool = True) -> Limits:
        """Returns the largest probability and smallest loss that S, m and these class vectors allow.

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
            raise ArgumentError("Dot logits have no limit: the features' length scales them.")
        if not self.built:
            raise ArgumentError("The layer has no class vectors yet: call it or build it first.")
        self._require_vectors()
        vectors = np.asarray(ops.convert_to_numpy(self.class_vectors.value))
        scale = float(ops.convert_to_numpy(self.current_scale()))
        optimum = loss_optimum(vectors, scale, signed_features=signed_features)
        probability, loss = ceiling(self.num_classes, scale)
        return Limits(
            scale=scale,
            ceiling_probability=probability,
            ceiling_loss=loss,
            largest_probability=float(optimum.probability.max()),
            smallest_loss=float(optimum.loss.mean()),
            cosine=float(optimum.cosine.mean()),
            reachable_cosine=1.0 if signed_features else float(reachable_cosine(vectors).mean()),
        )

    def with_classes(self, num_classes: int) -> "HypersphereHead":
        """Returns a head of more classes, for fixed class vectors: the old ones bit-identical, new ones after them.

        Where this one is built, so is the new one: a learned S, the step of a schedule and the biases of old classes
        are taken over; new classes start with the bias that all started with, 0.01.

        Args:
            num_classes: the new total.

        Raises:
            ArgumentError: if class vectors are learned, of a kind that does not extend, or `num_classes` is not larger.

        Example:
            >>> head = HypersphereHead(num_classes=10, seed=1)
            >>> head.with_classes(12).num_classes
            12
        """
        if not self.fixed:
            raise ArgumentError("Learned class vectors cannot be appended to: new ones would be untrained beside them.",
                                hint="Append to a head with fixed=True.")
        if self.kind == "array" or not kind_of(self.kind).extends:
            raise ArgumentError(f"Class vectors of kind {self.kind!r} are given or arranged for {self.num_classes} "
                                "classes: more would move the old ones.",
                                hint="Kinds that extend: uniform, cube, rademacher; up to their limits orthogonal, "
                                     "hadamard, orthoplex.")
        if _checked_num_classes(num_classes) <= self.num_classes:
            raise ArgumentError(f"num_classes is the new total and must be above {self.num_classes}, got "
                                f"{num_classes!r}.")
        head = type(self).from_config({**self.get_config(), "num_classes": num_classes, "vectors_digest": None})
        if self.built:
            head.build((None, self.class_vectors.shape[1]))
            old = np.asarray(ops.convert_to_numpy(self.class_vectors.value))
            if not np.array_equal(ops.convert_to_numpy(head.class_vectors.value)[:self.num_classes], old):
                raise VectorsError(f"The class vectors of layer {self.name!r} are not the ones of its configuration: "
                                   "they cannot be extended.")
            for mine, its in ((self.log_scale, head.log_scale), (self.step, head.step)):
                if mine is not None:
                    its.assign(mine)
            if self.bias is not None:
                head.bias.assign(ops.concatenate([self.bias.value, head.bias.value[self.num_classes:]]))
        return head

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (*input_shape[:-1], self.num_classes)

    def save_own_variables(self, store: Any) -> None:
        for key, variable in self._stored_variables().items():
            store[key] = variable

    def load_own_variables(self, store: Any) -> None:
        variables = self._stored_variables()
        if missing := [key for key in variables if key not in store]:
            raise ValueError(f"Layer {self.name!r} lacks the stored weights {', '.join(missing)}; the file holds "
                             f"{', '.join(store.keys()) or 'none'}.")
        if "class_vectors" in variables:  # before it is assigned: where Keras goes on after an error, it keeps its own
            self._check_digest(np.asarray(store["class_vectors"]), "loaded")
        for key, variable in variables.items():
            variable.assign(store[key])

    def _stored_variables(self) -> dict[str, Any]:
        named = {"class_vectors": self.class_vectors if self.store_vectors else None, "log_scale": self.log_scale,
                 "step": self.step, "bias": self.bias}
        return {name: variable for name, variable in named.items() if variable is not None}

    def _check_digest(self, vectors: NDArray[np.float32], origin: str) -> None:
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

    def _require_vectors(self) -> None:
        """Zeros in the place of class vectors must be an error, not an accuracy of chance."""
        if self._awaits_vectors:
            raise VectorsError(
                f"Layer {self.name!r} has no class vectors yet: its configuration names them (kind {self.kind!r}) but "
                "does not hold them.", hint="Load its weights: model.load_weights(FILE) or model.set_weights(WEIGHTS)")

    def _await_vectors(self) -> None:
        """Ends the wait at the first assignment: `model.set_weights` tells the variable, not the layer."""
        variable = self.class_vectors
        assign = variable.assign

        def assign_and_note(value: Any) -> Any:
            del variable.assign  # the class's own is found again
            self._awaits_vectors = False
            return assign(value)

        variable.assign = assign_and_note

    def get_config(self) -> dict[str, Any]:
        scheduled = not isinstance(self.scale, (float, str))
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "logits": self.logits,
            "scale": keras.saving.serialize_keras_object(self.scale) if scheduled else self.scale,
            "fixed": self.fixed,
            "class_vectors": self.kind,
            "seed": self.seed,
            "rotate": self.rotate,
            "bias": self.bias_kind,
            "vector_lr": self.vector_lr,
            "vector_weight_decay": self.vector_weight_decay,
            "store_vectors": self.store_vectors,
            "vectors_digest": self.vectors_digest,
            "vectors_shape": None if self.vectors_shape is None else list(self.vectors_shape),
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


def _float32_policy(dtype: Any) -> Any:
    """The layer's own policy: float32 (or float64, where asked for) in the place of any mixed one."""
    policy = keras.dtype_policies.get("float32" if dtype is None else dtype)
    if policy.compute_dtype in ("float16", "bfloat16"):
        if policy.variable_dtype == "float32":
            return "float32"
        raise ArgumentError(
            f"HypersphereHead does not compute in {policy.name}: cosines near 1 come in steps of 5e-4 or 4e-3.",
            hint="Leave dtype out: under a mixed policy the head casts its input to float32.",
        )
    return policy


def _checked_num_classes(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 2:
        raise ArgumentError(f"num_classes must be an integer of at least 2, got {value!r}.")
    return int(value)
