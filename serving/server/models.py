"""Models that follow their folders: versions are loaded when they appear, and unloaded when they are removed."""
import logging
import os
import weakref
from collections import deque
from collections.abc import Callable
from functools import partial
from pathlib import Path

from fixhead_serving.server.folders import check_source, find_versions
from fixhead_serving.server.sources import LATEST, ModelSource
from fixhead_serving.server.versions import LoadedVersion, ServedModel, VersionState, forget_frames
from keras_fixhead.errors import ServingError

Load = Callable[[int, Path], LoadedVersion]

# The names of TensorFlow's error codes, by number.
_ERROR_CODES = [
    "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
    "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
    "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
]  # fmt: skip

logger = logging.getLogger(__name__)


def load_model(base_path: str | os.PathLike[str]) -> ServedModel:
    """Returns the model in a folder of versions, with its latest version loaded and warmed up.

    Args:
        base_path: a folder of SavedModels in subfolders 1, 2, ...; its name is the model's name.

    Raises:
        ServingError: if there is no version, or the latest one cannot be loaded or has an input of unknown rank.
    """
    from fixhead_serving.server.savedmodel import Loader

    base = Path(base_path).absolute()
    return WatchedModel(ModelSource(base.name, base, LATEST), Loader()).start()


class WatchedModel:
    """A served model that follows its folder, as TensorFlow Serving does.

    A version is loaded before those that it replaces are unloaded; one that cannot be loaded is skipped until its
    files change, and the versions served before stay. Everything but `model` must be used by one thread only.

    Args:
        source: the model on disk.
        load: `load(number, folder)` returns a loaded and warmed-up version, or raises.
    """

    def __init__(self, source: ModelSource, load: Load) -> None:
        self.source = source
        self.model = ServedModel(source.name, {}, dict(source.labels))
        self._load = load
        self._broken: dict[int, tuple[object, ...]] = {}  # the files of versions that could not be loaded
        self._ended: deque[int] = deque()  # versions whose last request has been answered
        self._trouble: str | None = None  # the last reported problem with the folder itself

    def start(self) -> ServedModel:
        """Returns the model with its versions loaded.

        Raises:
            ServingError: if there is no version, none can be loaded, or a label points to one that is not loaded.
        """
        check_source(self.source)
        errors = self._load_missing(find_versions(self.source.base_path))
        if not self.model.versions:
            raise errors[0]
        self._check_labels()
        return self.model

    def refresh(self) -> bool:
        """Checks the folder once; returns whether a version was loaded or unloaded."""
        try:
            found = find_versions(self.source.base_path)
        except ServingError as error:  # the folder may be back soon: loaded versions are still served
            if self._trouble != error.what:
                logger.warning("Model '%s': %s", self.source.name, error.what)
            self._trouble = error.what
            return False
        self._trouble = None
        before = set(self.model.versions)
        for failure in self._load_missing(found):
            forget_frames(failure)
        for number in self._superfluous(found):
            # It ends once the last request running on it has been answered.
            weakref.finalize(self.model.remove(number), partial(self._ended.append, number))
        return self._note_ended() or before != set(self.model.versions)

    def _load_missing(self, found: dict[int, Path]) -> list[ServingError]:
        errors = []
        for number in self.source.policy.choose(found):
            if number in self.model.versions or self._is_still_broken(number, found[number]):
                continue
            self.model.set_state(number, VersionState("LOADING"))
            files = _fingerprint(found[number])  # before loading: changes during the load are a reason to try again
            try:
                version = self._load(number, found[number])
            except Exception as error:
                self._broken[number] = files
                errors.append(self._report_broken(number, error))
            else:
                self._broken.pop(number, None)
                self.model.add(version)
                logger.info("Version %d of model '%s' is served.", number, self.source.name)
        return errors

    def _is_still_broken(self, number: int, folder: Path) -> bool:
        return number in self._broken and self._broken[number] == _fingerprint(folder)

    def _report_broken(self, number: int, error: Exception) -> ServingError:
        if not isinstance(error, ServingError):
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            text = f"Version {number} in '{self.source.base_path}' cannot be loaded: {reason}"
            hint = f"Remove that folder and export again: fixhead export RUN {self.source.base_path}"
            told = ServingError(text, hint=hint)
            told.__cause__ = error
            error = told
        self.model.set_state(number, VersionState("END", _error_code(error), error.what))
        if self.model.versions:
            logger.error("Version %d of model '%s' is skipped: %s", number, self.source.name, error.what)
        return error

    def _superfluous(self, found: dict[int, Path]) -> list[int]:
        """The versions to unload: those that were removed, and those that a loaded one has replaced."""
        chosen = set(self.source.policy.choose(found))
        loaded = set(self.model.versions)
        if chosen & loaded:
            return sorted(loaded - chosen)
        return sorted(loaded - found.keys())

    def _note_ended(self) -> bool:
        ended = bool(self._ended)
        while self._ended:
            number = self._ended.popleft()
            if number not in self.model.versions:  # it may have been loaded again
                self.model.set_state(number, VersionState("END"))
            logger.info("Version %d of model '%s' is unloaded.", number, self.source.name)
        return ended

    def _check_labels(self) -> None:
        for label, number in self.source.labels.items():
            if number not in self.model.versions:
                text = f"Label '{label}' of model '{self.source.name}' points to version {number}"
                reason = self.model.states[number].error_message
                raise ServingError(f"{text}, which could not be loaded: {reason}")


def _fingerprint(folder: Path) -> tuple[object, ...]:
    """Returns a value that changes when a folder's files do."""
    try:
        stats = [(str(path), path.stat()) for path in sorted(folder.rglob("*"))]
    except OSError:  # the folder is being changed right now
        return (object(),)
    return tuple((path, stat.st_size, stat.st_mtime_ns, stat.st_ino) for path, stat in stats)


def _error_code(error: BaseException) -> str:
    """Returns the name of TensorFlow's error code for a failed load."""
    cause = error.__cause__ or error
    code = getattr(cause, "error_code", None)  # of TensorFlow's own errors
    if isinstance(code, int) and 0 < code < len(_ERROR_CODES):
        return _ERROR_CODES[code]
    return "NOT_FOUND" if isinstance(cause, OSError) else "INTERNAL"
