"""The demo, which takes minutes."""
from pathlib import Path

import pytest
from documented import fixhead


@pytest.mark.slow
def test_the_demo_trains_serves_and_reports(tmp_path):
    first = fixhead("demo", cwd=tmp_path)

    assert first["served"]["answers_equal"]
    assert set(first["accuracy_by_arm"]) == {"fixed", "learned"}
    assert first["accuracy"] == first["accuracy_by_arm"][first["exported"]["arm"]]
    validation = {arm: each["validation"] for arm, each in first["accuracy_by_arm"].items()}
    assert validation[first["exported"]["arm"]] == max(validation.values())
    assert Path(first["figure"]).read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "fixhead-demo" / "summary.json").is_file()
