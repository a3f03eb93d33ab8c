"""The page of an analysis in Chromium: no console message, every picture there, readable at 1280 and 400 pixels.

Screenshots are kept in the folder that FIXHEAD_SCREENSHOTS names.
"""
import json
import os
import re
import shutil
from html import unescape
from pathlib import Path

import pytest
from headless import chromium

pytestmark = pytest.mark.browser

REPORT = """<script>
window.addEventListener("load", () => {
  const font = element => parseFloat(getComputedStyle(element).fontSize);
  const images = [...document.images];
  const report = document.createElement("pre");
  report.id = "report";
  report.textContent = JSON.stringify({
    images: images.length, broken: images.filter(image => !image.naturalWidth).length,
    unnamed: images.filter(image => !image.alt).length,
    narrowest: Math.min(...images.map(image => image.clientWidth)),
    wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    smallest: Math.min(...[...document.querySelectorAll("p, td, figcaption, th")].map(font)),
    width: window.innerWidth});
  document.body.append(report);
});
</script>"""


@pytest.mark.parametrize("width", [1280, 500, 400])
def test_the_page_is_readable_and_complete(analysis, tmp_path, width):
    """Headless Chromium has no window narrower than 500 pixels, so the narrowest page is shown in a frame of 400."""
    page = tmp_path / "page.html"
    page.write_text(analysis.page.read_text().replace("</body>", f"{REPORT}</body>"))
    shown = page
    if width < 500:
        shown = tmp_path / "frame.html"
        shown.write_text(f'<iframe src="page.html" width="{width}" height="1900" style="border: 0"></iframe><script>'
                         'window.addEventListener("load", () => setTimeout(() => document.body.append(document.'
                         'querySelector("iframe").contentDocument.querySelector("#report").cloneNode(true)), 5000))'
                         "</script>")
    done = chromium(tmp_path, shown, max(width, 500), "--allow-file-access-from-files", "--dump-dom")
    found = json.loads(unescape(re.search(r'<pre id="report">(.*?)</pre>', done.stdout)[1]))

    assert not re.findall(r".*CONSOLE.*", done.stderr)
    assert found["images"] == len(analysis.pictures) and found["broken"] == found["unnamed"] == 0
    assert found["wide"] <= 0 and found["width"] == width
    assert found["narrowest"] >= min(width - 40, 450) and found["smallest"] >= 13
    if folder := os.environ.get("FIXHEAD_SCREENSHOTS"):
        target = Path(folder) / f"analysis-{width}.png"
        chromium(tmp_path, shown, max(width, 500), f"--screenshot={target}")
        print(f"\nscreenshot: {target.name}, {found}")


def test_chromium_is_there():
    assert shutil.which("chromium")
