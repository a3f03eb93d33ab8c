"""The page of evidence: what code and results give, and nothing else."""
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from synthetic import write_matrices, write_result

from keras_fixhead.data.catalog import DATASETS
from keras_fixhead.reproduction import paper_claims, plan, read_results

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "evidence.md").read_text()
sys.path.insert(0, str(ROOT / "benchmarks"))


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """Results of the first three blocks, a failed run among them."""
    folder = tmp_path_factory.mktemp("gpu")
    for run in plan({}, ["1", "2", "3"]):
        config = run.cell.config
        names = DATASETS[config.dataset].label_names
        path = write_result(folder, run.cell, run.seed, 50 + 20 * config.fixed + run.seed, label_names=names)
        confusion = np.arange(len(names) ** 2).reshape(len(names), -1) % 7
        write_matrices(path, confusion, np.eye(len(names)) + confusion / 100)
    return read_results(folder)


def test_the_page_is_what_code_and_results_give():
    import evidence
    from report import with_block

    text = PAGE
    for name, lines in evidence.blocks(read_results(evidence.GPU)).items():
        text = with_block(text, name, lines)
    assert text == PAGE


def test_every_claim_stands_on_the_page_once_with_its_state():
    rows = re.findall(r"^\| `([\w-]+)` \(section.*\*\*(held|refuted|undecided at this n|not measured)\*\*", PAGE, re.M)

    assert [name for name, _ in rows] == list(paper_claims())


def test_results_turn_up_in_every_part_of_the_page(measured):
    import evidence

    blocks = evidence.blocks(measured)
    text = {name: "\n".join(lines) for name, lines in blocks.items()}

    assert "| `cos-s1-fixed-converges` | cifar100, ResNet18 (points) | above 0 | +47.3 | +20.0 [+20.0, +20.0], n = 3 " \
        "| 30 | held |" in text["findings"]
    assert "| cifar100 | ResNet18 | 74.4 | 27.1 | 71.0 ± 1.00, n = 3, 30 epochs | 51.0 ± 1.00, n = 3, 30 epochs |" in \
        text["tables"]
    assert "| stl10 | ResNet18 | 83.2 | 51.6 | needs the whole set | needs the whole set |" in text["tables"]
    assert "| 3 | Table 3 and the mechanism: cosines against S | 24 | 24 | 0.0 |" in text["plan"]
    assert "from seconds measured on NVIDIA H100" in text["plan"]
    assert "**held**; 2 of 5 comparisons measured" in text["claims"]


def test_every_cell_of_the_plan_has_its_place_on_the_page(tmp_path):
    import evidence

    scales = {True: 1.0, False: 20.0}
    planned = list(plan(scales))
    for number, run in enumerate({run.cell.id: run for run in planned}.values()):
        write_result(tmp_path, run.cell, 0, 10 + number / 10)
    text = "\n".join(evidence.cells_block(read_results(tmp_path)))

    shown = set(re.findall(r"(\d+\.\d), n = 1, \d+ epochs", text))
    chosen = {run.cell.id for run in plan(scales, ["4"]) if run.cell.config.head == "cos"}  # no S is chosen of one seed
    missing = [run.label for number, run in enumerate({run.cell.id: run for run in planned}.values())
               if f"{10 + number / 10:.1f}" not in shown and run.cell.id not in chosen]
    assert not missing and len(chosen) == 2 and text.count("S is not chosen yet") == 2


def test_a_line_of_a_cell_has_the_papers_number_both_arms_and_their_paired_gain(tmp_path):
    import evidence

    folder = tmp_path
    for run in plan({}, ["1", "7", "5b", "10"]):
        failed = run.cell.config.lr == 0.1 and not run.cell.config.fixed and run.cell.config.dataset == "cifar100"
        write_result(folder, run.cell, run.seed, 50 + 20 * run.cell.config.fixed + run.seed,
                     state="failed to converge" if failed and run.block == "7" else "complete",
                     subset="a subset of stl10" if run.block == "10" else None)
    lines = evidence.cells_block(read_results(folder))

    assert "| 1 | cifar100 resnet18 cos | 30 | 3 | 74.4 | 27.1 | 71.0 ± 1.00, n = 3, 30 epochs | 51.0 ± 1.00, n = 3, " \
        "30 epochs | +20.0 [+20.0, +20.0], n = 3 |" in lines
    (failed,) = [line for line in lines if line.startswith("| 7 | cifar100 preact_resnet18 dot, lr 0.1")]
    assert "3 of 3 failed to converge | 3 of 3 runs of cifar100" in failed and "| 72.2 | failed | 71.0" in failed
    (small,) = [line for line in lines if "limit_train 5000" in line]
    assert small.startswith("| 5b | cifar100 resnet18 dot, limit_train 5000 | 270 | 3 |  |  | 71.0")
    assert any("stl10 resnet18 cos, recipe paper-code" in line and "on a part of the set" in line for line in lines)


def test_quarter_width_is_a_column_of_its_own_and_never_a_verdict(measured):
    import evidence

    for name in evidence.quarter_width():
        (row,) = re.findall(rf"^\| `{name}` \(section.*$", PAGE, re.M)
        *_, full, small, _ = row.split(" | ") if row.endswith(" | ") else (*row.split(" | "), "")
        assert "results/" in small and "results/" not in full
        assert "held" not in small and "refuted" not in small


def test_commands_of_the_page_exist(fixhead):
    import full_size

    from fixhead_cli.main import COMMANDS

    options = full_size._parser().format_help()
    lines = [line.strip() for line in PAGE.splitlines() if re.match(r"^ +\S*(fixhead|python benchmarks)", line)]
    assert len(lines) >= 10
    for line in lines:
        words = line.partition(" #")[0].split()
        for option in (word for word in words if word.startswith("--")):
            if "full_size.py" in line:
                assert option in options, line
        if words[0].endswith("fixhead") and words[1] != "data":
            known = fixhead(words[1], "--help").out
            assert words[1] in COMMANDS and all(word in known for word in words if word.startswith("--")), line
