"""The page of evidence: generated from code and results."""
import json
import re
from collections import Counter
from html import escape
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from synthetic import CHOSEN, write_blocks, write_matrices, write_result

from keras_fixhead.data.catalog import DATASETS
from keras_fixhead.reproduction import Decisions, blocks_named, paper_claims, plan, read_results
from keras_fixhead.reproduction.claims.answers import answer, answers
from keras_fixhead.reproduction.claims.settings import GPU, SETTINGS
from keras_fixhead.reproduction.pages import evidence as page
from keras_fixhead.reproduction.pages.overview import basis_text
from keras_fixhead.reproduction.planning.gpu_blocks import GPU_BLOCKS
from keras_fixhead.reproduction.results import Results

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "results"
PAGE = (ROOT / "docs" / "evidence.md").read_text()
CLAIMS = (ROOT / "docs" / "evidence-claims.md").read_text()
HOW = (ROOT / "docs" / "reproduction.md").read_text()


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """Results of the first three blocks, including a failed run."""
    folder = tmp_path_factory.mktemp("gpu")
    for run in plan(blocks_named(["1", "2", "3"]), Decisions()):
        config = run.cell.config
        names = DATASETS[config.dataset].label_names
        path = write_result(folder, run.cell, run.seed, 50 + 20 * config.fixed + run.seed, label_names=names)
        confusion = np.arange(len(names) ** 2).reshape(len(names), -1) % 7
        write_matrices(path, confusion, np.eye(len(names)) + confusion / 100)
    return read_results(folder)


def text_of(results):
    blocks = page.blocks({"gpu": results, "evidence": Results()}, RESULTS)
    return {name: "\n".join(lines) for name, lines in blocks.items()}


def test_the_page_matches_the_code_and_the_results(tmp_path):
    for name in page.PARTS:
        (tmp_path / name).write_text((ROOT / "docs" / name).read_text())
    page.write_pages(tmp_path, RESULTS)

    for name in (*page.PARTS, page.FILE):
        assert (tmp_path / name).read_text() == (ROOT / "docs" / name).read_text()


def test_the_page_fits_on_one_screen():
    """The figure, the counts, a line for each verdict and each missing block; long texts are on the pages behind it."""
    figure = ElementTree.fromstring((ROOT / "docs" / page.FILE).read_text())

    assert len(PAGE.splitlines()) < 36 and len(PAGE) < 3_000 and PAGE.count("\n| ") <= 2 + 3
    assert float(figure.get("height")) < 400 and float(figure.get("width")) < 900


def test_the_page_has_the_claims_of_each_verdict_with_their_data_seeds_and_comparisons(measured):
    lines = text_of(measured)["verdicts"].splitlines()
    states = {each.claim.short: each.state for each in answers(measured)}
    rows = dict(re.findall(r"^\| \*\*([^*]+)\*\* \| (.*) \|$", "\n".join(lines), re.M))

    assert list(rows) == [each for each in ("held", "refuted", "undecided at this n") if each in states.values()]
    for state, text in rows.items():
        found = dict(re.findall(r"([^;(]+) \((cifar[^;]*, n = 3, \d+ of \d+)\)(?:; |$)", text))
        assert set(found) == {name for name, each in states.items() if each == state}
    held, refuted = (list(states.values()).count(state) for state in ("held", "refuted"))
    assert lines[1].startswith(f"At full size on a GPU (ResNet18; honest, 30 epochs), of 27 claims: {held} held, "
                               f"{refuted} refuted, ")
    assert "No claim has been measured on whole data sets, on two CPU cores." in lines


def test_a_verdict_says_how_many_of_its_comparisons_wait_for_seeds(tmp_path):
    write_blocks(tmp_path, ["2"])
    whole = basis_text(answer("dot-accuracy", read_results(tmp_path)))
    next(tmp_path.glob("cifar100*fixed*s0*.json")).unlink()

    assert whole == "n = 3, 2 of 5"
    assert basis_text(answer("dot-accuracy", read_results(tmp_path))) == f"{whole}, 1 with seeds to come"
    assert basis_text(answer("dot-accuracy", Results())) == "0 of 5"


