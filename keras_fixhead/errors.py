"""The exceptions and warnings of this package.

    FixheadError                 every expected failure
    ├── ArgumentError            a wrong argument or option (also a ValueError)
    │   └── ReadOnlyError        setting what is decided when an object is created (also an AttributeError)
    ├── DataError                a data set that is missing, damaged or unreadable
    ├── RunError                 a run directory, checkpoint or result that cannot be read or written
    ├── VectorsError             class vectors that do not match their digest
    ├── TrainingError            training that cannot start or continue
    ├── DependencyError          an optional package that is not installed
    ├── HubError                 a hub of models that cannot be reached, or refuses
    └── ServingError             exporting a model, serving it, or reaching a server
        └── RequestError         a server's refusal, with its HTTP status

    FixheadWarning               a choice that is known to work badly, or that does not do what its name suggests

This module imports nothing heavy, so that the client and the command line can raise these errors without loading a
framework.
"""
import functools
import os
import warnings


class FixheadError(Exception):
    """A failure, described in one line, with what to do about it.

    Args:
        what: what happened, with the invalid value and what would be valid.
        hint: what to type or try next.

    Example:
        >>> print(FixheadError("No run in 'runs/a'.", hint="List them: fixhead list runs"))
        No run in 'runs/a'. List them: fixhead list runs
    """

    def __init__(self, what: str, hint: str | None = None) -> None:
        super().__init__(what if hint is None else f"{what} {hint}")
        self.what = what
        self.hint = hint


class ArgumentError(FixheadError, ValueError):
    """A wrong argument, raised before any work is done."""


class ReadOnlyError(ArgumentError, AttributeError):
    """Setting an attribute that is decided when an object is created."""


class DataError(FixheadError):
    """A data set that is missing, damaged or unreadable."""


class RunError(FixheadError):
    """A run directory, or a file in it, that cannot be read or written."""


class VectorsError(FixheadError):
    """Class vectors that do not match their digest."""


class TrainingError(FixheadError):
    """Training that cannot start or continue."""


class DependencyError(FixheadError):
    """An optional package that is not installed."""


class HubError(FixheadError):
    """A hub of models (Hugging Face, Kaggle) that cannot be reached, or refuses."""


class ServingError(FixheadError):
    """A failure to export a model, serve it, or reach a server."""


class RequestError(ServingError):
    """A server's refusal.

    Args:
        status: the HTTP status code of the response.
    """

    def __init__(self, what: str, hint: str | None = None, *, status: int) -> None:
        super().__init__(what, hint)
        self.status = status

    def __reduce__(self) -> tuple[object, ...]:  # an exception's own would leave out the status
        return functools.partial(type(self), status=self.status), (self.what, self.hint)


class FixheadWarning(UserWarning):
    """A choice that is known to work badly, or that does not do what its name suggests."""


def warn_once(text: str, stacklevel: int = 1) -> None:
    """Issues a `FixheadWarning` once per process and text; processes started with `silenced()` do not repeat it.

    Python's own record of issued warnings is not used: it is cleared whenever a warning filter changes.
    """
    if text not in _said:
        _said.add(text)
        warnings.warn(text, FixheadWarning, stacklevel=stacklevel + 1)


def silenced() -> dict[str, str]:
    """Returns the environment for a process that should not repeat the warnings of this one."""
    return {**os.environ, _SAID: "\n".join(sorted(_said))}


_SAID = "FIXHEAD_SAID"
_said: set[str] = set(filter(None, os.environ.get(_SAID, "").split("\n")))
