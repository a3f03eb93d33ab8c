import json
import shutil

import pytest

from keras_fixhead.analysis import summary
from keras_fixhead.run_analysis import Analysis, analyze_runs, draw_figures
from keras_fixhead.runs import Run, open_run


@pytest.fixture(scope="session")
def two_runs(digits_run: Run, tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    """Returns copies of a trained run in two folders, the second of which says that it had another seed."""
    folder = tmp_path_factory.mktemp("copies")
    copies = [open_run(shutil.copytree(digits_run.path, folder / name)) for name in ("one", "other")]
    path = copies[1].path / "config.json"
    content = json.loads(path.read_text())
    content["resolved"]["seed"] = content["asked"]["seed"] = 1
    path.write_text(json.dumps(content))
    return copies


@pytest.fixture(scope="session")
def analysis(two_runs: list[Run]) -> Analysis:
    """Returns the analysis of two equal runs, with few permutations, and three of nine kinds of figures."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(summary, "PERMUTATIONS", 19)
        patch.setattr(summary, "DRAWS", 9)
        patch.setattr(draw_figures, "PARTS", tuple(draw_figures.PARTS[index] for index in (0, 4, 5)))
        return analyze_runs(two_runs)
