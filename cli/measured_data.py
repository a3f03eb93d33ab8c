"""The data that `fixhead evaluate` and `fixhead robustness` measure on: found before Keras is loaded, matched after."""
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from fixhead_cli import dataset_paths, paths
from fixhead_cli.framework import load_reader
from fixhead_cli.output import Function
from keras_fixhead.data import Dataset, check_available, measured_fields, run_dataset
from keras_fixhead.data.class_map import ClassMap, read_class_map
from keras_fixhead.data.outside import (
    check_measurable,
    fitted,
    is_image_folder,
    is_same_folder,
    outside_dataset,
    resized,
)
from keras_fixhead.data.pictures import PictureForm
from keras_fixhead.errors import ArgumentError


def outside_options(command: Function) -> Function:
    """Adds `--dataset`, `--class-map` and `--skip-broken` to a command."""
    command = click.option("--skip-broken", is_flag=True, help="Skip pictures of the --dataset FOLDER that cannot be "
                           "used.")(command)
    command = click.option("--class-map", type=paths.CLASS_MAP, metavar="FILE",
                           help="JSON file for --dataset: name of a class there -> name in the run, or null to leave "
                           "the class out. Other classes are matched by name.")(command)
    return click.option("--dataset", type=dataset_paths.DATASET, metavar="NAME|FOLDER",
                        help="Another data set with some of the same classes, such as cifar10_1 or a folder of "
                        "pictures (default: the run's).")(command)


class MeasuredData:
    """What a model is measured on.

    Attributes:
        outside: a data set that is not the run's own, used whole; None for the run's own.
        other: its name, unless it is the one that the run was trained on.
        class_map: name of a class there -> name in the run.
        skip_broken: whether its pictures that cannot be used are skipped.

    Args:
        own: the arguments of `run_dataset` for the run's own data; empty for a server.
        dataset: another data set.
        data_dir: folder of the data.
        class_map: file of `read_class_map`.
        skip_broken: whether pictures of another folder that cannot be used are skipped.

    Raises:
        ArgumentError: for a server without a data set, a class map without one, or `skip_broken` without a folder.
        DataError: if the data are neither on this machine nor can be downloaded.
    """

    def __init__(self, own: Mapping[str, Any], dataset: str | None, data_dir: str | None,
                 class_map: Path | None, skip_broken: bool = False) -> None:
        if not own and dataset is None:
            raise ArgumentError("A server does not report the data set of its model.", hint="Add --dataset NAME.")
        if dataset is not None and own and is_same_folder(dataset, own["dataset"]):
            dataset = None
        if class_map is not None and dataset is None:
            raise ArgumentError("--class-map applies to another data set.", hint="Add --dataset NAME|FOLDER.")
        if skip_broken and (dataset is None or not is_image_folder(dataset)):
            raise ArgumentError("--skip-broken applies to another folder of pictures. The run's own are divided as "
                                "they were in training, so they must all be there.", hint="Add --dataset FOLDER.")
        self.skip_broken = skip_broken
        self.outside = dataset
        self.other = None if dataset is None or dataset == own.get("dataset") else dataset
        self.class_map = read_class_map(class_map) if class_map else None
        self._fields = measured_fields(own, dataset, data_dir)
        if dataset is not None and is_image_folder(dataset):
            check_measurable(dataset)
        else:
            check_available(**self._fields)

    @property
    def name(self) -> str:
        name: str = self._fields["dataset"]
        return name

    def load_reader(self) -> None:
        """Imports what reads the data set, quietly."""
        load_reader(self._fields["dataset"], self._fields["data_dir"])

    def load(self, form: PictureForm, label_names: Sequence[str] | None) -> tuple[Dataset, ClassMap | None]:
        """Returns the data in a model's form, with its labels if their names are known; and how classes were matched.

        Args:
            form: how a picture becomes the model's array.
            label_names: names of the model's classes; None if they are not known.
        """
        self.load_reader()
        if self.outside is None:
            return run_dataset(**self._fields), None
        data = outside_dataset(self.outside, self._fields["data_dir"], form, self.skip_broken)
        if label_names is None:
            if self.class_map:
                raise ArgumentError("--class-map needs the names of the server's classes.",
                                    hint="Add --labels FILE, the labels.txt of the export.")
            return data.with_test(resized(data.test, form)), None
        data, classes = fitted(data, label_names, self.class_map)
        return data.with_test(resized(data.test, form)), classes


def classes_content(classes: ClassMap | None) -> dict[str, Any]:
    """Returns how classes were matched, for JSON; nothing for the run's own data."""
    if classes is None:
        return {}
    return {"classes": {"common": len(classes.common), "missing": list(classes.missing), "new": list(classes.new)}}
