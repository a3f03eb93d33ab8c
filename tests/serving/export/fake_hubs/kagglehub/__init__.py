"""Stands in for the package kagglehub: models are folders in $FAKE_HUB, one for each version."""
import os
import shutil
from pathlib import Path

from kagglehub import config

__all__ = ["config", "model_download", "model_upload"]


def model_upload(handle, local_model_dir, license_name=None, version_notes=""):
    versions = Path(os.environ["FAKE_HUB"], "kaggle", handle)
    shutil.copytree(local_model_dir, versions / str(1 + len(list(versions.glob("*")))))


def model_download(handle):
    folder = Path(os.environ["FAKE_HUB"], "kaggle", handle)
    return str(folder if folder.name.isdigit() else max(folder.iterdir(), key=lambda each: int(each.name)))
