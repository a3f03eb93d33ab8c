"""The sets that can be gathered, and which classes of Open Images theirs are."""
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from keras_fixhead.json_files import read_json

GATHERED = ("stl_gen", "cifar100_gen")
"""Names of the sets, those of the paper's unpublished ones."""
_SCHEMA = 1


@dataclass(frozen=True)
class GatheredSet:
    """What a set to be gathered has.

    Attributes:
        name: its name, one of `GATHERED`.
        trained: the data set whose models are tested on it.
        side: side of its images, in pixels.
        per_class: number of images of each class, so that their total is the paper's.
        paper: what the paper says of its own set of this name.
        near: class -> in what its classes of Open Images differ, where they are not the same.
        wider: class without a counterpart -> the class of Open Images that would include it.
        none: classes for which Open Images has no boxes.
        classes: class -> name of its classes in Open Images -> their MID.
    """

    name: str
    trained: str
    side: int
    per_class: int
    paper: str
    near: Mapping[str, str]
    wider: Mapping[str, str]
    none: tuple[str, ...]
    classes: Mapping[str, Mapping[str, str]]

    @property
    def class_of(self) -> dict[str, str]:
        """MID -> class.

        Example:
            >>> gathered_set("stl_gen").class_of["/m/0k4j"]
            'car'
        """
        return {mid: name for name, found in self.classes.items() for mid in found.values()}

    @property
    def without(self) -> tuple[str, ...]:
        """Classes of the trained set that have no counterpart.

        Example:
            >>> len(gathered_set("cifar100_gen").without), gathered_set("stl_gen").without
            (25, ())
        """
        return tuple(sorted([*self.wider, *self.none]))

    @property
    def difference(self) -> str:
        """How its numbers differ from the paper's.

        Example:
            >>> gathered_set("stl_gen").difference
            "not the paper's images: 200 images of each of 10 classes here, 2,000 images there"
        """
        return (f"not the paper's images: {self.per_class} images of each of {len(self.classes)} classes here, "
                f"{self.paper} there")


@functools.cache
def gathered_set(name: str) -> GatheredSet:
    """Returns a set by its name, one of `GATHERED`.

    Example:
        >>> gathered_set("cifar100_gen").classes["cup"]
        {'Coffee cup': '/m/02p5f1q', 'Mug': '/m/02jvh9'}
    """
    content = read_json(Path(__file__).with_name("class_maps.json"), schema=_SCHEMA)[name]
    return GatheredSet(name, content["trained"], content["side"], content["per_class"], content["paper"],
                       content["near"], content["wider"], tuple(content["none"]), content["classes"])
