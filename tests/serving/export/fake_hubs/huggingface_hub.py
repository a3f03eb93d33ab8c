"""Stands in for the package huggingface_hub: models are folders in $FAKE_HUB. Like a hub, it has no empty folders."""
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

TOKENS = ["a token"]


def get_token():
    return TOKENS[0]


class HfApi:
    def __init__(self, **about):
        self.about = about

    def create_repo(self, repo_id, *, private=None, exist_ok=False):
        folder = _folder(repo_id)
        folder.mkdir(parents=True, exist_ok=exist_ok)
        (folder / ".gitattributes").write_text(f"private={private}")
        return SimpleNamespace(repo_id=repo_id)

    def upload_folder(self, *, repo_id, folder_path, commit_message):
        if not _folder(repo_id).is_dir():
            raise FileNotFoundError(repo_id)
        for path in Path(folder_path).rglob("*"):
            if path.is_file():
                target = _folder(repo_id) / path.relative_to(folder_path)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)


def snapshot_download(repo_id, **about):
    if not _folder(repo_id).is_dir():
        raise FileNotFoundError(f"404 Client Error. Repository Not Found for {repo_id}.\nMore lines follow.")
    return str(_folder(repo_id))


def _folder(repo_id):
    return Path(os.environ["FAKE_HUB"], "hf", repo_id)
