"""The report: from result files alone, the same bytes each time, and a page that needs no network."""
import csv
import io
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest
from synthetic import write_blocks

from keras_fixhead.reproduction import paper_claims
from keras_fixhead.reproduction.claims.findings import NUMBER
from keras_fixhead.reproduction.report.content import read_report, write_report
from keras_fixhead.reproduction.report.latex import latex_text
from keras_fixhead.reproduction.report.tables import BESIDE, COLUMNS, comparison_row, tables
from keras_fixhead.reproduction.report.targets import target_text
from keras_fixhead.reproduction.report.text import comparisons_csv

FILES = ["report.json", "report.md", "report.tex", "report.html", "comparisons.csv", "cells.csv"]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """A folder of results: the first two blocks of the GPU plan."""
    folder = tmp_path_factory.mktemp("results")
    (folder / "gpu").mkdir()
    write_blocks(folder / "gpu", ["1", "2"])
    return folder


@pytest.fixture(scope="module")
def report(results):
    return read_report(results)


@pytest.fixture(scope="module")
def written(results, report, tmp_path_factory):
    """The files of the report: drawing its figures takes seconds."""
    return write_report(report, tmp_path_factory.mktemp("report"), results)


def test_the_command_writes_the_same_bytes_again_without_a_date_or_a_path(fixhead, results, report, written, tmp_path):
    done = fixhead("report", results, "--out", tmp_path / "two", "--json")
    first, second = written, [Path(each) for each in done.json["files"]]

    assert done.code == 0 and done.json["verdicts"]["gpu"]["probability-ceiling"] == "arithmetic"
    assert [path.name for path in first] == [*FILES, *(
        f"{picture['name']}.png" for entry in report["settings"][0]["figures"] for picture in entry["pictures"])]
    drawn = [path.with_suffix(ending) for path in first[6:] for ending in (".png", ".svg")]
    assert len(drawn) == 2 * 24 and set(drawn) == set((first[0].parent / "figures").iterdir())
    for one, other in zip(first[:6], second[:6], strict=True):
        assert one.read_bytes() == other.read_bytes()
        assert str(results) not in one.read_text() and "2026-" not in one.read_text()
    assert [path.name for path in second] == [path.name for path in first]
    for one in drawn:
        assert one.read_bytes() == (tmp_path / "two" / "figures" / one.name).read_bytes()
    assert json.loads(first[0].read_text())["settings"] == json.loads(json.dumps(report["settings"]))


def test_every_claim_has_a_verdict_and_every_number_names_its_files(results, report):
    (setting,) = report["settings"]
    measured = [each for claim in setting["claims"] for each in claim["comparisons"] if each["values"]]

    assert {claim["id"]: claim["printed"] for claim in setting["claims"]} == {
        name: dict(claim.paper) for name, claim in paper_claims().items()}
    assert [claim["id"] for claim in setting["claims"]] == list(paper_claims())
    (converges,) = (claim for claim in setting["claims"] if claim["id"] == "cos-s1-fixed-converges")
    assert converges["printed"]["mean"] == 32.06
    assert measured
    for each in measured:
        assert each["files"] and all((results / name).is_file() for name in each["files"])
        assert each["unit"] in NUMBER and each["protocol"] and each["n"] == len(each["values"]) == 3
        assert (each["sign_flip_p"] is None) == (each["smallest_p"] is None) == (each["minus"] is not None)
    dot, cos = setting["across_sets"]
    # gains of 20 points at every seed of both sets
    assert dot["interquartile_mean"] == cos["interquartile_mean"] == pytest.approx(20) and dot["n"] == [3, 3]
    for cell in setting["cells"]:
        assert len(cell["files"]) == len(cell["accuracy"]) == 3 and cell["block"] in ("1", "2")


def test_figures_show_both_arms_of_a_seed(report):
    (setting,) = report["settings"]

    # the networks with features of two dimensions, block 11, are not measured
    assert [(each["title"], each["seed"]) for each in setting["figures"]] == [
        (f"Figure {number}, {dataset}", 0) for number in (2, 3, 4, 5) for dataset in ("cifar100", "cifar10")]


