"""Training from a configuration to a finished run directory."""
import dataclasses
import json
import math

import keras
import numpy as np
import pytest

from keras_fixhead import train, training
from keras_fixhead.config import TrainConfig, resolve
from keras_fixhead.data import limit_train, load_dataset
from keras_fixhead.errors import ArgumentError, DataError, RunError, TrainingError
from keras_fixhead.evaluation import evaluate_model
from keras_fixhead.models import head_of, load_model
from keras_fixhead.runs import list_runs
from keras_fixhead.training import outcome
from keras_fixhead.training.compiled import compiled_model
from keras_fixhead.vectors import class_vectors, draw_digest, vectors_digest

# resnet18, trained for real


def test_a_run_writes_exactly_its_files(digits_run):
    names = {str(path.relative_to(digits_run.path)) for path in digits_run.path.rglob("*") if path.is_file()}
    events = {name for name in names if name.startswith("tensorboard/events.out.tfevents.")}

    assert len(events) == 1
    assert names - events == {".lock", "config.json", "environment.json", "status.json", "metrics.jsonl", "metrics.csv",
                              "result.json", "model.keras", "test.npz", "curves.png", "confusion.png",
                              "class_vectors.png", "predictions.png", "checkpoints/newest.npz",
                              "checkpoints/previous.npz"}


def test_a_finished_run_is_complete(digits_run):
    status = digits_run.read("status")

    assert (status["state"], status["epoch"], status["reason"], status["resume"]) == ("complete", 2, None, None)


def test_its_environment_has_the_number_of_training_images(digits_run):
    assert digits_run.read("environment")["train_images"] == digits_run.read("result")["train_images"] == 200


def test_its_configuration_is_resolved(digits_run):
    config = digits_run.config()

    assert (config.precision, config.vector_seed, config.crop_padding, config.flip) == ("bfloat16", 0, 4, False)
    assert config.threads >= 1
    assert resolve(config).config == config and resolve(config).digest == digits_run.digest()
    assert digits_run.stored().asked.crop_padding is None


def test_there_is_one_line_of_metrics_per_epoch(digits_run):
    rows = digits_run.metrics()

    assert [row["epoch"] for row in rows] == [1, 2] and [row["step"] for row in rows] == [2, 4]
    for row in rows:
        assert row.keys() >= {"loss", "cross_entropy", "accuracy", "validation_cross_entropy", "validation_accuracy",
                              "lr", "seconds", "train_seconds", "images_per_second", "class_vectors_mean_cosine",
                              "class_vectors_max_cosine", "class_vectors_mean_norm"}
        assert all(math.isfinite(value) for value in row.values())
        assert row["loss"] > row["cross_entropy"] > 0  # only the loss includes the kernel penalty
        assert 0 < row["train_seconds"] <= row["seconds"]
        assert row["class_vectors_mean_norm"] == pytest.approx(1, abs=1e-6)


def test_the_result_has_the_measured_values_and_their_origin(digits_run):
    result, stored = digits_run.read("result"), digits_run.stored()
    dataset = load_dataset("digits")

    assert result["config_digest"] == stored.digest
    assert stored.class_vectors_digest == draw_digest("uniform", 10, 32, stored.config.vector_seed)
    assert result["class_vectors_digest"] == vectors_digest(class_vectors("uniform", 10, 32, stored.config.vector_seed))
    assert result["data_digest"] != dataset.digest()  # it covers only the 200 training images
    assert result["label_names"] == list("0123456789")
    assert (result["data_mean"], result["data_std"]) == (dataset.mean.tolist(), dataset.std.tolist())
    assert (result["train_images"], result["epoch"], result["selection"]) == (200, 2, "last")
    assert set(result["accuracy"]) == set(result["evaluation"]) == {"validation", "test"}
    assert result["accuracy"]["test"] == result["evaluation"]["test"]["accuracy"]
    assert result["evaluation"]["test"]["n"] == 360
    assert result["seconds"] > 0 and result["images_per_second"] > 0 and result["peak_memory_bytes"] > 10**7
    assert result["environment"] == digits_run.read("environment")


def test_the_environment_has_what_a_repetition_needs(digits_run):
    environment = digits_run.read("environment")

    assert environment["versions"].keys() >= {"keras", "tensorflow", "numpy", "keras-fixhead"}
    assert environment["backend"] == keras.backend.backend()
    assert environment["devices"] and environment["cpu"] and environment["cpu_count"] >= 1
    assert {"intra_op", "inter_op"} <= environment["threads"].keys()


