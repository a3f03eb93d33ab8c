"""A model's folder on disk: which versions it has, and what to type if it has none."""
import re
import shlex
from collections.abc import Iterable
from pathlib import Path

from fixhead_serving.server.sources import ModelSource
from fixhead_serving.specs import MAX_VERSION
from keras_fixhead.errors import FixheadError, ServingError


def find_versions(base: Path) -> dict[int, Path]:
    """Returns the folders of a model's versions by number.

    Args:
        base: the model's folder; entries whose name is not a number, or that have no saved_model.pb, are ignored.

    Raises:
        ServingError: if the folder does not exist, cannot be read, or is itself a version.
    """
    if not base.is_dir():
        raise ServingError(f"The model folder '{base}' does not exist.", hint=_export_line("RUN", base))
    if _is_saved_model(base):
        raise ServingError(f"'{base}' is one version of a model, not a folder of versions.", hint=_of_version(base))
    try:
        return _versions_in(base)
    except OSError as error:
        raise ServingError(f"'{base}' cannot be read: {error.strerror}.") from None


def check_source(source: ModelSource) -> None:
    """Raises a ServingError if a model has no version that can be served."""
    found = find_versions(source.base_path)
    if not found:
        raise _nothing_to_serve(source.base_path)
    chosen = source.policy.choose(found)
    if not chosen:
        wanted, there = (", ".join(map(str, numbers)) for numbers in (source.policy.numbers, sorted(found)))
        raise ServingError(f"Model '{source.name}' has none of these versions: {wanted}. It has {there}.",
                           hint=f"Serve one of them: --versions {source.name}={max(found)}, or in models.config "
                                f"model_version_policy {{ specific {{ versions: {max(found)} }} }}")
    for label, number in source.labels.items():
        if number not in chosen:
            raise _unserved_label(source.name, label, number, found, chosen)


def _unserved_label(name: str, label: str, number: int, found: Iterable[int], chosen: list[int]) -> ServingError:
    served = ", ".join(map(str, chosen))
    text = f"Label '{label}' of model '{name}' points to version {number}, which is not served. Served: {served}."
    if number in found:
        hint = "Serve that version too: --versions all, or in models.config model_version_policy { all {} }"
    else:
        hint = (f"Point it to one of them: --label {name}:{label}={chosen[0]}, or in models.config "
                f'version_labels {{ key: "{label}" value: {chosen[0]} }}')
    return ServingError(text, hint=hint)


def _nothing_to_serve(base: Path) -> ServingError:
    """Says what a folder without versions is, and what to type; never a command that writes into something else."""
    if run := _run_at(base):
        return ServingError(f"'{base}' is a run directory, not a folder of exported versions.", hint=run)
    if models := [child for child in _folders_in(base) if _is_model(child)]:
        names = ", ".join(model.name for model in models)
        return ServingError(f"'{base}' is not a model but a folder of models: {names}.",
                            hint=f"Serve them: fixhead serve {' '.join(map(_as_argument, models))}")
    if runs := [hint for child in _folders_in(base) if (hint := _run_at(child))]:
        return ServingError(f"'{base}' is a folder of runs, not of exported versions.", hint=runs[-1])  # the newest
    text = f"'{base}' has no version to serve: no folder such as 1 with a saved_model.pb."
    own = all(re.fullmatch(r"\.tmp-.*|(onnx-|litert-)?[0-9]+", child.name) for child in base.iterdir())
    return ServingError(text, hint=_export_line("RUN", base if own else _aside(base)))


def _of_version(base: Path) -> str:
    if _is_version_name(base.name):
        return f"Serve its parent: fixhead serve {_quoted(base.parent)}"
    target = _aside(base)
    return (f"Make it version 1 of a model: mkdir -p {_quoted(target)} && cp -r {_quoted(base)} "
            f"{_quoted(target / '1')} && fixhead serve {_quoted(target)}")


def _run_at(folder: Path) -> str | None:
    """What to type to serve a run's model; None if the folder is not a run directory."""
    from keras_fixhead.runs import open_run

    try:
        run = open_run(folder)
        run.config()  # other folders may have a config.json as well
    except (FixheadError, OSError):
        return None
    if not run.model_path.is_file():
        return f"It has no model yet. Finish its training: {run.resume_command}"
    return _export_line(str(folder), _aside(folder))


def _export_line(run: str, target: Path) -> str:
    return f"Export a run first: fixhead export {shlex.quote(run)} {_quoted(target)}"


def _aside(folder: Path) -> Path:
    """A folder for a model, outside a folder that contains something else."""
    name = folder.name if re.fullmatch("[A-Za-z0-9][A-Za-z0-9._-]*", folder.name) else "model"
    here = Path.cwd()
    return Path("served", name) if folder not in (here, *here.parents) else folder.parent.parent / "served" / name


def _as_argument(model: Path) -> str:
    named = re.sub("[/:]", "-", model.name)
    return _quoted(model) if named == model.name else shlex.quote(f"{named}={model}")


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))


def _folders_in(base: Path) -> list[Path]:
    return sorted(child for child in base.iterdir() if child.is_dir())


def _is_model(folder: Path) -> bool:
    try:
        return bool(_versions_in(folder))
    except OSError:
        return False


def _versions_in(base: Path) -> dict[int, Path]:
    children = sorted(child for child in base.iterdir() if _is_version_name(child.name))
    return {int(child.name): child for child in children if int(child.name) <= MAX_VERSION and _is_saved_model(child)}


def _is_version_name(name: str) -> bool:
    return bool(re.fullmatch("[0-9]{1,19}", name))


def _is_saved_model(folder: Path) -> bool:
    return (folder / "saved_model.pb").is_file()