def test_the_rules_say_how_often_simulations_found_them_wrong():
    rows = json.loads((RESULTS / "checks" / "false_verdicts.json").read_text())["rows"]
    single = {low: [100 * row["share"] for row in rows if row["rule"] == "above 0" and (row["seeds"] < 6) == low]
              for low in (True, False)}
    exact, student = (f"{min(single[low]):.1f} to {max(single[low]):.1f} %" for low in (False, True))

    assert all(row["share"] <= row["limit"] for row in rows) and max(single[False]) <= 5
    assert f"in {exact} with six seeds and more, in {student} with fewer" in text_of(Results())["rules"]


def test_the_plans_are_listed_with_their_results(measured):
    lines = page.blocks({"gpu": measured, "evidence": Results()}, RESULTS)["plans"]

    assert lines[1] == f"`fixhead reproduce` has {len(SETTINGS)} plans, one for each recipe:"
    assert f"| `honest` | at full size on a GPU | ResNet18 and others | {len(measured)} |" in lines
    assert "| `fast` (default) | on whole data sets, on two CPU cores | fast_cnn | none yet |" in lines
    assert sum(line.startswith("| `") for line in lines) == 1 + len(SETTINGS) == 6  # with the header


@pytest.mark.parametrize("some", ["none", "three blocks"])
def test_every_claim_is_listed_as_measured_planned_or_neither(some, measured):
    results = measured if some == "three blocks" else Results()
    text = text_of(results)
    states = {each.claim.id: each.state for each in answers(results)}
    rows = dict(re.findall(r"^\| `([\w-]+)` \(section.*"
                           r"\*\*(held|refuted|undecided at this n|not measured|arithmetic)\*\*",
                           text["measured"], re.M))
    table, _, apart = text["plan"].partition("Not in this plan:")
    planned = re.findall(r"`([\w-]+)`", "".join(line.rsplit("| ", 1)[1] for line in table.splitlines()
                                               if line.startswith("| ") and "--- |" not in line))
    neither = re.findall(r"^- `([\w-]+)`:", apart, re.M)

    assert rows.items() <= states.items()
    assert len(planned) == len(set(planned)) and not set(planned) & set(neither)
    assert {name for name, state in states.items() if state != "not measured"} <= set(rows)
    assert set(rows) | set(planned) | set(neither) == set(paper_claims())


def test_the_figure_has_every_claim_once_with_its_verdict_in_each_setting(measured):
    text = page.evidence_figure({"gpu": measured, "evidence": Results()})
    figure = ElementTree.fromstring(text)
    texts = [each.text for each in figure.iter("{http://www.w3.org/2000/svg}text")]
    states = Counter(each.state for each in answers(measured))

    assert page.evidence_figure({"gpu": measured, "evidence": Results()}) == text
    for claim in paper_claims().values():
        assert texts.count(claim.short) == 1 and f"<title>{claim.id}: {escape(claim.statement)}</title>" in text
    for state, count in states.items():
        assert texts.count(state) == count  # settings without results have no column
    assert "The paper's 27 claims: ResNet18, at full size on a GPU" in texts
    assert "2/6" in texts  # cos-s1-fixed-converges, as in the table
    rightmost = max(float(each.get("x")) + 6.6 * len(each.text) * float(each.get("font-size") or 12.5) / 12.5
                    for each in figure.iter("{http://www.w3.org/2000/svg}text"))
    assert rightmost <= float(figure.get("width"))


def test_results_appear_in_every_part_of_the_page(measured):
    text = text_of(measured)

    assert "| `cos-s1-fixed-converges` | cifar100, ResNet18 (points) | above 5 | +47.30 | +20.00 [+20.00, +20.00], n " \
        "= 3 | [+20.00, +20.00]; p = 0.25 (at least 0.25) | honest, 30 epochs | held | held |" in text["comparisons"]
    assert "not measured" not in text["comparisons"]
    assert "| 1 | cifar100 resnet18 cos | 3 | 74.4 | 27.1 | 71.00 ± 1.00, n = 3, 30 epochs | 51.00 ± 1.00, n = 3, " \
        "30 epochs | +20.00 [+20.00, +20.00], n = 3 |" in text["cells"]
    assert "| 3 | Table 3, and the mechanism: cosines against S | 24 | 24 | 0.0 |" in text["plan"]
    assert "from seconds measured on NVIDIA H100" in text["plan"]
    assert "**undecided at this n** (n = 3; honest, 30 epochs); 6 comparisons: 2 held, 4 not measured; not held " \
        "before this is: cifar100, fixed S = 1 minus fixed best S; " in text["measured"]