def test_the_saved_model_is_float32_after_training_in_bfloat16(digits_run):
    model = load_model(digits_run.path)

    assert {layer.compute_dtype for layer in model.layers} == {"float32"}
    assert {weight.dtype for weight in model.weights} == {"float32"}


def test_evaluating_the_saved_model_gives_the_result(digits_run):
    model, dataset = load_model(digits_run.path), load_dataset("digits")
    for split in ("validation", "test"):
        expected = digits_run.read("result")["evaluation"][split]
        # same model and machine, but predict may choose other kernels for another batch shape
        found = evaluate_model(model, dataset.split(split)).as_dict()
        assert found.pop("top5") is expected.pop("top5") is None  # ten classes
        for name in ("recalls", "never_predicted"):
            assert found.pop(name) == expected.pop(name)
        assert found == pytest.approx(expected, rel=1e-5)


def test_the_saved_class_vectors_match_the_configuration(digits_run):
    head, result = head_of(load_model(digits_run.path)), digits_run.read("result")

    assert vectors_digest(keras.ops.convert_to_numpy(head.class_vectors)) == result["class_vectors_digest"]
    np.testing.assert_array_equal(head.class_vectors, class_vectors("uniform", 10, 32, 0))


def test_parameters_are_counted_as_trained_and_fixed(digits_run):
    model = load_model(digits_run.path)
    found = digits_run.read("result")["parameters"]

    assert found["trainable"] == sum(math.prod(weight.shape) for weight in model.trainable_weights)
    assert found["fixed"] == sum(math.prod(weight.shape) for weight in model.non_trainable_weights)


def test_every_file_is_readable_by_others_and_standard_json(digits_run):
    for path in digits_run.path.glob("*.json"):
        assert path.stat().st_mode & 0o044 == 0o044
        json.loads(path.read_text(), parse_constant=lambda text: pytest.fail(f"{text} is not valid JSON"))


# the engine, on a network of one convolution


@pytest.mark.parametrize("head, fixed", [("cos", True), ("cos", False), ("dot", True), ("dot", False)])
def test_every_arm_learns_and_only_learned_class_vectors_change(tiny, head, fixed):
    run = train(tiny(head=head, fixed=fixed, scale=10.0 if head == "cos" else 1.0, epochs=6, lr=0.05, width=1 / 16,
                     limit_train=400, crop_padding=0))
    rows = run.metrics()
    vectors = keras.ops.convert_to_numpy(head_of(load_model(run.path)).class_vectors)

    assert rows[-1]["cross_entropy"] < rows[0]["cross_entropy"]
    assert run.read("result")["accuracy"]["validation"] > 0.2  # chance is 0.1, sd 0.022 on 180 images
    assert (vectors_digest(vectors) == run.read("result")["class_vectors_digest"]) == fixed
    assert run.name.endswith(f"digits-resnet18-{head}-{'fixed' if fixed else 'learned'}-s0")


@pytest.mark.parametrize("counts", [False, True])
def test_the_confusion_matrix_has_counts_on_request(tiny, monkeypatch, counts):
    drawn = []
    monkeypatch.setattr(outcome, "plot_confusion", lambda *_, **options: drawn.append(options["counts"]))
    train(tiny(epochs=1, confusion_counts=counts))

    assert drawn == [counts]


def test_the_best_validation_epoch_is_kept_on_request(tiny):
    run = train(tiny(epochs=5, lr=0.5, selection="validation"))
    accuracies = [row["validation_accuracy"] for row in run.metrics()]
    result = run.read("result")

    assert result["epoch"] == 1 + accuracies.index(max(accuracies))  # the first of equal epochs
    assert result["accuracy"]["validation"] == pytest.approx(max(accuracies), abs=1e-6)
    assert run.best_checkpoint.is_file()


def test_the_last_epoch_is_kept_on_request(tiny):
    run = train(tiny(epochs=3, selection="last", lr=0.5))

    assert run.read("result")["epoch"] == 3 and not run.best_checkpoint.exists()
    assert run.read("result")["accuracy"]["validation"] == pytest.approx(run.metrics()[-1]["validation_accuracy"],
                                                                         abs=1e-6)


def test_smoothing_affects_the_loss_but_not_the_cross_entropy(tiny):
    """Without decay and with a rate of 0, loss and cross-entropy are computed from the same logits."""
    row = train(tiny(epochs=1, label_smoothing=0.3, weight_decay=0.0, lr=0.0)).metrics()[0]

    assert abs(row["loss"] - row["cross_entropy"]) > 1e-3


