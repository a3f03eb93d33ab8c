"""Commits results as they end."""
import subprocess
from collections.abc import Sequence
from pathlib import Path

SECONDS = 60.0


def commit(paths: Sequence[Path], message: str) -> str | None:
    """Commits the given files, and nothing else, to the Git repository that they are in.

    Args:
        paths: files of one folder.
        message: the commit's message.

    Returns:
        None, or why they could not be committed: they stay where they are.
    """
    names = [path.name for path in paths]
    for arguments in (["add", "--", *names], ["commit", "--quiet", "-m", message, "--", *names]):
        try:
            done = subprocess.run(["git", *arguments], cwd=paths[0].parent, capture_output=True, text=True,
                                  timeout=SECONDS, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            return str(error)
        if done.returncode:
            return (done.stderr.strip() or done.stdout.strip() or f"git exited with {done.returncode}").splitlines()[0]
    return None