def test_without_results_the_page_says_so_once():
    text = text_of(Results())

    assert "No comparison has been measured" in text["comparisons"] and "No cell has been run" in text["cells"]
    assert "| 1 | Table 2, the paper's main effect | 12 | 0 |" in text["plan"]


def test_every_measured_cell_of_the_plan_is_on_the_page(tmp_path):
    planned = list(plan(GPU_BLOCKS, CHOSEN))
    for number, run in enumerate({run.cell.id: run for run in planned}.values()):
        write_result(tmp_path, run.cell, 0, 10 + number / 10)
    text = "\n".join(page.cells_block(read_results(tmp_path), GPU_BLOCKS, GPU))

    shown = set(re.findall(r"(\d+\.\d\d), n = 1, \d+ epochs", text))
    chosen = {run.cell.id for run in plan(blocks_named(["4", "5"]), CHOSEN)
              if run.cell.config.head == "cos" and run.cell.config.scale != 1}  # one seed chooses no S
    missing = [run.label for number, run in enumerate({run.cell.id: run for run in planned}.values())
               if f"{10 + number / 10:.2f}" not in shown and run.cell.id not in chosen]
    assert not missing and len(chosen) == 3


def test_cells_at_the_best_scale_are_shown_once_it_is_chosen(tmp_path):
    for run in plan(blocks_named(["1", "3", "4"]), CHOSEN):
        is_best = run.cell.config.scale == (5.0 if run.cell.config.fixed else 20.0)
        write_result(tmp_path, run.cell, run.seed, 60.0 + run.seed, validation=50 + 10 * is_best)
    text = "\n".join(page.cells_block(read_results(tmp_path), GPU_BLOCKS, GPU))

    assert "cifar100 resnet18 cos, each arm at its best S (S = 5 fixed, S = 20 learned) | 5 |" in text


def test_the_row_of_a_cell_has_the_number_of_the_paper_both_arms_and_the_paired_gain(tmp_path):
    for run in plan(blocks_named(["1", "7", "5b", "10"]), Decisions()):
        failed = run.cell.config.lr == 0.1 and not run.cell.config.fixed and run.cell.config.dataset == "cifar100"
        write_result(tmp_path, run.cell, run.seed, 50 + 20 * run.cell.config.fixed + run.seed,
                     state="failed to converge" if failed and run.block == "7" else "complete",
                     subset="a subset of stl10" if run.block == "10" else None)
    lines = page.cells_block(read_results(tmp_path), GPU_BLOCKS, GPU)

    (failed,) = [line for line in lines if line.startswith("| 7 | cifar100 preact_resnet18 dot, lr 0.1")]
    assert "6 of 6 failed to converge | 6 of 6 runs of cifar100" in failed and "| 72.2 | failed | 72.50" in failed
    (small,) = [line for line in lines if "limit_train 5000" in line]
    assert small.startswith("| 5b | cifar100 resnet18 dot, limit_train 5000 | 3 |  |  | 71.00")
    assert any("stl10 resnet18 cos, recipe paper-code" in line and "on a part of the set" in line for line in lines)


def test_quarter_width_has_its_own_column_and_no_verdict():
    for name in page.quarter_width(RESULTS):
        (row,) = re.findall(rf"^\| `{name}` \(section.*$", CLAIMS, re.M)
        *_, full, small = row.removesuffix(" |").split(" | ")
        assert "results/" in small and "results/" not in full
        assert "held" not in small and "refuted" not in small


def test_commands_on_the_page_about_running_exist(fixhead):
    from fixhead_cli.main import COMMANDS

    shown = HOW.replace("\\\n", " ").splitlines()
    lines = [line.strip() for line in shown if re.match(r"^ +\S*( ?\S*python|fixhead)", line)]
    assert len(lines) >= 10
    for line in lines:
        words = line.partition(" #")[0].split()
        if words[0] == "python" and words[1] != "-m":
            assert (ROOT / words[1]).is_file(), line
        if words[0].endswith("fixhead") and words[1] != "data":
            known = fixhead(words[1], "--help").out
            assert words[1] in COMMANDS and all(word in known for word in words if word.startswith("--")), line
