"""Rates and ends of learning of single weights, AdamW, averages and accumulated gradients, against NumPy in float64.

Gradients are drawn, and applied as in a step, so that nothing has to be compiled.
"""
import keras
import numpy as np
import pytest

from keras_fixhead.config import Length, TrainConfig
from keras_fixhead.models import build_model
from keras_fixhead.training.optimizer import averaged, averaged_weights, run_optimizer, share_decay

STEPS, RATE = 6, 0.05


@pytest.fixture(scope="module")
def network():
    """A small network with a whitening layer, normalisation and learned class vectors."""
    return build_model("fast_cnn", (8, 8, 3), 5, width=1 / 64, scale=4.0, fixed=False)


@pytest.fixture
def trained(network):
    """Returns a function that trains; it returns values and gradients by path: before the first step, after each."""
    start = network.get_weights()
    draw = np.random.default_rng(0)
    gradients = [{each.path: draw.standard_normal(each.shape) for each in network.trainable_variables}
                 for _ in range(STEPS)]

    def train(length=None, **values):
        network.set_weights(start)
        config = TrainConfig(**{"weight_decay": 0.0, "fixed": False, "momentum": 0.8, "whitening_bias_epochs": STEPS,
                                **values})
        network.optimizer = optimizer = run_optimizer(config, network, RATE, length or Length(STEPS, 1))
        optimizer.build(network.trainable_variables)
        history = [values_of(network)]
        for each in gradients:
            optimizer.apply([keras.ops.convert_to_tensor(each[weight.path].astype("float32"))
                             for weight in network.trainable_variables])
            history.append(values_of(network))
        return history, gradients

    yield train
    network.set_weights(start)


def values_of(model):
    return {each.path: keras.ops.convert_to_numpy(each.value).astype(np.float64) for each in model.trainable_variables}


def nesterov(start, gradients, rate, momentum=0.8):
    """The weight after each step of SGD with Nesterov momentum, in Keras' form."""
    weight, velocity, found = start, 0.0, [start]
    for gradient in gradients:
        velocity = momentum * velocity - rate * gradient
        weight = weight + momentum * velocity - rate * gradient
        found.append(weight)
    return found


def assert_follow(history, path, expected):
    for values, one in zip(history, expected, strict=True):
        np.testing.assert_allclose(values[path], one, rtol=1e-5, atol=1e-5 * np.abs(one).max(), err_msg=path)


def test_without_options_it_is_sgd_with_nesterov_momentum(trained):
    history, gradients = trained()
    for path in history[0]:
        assert_follow(history, path, nesterov(history[0][path], [each[path] for each in gradients], RATE))


def test_offsets_of_normalisation_have_a_rate_of_their_own(trained):
    history, gradients = trained(norm_offset_lr=64.0)
    assert sum(path.endswith("beta") for path in history[0]) == 6
    for path in history[0]:
        rate = 64 * RATE if path.endswith("beta") else RATE
        assert_follow(history, path, nesterov(history[0][path], [each[path] for each in gradients], rate))


@pytest.mark.parametrize("epochs, learned", [(2, 4), (0, 0), (3, 6)])
def test_the_bias_of_a_whitening_layer_stops_after_its_epochs_and_nothing_else_does(trained, epochs, learned):
    """Of 3 epochs of 2 steps."""
    history, gradients = trained(length=Length(3, 2), whitening_bias_epochs=epochs)
    for path in history[0]:
        expected = nesterov(history[0][path], [each[path] for each in gradients], RATE)
        if path == "whitening/bias":
            expected = expected[: learned + 1] + [expected[learned]] * (STEPS - learned)
        assert_follow(history, path, expected)


def adamw(start, gradients, decay, factor=1.0):
    """Loshchilov and Hutter (2019), arXiv:1711.05101, algorithm 2, with the rate in the decay as in torch and Keras.

    Epsilon is added before the correction of the mean square, as in Kingma and Ba's efficient form, and in Keras.
    """
    weight, mean, square, found = start, 0.0, 0.0, [start]
    for step, gradient in enumerate(gradients, start=1):
        weight = weight * (1 - RATE * decay)
        mean, square = 0.8 * mean + 0.2 * gradient, 0.999 * square + 0.001 * gradient**2
        correction = np.sqrt(1 - 0.999**step) / (1 - 0.8**step)
        weight = weight - factor * RATE * correction * mean / (np.sqrt(square) + 1e-7)
        found.append(weight)
    return found


def test_adamw_follows_its_paper_decays_only_kernels_and_keeps_the_rates_of_weights(trained):
    history, gradients = trained(optimizer="adamw", decoupled_decay=0.5, vector_lr=0.25, norm_offset_lr=2.0)
    for path in history[0]:
        decay = 0.5 if path.endswith("kernel") else 0.0
        factor = 2.0 if path.endswith("beta") else 0.25 if path == "head/class_vectors" else 1.0
        assert_follow(history, path, adamw(history[0][path], [each[path] for each in gradients], decay, factor))
    assert any(path.endswith("kernel") for path in history[0])


@pytest.mark.parametrize("values", [{}, {"norm_offset_lr": 3.0, "ema": 0.5}])
def test_accumulated_gradients_are_the_mean_of_their_steps(trained, values):
    history, gradients = trained(accumulate=3, **values)
    for path in history[0]:
        rate = RATE * (values.get("norm_offset_lr", 1.0) if path.endswith("beta") else 1.0)
        means = [np.mean([each[path] for each in gradients[start : start + 3]], axis=0) for start in (0, 3)]
        first, second, third = nesterov(history[0][path], means, rate)
        assert_follow(history, path, [first] * 3 + [second] * 3 + [third])


def test_averages_follow_the_weights_and_are_kept_apart_from_them(trained, network):
    history, gradients = trained(ema=0.6)
    network.optimizer.finalize_variable_values(network.trainable_variables)  # as `fit` does after each epoch
    expected = history[1]
    for values in history[2:]:
        expected = {path: 0.6 * expected[path] + 0.4 * values[path] for path in expected}
    found = dict(zip([each.path for each in network.weights], averaged_weights(network), strict=True))
    assert found.keys() == {each.path for each in network.weights}
    for path, value in expected.items():
        np.testing.assert_allclose(found[path], value, rtol=1e-5, atol=1e-5)
        np.testing.assert_array_equal(values_of(network)[path], history[-1][path])
        assert_follow(history, path, nesterov(history[0][path], [each[path] for each in gradients], RATE))


def test_a_model_has_its_averages_only_while_it_is_evaluated(trained, network):
    from contextlib import nullcontext

    history, _ = trained(ema=0.6)
    with pytest.raises(KeyboardInterrupt), averaged(network, nullcontext):
        for weight, value in zip(network.weights, averaged_weights(network), strict=True):
            np.testing.assert_array_equal(keras.ops.convert_to_numpy(weight.value), value)
        raise KeyboardInterrupt
    for path, value in values_of(network).items():
        np.testing.assert_array_equal(value, history[-1][path])


def test_the_penalty_of_offsets_is_divided_by_their_rate():
    model = build_model("fast_cnn", (8, 8, 3), 5, width=1 / 64, weight_decay=0.1, decay_norms=True)
    share_decay(TrainConfig(weight_decay=0.1, decay_norms=True, norm_offset_lr=64.0), model)
    penalties = [float(each.regularizer.l2) for each in model.trainable_variables if each.path.endswith("beta")]

    assert penalties == pytest.approx([0.05 / 64] * 6)
