"""Configurations in files: the content of a run's config.json, and of files for `--config`.

Schema 2 has the configuration as asked for and as resolved. Schema 1 was one flat, resolved configuration, with a
digest of class vectors and a history of extensions among its fields; exported results keep that form.
"""
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keras_fixhead.catalog import MARGINS, MODELS
from keras_fixhead.config.length import epochs_of
from keras_fixhead.config.resolved import Resolved, run_digest
from keras_fixhead.config.train_config import TrainConfig, check_names
from keras_fixhead.data.catalog import DATASETS
from keras_fixhead.errors import ArgumentError
from keras_fixhead.json_files import NotJson, parse_json
from keras_fixhead.vectors import class_vectors, vectors_digest

CONFIG_SCHEMA = 2
"""Schema number of the config.json that is written."""

# Keys of a flat configuration that are not fields.
_NOT_FIELDS = {"schema", "config_digest", "class_vectors_digest", "extended_from"}


@dataclass(frozen=True)
class Stored:
    """The configuration of a run, as in its files.

    Attributes:
        asked: the configuration as asked for.
        config: the resolved configuration.
        digest: the digest that identifies the run.
        class_vectors_digest: digest of the draw of the class vectors.
        extended_from: numbers of epochs at which the run was extended, separated by commas; None if it was not.
    """

    asked: TrainConfig
    config: TrainConfig
    digest: str
    class_vectors_digest: str
    extended_from: str | None

    @property
    def extensions(self) -> tuple[float, ...]:
        """The numbers of epochs at which the run was extended."""
        return epochs_of(self.extended_from)

    def as_dict(self) -> dict[str, Any]:
        """Returns what config.json holds."""
        return {"asked": self.asked.as_dict(), "resolved": self.config.as_dict(), "digest": self.digest,
                "class_vectors_digest": self.class_vectors_digest, "extended_from": self.extended_from}


def to_store(resolved: Resolved, asked: TrainConfig | None = None, extended_from: str | None = None) -> Stored:
    """Returns a resolved configuration in the form that is stored.

    Args:
        resolved: configuration of the run.
        asked: what was originally asked for, if the run is resumed.
        extended_from: see `Stored`.
    """
    digest = run_digest(resolved.config, resolved.class_vectors_digest, extended_from)
    return Stored(asked or resolved.asked, resolved.config, digest, resolved.class_vectors_digest, extended_from)


def earlier_digest(resolved: Resolved) -> str:
    """Returns the digest of a run in earlier versions; it covers the bytes of class vectors, so they are drawn."""
    return run_digest(resolved.config, _bytes_digest(resolved))


def names_draw(digest: str, resolved: Resolved) -> bool:
    """Returns whether a stored digest matches the class vectors of a configuration.

    Args:
        digest: digest in a run's config.json: of the draw or, in earlier versions, of the bytes.
        resolved: the configuration.
    """
    return digest == resolved.class_vectors_digest or digest == _bytes_digest(resolved)


def _bytes_digest(resolved: Resolved) -> str:
    config = resolved.config
    return vectors_digest(class_vectors(config.class_vectors, resolved.data.num_classes, resolved.dim,
                                        config.vector_seed or 0, rotate=config.rotate))


def from_stored(content: Mapping[str, Any]) -> Stored:
    """Returns the configuration of a run from the content of its config.json, of either schema.

    Raises:
        ArgumentError: if it is not a configuration; the message says what is missing or wrong.
    """
    if "resolved" not in content:
        return _from_flat(content)
    for name, kind in (("asked", dict), ("resolved", dict), ("digest", str), ("class_vectors_digest", str)):
        if not isinstance(content.get(name), kind):
            raise ArgumentError(f"it has no {name!r}.")
    return Stored(TrainConfig.from_dict(content["asked"]), resolved_fields(content["resolved"]), content["digest"],
                  content["class_vectors_digest"], content.get("extended_from"))


def resolved_fields(values: Mapping[str, Any]) -> TrainConfig:
    """Returns a resolved configuration from its fields, possibly of schema 1; newer fields have their defaults.

    Raises:
        ArgumentError: if a field that every configuration has is missing, or a field is unknown or invalid.
    """
    fields = {name: value for name, value in values.items() if name not in _NOT_FIELDS}
    missing = [name for name in TrainConfig.names()
               if TrainConfig.field(name).metadata["identity"] and name not in fields]
    if missing:
        raise ArgumentError(f"it lacks {', '.join(sorted(missing))}.")
    return TrainConfig.from_dict(fields)


def _from_flat(content: Mapping[str, Any]) -> Stored:
    config = resolved_fields(content)
    vectors, extended = content.get("class_vectors_digest"), content.get("extended_from")
    digest = content.get("config_digest") or run_digest(config, vectors or "", extended)
    return Stored(TrainConfig.from_dict(_asked_of_flat(content)), config, digest, vectors or "", extended)


def _asked_of_flat(content: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a flat configuration that were asked for, without those that `resolve` fills in again."""
    fields = {name: value for name, value in content.items() if name not in _NOT_FIELDS}
    if content.get("class_vectors_digest") is None:
        return fields  # written by hand, not resolved
    model = MODELS.get(str(fields.get("model")))  # flat files are older than the networks of keras.applications
    margin = MARGINS.get(str(fields.get("margin")))
    entry = DATASETS.get(str(fields.get("dataset")))
    filled_in = {
        "signed_features": model.signed_features if model else None,
        "vector_seed": fields.get("seed"),
        "margin_size": margin.size if margin else None,
        "crop_padding": entry.crop_padding if entry else None,
        "flip": entry.flip if entry else None,
    }
    return {name: value for name, value in fields.items() if name not in filled_in or value != filled_in[name]}


def read_config_file(path: Path) -> dict[str, Any]:
    """Returns the fields asked for in a JSON file: a run's config.json, or the output of `fixhead train --dry-run`.

    Raises:
        ArgumentError: if the file cannot be read or is not a JSON object of known fields.
    """
    try:
        content = parse_json(path.read_bytes())
    except OSError as error:
        raise ArgumentError(f"{path} cannot be read: {error.strerror}.") from None
    except NotJson as error:
        raise ArgumentError(f"{path} is not valid JSON: {error}.") from None
    asked = content
    for key in ("asked", "config"):  # of a run or a dry run; otherwise flat, as in an exported result
        if isinstance(content, dict) and key in content:
            asked = content[key]
            break
    if not isinstance(asked, dict):
        raise ArgumentError(f"{path} is not a JSON object of configuration fields.",
                            hint="Use a run's config.json, or the output of fixhead train --dry-run.")
    fields = _asked_of_flat(asked)
    check_names(fields)
    return fields
