"""Hints of training: each is printed in its situation, and leads out."""
import dataclasses
import re

import keras
import numpy as np
import pytest
from hints import ROOT, leads_out, refused
from test_checkpoint import trained

from keras_fixhead import recipes, training
from keras_fixhead.config import TrainConfig, resolve
from keras_fixhead.data import load_dataset
from keras_fixhead.errors import ArgumentError, RunError, TrainingError
from keras_fixhead.models import build_model
from keras_fixhead.runs import UnwrittenRun, create_run
from keras_fixhead.training.checkpoint import Progress, load_checkpoint, save_checkpoint
from keras_fixhead.training.checkpointed import checkpoint_predictor
from keras_fixhead.training.finetuning import start_weights, with_normalization
from keras_fixhead.training.loop import _check_agreed
from keras_fixhead.training.signals import StopRequests
from keras_fixhead.training.steps import StepGuard


@leads_out("Make one: keras_fixhead.recipes.build_config({'dataset': 'digits'})")
def test_a_configuration_is_made_by_the_code_in_the_hint():
    with pytest.raises(ArgumentError) as caught:
        training.start("digits")
    code = caught.value.hint.removeprefix("Make one: ")
    import keras_fixhead

    assert keras_fixhead.recipes is recipes
    assert training.start(eval(code, {"keras_fixhead": keras_fixhead})).config.dataset == "digits"


@leads_out("Give every process the same options.", "Give every process the same run directory, or an up-to-date copy.")
def test_processes_with_the_same_options_and_runs_train_together(tmp_path, monkeypatch):
    """The first process is another one; what it sends is set here."""
    first, other = (resolve(TrainConfig(lr=lr, precision="float32", runs_dir=str(tmp_path))) for lr in (0.1, 0.2))
    run = create_run(first)
    sent = [str(run.path), first.digest]
    monkeypatch.setattr(training, "is_first", lambda: False)
    monkeypatch.setattr(training.processes, "from_first", lambda value: sent)
    monkeypatch.setattr(training, "run_digest", lambda config, digest: first.digest if config.lr == 0.1 else "")
    with refused("Give every process the same options."):
        training._run_of_all(other, None)
    assert isinstance(training._run_of_all(first, None), UnwrittenRun)

    monkeypatch.setattr(training.processes, "from_first", lambda value: dataclasses.asdict(Progress(epoch=2)))
    with refused("Give every process the same run directory, or an up-to-date copy."):
        _check_agreed(run, Progress(epoch=1))
    _check_agreed(run, Progress(epoch=2))


# Checkpoints


@leads_out("Start a new run.", "Upgrade: pip install -U keras-fixhead")
def test_a_checkpoint_of_a_new_run_or_of_this_version_is_loaded(tmp_path):
    path, model = tmp_path / "c.npz", trained()
    with refused("Start a new run."):
        load_checkpoint(path, model)
    path.write_bytes(b"damaged")
    with refused("Start a new run."):
        load_checkpoint(path, model)
    save_checkpoint(path, model, Progress(epoch=1))  # as a new run does
    assert load_checkpoint(path, model).epoch == 1

    with np.load(path) as file:
        arrays = dict(file)
    np.savez(path, **{**arrays, "meta": np.array(str(arrays["meta"]).replace('"schema": ', '"schema": 9'))})
    with pytest.raises(RunError) as caught:
        load_checkpoint(path, model)
    assert f"name = {caught.value.hint.split()[-1]}\n" in (ROOT / "setup.cfg").read_text()
    np.savez(path, **arrays)  # of this version
    assert load_checkpoint(path, model).epoch == 1


@leads_out("Use --checkpoint ....", "It has one after its first epoch.")
def test_a_checkpoint_that_a_run_has_is_used(digits_run, tmp_path):
    run = create_run(resolve(dataclasses.replace(digits_run.config(), runs_dir=str(tmp_path))))
    with refused("It has one after its first epoch."):
        checkpoint_predictor(run, "newest")
    run.newest_checkpoint.parent.mkdir()
    run.newest_checkpoint.write_bytes(digits_run.newest_checkpoint.read_bytes())  # one of the same model
    with pytest.raises(RunError) as caught:
        checkpoint_predictor(run, "best")
    which = re.fullmatch(r"Use --checkpoint (\w+)\.", caught.value.hint)[1]
    assert checkpoint_predictor(run, which).epoch


@leads_out("Leave out --pretrained, or give the file with that digest.")
def test_weights_of_the_digest_or_without_one_are_taken(digits_run):
    from keras_fixhead.models import load_model

    config = resolve(recipes.build_config({
        "recipe": "smoke", "width": 1 / 16, "init_from": str(digits_run.model_path), "precision": "float32"})).config
    model = load_model(digits_run.path)
    with refused("Leave out --pretrained, or give the file with that digest."):
        start_weights(dataclasses.replace(config, pretrained="0" * 64), model)
    start_weights(config, model)  # resolved without --pretrained: the digest is that of the file


@leads_out("Add --grey.", "Leave --grey out.")
@pytest.mark.parametrize("channels, hint", [(1, "Add --grey."), (3, "Leave --grey out.")])
def test_a_run_starts_from_one_on_images_with_as_many_channels(tmp_path, channels, hint):
    """The message was about another network, with hints on --model and --width."""
    source = tmp_path / "source.keras"
    build_model("resnet18", (32, 32, channels), 10, width=1 / 16, mean=100, std=50).save(source)
    run = create_run(resolve(TrainConfig(precision="float32", runs_dir=str(tmp_path))))
    config = recipes.build_config({"init_from": str(source), "grey": channels == 3})
    wrong, right = (load_dataset("digits", grey=grey) for grey in (channels == 3, channels == 1))
    with refused(hint):
        with_normalization(run, config, wrong, resumed=False)

    assert with_normalization(run, config, right, resumed=False).mean.tolist() == [100.0] * channels


@leads_out("Try a lower learning rate (--lr) or a longer warm-up (--warmup-fraction).")
def test_a_lower_rate_keeps_the_loss_finite(fixhead):
    def fit(lr):
        model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        model.compile(keras.optimizers.SGD(lr), "mse", jit_compile=False)
        guard = StepGuard(Progress(), lambda progress: None, StopRequests(), [], 60)
        return model.fit(np.ones((9, 1)), np.ones(9), batch_size=1, verbose=0, callbacks=[guard]).history["loss"]

    with pytest.raises(TrainingError) as caught:
        fit(1e20)
    assert np.isfinite(fit(0.1)).all()
    lr, warm_up = re.findall(r"\((--\S+)\)", caught.value.hint)
    slower = fixhead("train", "--recipe", "smoke", lr, 0.001, warm_up, 0.5, "--dry-run").json["config"]
    assert (slower["lr"], slower["warmup_fraction"]) == (0.001, 0.5)
