"""The small studies in results/: paired arms at a quarter of the width, trained on a processor."""
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keras_fixhead.analysis.paired import PairedDifference, paired_difference
from keras_fixhead.errors import RunError
from keras_fixhead.json_files import read_json

_SCHEMA = 1


@dataclass(frozen=True)
class Study:
    """The file of a study.

    Attributes:
        name: of the file, without its ending.
        content: what the file has.
    """

    name: str
    content: Mapping[str, Any]

    @property
    def config(self) -> Mapping[str, Any]:
        """The fields that all its runs share."""
        return self.content["config"]

    def runs(self, arm: str) -> list[Mapping[str, Any]]:
        """Returns the runs of an arm, by seed."""
        return sorted((run for run in self.content["runs"] if run["arm"] == arm), key=lambda run: run["seed"])

    def accuracy(self, arm: str, split: str = "test") -> dict[int, float]:
        """Returns seed -> accuracy of an arm, in percent."""
        return {run["seed"]: 100 * run["accuracy"][split] for run in self.runs(arm)}

    def difference(self, arm: str, other: str) -> PairedDifference:
        """Returns the test accuracy of an arm minus that of another, paired by seed, in percentage points."""
        return paired_difference(self.accuracy(arm), self.accuracy(other))


def read_study(path: Path) -> Study:
    """Returns the study in a file.

    Raises:
        RunError: if the file is missing or damaged.
    """
    content = read_json(path, schema=_SCHEMA)
    if not all(isinstance(content.get(name), kind) for name, kind in (("config", dict), ("runs", list))):
        raise RunError(f"{path} is not the file of a study: it has no 'config' and 'runs'.")
    return Study(path.stem, content)


@dataclass(frozen=True)
class FixedAgainstLearned:
    """Fixed and learned class vectors with cosine logits, at one scale.

    Attributes:
        dataset: its name.
        scale: S.
        fixed, learned: seed -> test accuracy in percent.
    """

    dataset: str
    scale: float
    fixed: Mapping[int, float]
    learned: Mapping[int, float]

    @property
    def difference(self) -> PairedDifference:
        """Fixed minus learned, in percentage points."""
        return paired_difference(self.fixed, self.learned)


def fixed_against_learned(folder: Path) -> list[FixedAgainstLearned]:
    """Returns what fixing does at S = 1, where it wins, and at S = 30, where it loses.

    Args:
        folder: of the studies: results/ of this repository.

    Raises:
        RunError: if a file is missing or damaged.
    """
    found = []
    for name, fixed, learned in (("main_effect", "cos-fixed", "cos-learned"),
                                 ("margins", "none, fixed", "none, learned")):
        study = read_study(folder / f"{name}.json")
        found.append(FixedAgainstLearned(str(study.config["dataset"]), float(study.config["scale"]),
                                         study.accuracy(fixed), study.accuracy(learned)))
    return found
