"""The page of evidence: what code and results give, and nothing else."""
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from synthetic import write_matrices, write_result

from keras_fixhead.catalog import DATASETS
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
