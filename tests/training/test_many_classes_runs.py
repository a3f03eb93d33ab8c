"""Runs on embedding sets, and runs whose loss streams: the same results as with all logits, the same when resumed."""
import numpy as np
import pytest
from interruptions import assert_equal_runs, stop_by_a_signal

from keras_fixhead import train
from keras_fixhead.class_names import NumberedNames
from keras_fixhead.config import TrainConfig, resolve, streams
from keras_fixhead.errors import ArgumentError, TrainingError
from keras_fixhead.evaluation import Measurer, StreamedMeasurer, evaluate_run, measure_run, measurer_of, run_predictor
from keras_fixhead.models import as_dense, head_of, load_model
from keras_fixhead.recipes import build_config
from keras_fixhead.run_analysis.outputs import RunOutputs
from keras_fixhead.runs import list_runs, resumed
from keras_fixhead.streaming import StreamingHead

CLASSES, DIM = 12, 6
DRAW = np.random.default_rng(3)
CENTERS = DRAW.normal(size=(CLASSES, DIM))


def vectors(count):
    labels = np.arange(count) % CLASSES
    return (CENTERS[labels] + 0.3 * DRAW.normal(size=(count, DIM))).astype("float32"), labels


@pytest.fixture(scope="module")
def embeddings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("embeddings") / "set"
    folder.mkdir()
    features, labels = vectors(240)
    np.save(folder / "features.npy", features.astype("float16"))
    np.save(folder / "labels.npy", labels)
    return str(folder)


@pytest.fixture
def config(embeddings, tmp_path):
    def make(**values):
        return build_config({"dataset": embeddings, "width": 1 / 16, "batch_size": 30, "epochs": 2, "lr": 0.05,
                             "precision": "float32", "runs_dir": str(tmp_path / values.get("streaming", "auto")),
                             **values})

    return make


def numbers(run):
    return {name: value for name, value in run.read("result")["evaluation"]["test"].items()
            if isinstance(value, float)}


SAME = pytest.approx
OPTIONS = [
    {"margin": "cosface", "margin_size": 0.2, "scale": 8.0, "label_smoothing": 0.1, "class_weights": "balanced"},
    pytest.param({"head": "dot", "scale": "learned", "class_vectors": "rademacher", "store_vectors": False},
                 marks=pytest.mark.long),
]


@pytest.fixture(scope="module")
def streamed_run(embeddings, tmp_path_factory):
    return train(build_config({"dataset": embeddings, "width": 1 / 16, "batch_size": 30, "epochs": 1, "lr": 0.05,
                               "precision": "float32", "runs_dir": str(tmp_path_factory.mktemp("runs")),
                               "streaming": "yes"}))


@pytest.mark.parametrize("options", OPTIONS, ids=["cosface", "dot"])
def test_a_run_that_streams_has_the_results_of_one_with_all_logits(config, options):
    dense, streamed = (train(config(streaming=streaming, **options)) for streaming in ("no", "yes"))

    for a, b in zip(dense.metrics(), streamed.metrics(), strict=True):
        for name in ("loss", "accuracy", "cross_entropy", "validation_accuracy", "validation_cross_entropy",
                     "validation_nearest_wrong_cosine"):
            assert b[name] == SAME(a[name], rel=2e-4, abs=2e-5), name
    for name, value in numbers(dense).items():
        assert numbers(streamed)[name] == SAME(value, rel=2e-4, abs=2e-5), name
    assert isinstance(head_of(load_model(streamed.path)), StreamingHead)
    assert head_of(load_model(streamed.path)).in_memory == options.get("store_vectors", True)
    assert dense.read("result")["data_digest"] == streamed.read("result")["data_digest"]


def test_a_resumed_run_of_vectors_that_streams_is_bit_identical(config, monkeypatch):
    straight = train(config(streaming="yes", partial_batch=True))
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        stop_by_a_signal(patch)
        train(config(streaming="yes", partial_batch=True, runs_dir=str(straight.path.parent / "stopped")))
    (stopped,) = list_runs(str(straight.path.parent / "stopped"))
    assert_equal_runs(straight, train(resumed(stopped, {}), resume=stopped))


def equal_measures(found, dense):
    for name, value in found.as_dict().items():
        wanted = SAME(dense[name], rel=1e-5, abs=1e-6) if isinstance(value, float) else dense[name]
        assert value == wanted, name


