import keras
import numpy as np
import pytest

from keras_fixhead.config import Length, TrainConfig
from keras_fixhead.training.schedule import Triangular, WarmupDecay, learning_rate


def reference(peak, total, warmup_fraction, shape):
    """Returns the rates of all steps in float64."""
    warmup = max(1.0, warmup_fraction * total)
    rates = []
    for step in range(total):
        done = step + 1
        if done < warmup:
            rates.append(peak * done / warmup)
            continue
        remaining = min(1.0, (total - done) / max(1.0, total - warmup))
        if shape == "cosine":
            remaining = (1 - np.cos(np.pi * remaining)) / 2
        rates.append(peak * remaining)
    return np.array(rates)


@pytest.mark.parametrize("shape", ["cosine", "one_cycle"])
@pytest.mark.parametrize("total, warmup_fraction", [(100, 0.25), (100, 0.0), (100, 1.0), (37, 0.3), (1600, 0.025),
                                                    (2, 0.5), (1, 0.25), (1, 0.0)])
def test_rates_match_a_numpy_formula_over_the_whole_run(shape, total, warmup_fraction):
    schedule = WarmupDecay(0.2, total, warmup_fraction, shape)
    rates = schedule(np.arange(total))

    np.testing.assert_allclose(rates, reference(0.2, total, warmup_fraction, shape), atol=1e-7)


@pytest.mark.parametrize("shape", ["cosine", "one_cycle"])
def test_the_rate_rises_to_the_peak_then_falls_to_zero_and_stays(shape):
    schedule = WarmupDecay(0.2, 200, 0.25, shape)
    rates = keras.ops.convert_to_numpy(schedule(np.arange(220)))

    assert rates.argmax() == 49 and rates.max() == pytest.approx(0.2)
    assert 0 < rates[0] < 0.01
    assert (np.diff(rates[:50]) > 0).all() and (np.diff(rates[49:200]) < 0).all()
    assert (rates[199:] == 0).all()


def test_one_cycle_falls_linearly_and_the_cosine_starts_above_it():
    line, cosine = ([float(WarmupDecay(1.0, 101, 0.01, shape)(step)) for step in (0, 25, 50, 75, 100)]
                    for shape in ("one_cycle", "cosine"))

    np.testing.assert_allclose(line, [0.9901, 0.7426, 0.495, 0.2475, 0], atol=0.01)
    assert cosine[1] > line[1] and cosine[3] < line[3]


@pytest.mark.parametrize("total, warmup_fraction", [(476, 0.23), (100, 0.0), (37, 1.0), (2, 0.5), (1, 0.3)])
def test_the_triangle_matches_a_numpy_formula_and_ends_at_its_fractions(total, warmup_fraction):
    """By interpolation between three points: first step, peak, last step."""
    schedule = Triangular(1.5, total, warmup_fraction, 0.2, 0.07)
    rates = keras.ops.convert_to_numpy(schedule(np.arange(total + 5)))
    top = min(int(warmup_fraction * total), total - 1)
    points, values = ([0, top, total - 1], [0.2, 1, 0.07]) if 0 < top < total - 1 else (
        ([0, total - 1], [1, 0.07]) if top == 0 else ([0, top], [0.2, 1]))

    np.testing.assert_allclose(rates[:total], 1.5 * np.interp(np.arange(total), points, values)
                               if total > 1 else [1.5], rtol=1e-6)
    assert (rates[total:] == rates[total]).all()  # it stays


def test_the_schedule_of_an_extended_run_begins_again_without_warmup():
    config = TrainConfig(epochs=4, lr=2.0, schedule="triangular", warmup_fraction=0.5)
    schedule = learning_rate(config, Length(4, 10, extended_from=(1.5,)))  # 15 steps, then epochs 3 and 4

    np.testing.assert_allclose(keras.ops.convert_to_numpy(schedule(np.array([15, 34]))), [2.0, 0.14], rtol=1e-6)


def test_an_optimizer_accepts_it_and_its_configuration_restores_it():
    schedule = WarmupDecay(0.2, 10, 0.2, "cosine")
    optimizer = keras.optimizers.SGD(schedule)

    assert float(optimizer.learning_rate) == pytest.approx(float(schedule(0)))
    assert WarmupDecay(**schedule.get_config()).get_config() == schedule.get_config()
    triangle = Triangular(0.2, 10, 0.2, 0.3, 0.1)
    assert Triangular(**triangle.get_config()).get_config() == triangle.get_config()
