"""The page of an analysis in Chromium: no console message, every picture there, readable at 1280 and 400 pixels.

Screenshots are kept in the folder that FIXHEAD_SCREENSHOTS names.
"""
import os
import shutil
from pathlib import Path

import pytest
from headless import chromium, report_of, with_probe

pytestmark = pytest.mark.browser

REPORT = """<script>
window.addEventListener("load", () => {
  const font = element => parseFloat(getComputedStyle(element).fontSize);
  const images = [...document.images];
  const report = document.createElement("pre");
  report.id = "report";
  const found = {
    images: images.length, broken: images.filter(image => !image.naturalWidth).length,
    unnamed: images.filter(image => !image.alt).length,
    narrowest: Math.min(...images.map(image => image.clientWidth)),
    wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    smallest: Math.min(...[...document.querySelectorAll("p, td, figcaption, th")].map(font)),
    cut: [...document.querySelectorAll(".scroll")].filter(each => each.scrollWidth > each.clientWidth).length,
    width: window.innerWidth};
  images[0].closest("label").click();
  found.enlarged = images[0].clientWidth;
  found.wideWhenEnlarged = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  images[0].closest("label").click();
  found.again = images[0].clientWidth;
  report.textContent = JSON.stringify(found);
  document.body.append(report);
});
</script>"""


@pytest.mark.parametrize("width", [1280, 500, 400])
def test_the_page_is_readable_and_complete(analysis, tmp_path, width):
    shown = with_probe(tmp_path, analysis.page, REPORT, width).as_uri()
    found = report_of(tmp_path, shown, width, "--allow-file-access-from-files")

    assert found["images"] == len(analysis.pictures) and found["broken"] == found["unnamed"] == 0
    assert found["wide"] <= 0 and found["width"] == width
    assert found["narrowest"] >= min(width - 40, 450) and found["smallest"] >= 13
    assert found["cut"] == 0 and found["wideWhenEnlarged"] <= 0
    assert found["enlarged"] >= 1150 > 700 > found["again"]
    if folder := os.environ.get("FIXHEAD_SCREENSHOTS"):
        target = Path(folder) / f"analysis-{width}.png"
        chromium(tmp_path, shown, width, f"--screenshot={target}")
        print(f"\nscreenshot: {target.name}, {found}")


def test_chromium_is_there():
    assert shutil.which("chromium")
