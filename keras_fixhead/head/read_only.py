"""Options of layers, losses and metrics: decided when they are created, and read-only from then on."""
from typing import Any, ClassVar

import keras

from keras_fixhead.errors import ReadOnlyError


class ReadOnlyOptions:
    """Makes options and weights of a Keras object read-only once they are set.

    Weights, digests and compiled steps follow from an option. If it changed later, they would not, and a saved file
    would contradict its own configuration.

    A class lists its attributes, each with the argument that decides it: in `_read_only` options and what is computed
    from them, in `_read_only_weights` the variables of a layer, whose values can be assigned.
    """

    _read_only: ClassVar[dict[str, str]] = {}
    _read_only_weights: ClassVar[dict[str, str]] = {}

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self._read_only and (name in vars(self) or _is_computed(type(self), name)):
            raise _refusal(self, name, value, argument=self._read_only[name])
        if name in self._read_only_weights and not self._may_add(value):
            raise _refusal(self, name, value, argument=self._read_only_weights[name])
        super().__setattr__(name, value)

    def _may_add(self, weight: Any) -> bool:
        return not getattr(self, "built", False) and (weight is None or isinstance(weight, keras.Variable))


def _refusal(owner: Any, name: str, value: Any, *, argument: str) -> ReadOnlyError:
    kind = type(owner).__name__
    plain = isinstance(value, (bool, int, float, str, type(None)))
    hint = f"Create another one: {kind}(..., {argument}={repr(value) if plain and name == argument else '...'})."
    if isinstance(getattr(owner, name, None), keras.Variable):
        hint = f"Change its values: head.{name}.assign(VALUES)."
    return ReadOnlyError(f"{name} of {kind} {owner.name!r} is decided when it is created and cannot be set to "
                         f"{repr(value) if plain else f'this {type(value).__name__}'}.", hint=hint)


def _is_computed(kind: type[Any], name: str) -> bool:
    return isinstance(getattr(kind, name, None), property)
