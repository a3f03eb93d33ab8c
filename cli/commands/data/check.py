"""`fixhead data check`."""
from pathlib import Path

import click

from fixhead_cli import dataset_paths, paths
from fixhead_cli.dependent import refuse_typed
from fixhead_cli.output import json_option, print_result
from keras_fixhead.errors import DataError
from keras_fixhead.wording import count_text


@click.command("check")
@click.argument("path", type=dataset_paths.DATASET)
@click.option("--sheet", type=paths.PNG_FILE, metavar="FILE.png", help="Draw a contact sheet of every class.")
@click.option("--each", default=4, show_default=True, type=click.IntRange(1, 100),
              help="Pictures of each class on the sheet.")
@json_option
def check(path: str, sheet: Path | None, each: int, as_json: bool) -> None:
    """Look at every picture of a folder or list of pictures, or every vector, and report all problems at once.

    PATH has one subfolder per class, also in train, val and test; or it is a CSV or JSON-lines file of path, label and
    split. The exit status is 1 if it cannot be trained on as it is.

    \b
    Example:
        fixhead data check ./photographs
        fixhead data check ./photographs --sheet sheet.png
    """
    from fixhead_cli.folder_report import folder_text, print_vectors
    from keras_fixhead.data.folder_check import check_folder, sheet_pictures, thumbnail
    from keras_fixhead.data.sources import has_vectors

    if has_vectors(path):
        refuse_typed("sheet", "each", why=f"on {path}, which has vectors instead of pictures")
        print_vectors(path, as_json)
        return
    if sheet is None:
        refuse_typed("each", why="without --sheet", hint="Add --sheet FILE.png, or leave out --each.")
    report, seen = check_folder(path)
    result = report.as_dict()
    if sheet:
        from keras_fixhead.figures import plot_images

        shown = sheet_pictures(seen, each)
        plot_images([thumbnail(one) for one in shown],
                    [f"{one.label}\n{one.part} {one.width}x{one.height}" for one in shown], sheet, title=path)
        result["sheet"] = str(sheet.absolute())
    print_result(result, as_json=as_json, text=folder_text(report, sheet))
    if not report.ok:
        count = count_text(len(report.problems), "problem")
        raise DataError(f"{path} cannot be trained on as it is: {count}.",
                        hint="Fix what is listed, and check it again.")
