"""`fixhead report`."""
from pathlib import Path

import click

from fixhead_cli.output import json_option, print_result
from fixhead_cli.paths import InputFolder, OutputFolder


@click.command("report")
@click.argument("results", default="results", type=InputFolder("a folder of results, as reproduce writes it",
                                                               "See what would be run: fixhead reproduce all "
                                                               "--dry-run"))
@click.option("--out", type=OutputFolder("a folder for the report"), metavar="DIR", default="report", show_default=True,
              help="Folder to write into.")
@json_option
def command(results: Path, out: Path, as_json: bool) -> None:
    """Write what results say about the paper: Markdown, CSV, JSON, LaTeX and one HTML page.

    Everything comes from the files in RESULTS, and every number names its file. The paper's Figures 2 to 5 are drawn
    where both arms were measured. The same files give the same bytes.

    report.tex is for \\input in a document that loads the packages array, booktabs, graphicx and longtable, in one
    column (\\onecolumn), compiled in the folder of the report.

    \b
    Example:
        fixhead report
        fixhead report results --out report
    """
    from keras_fixhead.reproduction.report.content import read_report, write_report

    report = read_report(results)
    files = [str(path.absolute()) for path in write_report(report, out, results)]
    verdicts = {setting["plan"]: {claim["id"]: claim["verdict"] for claim in setting["claims"]}
                for setting in report["settings"]}
    print_result({"files": files, "verdicts": verdicts}, as_json=as_json, text=[
        *(f"{plan}: {name}: {verdict}" for plan, claims in verdicts.items() for name, verdict in claims.items()),
        *files])
