"""`fixhead robustness`."""
import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import click

from fixhead_cli.output import data_dir_option, json_option, percent, print_result, quiet_option, table
from fixhead_cli.server_options import is_url, server_options
from keras_fixhead.config import TrainConfig
from keras_fixhead.errors import ArgumentError
from keras_fixhead.runs import Run, open_run


@click.command("robustness")
@click.argument("target", metavar="RUN|URL")
@click.option("--suite", default="paper", show_default=True, help="Corruptions and their strengths.")
@click.option("--dataset", help="Data set to corrupt; needed for a URL.")
@click.option("--limit", type=click.IntRange(min=1), help="Use the first N test images.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the corruptions.")
@data_dir_option
@server_options
@quiet_option
@json_option
def command(target: str, suite: str, dataset: str | None, limit: int | None, seed: int, data_dir: str | None,
            token: str | None, ca_cert: str | None, timeout: float, quiet: bool, as_json: bool) -> None:
    """Measure accuracy on corrupted images, of a run or a server.

    \b
    Example:
        fixhead robustness runs/20261123-120000-cifar10-resnet18-cos-fixed-s0 --suite paper --limit 1000
        fixhead robustness http://127.0.0.1:8501/v1/models/cifar10 --dataset cifar10 --limit 1000
    """
    from fixhead_cli.framework import load_reader
    from keras_fixhead.catalog import look_up
    from keras_fixhead.data import check_available, load_dataset
    from keras_fixhead.robustness import SUITES, measure_robustness

    look_up(SUITES, suite, "suite")
    run = None if is_url(target) else open_run(target)
    name, folder = _dataset(run, dataset, data_dir)
    own = run.config() if run and dataset is None else None  # its own data: the classes and sizes it was trained on
    check_available(name, folder, image_size=own.image_size if own else None)
    predict = _run_predictor(run) if run else _server_predictor(target, timeout, token=token, ca_cert=ca_cert)
    load_reader(name, folder)
    data = _own_dataset(own, folder) if own else load_dataset(name, folder)
    report = measure_robustness(
        functools.partial(predict, data=data), data.test, suite=suite, limit=limit, seed=seed,
        progress=(lambda line: None) if quiet else lambda line: click.echo(line, err=True))
    result = {"target": str(run.path) if run else target, "dataset": name, **report.as_dict()}
    print_result({**({"run": str(run.path)} if run else {}), **result}, as_json=as_json, text=[
        f"clean: {percent(report.clean)} of {report.n}",
        *table(["corruption", "mean", *map(str, range(1, 6))],
               [[each, percent(report.mean[each]), *map(percent, values)] for each, values in report.accuracy.items()]),
    ])
    if run:  # after it is printed: a run that cannot be written to must not cost the measurement
        run.write(f"robustness/{_file_name(suite, limit, seed, name, run)}", result)


def _own_dataset(config: TrainConfig, data_dir: str | None) -> Any:
    from keras_fixhead.evaluation import run_dataset

    return run_dataset(dataclasses.replace(config, data_dir=data_dir))


def _run_predictor(run: Run) -> Callable[..., Any]:
    from fixhead_cli.framework import load_keras

    load_keras()
    from keras_fixhead.evaluation import run_predictor

    predictor = run_predictor(run)

    def predict(images: Any, data: Any) -> Any:
        predictor.check_fits(data)
        return predictor.classes(images)

    return predict


def _server_predictor(url: str, *options: Any, **more: Any) -> Callable[..., Any]:
    from fixhead_serving.client import Client

    client = Client(url, *options, **more)
    client.status()  # a server that is down is said before the data are loaded

    def predict(images: Any, data: Any) -> Any:
        answer = client.classify(images)
        label_names = data.label_names
        if [label_names[index] for index in answer["class_index"] if index < len(label_names)] != list(answer["label"]):
            raise ArgumentError("The server's labels are not those of this data set.",
                                hint="Give --dataset the data set that the model was trained on.")
        return answer["class_index"]

    return predict


def _file_name(suite: str, limit: int | None, seed: int, dataset: str, run: Run) -> str:
    """A name that says what was measured: a quick look must not replace the whole measurement."""
    parts = [suite, *([dataset] if dataset != run.config().dataset else []),
             *([f"n{limit}"] if limit else []), *([f"s{seed}"] if seed else [])]
    return "-".join(parts)


def _dataset(run: Run | None, dataset: str | None, data_dir: str | None) -> tuple[str, str | None]:
    if run is None:
        if dataset is None:
            raise ArgumentError("A server does not say which data it was trained on.", hint="Add --dataset NAME.")
        return dataset, data_dir
    config = run.config()
    return dataset or config.dataset, data_dir or config.data_dir