def test_the_same_configuration_gives_a_bit_identical_run(tiny):
    one, other = train(tiny()), train(tiny())
    for a, b in zip(load_model(one.path).get_weights(), load_model(other.path).get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_class_vector_seed_is_separate_from_the_training_seed(tiny):
    dataset = load_dataset("digits")
    models = [compiled_model(resolve(tiny(seed=seed, vector_seed=vector_seed)).config, dataset)
              for seed, vector_seed in ((0, 0), (0, 1), (1, 0))]
    kernels = [keras.ops.convert_to_numpy(model.get_layer("conv").kernel) for model in models]
    vectors = [keras.ops.convert_to_numpy(head_of(model).class_vectors) for model in models]

    assert np.array_equal(kernels[0], kernels[1]) and not np.array_equal(kernels[0], kernels[2])
    assert np.array_equal(vectors[0], vectors[2]) and not np.array_equal(vectors[0], vectors[1])


def test_the_optimizer_is_nesterov_without_weight_decay(tiny):
    dataset = limit_train(load_dataset("digits"), 100)
    optimizer = compiled_model(resolve(tiny(lr=0.3, epochs=4)).config, dataset).optimizer
    config = optimizer.get_config()

    assert (type(optimizer).__name__, config["nesterov"], config["momentum"]) == ("RuledSGD", True, 0.9)
    assert not config["weight_decay"] and not config["clipnorm"] and not config["use_ema"]
    assert config["learning_rate"]["config"] == {
        "peak": 0.3, "total_steps": 4 * 5, "warmup_fraction": TrainConfig.warmup_fraction, "shape": "cosine",
        "first_step": 0}


def test_loss_scaling_is_used_in_float16_but_not_in_bfloat16(tiny):
    dataset = load_dataset("digits")
    kinds = {precision: type(compiled_model(resolve(tiny(precision=precision)).config, dataset).optimizer).__name__
             for precision in ("bfloat16", "float16")}

    assert kinds == {"bfloat16": "RuledSGD", "float16": "LossScaleOptimizer"}
    assert keras.config.dtype_policy().name == "float32"


def test_a_batch_larger_than_the_set_trains_on_the_whole_set(tiny):
    (row,) = train(tiny(limit_train=50, batch_size=128, epochs=1, weight_decay=0.0)).metrics()

    assert row["step"] == 1
    assert row["loss"] == pytest.approx(row["cross_entropy"], rel=1e-5)  # there is no decay or smoothing


def test_a_nan_loss_ends_the_run_with_a_reason(tiny):
    with pytest.raises(TrainingError, match=r"The loss is (nan|inf) in epoch \d+, step \d+: this run failed to "
                       r"converge\. Try a lower learning rate"):
        train(tiny(lr=1e4, weight_decay=1e3, epochs=5))
    (run,) = list_runs(tiny().runs_dir)
    status = run.read("status")

    assert status["state"] == "failed" and "The loss is" in status["reason"] and status["resume"]
    assert not run.has("result") and not run.model_path.exists()
    assert all(math.isfinite(row["loss"]) for row in run.metrics())


def test_an_unwritable_folder_is_reported_before_training(tiny):
    with pytest.raises(RunError, match="/dev/null/runs cannot be created: Not a directory"):
        train(tiny(runs_dir="/dev/null/runs"))


def test_missing_data_leaves_no_run_behind(tiny):
    with pytest.raises(DataError, match="does not exist"):
        train(tiny(dataset="cifar10", data_dir="/no/such/folder"))
    assert list(list_runs(tiny().runs_dir)) == []


def test_a_configuration_is_resolved_only_once(tiny, monkeypatch):
    calls = []
    monkeypatch.setattr(training, "resolve", lambda config: calls.append(config) or resolve(config))
    asked = tiny(epochs=1, limit_train=40)
    run = train(resolve(asked))
    assert not calls and run.stored().asked == asked

    train(asked)
    assert calls == [asked]


def test_labels_out_of_range_are_refused_before_training(tiny, tmp_path, monkeypatch):
    from keras_fixhead import training

    def with_unknown(**fields):
        dataset = run_dataset(**fields)
        labels = dataset.train.labels.copy()
        labels[3] = -1
        return dataclasses.replace(dataset, train=dataclasses.replace(dataset.train, labels=labels))

    run_dataset = training.run_dataset
    monkeypatch.setattr(training, "run_dataset", with_unknown)
    with pytest.raises(ArgumentError, match=r"Labels must be whole numbers in \[0, 10\), got -1 to 9 for 10 classes"):
        train(tiny())
    assert not list(list_runs(tiny().runs_dir))


def test_what_is_not_a_configuration_is_refused_in_one_line():
    for config in ({"dataset": "digits"}, None, "digits"):
        with pytest.raises(ArgumentError, match=r"config must be a TrainConfig, got .*build_config"):
            train(config)