def test_figures_2_and_4_have_class_vectors_and_confusions_on_the_same_scales(results, report):
    (setting,) = report["settings"]

    for entry in (each for each in setting["figures"] if each["figure"] in ("figure2", "figure4")):
        assert [(each["kind"], each["arm"]) for each in entry["pictures"]] == [
            (kind, name) for kind in ("cosines", "confusion") for name in ("fixed", "learned")]
        assert all((results / path).is_file() for path in entry["results"].values())
        assert all("Spearman's correlation is" in each["caption"] for each in entry["pictures"][2:])


def test_figures_3_and_5_have_features_in_a_plane(report):
    (setting,) = report["settings"]

    for entry in (each for each in setting["figures"] if each["figure"] in ("figure3", "figure5")):
        assert [(each["kind"], each["arm"]) for each in entry["pictures"]] == [
            ("features", "fixed"), ("features", "learned")]
        assert ", test accuracy 70.0 %: features of 2 test images, " in entry["pictures"][0]["caption"]


def test_networks_with_features_of_two_dimensions_have_figures_of_their_own(tmp_path):
    (tmp_path / "gpu").mkdir()
    write_blocks(tmp_path / "gpu", ["11"])
    content = read_report(tmp_path)

    assert [each["title"] for each in content["settings"][0]["figures"]] == [
        f"Figure {number}, cifar10, features of two dimensions" for number in (3, 5)]
    assert [path.name for path in write_report(content, tmp_path / "out", tmp_path)[6:]] == [
        f"gpu-{figure}-cifar10-two-features-features-{name}.png" for figure in ("figure3", "figure5")
        for name in ("fixed", "learned")]


def test_results_of_earlier_versions_have_no_figures_of_features(tmp_path):
    (tmp_path / "gpu").mkdir()
    write_blocks(tmp_path / "gpu", ["1"])
    for path in (tmp_path / "gpu").glob("*.json"):
        path.write_text(json.dumps({name: value for name, value in json.loads(path.read_text()).items()
                                    if name != "plane"}))

    assert [each["figure"] for each in read_report(tmp_path)["settings"][0]["figures"]] == ["figure4", "figure4"]


def test_arms_without_a_seed_in_common_have_no_figure(tmp_path):
    (tmp_path / "gpu").mkdir()
    write_blocks(tmp_path / "gpu", ["1"])
    for path in (tmp_path / "gpu").glob("*learned*"):
        path.unlink()
    content = read_report(tmp_path)

    assert content["settings"][0]["figures"] == [] and not write_report(content, tmp_path / "out", tmp_path)[6:]
    assert not (tmp_path / "out" / "figures").exists()


def test_an_empty_comparison_says_what_would_fill_it_and_for_how_long(report):
    (setting,) = report["settings"]
    empty = [(claim, each) for claim in setting["claims"] for each in claim["comparisons"]
             if not each["values"] and "flips and shifts" not in each["label"]]  # these results were made without them
    without = {claim["id"] for claim, each in empty if not each["command"]}  # all runs exist, without this number

    assert len(empty) > 20 and without == {"generalization-kept"}
    for claim, each in empty:
        if claim["id"] in without:
            assert claim["lacking"].startswith("needs CIFAR-10.1")
            continue
        assert re.match(r"fixhead reproduce \w+( \w+)* --recipe honest --data-dir DATA$", each["command"])
        assert each["hours_per_seed"] > 0, each["label"]