def test_measures_and_predictions_are_those_of_the_dense_model(streamed_run, embeddings):
    dense = as_dense(load_model(streamed_run.path))
    measured = measure_run(streamed_run, ["test"]).splits["test"]
    equal_measures(measured.evaluation, Measurer(dense).evaluate(measured.split).as_dict())
    assert isinstance(measurer_of(load_model(streamed_run.path)), StreamedMeasurer)

    logits = dense.predict(np.asarray(measured.split.images), verbose=0).astype(np.float64)
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    classes, probabilities = run_predictor(streamed_run).best(np.asarray(measured.split.images), 5)
    np.testing.assert_array_equal(classes, np.argsort(-shares, axis=1, kind="stable")[:, :5])
    np.testing.assert_allclose(probabilities, np.take_along_axis(shares, classes, axis=1), rtol=1e-4)
    np.testing.assert_array_equal(measured.top(5)[0], classes)
    assert evaluate_run(streamed_run, ["test"], dataset=embeddings)["test"].accuracy == measured.evaluation.accuracy


def test_what_needs_all_logits_or_pictures_says_so_in_one_line(streamed_run):
    predictor = run_predictor(streamed_run)
    for ask, says in ((lambda: predictor.logits(np.ones((1, DIM), "float32")), "never has all logits"),
                      (lambda: predictor.best(np.ones((1, DIM + 1), "float32")), "the model takes"),
                      (lambda: predictor.best(np.ones((1, DIM), "float32"), 11), "returns its 10 best"),
                      (lambda: predictor.form, "takes vectors of 6 numbers, not pictures"),
                      (lambda: RunOutputs(streamed_run).arrays("test"), "never has the logits of all its classes"),
                      (lambda: evaluate_run(streamed_run, tta="flip"), "applies to pictures"),
                      (lambda: evaluate_run(streamed_run, dataset="digits"), "has examples of shape")):
        with pytest.raises(ArgumentError, match=says):
            ask()


def test_classes_without_names_are_their_numbers_in_the_result_and_to_who_reads_it(streamed_run, tmp_path):
    assert streamed_run.read("result")["label_names"] == {"numbered": CLASSES}
    assert run_predictor(streamed_run).label_names == NumberedNames(CLASSES) == RunOutputs(streamed_run).label_names
    features, labels = vectors(60)
    np.savez(tmp_path / "some.npz", features=features, labels=labels % (CLASSES - 1))
    measured = measure_run(streamed_run, ["test"], dataset=str(tmp_path / "some.npz"))
    assert measured.classes.missing == ("11",) and measured.label_names[:2] == ("0", "1")


def test_a_run_that_streams_stops_when_its_features_are_no_numbers(config, caplog):
    with caplog.at_level("INFO", "keras_fixhead"), pytest.raises(TrainingError, match=r"this run failed to converge"):
        train(config(streaming="yes", lr=1e4, weight_decay=1e3, epochs=5))
    assert "The loss streams over the classes: all logits of a batch would take 0 MB (--streaming yes)" in caplog.text


@pytest.mark.long
def test_pictures_stream_too(tiny):
    run = train(tiny(streaming="yes", cutout=8, epochs=1))
    measured = measure_run(run, ["validation"]).splits["validation"]

    equal_measures(measured.evaluation, Measurer(as_dense(load_model(run.path))).evaluate(measured.split).as_dict())
    with pytest.raises(ArgumentError, match="averages all logits"):
        evaluate_run(run, tta="flip")


def test_learned_vectors_on_the_vectors_as_they_are(config):
    run = train(config(model="none", fixed=False, width=1.0, lr=0.5, scale=10.0, epochs=5))
    assert numbers(run)["accuracy"] > 0.8
    model = load_model(run.path)
    assert [layer.name for layer in model.layers] == ["vectors", "normalize", "features", "head"]


@pytest.mark.parametrize("values, num_classes, expected", [
    ({}, 30_000, False), ({}, 40_000, True), ({"batch_size": 1024}, 5_000, True), ({"fixed": False}, 10**6, False),
    ({"streaming": "no"}, 10**6, False), ({"streaming": "yes"}, 10, True), ({"bias": "learned"}, 10**6, False),
    ({"mixup": 0.2}, 10**6, False),
])
def test_streaming_is_chosen_by_the_memory_of_a_batchs_logits(values, num_classes, expected):
    assert streams(TrainConfig(**values), num_classes) is expected


def test_streaming_at_its_default_leaves_digests_as_they_were(embeddings):
    assert resolve(TrainConfig(dataset="cifar10")).digest == resolve(
        TrainConfig.from_dict({"dataset": "cifar10", "streaming": "auto"})).digest
    assert resolve(TrainConfig(dataset="cifar10", streaming="yes")).digest != resolve(
        TrainConfig(dataset="cifar10")).digest
