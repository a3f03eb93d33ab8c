"""The report of the committed results, compiled by pdfLaTeX in three kinds of documents. Run by `.ci/long report`."""
import re
import string
import subprocess
from pathlib import Path

import pytest

from keras_fixhead.reproduction.report.content import read_report, write_report
from keras_fixhead.reproduction.report.latex import PACKAGES, latex_text

pytestmark = pytest.mark.long

RESULTS = Path(__file__).resolve().parents[2] / "results"
DOCUMENTS = {
    "article": (r"\documentclass{article}", ""),
    "two columns, the report in one": (r"\documentclass[twocolumn]{article}", r"\onecolumn"),
    "A4, T1 fonts, links": (r"\documentclass[11pt,a4paper]{article}\usepackage[T1]{fontenc}"
                            r"\usepackage[margin=25mm]{geometry}\usepackage{hyperref}", ""),
}
LARGEST_POINTS = 2.0
"""How far a line may stand out: less than anyone sees."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    write_report(read_report(RESULTS), folder, RESULTS)
    return folder


@pytest.mark.parametrize("kind", DOCUMENTS)
def test_the_report_compiles_and_stays_within_the_margins(folder, kind):
    preamble, before = DOCUMENTS[kind]
    (folder / "paper.tex").write_text("\n".join([
        preamble, rf"\usepackage{{{','.join(PACKAGES)}}}", r"\begin{document}", before, r"\input{report}",
        latex_text(f"Every sign: {' '.join(string.punctuation)}"), r"\end{document}"]))
    for _ in range(2):  # longtable reads the widths of the first time
        done = subprocess.run(["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"], cwd=folder,
                              capture_output=True, encoding="latin-1", timeout=300)
        assert done.returncode == 0, done.stdout[-2000:]
    log = (folder / "paper.log").read_text("latin-1").replace("\n", "")  # TeX breaks its lines anywhere

    too_wide = [float(points) for points in re.findall(r"Overfull \\[hv]box \(([\d.]+)pt", log)]
    pages = int(re.search(r"Output written on paper\.pdf \((\d+) pages", log)[1])
    print(f"{kind}: {pages} pages, {len(too_wide)} lines too wide, by {max(too_wide, default=0):.2f} pt at most")
    assert max(too_wide, default=0) <= LARGEST_POINTS and "Missing character" not in log and pages > 10
