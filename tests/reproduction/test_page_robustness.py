"""Table 6 under both readings, from results that have some of its measurements."""
from synthetic import CORRUPTIONS, arm, write_result

from keras_fixhead.reproduction.claims.settings import GPU
from keras_fixhead.reproduction.pages.robustness import READINGS, table6_block
from keras_fixhead.reproduction.results import read_results


def measured(value, names):
    return {"n": 2_000, "mean": dict.fromkeys(names, value)}


def test_each_cell_has_both_arms_their_seeds_and_the_number_of_images(tmp_path):
    plain = ("salt_and_pepper", "jpeg_compression", "average_blur", "gaussian_blur")
    for seed in range(2):
        for fixed in (True, False):
            robustness = {"paper": measured(0.5 + 0.1 * fixed, CORRUPTIONS)}
            if fixed:
                blurs = {"average_blur": 0.2, "gaussian_blur": 0.4}
                robustness["paper-plain-imgaug"] = {"n": 100, "mean": measured(0.3, plain)["mean"] | blurs}
            write_result(tmp_path, arm("cifar10", "dot", fixed), seed, 90.0, robustness=robustness)
    lines = table6_block(read_results(tmp_path), GPU)
    rows = {tuple(line.split(" | ")[:3]): line.strip("| ").split(" | ")[3:] for line in lines if line.startswith("| ")}
    blur = rows["| blurring", "cifar10", "dot"]

    assert len(rows) == 1 + 1 + 3 * 4 * 2  # header, line below it, corruptions x data sets x logits
    assert [reading.title for reading in READINGS] == rows["| corruption", "data set", "logits"][1:]
    assert blur == ["41.3 / 41.1", "60.0 (n = 2) / 50.0 (n = 2), 2,000 images", "not measured", "not measured",
                    "30.0 (n = 2) / not measured, 100 images"]  # the mean of both blurs
    assert rows["| salt and pepper", "stl10", "cos"] == ["57.2 / 44.9"] + ["not measured"] * 4


def test_without_measurements_there_is_no_table(tmp_path):
    write_result(tmp_path, arm("cifar10", "dot", True), 0, 90.0, robustness={})

    assert table6_block(read_results(tmp_path), GPU) == []
