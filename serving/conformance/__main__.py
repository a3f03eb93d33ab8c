"""`python -m fixhead_serving.conformance URL`."""

import asyncio
import sys
from pathlib import Path
from urllib.parse import urlsplit

import click
import httpx

from fixhead_serving.conformance.cases import CASES
from fixhead_serving.conformance.models import make_models
from fixhead_serving.conformance.report import SCHEMA, as_json, as_text, counts, record
from fixhead_serving.conformance.runner import LOCAL_SERVER, Result, run_cases
from keras_fixhead.errors import ArgumentError, FixheadError
from keras_fixhead.json_files import write_json

TIMEOUT_SECONDS = 30


@click.command("fixhead_serving.conformance")
@click.argument("url", required=False)
@click.option(
    "--make-models",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write the suite's model and models.config there, and send nothing. Needs TensorFlow.",
)
@click.option(
    "--server-name",
    default="unnamed",
    show_default=True,
    help=f"What is asked, for the report. '{LOCAL_SERVER}' accepts that server's documented deviations.",
)
@click.option(
    "--json",
    "json_file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the report of this run there, too.",
)
@click.option(
    "--record",
    "record_file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Add the report of this run to the record of all servers' runs there.",
)
def main(
    url: str | None, make_models: Path | None, server_name: str, json_file: Path | None, record_file: Path | None
) -> None:
    """Compare the REST server at URL with what TensorFlow Serving's documentation, source and tests say.

    Exits 0 if every case passes, deviates as declared, or needs what the server lacks, and 1 if one fails.

    \b
    Example:
        python -m fixhead_serving.conformance --make-models DIR
        python -m fixhead_serving.conformance http://127.0.0.1:8501 --server-name tensorflow/serving:2.20.0
    """
    try:
        if make_models:
            _make(make_models)
        elif url:
            sys.exit(_compare(url, server_name, json_file, record_file))
        else:
            raise ArgumentError("Neither URL nor --make-models is given.", hint="Add --help to see how it is called.")
    except FixheadError as error:
        click.echo(f"Error: {error}", err=True)
        if error.hint:
            click.echo(f"Hint: {error.hint}", err=True)
        sys.exit(2 if isinstance(error, ArgumentError) else 1)


def _make(directory: Path) -> None:
    try:
        base = make_models(directory)
    except FileExistsError:
        raise ArgumentError(f"There is a model in '{directory}' already.", hint="Choose another folder.") from None
    click.echo(f"{base}\n{directory / 'models.config'}")


def _compare(url: str, server_name: str, json_file: Path | None, record_file: Path | None) -> int:
    address = urlsplit(url)
    if address.scheme not in ("http", "https") or not address.netloc:
        raise ArgumentError(f"'{url}' is no address of a server.", hint="Write it as http://127.0.0.1:8501")
    results = asyncio.run(_send(f"{address.scheme}://{address.netloc}", server_name))
    for line in as_text(results):
        click.echo(line)
    report = as_json(results, server_name, url)
    if json_file:
        write_json(json_file, report, schema=SCHEMA)
    if record_file:
        record(record_file, report)
    return int(counts(results)["fail"] > 0)


async def _send(base_url: str, server_name: str) -> list[Result]:
    async with httpx.AsyncClient(base_url=base_url, timeout=TIMEOUT_SECONDS, trust_env=False) as client:
        return await run_cases(client, CASES, server_name)


if __name__ == "__main__":
    main()
