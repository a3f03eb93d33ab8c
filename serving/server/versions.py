"""A served model: the versions that can be called, and the states of all versions seen."""
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from fixhead_serving.server.refusals import InvalidRequest, ModelNotFound
from fixhead_serving.specs import Array, ModelSpec, Signature, Tensors

State = Literal["START", "LOADING", "AVAILABLE", "UNLOADING", "END"]


@dataclass(frozen=True, eq=False)
class LoadedVersion:
    """A version of a model that can be called.

    Args:
        number: the version.
        signatures: its signatures by name.
        call: `call(signature_name, inputs)` returns the outputs; both map a tensor's name to an array, which for
            strings is of type object and contains bytes. It is called from several threads, with inputs that have
            been checked against the signature, and raises `ModelFailed` for inputs that the model does not accept.
        mergeable: the signatures whose concurrent requests may be run as one call.
        sample: a signature's name, and inputs that it has accepted, for readiness probes.
    """

    number: int
    signatures: Mapping[str, Signature]
    call: Callable[[str, Tensors], dict[str, Array]]
    mergeable: frozenset[str] = frozenset()
    sample: tuple[str, Tensors] | None = None


@dataclass(frozen=True)
class VersionState:
    """The state of a version between being found and being removed, and any error, in TensorFlow's words."""

    state: State
    error_code: str = "OK"
    error_message: str = ""


@dataclass
class ServedModel:
    """A model under its name, with its loaded versions and the labels that point to some of them.

    `versions` and `states` are never changed, only replaced as a whole: requests read them from other threads.
    """

    name: str
    versions: Mapping[int, LoadedVersion]
    labels: Mapping[str, int] = field(default_factory=dict)
    states: Mapping[int, VersionState] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.states = {**dict.fromkeys(self.versions, VersionState("AVAILABLE")), **self.states}

    def set_state(self, number: int, state: VersionState) -> None:
        """Sets the state of a version."""
        self.states = {**self.states, number: state}

    def add(self, version: LoadedVersion) -> None:
        """Adds a version, which answers requests from now on."""
        self.versions = {**self.versions, version.number: version}
        self.set_state(version.number, VersionState("AVAILABLE"))

    def remove(self, number: int) -> LoadedVersion:
        """Removes and returns a version, which gets no new requests; requests in flight may still run."""
        version = self.versions[number]
        self.versions = {other: each for other, each in self.versions.items() if other != number}
        self.set_state(number, VersionState("UNLOADING"))
        return version


def forget_frames(error: BaseException) -> None:
    """Drops an error's references to the frames it passed through, which keep inputs and unloaded versions alive."""
    error.__traceback__ = error.__context__ = error.__cause__ = None


def find_version(models: Mapping[str, ServedModel], spec: ModelSpec) -> LoadedVersion:
    """Returns the version that a request asks for.

    Raises:
        ModelNotFound: if the model or the version is not loaded.
        InvalidRequest: if the label is unknown.
    """
    model = models.get(spec.name)
    versions = model.versions if model else {}
    number = spec.version
    if spec.label is not None:
        number = model.labels.get(spec.label) if model else None
        if number is None:
            raise InvalidRequest(f"Unrecognized servable version label: {spec.label}")
    if number is None and versions:
        return versions[max(versions)]
    if number is not None and number in versions:
        return versions[number]
    asked = f"Latest({spec.name})" if number is None else f"Specific({spec.name}, {number})"
    raise ModelNotFound(f"Servable not found for request: {asked}")


def find_states(models: Mapping[str, ServedModel], spec: ModelSpec) -> dict[int, VersionState]:
    """Returns the states of the versions that a status request asks for, newest first.

    Raises:
        ModelNotFound: if there are none.
    """
    model = models.get(spec.name)
    if model is None or not model.states:
        raise ModelNotFound(f"Could not find any versions of model {spec.name}")
    states = model.states
    if spec.version is None:  # as in TensorFlow Serving, a label is ignored
        return dict(sorted(states.items(), reverse=True))
    if spec.version not in states:
        raise ModelNotFound(f"Could not find version {spec.version} of model {spec.name}")
    return {spec.version: states[spec.version]}
