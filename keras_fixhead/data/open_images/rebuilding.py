"""Makes a gathered set again from its manifest and the same pictures, to the byte."""
import hashlib
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

from keras_fixhead.data.open_images import tables
from keras_fixhead.data.open_images.crops import Square, bmp_bytes, cut
from keras_fixhead.data.open_images.manifest import read_manifest
from keras_fixhead.data.open_images.writing import new_folder, write_image, write_manifest
from keras_fixhead.data.pictures import decode_picture
from keras_fixhead.errors import ArgumentError, DataError

_NAMED = 3


def rebuild_set(name: str, folder: Path, out: Path, manifest: Path, *,
                progress: Callable[[str], None] = lambda line: None) -> dict[str, Any]:
    """Writes the set that a manifest describes, byte for byte, and returns the manifest's content.

    Neither the CSV files nor the training set are needed.

    Args:
        name: 'stl_gen' or 'cifar100_gen', the set of the manifest.
        folder: a folder with pictures of Open Images.
        out: the folder to write; it must not exist.
        manifest: a manifest that `build_set` wrote.
        progress: called with a line of text.

    Raises:
        ArgumentError: (a ValueError) for a folder that exists, or the manifest of another set.
        DataError: if pictures are missing or differ from those of the manifest; it names them.
        RunError: if a file cannot be written.
    """
    content, entries = read_manifest(manifest)
    if content["set"] != name:
        raise ArgumentError(f"{manifest} is the manifest of {content['set']}, not of {name}.",
                            hint=f"Build that set: fixhead data build {content['set']} FOLDER OUT --manifest "
                                 f"{shlex.quote(str(manifest))}")
    problems: dict[str, list[str]] = {}
    with new_folder(out) as aside:
        for entry in entries:
            place = tables.find_pictures(folder, entry.split)
            path = (place or folder / entry.split) / f"{entry.image}.jpg"
            picture = path.read_bytes() if path.is_file() else None
            if picture is None:
                problems.setdefault("missing", []).append(str(path))
            elif hashlib.sha256(picture).hexdigest() != entry.picture:
                problems.setdefault("another file than the manifest's", []).append(str(path))
            else:
                file = bmp_bytes(cut(decode_picture(picture, str(path)), Square(*entry.square), content["side"]))
                if hashlib.sha256(file).hexdigest() != entry.file:
                    problems.setdefault("decoded to other pixels by this version of Pillow", []).append(str(path))
                write_image(aside / entry.path, file)
        if problems:
            raise DataError(f"{len(entries):,} images cannot be made again as in {manifest}. " + " ".join(
                f"{len(paths):,} {reason}: {', '.join(paths[:_NAMED])}{', ...' if len(paths) > _NAMED else ''}."
                for reason, paths in problems.items()), hint="Use the same pictures, or build the set again.")
        write_manifest(aside, content)
    progress(f"{len(entries):,} images, equal to those of {manifest}")
    return content
