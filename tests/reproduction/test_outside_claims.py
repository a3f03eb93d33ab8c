"""The claim on images gathered independently, from results that have such measurements and from those that do not."""
from synthetic import arm, write_result

from keras_fixhead.reproduction.claims.answers import answer
from keras_fixhead.reproduction.claims.verdict import HELD, NOT_MEASURED
from keras_fixhead.reproduction.results import read_results


def test_cifar10_1_decides_and_other_sets_stand_next_to_it(tmp_path):
    for seed in range(4):
        for fixed in (True, False):
            numbers = {"common_accuracy": 0.80 + (0.02 + 0.001 * seed) * fixed, "drop_points": 9.0 - 2 * fixed}
            outside = {"cifar10_1": numbers, "stl10": {**numbers, "n_outside": 495}}
            write_result(tmp_path, arm("cifar10", "dot", fixed), seed, 90.0,
                         **({"generalization": outside} if seed < 3 else {}))
    found = answer("generalization-kept", read_results(tmp_path))
    decides = [each for each in found.findings if not each.beside]
    beside = {each.label: each for each in found.findings if each.beside and each.values}

    assert [each.label for each in decides] == ["cifar10 to CIFAR-10.1 v6, dot", "cifar10 to CIFAR-10.1 v6, cos"]
    assert sorted(decides[0].values) == [0, 1, 2]  # seed 3 was not measured
    assert decides[0].verdict.state == HELD and round(decides[0].verdict.mean, 2) == 2.1
    assert round(decides[0].paper, 1) == 0.2 and decides[1].verdict.state == NOT_MEASURED
    assert beside["cifar10 to stl10, nine common classes (495 images), dot"].paper is None
    assert beside["cifar10 to CIFAR-10.1 v6, dot, drop from the own test set"].verdict.mean == -2


def test_without_the_images_nothing_is_measured(tmp_path):
    write_result(tmp_path, arm("cifar10", "dot", True), 0, 90.0)

    assert answer("generalization-kept", read_results(tmp_path)).state == NOT_MEASURED
