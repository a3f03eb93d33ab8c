"""Writes a synthetic folder in the layout of Open Images V4: random pictures, no photograph."""
import csv

import numpy as np
from PIL import Image

from keras_fixhead.data.open_images.class_maps import gathered_set
from keras_fixhead.data.pictures import PictureForm, fit_picture

COLUMNS = ("ImageID", "Source", "LabelName", "Confidence", "XMin", "XMax", "YMin", "YMax", "IsOccluded", "IsTruncated",
           "IsGroupOf", "IsDepiction", "IsInside")


def picture(seed, width=200, height=160):
    """Returns a smooth random picture, uint8, (height, width, 3)."""
    small = np.random.default_rng(seed).integers(0, 256, (5, 6, 3)).astype(np.uint8)
    return fit_picture(small, PictureForm(height, width, "squash"))


def box(image, mid, sides=(0.1, 0.7, 0.1, 0.85), **flags):
    """Returns a row of the table of boxes; flags are 0 unless they are given."""
    row = dict.fromkeys(COLUMNS, "0") | {"ImageID": image, "Source": "xclick", "LabelName": mid, "Confidence": "1"}
    return row | dict(zip(("XMin", "XMax", "YMin", "YMax"), map(str, sides), strict=True)) | flags


def image_id(number):
    """Returns an id as Open Images has them."""
    return f"{number:016x}"


def write_table(path, rows, columns=COLUMNS):
    """Writes a CSV file with a header."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)


def write_tree(folder, name="stl_gen", each=5, splits=("validation", "test")):
    """Writes pictures with one good box each, `each` of every class and split, and the tables; returns the rows.

    Pictures of the first split come first, class by class.
    """
    wanted = gathered_set(name)
    folder.mkdir(exist_ok=True)
    rows, number = {}, 0
    for split in splits:
        (folder / split).mkdir()
        rows[split] = []
        for found in wanted.classes.values():
            for _ in range(each):
                Image.fromarray(picture(number)).save(folder / split / f"{image_id(number)}.jpg", quality=90)
                rows[split].append(box(image_id(number), next(iter(found.values()))))
                number += 1
        write_table(folder / f"{split}-annotations-bbox.csv", rows[split])
    lines = [f"{mid},{title}" for found in wanted.classes.values() for title, mid in found.items()]
    (folder / "class-descriptions-boxable.csv").write_text("\n".join(lines) + "\n")
    return rows