def test_a_comparison_with_a_part_of_its_runs_says_what_the_rest_costs(results, tmp_path):
    shutil.copytree(results, tmp_path / "results")
    for path in (tmp_path / "results" / "gpu").glob("cifar100*learned*"):
        path.unlink()
    content = read_report(tmp_path / "results")
    (setting,) = content["settings"]
    begun = [(claim["id"], each) for claim in setting["claims"] for each in claim["comparisons"]
             if each["files"] and each["command"] and not each["values"]]

    assert begun
    for claim, each in begun:
        assert comparison_row(claim, each).texts["hours"] == (
            f"about {each['hours_per_seed']:g} a seed, {each['command_hours']:g} the command")
    rows = list(csv.DictReader(comparisons_csv(content).splitlines()))
    assert all(float(row["command_hours"]) > 0 for row in rows if row["n"] == "0" and row["command"])


def test_every_table_and_figure_is_listed_with_what_the_rest_needs(report):
    (setting,) = report["settings"]
    found = {each["target"]: each for each in setting["targets"]}

    assert list(found) == [*(f"table{number}" for number in range(1, 10)), "figure2", "figure3", "figure4", "figure5",
                           "correlations"]
    assert target_text(found["figure2"]) == "all 12 runs"
    assert re.fullmatch(r"12 of 86 runs; the rest takes about [\d.]+ h; 20 of the paper's 24 numbers",
                        target_text(found["table2"]))
    for name in ("table4", "table9"):
        assert target_text(found[name]).endswith("is missing in the available copy of the paper: there are no numbers "
                                                 "to compare with")
    assert found["correlations"]["runs"] == found["correlations"]["done"] == 24
    assert found["figure4"]["command"] == "fixhead reproduce figure4 --recipe honest --data-dir DATA"
    assert found["figure4"]["done"] == 12 < found["figure4"]["runs"] and found["figure4"]["hours"] > 0
    assert target_text(found["table3"]).startswith("12 of ") and "wait for the runs that choose" in target_text(
        found["table3"])
    assert target_text(found["table5"]).startswith("0 of 12 runs; runs on CIFAR-10 are measured on CIFAR-10.1")


