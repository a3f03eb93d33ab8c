"""Matches the classes of a data set to those of a trained model, by name.

Names match if they are equal, or differ only in capitals, separators and the form of their Unicode, or are `ALIASES`
of each other. A mapping that the user gives comes first.
"""
import dataclasses
import difflib
import functools
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from keras_fixhead.class_names import NumberedNames
from keras_fixhead.data.dataset import Split
from keras_fixhead.errors import ArgumentError, DataError
from keras_fixhead.json_files import NotJson, parse_json

ALIASES: tuple[tuple[str, ...], ...] = (
    ("automobile", "car"),  # CIFAR-10; STL-10, PASCAL VOC, COCO, Open Images
    ("airplane", "aeroplane"),  # CIFAR-10, STL-10, COCO, Open Images; PASCAL VOC
    ("couch", "sofa"),  # CIFAR-100, COCO, Open Images; PASCAL VOC
    ("motorcycle", "motorbike"),  # CIFAR-100, COCO, Open Images; PASCAL VOC
    ("television", "tv"),  # CIFAR-100, Open Images; COCO
    ("sweet pepper", "bell pepper"),  # CIFAR-100; ImageNet, Open Images
    ("keyboard", "computer keyboard"),  # CIFAR-100, where it is a household device; Open Images
    ("can", "tin can"),  # CIFAR-100; Open Images
    ("maple tree", "maple"),  # CIFAR-100; Open Images
    ("willow tree", "willow"),  # CIFAR-100; Open Images
)
"""Names of the same class in different data sets. Wider and narrower classes (ship and boat) are not in it."""

Form = Callable[[str], str]
LookUp = Callable[[str], Sequence[int]]

_SHOWN = 5
_FORM = 'Expected {"name in the data set": "name in the run", "to be left out": null}.'


@dataclass(frozen=True)
class ClassMap:
    """What the classes of a data set are called in a model.

    Attributes:
        run_names: names of the model's classes, m of them.
        set_names: names of the data set's classes.
        to_run: the model's class of each class of the data set; None for a class that the model does not have.
    """

    run_names: Sequence[str]
    set_names: Sequence[str]
    to_run: tuple[int | None, ...]

    @property
    def common(self) -> tuple[int, ...]:
        """The model's classes that the data set has, in ascending order."""
        return tuple(sorted({each for each in self.to_run if each is not None}))

    @property
    def missing(self) -> tuple[str, ...]:
        """Names of the model's classes that the data set does not have."""
        common = set(self.common)
        return tuple(name for index, name in enumerate(self.run_names) if index not in common)

    @property
    def new(self) -> tuple[str, ...]:
        """Names of the data set's classes that the model does not have."""
        return tuple(name for name, index in zip(self.set_names, self.to_run, strict=True) if index is None)

    @property
    def same(self) -> bool:
        """Whether both have the same names in the same order."""
        return self.run_names == self.set_names and self.to_run == tuple(range(len(self.run_names)))

    def labels(self, labels: NDArray[np.int32]) -> NDArray[np.int32]:
        """Returns labels of the data set as labels of the model; -1 for a class that the model does not have.

        Example:
            >>> match_classes(["cat", "dog"], ["dog", "fox"]).labels(np.array([0, 1])).tolist()
            [1, -1]
        """
        table = np.array([-1 if each is None else each for each in self.to_run], np.int32)
        return table[labels]

    def split(self, split: Split) -> Split:
        """Returns the images of common classes, in their order, with the model's labels."""
        if self.same:
            return split
        labels = self.labels(split.labels)
        return dataclasses.replace(split.take(np.flatnonzero(labels >= 0)), labels=labels[labels >= 0])

    def notes(self, set_name: str) -> list[str]:
        """Returns what the two do not have in common, as sentences; none if all classes match.

        Example:
            >>> match_classes(["cat", "dog"], ["Dog", "fox", "cat"]).notes("pets")
            ['1 class of pets is not in the run, and its pictures are left out: fox.']
        """
        notes = []
        if self.new:
            many = len(self.new) > 1
            notes.append(f"{len(self.new)} {'classes' if many else 'class'} of {set_name} {'are' if many else 'is'} "
                         f"not in the run, and {'their' if many else 'its'} pictures are left out: "
                         f"{_listed(self.new)}.")
        if self.missing:
            notes.append(f"{set_name} has {len(self.common)} of the run's {len(self.run_names)} classes; missing: "
                         f"{_listed(self.missing)}.")
        if len(self.common) == 1:
            notes.append(f"Only one class is common, {self.run_names[self.common[0]]}: an accuracy among the common "
                         "classes would be 100 % whatever the model answers, and is not reported.")
        return notes


