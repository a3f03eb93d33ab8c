"""What the page says about draws, longer trainings and smoothing, on synthetic results."""
import numpy as np
import pytest
from synthetic import write_matrices, write_result

from keras_fixhead.reproduction import blocks_named, read_results
from keras_fixhead.reproduction.pages.mechanism import mechanism_block
from keras_fixhead.reproduction.planning.cells import LEARNED
from keras_fixhead.reproduction.planning.evidence_blocks import DOT_SCALE
from keras_fixhead.reproduction.results import Results


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evidence")
    for row in blocks_named(["E7"], "evidence")[0].rows:
        for seed in row.seeds:
            if row.fixed == LEARNED:
                one = row.cell(False, 1.0)
                path = write_result(folder, one, seed, 40 + one.config.epochs + seed)
                cosines = np.eye(4)
                cosines[0, 1] = cosines[1, 0] = 0.99 if one.config.epochs < 10 else 0.5
                write_matrices(path, np.eye(4), cosines)
            else:
                write_result(folder, row.cell(True, 1.0), seed, 60 + 2 * row.extra["vector_seed"] + seed)
    for fixed in (True, False):
        for scale, one in DOT_SCALE.cells(fixed).items():
            write_result(folder, one, 100, validation=80 + (scale == 0.2))
        for block, test in (("E1", 93.0), ("E9", 93.5 if fixed else 92.5)):
            for seed in range(3):
                row = blocks_named([block], "evidence")[0].rows[0]
                write_result(folder, row.cell(fixed, 0.2), seed, test + seed / 10)
    return "\n".join(mechanism_block(read_results(folder)))


def test_the_spread_is_divided_between_draw_and_training(text):
    draw = np.std([60, 62, 64, 66], ddof=1)
    assert f"{draw:.2f} from the draw of the class vectors, 1.00 from the seed of training, 0.00 from neither" in text
    assert "| 3 | 66.00 | 67.00 | 68.00 |" in text and "Not measured" not in text


def test_longer_trainings_are_shown_with_the_pairs_that_have_merged(text):
    assert "| 3 | 44.00 ± 1.00 | 3 | 0 | 0.990 | 1, 1, 1 |" in text
    assert "| 24 | 65.00 ± 1.00 | 3 | 0 | 0.500 | 0, 0, 0 |" in text
    assert "The fixed arm after the shortest: 64.00 %, n = 12." in text


def test_the_learned_arm_is_slow_if_the_longest_training_catches_up(text):
    """64 to 66 % after eight times the epochs; the fixed arm has 64 % after the shortest."""
    assert "n = 12. **Slow**: after the longest, each seed is at most 2 points below it." in text


@pytest.mark.parametrize("accuracy, cosine, said", [
    (58.0, 0.99, "**Stuck**: after the longest, each seed is over 5 points below it, with merged pairs."),
    (58.0, 0.5, "Neither slow nor stuck by the rule."), (60.5, 0.99, "Neither slow nor stuck by the rule."),
    (None, 0.99, "Undecided: a run of the longest training failed to converge."), (64.0, 0.99, "**Slow**"),
])
def test_it_is_stuck_only_far_below_and_with_merged_pairs_at_every_seed(tmp_path, accuracy, cosine, said):
    rows = blocks_named(["E7"], "evidence")[0].rows
    for row in rows:
        for seed in row.seeds:
            if row.fixed == LEARNED and row is rows[-1]:
                path = write_result(tmp_path, row.cell(False, 1.0), seed, accuracy or 0.0,
                                    state="complete" if accuracy or seed else "failed to converge")
                write_matrices(path, np.eye(4), np.where(np.eye(4), 1.0, cosine))
            elif row.fixed != LEARNED:
                write_result(tmp_path, row.cell(True, 1.0), seed, 64.0)

    assert said in "\n".join(mechanism_block(read_results(tmp_path)))


def test_smoothing_is_compared_in_each_arm_by_seed(text):
    assert "| fixed | +0.50 [+0.50, +0.50] | 3 | 0 |" in text
    assert "| learned | -0.50 [-0.50, -0.50] | 3 | 0 |" in text


def test_what_is_not_measured_is_named_with_its_command():
    (_, line, _) = mechanism_block(Results())

    assert line == "Not measured: draw against training (E7), slow or stuck (E7), label smoothing (E9): `fixhead " \
        "reproduce E7 E9 --data-dir DATA`."


def test_failed_runs_are_counted(tmp_path):
    fails = {"state": "failed to converge"}
    for row in blocks_named(["E7"], "evidence")[0].rows:
        for seed in row.seeds:
            if row.fixed == LEARNED:
                write_result(tmp_path, row.cell(False, 1.0), seed, **fails)
            else:
                write_result(tmp_path, row.cell(True, 1.0), seed, **(fails if seed == 2 else {}))
    text = "\n".join(mechanism_block(read_results(tmp_path)))

    assert "**Draw against training**: 4 runs failed to converge" in text
    assert "| 3 | | 0 | 3 | | |" in text and "| 24 | | 0 | 3 | | |" in text
