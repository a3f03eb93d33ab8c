"""`fixhead check conformance`."""
from pathlib import Path

import click

from fixhead_cli import paths
from fixhead_cli.dependent import refuse_typed
from fixhead_cli.output import json_option, print_result
from keras_fixhead.errors import ArgumentError

_MODELS = paths.OutputFolder("a folder to write the suite's model into")
_REPORT = paths.OutputFile("the name of a JSON file to write")


@click.command("conformance")
@click.argument("url", required=False)
@click.option("--make-models", type=_MODELS, metavar="DIR",
              help="Write the suite's model into DIR instead of checking a server. Needs TensorFlow.")
@click.option("--server-name", metavar="NAME", default="unnamed", show_default=True,
              help="The server's name in the report. 'fixhead serve' may deviate where that is documented.")
@click.option("--report", "report_file", type=_REPORT, metavar="FILE", help="Write the report of this check to FILE.")
@click.option("--record", "record_file", type=_REPORT, metavar="FILE",
              help="Add the report to FILE, the record of all checked servers.")
@json_option
def conformance(url: str | None, make_models: Path | None, server_name: str, report_file: Path | None,
                record_file: Path | None, as_json: bool) -> None:
    """Compare a server with the documented answers of TensorFlow Serving.

    URL is the address of any server that serves the suite's own model, which --make-models writes. Exits with 0 if
    every case passes, deviates as declared, or needs a feature that the server lacks, and with 1 if a case fails.

    \b
    Example:
        fixhead check conformance --make-models models
        fixhead serve models/conformance --versions all --label stable=1 --label canary=2
        fixhead check conformance http://127.0.0.1:8501 --server-name "fixhead serve"
    """
    if bool(url) == bool(make_models):
        raise ArgumentError("Expected the URL of a server, or --make-models DIR.",
                            hint="Check a server: fixhead check conformance http://127.0.0.1:8501")
    if make_models:
        refuse_typed("server_name", "report_file", "record_file", why="with --make-models, which checks no server")
        from fixhead_cli.framework import load_tensorflow
        from fixhead_serving.checks.conformance import models

        load_tensorflow()
        base = models.make_models(make_models)
        print_result({"path": str(base)}, as_json=as_json, text=[str(base), "Next:", f"  {models.serve_line(base)}"])
        return
    from fixhead_serving.checks.conformance import check_conformance
    from fixhead_serving.checks.conformance import report as reports

    results = check_conformance(url or "", server_name)
    found = reports.as_json(results, server_name, url or "")
    reports.keep(found, report_file, record_file)
    print_result(found, as_json=as_json, text=reports.as_text(results))
    raise click.exceptions.Exit(int(found["counts"]["fail"] > 0))
