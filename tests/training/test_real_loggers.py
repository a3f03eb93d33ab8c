"""The real MLflow and Weights & Biases, offline; these tests need both extras."""
import pytest

from keras_fixhead import train

pytestmark = pytest.mark.long


def test_mlflow_gets_the_curves_and_the_configuration(tiny, tmp_path, monkeypatch):
    import mlflow

    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")  # the database store needs the full mlflow package
    mlflow.set_tracking_uri((tmp_path / "mlruns").as_uri())
    run = train(tiny(logger="mlflow"))
    (found,) = mlflow.MlflowClient().search_runs(["0"])
    history = mlflow.MlflowClient().get_metric_history(found.info.run_id, "loss")

    assert [point.value for point in history] == [row["loss"] for row in run.metrics()]
    assert found.data.params["head"] == "cos" and found.info.run_name == run.name


def test_wandb_writes_its_own_files(tiny, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    run = train(tiny(logger="wandb"))

    assert list(run.path.glob("wandb/offline-run-*/*.wandb"))
    assert run.read("status")["state"] == "complete"
