"""The page of `fixhead report` in Chromium: no console message, sorting and filtering, readable at 1280 and 400 pixels.

Screenshots are kept in the folder that FIXHEAD_SCREENSHOTS names.
"""
import os
from pathlib import Path

import pytest
from headless import chromium, report_of, with_probe
from synthetic import write_blocks

from keras_fixhead.reproduction.report.content import read_report, write_report

pytestmark = pytest.mark.browser

PROBE = """<script>
window.addEventListener("load", () => {
  const key = (row, at) => row.cells[at].dataset.key ?? row.cells[at].textContent;
  const shown = box => [...box.querySelectorAll("tbody tr")].filter(row => row.offsetHeight).length;
  const set = (field, value, kind) => { field.value = value; field.dispatchEvent(new Event(kind)); };
  const sections = [...document.querySelectorAll("section")].map(box => {
    const sorted = [...box.querySelectorAll("th")].map((head, at) => {
      const keys = () => [...box.querySelectorAll("tbody tr")].map(row => key(row, at));
      head.click();
      const up = keys(), said = head.getAttribute("aria-sort");
      head.dispatchEvent(new KeyboardEvent("keydown", {key: "Enter"}));
      const numbers = box.querySelector("tbody tr").cells[at].classList.contains("n");
      return {name: head.textContent, numbers, up, down: keys(), said: [said, head.getAttribute("aria-sort")]};
    });
    const text = box.querySelector("input"), verdict = box.querySelector("select"), all = shown(box);
    set(text, "CIFAR100", "input");
    const found = shown(box);
    set(text, "", "input");
    const held = verdict && (set(verdict, "held", "change"), shown(box));
    const both = verdict && (set(text, "cos-s1", "input"), shown(box));
    set(text, "", "input");
    if (verdict) set(verdict, "", "change");
    return {title: box.querySelector("h2").textContent, sorted, all, found, held, both, again: shown(box)};
  });
  const report = document.createElement("pre");
  report.id = "report";
  report.hidden = true;
  report.textContent = JSON.stringify({sections, width: window.innerWidth,
    wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    smallest: Math.min(...[...document.querySelectorAll("p, td, th, input")].map(
      element => parseFloat(getComputedStyle(element).fontSize)))});
  document.body.append(report);
});
</script>"""


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """The report on two blocks of the GPU plan, and the page with it."""
    folder = tmp_path_factory.mktemp("results")
    (folder / "gpu").mkdir()
    write_blocks(folder / "gpu", ["1", "2"])
    content = read_report(folder)
    return content, write_report(content, folder / "report", folder)[3]


@pytest.mark.parametrize("width", [1280, 400])
def test_the_page_sorts_filters_and_is_readable(report, tmp_path, width):
    content, path = report
    shown = with_probe(tmp_path, path, PROBE, width).as_uri()
    found = report_of(tmp_path, shown, width, "--allow-file-access-from-files")

    assert found["width"] == width and found["wide"] <= 0 and found["smallest"] >= 12
    (setting,) = content["settings"]
    comparisons = [(claim["id"], each) for claim in setting["claims"] for each in claim["comparisons"]]
    claims, compared, targets, cells = found["sections"]
    assert [each["all"] for each in found["sections"]] == [
        len(setting["claims"]), len(comparisons), len(setting["targets"]), len(setting["cells"])]
    assert claims["held"] == sum(each["verdict"] == "held" for each in setting["claims"]) > 0
    assert compared["held"] == sum(each["verdict"] == "held" for _, each in comparisons) > compared["both"] > 0
    assert compared["both"] == sum(each["verdict"] == "held" and "cos-s1" in name for name, each in comparisons)
    assert 0 < cells["found"] < cells["all"] and cells["held"] is targets["held"] is None
    for section in found["sections"]:
        assert section["again"] == section["all"]
        for column in section["sorted"]:
            assert column["said"] == ["ascending", "descending"]
            up, down = ([key for key in column[way] if key] for way in ("up", "down"))
            assert down == up[::-1]  # equal keys are equal texts
            assert column["up"] == up + [""] * (len(column["up"]) - len(up))  # empty cells come last
            assert column["down"] == down + [""] * (len(column["down"]) - len(down))
            if column["numbers"]:
                assert list(map(float, up)) == sorted(map(float, up)), column["name"]
            if column["name"] == "claim":
                assert up == sorted(up)
    assert sum(column["numbers"] for column in compared["sorted"]) == 8
    if folder := os.environ.get("FIXHEAD_SCREENSHOTS"):
        plain = with_probe(tmp_path, path, "", width).as_uri()
        chromium(tmp_path, plain, width, f"--screenshot={Path(folder) / f'report-{width}.png'}",
                 "--allow-file-access-from-files")