class Page(HTMLParser):
    """Counts open elements and collects what a page refers to."""

    def __init__(self):
        super().__init__()
        self.open, self.links, self.anchors, self.rows, self.text = [], [], set(), 0, ""

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.links += [values[name] for name in ("href", "src") if name in values]
        self.anchors |= {f"#{values['id']}"} if "id" in values else set()
        self.rows += tag == "tr"
        if tag not in ("meta", "link", "input", "br", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_the_page_is_well_formed_and_refers_to_nothing_outside(report, written):
    text = written[3].read_text()
    page = Page()
    page.feed(text)
    (setting,) = report["settings"]

    embedded = [link for link in page.links if link.startswith("data:image/png;base64,")]
    assert page.open == [] and len(embedded) == 24 and len(page.anchors) == len(setting["figures"]) == 8
    assert set(page.links) == {"data:,", *embedded, *page.anchors}  # every figure is linked, and nothing else
    assert page.rows == 4 + len(setting["claims"]) + len(setting["targets"]) + len(setting["cells"]) + sum(
        len(claim["comparisons"]) for claim in setting["claims"])
    assert 'class="v held">held<' in text and "http" not in text


def test_the_tables_have_one_line_per_comparison_and_run(results, report, written):
    _, markdown, latex, _, comparisons, cells = (path.read_text() for path in written[:6])
    (setting,) = report["settings"]
    all_ = [each for claim in setting["claims"] for each in claim["comparisons"]]
    rows = list(csv.DictReader(io.StringIO(comparisons)))

    assert len(rows) == len(all_) and {row["verdict"] for row in rows} == {each["verdict"] for each in all_}
    assert [row["mean"] for row in rows] == ["" if each["mean"] is None else str(each["mean"]) for each in all_]
    assert len(list(csv.DictReader(io.StringIO(cells)))) == setting["runs"] == 24
    assert latex.count("\\begin{longtable}") == latex.count("\\end{longtable}") == 4
    assert markdown.count("| `cos-s1-fixed-converges` |") == 1 + 6
    files = {path.stem for path in (results / "gpu").glob("*.json")}
    assert {row["file"] for row in csv.DictReader(io.StringIO(cells))} == {f"gpu/{name}.json" for name in files}
    for text in (markdown, latex):
        assert all(f"gpu/{name}.json" in text for name in files)  # every number can be traced to its files
        assert re.search(r"\+20\.00 to \+20\.00", text) and "0.25" in text  # BCa interval, smallest sign-flip p


def test_no_column_of_the_latex_can_be_wider_than_its_share_of_the_page(report, written):
    """All columns wrap their texts, and their shares make up the width of a line."""
    latex = written[2].read_text()
    specs = re.findall(r"\\begin\{longtable\}\{(.*)\}", latex)
    rows = [line for line in latex.splitlines() if re.search(r" \\\\\*?( \\addlinespace)?$", line)]

    assert len(specs) == 4 and len(rows) > 200
    for spec in specs:
        shares = re.findall(r">\{\\raggedright\\arraybackslash\}p\{\\dimexpr ([\d.]+)\\linewidth-2\\tabcolsep\}", spec)
        assert sum(map(float, shares)) == pytest.approx(1) and spec.count("{") == 2 * len(shares)
    assert latex.isascii() and "--" not in latex.replace("-{}-", "")  # LaTeX makes a dash of two hyphens
    assert "\\texttt{fixhead reproduce 1 -{}-recipe honest -{}-data-dir DATA}" in latex


def test_all_forms_say_the_same_of_every_line(report, written):
    """Each text of each column: claims, comparisons with their notes, tables and figures, cells with data and cost."""
    _, markdown, latex, page = (path.read_text() for path in written[:4])
    shown = Page()
    shown.feed(page)
    (setting,) = report["settings"]
    found = tables(setting)
    texts = {row.texts[each] for name, rows in found.items() for row in rows for each in COLUMNS[name]}

    assert {BESIDE, "whole"} < {part for text in texts for part in text.split("; ")}
    for text in texts:
        assert text in markdown and latex_text(text) in latex
        assert all(part in shown.text for part in re.split("[,;] ", text))  # HTML has a line for each file
    for each in setting["across_sets"]:
        assert all(name in form for name in each["files"] for form in (markdown, latex, page))


def test_a_cell_stands_next_to_the_papers_number_with_its_command_and_figures(report):
    (setting,) = report["settings"]
    cell = next(each for each in setting["cells"] if each["cell"] == "cifar100 resnet18 cos-fixed")

    assert (cell["paper"], cell["network"], cell["data"]) == (74.4, "resnet18", "whole")
    assert cell["mean"] == pytest.approx(71 + 2 / 3)
    assert cell["difference_from_paper"] == pytest.approx(cell["mean"] - 74.4)
    assert cell["interval_95"][0] < cell["mean"] < cell["interval_95"][1]
    assert cell["command"] == "fixhead reproduce 1 --recipe honest --data-dir DATA"
    assert cell["figures"] == ["Figure 4, cifar100", "Figure 5, cifar100"]


def test_a_comparison_has_its_network_data_cost_and_warning(report):
    (setting,) = report["settings"]
    measured = [each for claim in setting["claims"] for each in claim["comparisons"] if each["values"]]

    for each in measured:
        assert each["network"] == "resnet18" and each["command"].startswith("fixhead reproduce ")
        assert each["hours"] == round(40 * len(each["files"]) / 3600, 2) and "whole" in each["data"]


def test_the_folder_of_one_plan_is_refused_with_the_way_out(fixhead, results):
    answer = fixhead("report", results / "gpu")

    assert answer.code == 2 and f"Give the folder that it is in: fixhead report {results}" in answer.err


def test_a_folder_without_results_is_named_with_what_to_type(fixhead, tmp_path):
    none = fixhead("report", tmp_path)
    assert none.code == 2 and "has no results of a plan in " in none.err and "gpu" in none.err
    assert "cpu, paper or paper-code." in none.err
    assert none.err.splitlines()[1].strip() == "Make some: fixhead reproduce table1 --data-dir DATA"
