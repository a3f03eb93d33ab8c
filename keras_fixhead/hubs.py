"""Hugging Face and Kaggle: names of models there, folders of files up, and down again.

Nothing here has been run against the real hubs: tests replace their packages.
"""
import contextlib
import importlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from keras_fixhead.errors import ArgumentError, DependencyError, HubError

_PART = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_OFFLINE = ("ConnectionError", "ConnectError", "ConnectTimeout", "Timeout", "TimeoutException", "OfflineModeIsEnabled",
            "LocalEntryNotFoundError")
"""Names of classes of errors that mean that a hub was not reached: each package has its own."""


@dataclass(frozen=True)
class _Hub:
    """A hub: what its names look like, and the package and token that it needs."""

    title: str
    package: str
    form: str
    pattern: str
    address: str
    log_in: str


_HUBS = {
    "hf": _Hub("Hugging Face", "huggingface_hub", "hf://NAMESPACE/NAME", rf"{_PART}/{_PART}", "https://huggingface.co/",
               "Log in: hf auth login; or set HF_TOKEN."),
    "kaggle": _Hub("Kaggle", "kagglehub", "kaggle://OWNER/MODEL/keras/VARIATION",
                   rf"{_PART}/{_PART}/keras/{_PART}(?:/[0-9]+)?", "https://www.kaggle.com/models/",
                   "Set KAGGLE_API_TOKEN, or put kaggle.json into ~/.kaggle."),
}


@dataclass(frozen=True)
class Target:
    """A model on a hub.

    Attributes:
        hub: 'hf' or 'kaggle'.
        name: what the hub calls it, such as 'me/digits' or 'me/digits/keras/small'.

    Example:
        >>> str(parse_target("hf://me/digits")), parse_target("kaggle://me/digits/keras/small").title
        ('hf://me/digits', 'digits')
    """

    hub: str
    name: str

    def __str__(self) -> str:
        return f"{self.hub}://{self.name}"

    @property
    def title(self) -> str:
        """The model's own name, without its owner."""
        return self.name.split("/")[1]

    @property
    def address(self) -> str:
        """The address of its page."""
        return _HUBS[self.hub].address + self.name


def is_target(path: Any) -> bool:
    """Returns whether a path is the name of a model on a hub.

    Example:
        >>> is_target("hf://me/digits"), is_target("runs/1")
        (True, False)
    """
    return isinstance(path, str) and path.startswith(tuple(f"{hub}://" for hub in _HUBS))


def parse_target(text: str) -> Target:
    """Returns the model on a hub that a text names.

    Raises:
        ArgumentError: for anything else.
    """
    hub, separator, name = text.partition("://")
    forms = " or ".join(each.form for each in _HUBS.values())
    if not separator or hub not in _HUBS:
        raise ArgumentError(f"{text!r} does not name a model on a hub. Expected {forms}.")
    wrong = not re.fullmatch(_HUBS[hub].pattern, name) or "--" in name or ".." in name or name.endswith(".git")
    if wrong or any(len(part) > 96 for part in name.split("/")):
        raise ArgumentError(f"{text!r} is not a name on {_HUBS[hub].title}. Expected {_HUBS[hub].form}, of letters, "
                            "digits, and single -, _ and . between them.")
    return Target(hub, name)


def check_upload(target: Target) -> None:
    """Checks what can be checked before the work: that a version is not named, the package, and a token.

    Raises:
        ArgumentError: if the name includes a version, which Kaggle counts itself.
        DependencyError: if the hub's package is not installed.
        HubError: if no token is found.
    """
    if re.search(r"/keras/[^/]+/[0-9]+$", target.name):
        raise ArgumentError(f"{target} names a version, and Kaggle counts versions itself.",
                            hint=f"Leave out the last part: {str(target).rpartition('/')[0]}")
    package = _package(target)
    with _reported(target, "has no usable token"):
        token = package.get_token() if target.hub == "hf" else package.config.get_kaggle_credentials()
    if token is None:
        raise HubError(f"No token for {_HUBS[target.hub].title} was found.", hint=_HUBS[target.hub].log_in)


def upload(target: Target, folder: Path, *, message: str, private: bool = False, license: str | None = None) -> str:
    """Publishes the files of a folder as a model, or as its next version; returns the address of its page.

    Args:
        target: the model; it is made if it does not exist.
        folder: the folder.
        message: what changed, in one line.
        private: whether a new model on Hugging Face is private. New models on Kaggle always are.
        license: name of a licence, for Kaggle; on Hugging Face it is in the card.

    Raises:
        DependencyError: if the hub's package is not installed.
        HubError: if the hub cannot be reached, or refuses.
    """
    package = _package(target)
    with _reported(target, "was not published"):
        if target.hub == "kaggle":
            package.model_upload(target.name, str(folder), license_name=license, version_notes=message)
            return target.address
        from keras_fixhead._version import __version__

        api = package.HfApi(library_name="keras-fixhead", library_version=__version__)
        made = api.create_repo(target.name, private=private or None, exist_ok=True)
        api.upload_folder(repo_id=made.repo_id, folder_path=str(folder), commit_message=message)
        return target.address


def download(target: Target) -> Path:
    """Returns a local folder with a model's files, downloaded unless the hub's package has them in its cache.

    Raises:
        DependencyError: if the hub's package is not installed.
        HubError: if the hub cannot be reached, or has no such model for this user.
    """
    package = _package(target)
    with _reported(target, "cannot be downloaded"):
        found = package.snapshot_download(target.name) if target.hub == "hf" else package.model_download(target.name)
    return Path(os.fspath(found))


def _package(target: Target) -> ModuleType:
    name = _HUBS[target.hub].package
    try:
        return importlib.import_module(name)
    except ImportError:
        raise DependencyError(f"{_HUBS[target.hub].title} needs the package {name}, which is not installed.",
                              hint="Install it: pip install 'keras-fixhead[hub]'") from None


@contextlib.contextmanager
def _reported(target: Target, what: str) -> Iterator[None]:
    """Turns whatever a hub's package raises into one line: their errors have no common base class."""
    try:
        yield
    except Exception as error:
        classes = {each.__name__ for each in type(error).__mro__}
        if classes & set(_OFFLINE):
            raise HubError(f"{target} {what}: {_HUBS[target.hub].title} cannot be reached.",
                           hint="Check the network, then repeat the command.") from error
        lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
        raise HubError(f"{target} {what}: {lines[0]}") from error