def match_classes(run_names: Sequence[str], set_names: Sequence[str],
                  mapping: Mapping[str, str | None] | None = None) -> ClassMap:
    """Returns what the classes of a data set are called in a model.

    Args:
        run_names: names of the model's classes.
        set_names: names of the data set's classes.
        mapping: name in the data set -> name in the model, or None for a class to leave out; several names may map to
            one. Classes that it does not have are matched by name.

    Raises:
        ArgumentError: (a ValueError) if the mapping has an unknown name, a name matches several classes of the model,
            or there is no common class.

    Example:
        >>> found = match_classes(["automobile", "bird", "frog"], ["bird", "car", "monkey"])
        >>> found.to_run, found.missing, found.new
        ((1, 0, None), ('frog',), ('monkey',))
        >>> match_classes(["ship"], ["boat"], {"boat": "ship"}).to_run
        (0,)
    """
    mapping = mapping or {}
    for name in mapping:
        _check_known(name, set_names, "a class of the data set")
    for target in mapping.values():
        if target is not None:
            _check_known(target, run_names, "a class of the run")
    look_ups = _look_ups(run_names)
    targets = {name: name if target is None else target for name, target in mapping.items()}
    found = ClassMap(_kept(run_names), _kept(set_names), tuple(
        None if mapping.get(name, name) is None else _found(targets.get(name, name), run_names, look_ups)
        for name in set_names))
    if not found.common:
        raise ArgumentError(f"The data set does not have the run's classes: {_listed(set_names, 3)} instead of "
                            f"{_listed(run_names, 3)}.",
                            hint="Give a --dataset with some of the same classes, or --class-map FILE.")
    return found


def find_class(name: str, names: Sequence[str]) -> int | None:
    """Returns the class with this name, by the same rules; None if there is none.

    Raises:
        ArgumentError: (a ValueError) if several could be meant.

    Example:
        >>> find_class("Car", ["bird", "automobile"])
        1
    """
    return find_classes([name], names)[name]


def find_classes(wanted: Iterable[str], names: Sequence[str]) -> dict[str, int | None]:
    """Returns the classes with some names, as `find_class` does, in one pass."""
    look_ups = _look_ups(names)
    return {name: _found(name, names, look_ups) for name in wanted}


def read_class_map(path: Path) -> dict[str, str | None]:
    """Returns a mapping from a JSON file: an object of name in the data set -> name in the run, or null.

    Raises:
        DataError: if it cannot be read, or is not such an object.
    """
    try:
        content = parse_json(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from None
    except NotJson as error:
        raise DataError(f"{path} is not valid JSON: {error}.", hint=_FORM) from None
    if not isinstance(content, dict) or not all(each is None or isinstance(each, str) for each in content.values()):
        raise DataError(f"{path} is not a JSON object of names.", hint=_FORM)
    return content


def _kept(names: Sequence[str]) -> Sequence[str]:
    return names if isinstance(names, NumberedNames) else tuple(names)


def _look_ups(names: Sequence[str]) -> list[LookUp]:
    """For each form of a name, from the strictest on, a function from a name to the classes with that form of it."""
    return [_look_up(names, form) for form in (str, _plain, _common_name)]


def _look_up(names: Sequence[str], form: Form) -> LookUp:
    if isinstance(names, NumberedNames):  # each of which is its own form
        return lambda name: [names.index(form(name))] if form(name) in names else []

    @functools.cache
    def table() -> Mapping[str, list[int]]:
        found: dict[str, list[int]] = {}
        for index, each in enumerate(names):
            found.setdefault(form(each), []).append(index)
        return found

    return lambda name: table().get(form(name), [])


def _found(name: str, names: Sequence[str], look_ups: Sequence[LookUp]) -> int | None:
    for look_up in look_ups:
        matches = look_up(name)
        if len(matches) > 1:
            raise ArgumentError(f"The class {name!r} could be {' or '.join(repr(names[each]) for each in matches)}.",
                                hint="Say which: --class-map FILE")
        if matches:
            return matches[0]
    return None


def _plain(name: str) -> str:
    """The name without the differences between folder names and printed ones."""
    return re.sub(r"[\s_-]+", " ", unicodedata.normalize("NFC", name)).strip().casefold()


def _common_name(name: str) -> str:
    plain = _plain(name)
    return next((names[0] for names in ALIASES if plain in names), plain)


def _check_known(name: str, names: Sequence[str], what: str) -> None:
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1)
        raise ArgumentError(f"{name!r} in the class map is not {what}: {_listed(names)}.",
                            hint=f"Did you mean {near[0]!r}?" if near else None)


def _listed(names: Iterable[str], most: int = _SHOWN) -> str:
    names = list(names)
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")
