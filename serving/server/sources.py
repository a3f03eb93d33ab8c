"""Which models to serve, and which of their versions. Nothing here loads a framework."""
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fixhead_serving.specs import MAX_VERSION
from keras_fixhead.errors import ArgumentError


@dataclass(frozen=True)
class VersionPolicy:
    """Which versions on disk to serve: the `latest` N, certain `numbers`, or all."""

    latest: int | None = None
    numbers: tuple[int, ...] = ()

    def choose(self, on_disk: Iterable[int]) -> list[int]:
        """Returns the versions to serve, newest first.

        Example:
            >>> VersionPolicy(latest=2).choose([1, 5, 3])
            [5, 3]
        """
        numbers = sorted(on_disk, reverse=True)
        if self.numbers:
            return [number for number in numbers if number in self.numbers]
        return numbers if self.latest is None else numbers[: self.latest]


LATEST = VersionPolicy(latest=1)
ALL = VersionPolicy()


@dataclass(frozen=True)
class ModelSource:
    """A model on disk, and how it is served.

    Args:
        name: the model's name in URLs.
        base_path: a folder of SavedModels in subfolders 1, 2, ...
        policy: which versions are served.
        labels: names for versions, such as `stable`.
    """

    name: str
    base_path: Path
    policy: VersionPolicy = LATEST
    labels: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.name or re.search("[/:]", self.name):
            raise ArgumentError(f"A model cannot be called '{self.name}': its name is part of URLs.",
                                hint="Choose a name without '/' and ':': NAME=DIR.")
        for label in self.labels:
            if not re.fullmatch("[A-Za-z0-9_]+", label):
                raise ArgumentError(f"'{label}' is not a valid label. Expected letters, digits and '_'.")


def parse_policy(text: str) -> VersionPolicy:
    """Parses a policy: `latest:N`, `all`, or numbers such as `1,4`.

    Raises:
        ArgumentError: if the text is none of these.

    Example:
        >>> parse_policy("1,4").choose([1, 2, 3, 4])
        [4, 1]
    """
    if text == "all":
        return ALL
    if found := re.fullmatch("latest:([0-9]{1,9})", text):
        if int(found[1]) > 0:
            return VersionPolicy(latest=int(found[1]))
    elif re.fullmatch("[0-9]{1,19}(,[0-9]{1,19})*", text):
        numbers = tuple(map(int, text.split(",")))
        if max(numbers) <= MAX_VERSION:
            return VersionPolicy(numbers=numbers)
    raise ArgumentError(f"'{text}' is not a valid choice of versions. Expected latest:N, all, or numbers such as 1,4.")


def parse_sources(
    directories: Iterable[str], versions: Iterable[str] = (), labels: Iterable[str] = ()
) -> list[ModelSource]:
    """Returns the models that a command line names.

    Args:
        directories: each DIR, whose name is the model's name, or NAME=DIR.
        versions: each POLICY for all models, or MODEL=POLICY for one; see `parse_policy`.
        labels: each LABEL=VERSION, if there is one model, or MODEL:LABEL=VERSION.

    Raises:
        ArgumentError: if two models have the same name, or a policy or label is malformed or for an unknown model.

    Example:
        >>> [source] = parse_sources(["pets=/models/a"], ["all"], ["stable=3"])
        >>> source.name, source.labels
        ('pets', {'stable': 3})
    """
    paths = [_named_path(text) for text in directories]
    names = [name for name, _ in paths]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ArgumentError(f"Two models are called '{twice}'.", hint="Rename one of them: NAME=DIR.")
    policies = _policies(versions, names)
    named_labels = _labels(labels, names)
    return [ModelSource(name, path, policies[name], named_labels[name]) for name, path in paths]


def _named_path(text: str) -> tuple[str, Path]:
    name, equals, path = text.partition("=")
    if equals and not Path(text).is_dir():
        return name, Path(path).absolute()
    absolute = Path(text).absolute()
    return absolute.resolve().name if absolute.name in ("", "..") else absolute.name, absolute


def _policies(texts: Iterable[str], names: list[str]) -> dict[str, VersionPolicy]:
    policies = dict.fromkeys(names, LATEST)
    for text in sorted(texts, key=lambda text: "=" in text):  # a policy for a single model wins
        name, equals, policy = text.rpartition("=")
        if equals and name not in names:
            raise _no_such_model(name, text, names)
        policies.update(dict.fromkeys([name] if equals else names, parse_policy(policy)))
    return policies


def _labels(texts: Iterable[str], names: list[str]) -> dict[str, dict[str, int]]:
    labels: dict[str, dict[str, int]] = {name: {} for name in names}
    for text in texts:
        found = re.fullmatch("(?:([^=]+):)?([^=:]+)=([0-9]{1,19})", text)
        if not found:
            raise ArgumentError(f"'{text}' is not a valid label. Expected LABEL=VERSION, or MODEL:LABEL=VERSION.")
        model, label, number = found.groups()
        if model is None and len(names) > 1:
            raise ArgumentError(f"'{text}' does not say which model it is for.", hint=f"For example {names[0]}:{text}")
        if (model or names[0]) not in labels:
            raise _no_such_model(model, text, names)
        labels[model or names[0]][label] = int(number)
    return labels


def _no_such_model(name: str, text: str, names: list[str]) -> ArgumentError:
    return ArgumentError(f"There is no model '{name}' (in '{text}'). Models: {', '.join(names)}.")
