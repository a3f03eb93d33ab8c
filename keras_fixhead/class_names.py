"""Names of classes. Classes without names are called 0, 1, ...: names that are made when they are asked for.

A tuple of the names of 10,000,000 classes takes 640 MB, more than a training on them.
"""
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, overload

LISTED = 1_000
"""Most names that a message lists or suggests."""

_KEY = "numbered"
_MOST_DIGITS = 20


@dataclass(frozen=True, eq=False)
class NumberedNames(Sequence[str]):
    """The names "0", "1", ... of classes that have no others. It equals a tuple of the same names.

    Attributes:
        num_classes: number of classes m.

    Example:
        >>> names = NumberedNames(10_000_000)
        >>> names[-1], names[:2], names.index("7"), "07" in names
        ('9999999', ('0', '1'), 7, False)
        >>> NumberedNames(2) == ("0", "1")
        True
    """

    num_classes: int

    def __len__(self) -> int:
        return self.num_classes

    @overload
    def __getitem__(self, key: int) -> str: ...

    @overload
    def __getitem__(self, key: slice) -> tuple[str, ...]: ...

    def __getitem__(self, key: int | slice) -> str | tuple[str, ...]:
        found = range(self.num_classes)[key]
        return tuple(map(str, found)) if isinstance(found, range) else str(found)

    def __iter__(self) -> Iterator[str]:
        return map(str, range(self.num_classes))

    def __contains__(self, name: object) -> bool:
        return (isinstance(name, str) and len(name) <= _MOST_DIGITS and name.isdecimal()
                and name == str(int(name)) and int(name) < self.num_classes)

    def index(self, name: str, *bounds: int) -> int:
        """Returns the class with a name; raises a ValueError if there is none."""
        if name not in self:
            raise ValueError(f"{name!r} is not the name of a class.")
        return range(self.num_classes).index(int(name), *bounds)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, NumberedNames):
            return self.num_classes == other.num_classes
        if not isinstance(other, (tuple, list)):
            return NotImplemented
        return len(other) == self.num_classes and all(map(str.__eq__, self, other))

    __hash__ = None  # type: ignore[assignment]  # that of an equal tuple would need all names


def names_to_json(names: Sequence[str]) -> list[str] | dict[str, int]:
    """Returns names of classes as they are written in JSON: a list, or `{"numbered": m}`.

    Example:
        >>> names_to_json(("cat", "dog")), names_to_json(NumberedNames(1_000_000))
        (['cat', 'dog'], {'numbered': 1000000})
    """
    return {_KEY: names.num_classes} if isinstance(names, NumberedNames) else list(names)


def names_from_json(value: Any) -> Sequence[str]:
    """Returns the names of classes that `names_to_json` has written.

    Example:
        >>> names_from_json(["cat", "dog"]), names_from_json({"numbered": 1_000_000})
        (('cat', 'dog'), NumberedNames(num_classes=1000000))
    """
    return NumberedNames(value[_KEY]) if isinstance(value, Mapping) else tuple(value)
