"""Folders of real pictures, as messy as those that people have: large ones, all kinds of files, and rubbish."""
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image

ORIENTATION = 0x0112
SIZES = ((640, 480), (480, 640), (900, 600), (400, 400), (1280, 720), (333, 500))  # width, height
KINDS = ("jpeg", "JPG", "png", "alpha", "grey", "palette", "webp", "bmp", "gif", "tif", "cmyk", "16 bits",
         "on its side")


def write_pictures(folder, split, label_names, names, most, called=lambda name: name):
    """Writes the first `most` images of some classes, enlarged, and returns the number of them.

    Args:
        folder: gets a subfolder for each class.
        split: images and labels.
        label_names: names of all classes of the split.
        names: the classes to write.
        most: the most images of a class.
        called: function from a class to its folder's name.
    """
    seen = Counter()
    for image, label in zip(split.images, split.labels, strict=True):
        name = label_names[label]
        if name in names and seen[name] < most:
            file = Path(folder, called(name), f"{name} {seen[name]:03}")
            file.parent.mkdir(parents=True, exist_ok=True)
            number = seen.total()
            _write(file, _enlarged(image, *SIZES[number % len(SIZES)]), KINDS[number % len(KINDS)])
            seen[name] += 1
    return seen.total()


def add_rubbish(folder):
    """Adds what lies in real folders: hidden and other files, an empty folder, a broken picture, a copy."""
    classes = sorted(each for each in folder.iterdir() if each.is_dir())
    (folder / "Thumbs.db").write_bytes(b"x")
    (folder / ".DS_Store").write_bytes(b"x")
    (classes[0] / "notes.txt").write_text("mine")
    (folder / "empty").mkdir()
    picture = next(classes[1].glob("*.jpg"))
    (classes[1] / "broken.jpg").write_bytes(picture.read_bytes()[:900])
    shutil.copy(picture, classes[1] / "Kopie von ÄÖÜ 猫.jpg")


def _enlarged(image, width, height):
    side = max(width, height)
    left, top = (side - width) // 2, (side - height) // 2
    whole = Image.fromarray(image).resize((side, side), Image.Resampling.LANCZOS)
    return whole.crop((left, top, left + width, top + height))


def _write(file, picture, kind):
    def save(ending, content=picture, **options):
        content.save(f"{file}.{ending}", **options)

    if kind == "JPG":
        save("JPG", format="JPEG", quality=85)
    elif kind == "alpha":
        save("png", picture.convert("RGBA"))
    elif kind == "grey":
        save("jpg", picture.convert("L"), quality=92)
    elif kind == "palette":
        save("png", picture.convert("P", palette=Image.Palette.ADAPTIVE))
    elif kind == "cmyk":
        save("jpeg", picture.convert("CMYK"), quality=92)
    elif kind == "16 bits":
        save("png", Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 257))
    elif kind == "on its side":
        exif = Image.Exif()
        exif[ORIENTATION] = 6
        save("jpg", picture.transpose(Image.Transpose.ROTATE_90), quality=92, exif=exif)
    else:
        save({"jpeg": "jpg"}.get(kind, kind))
