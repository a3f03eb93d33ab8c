"""The built site in Chromium: no console message, nothing wider than the window, at 1280 and 400 pixels.

FIXHEAD_SITE names the folder of the built site. Screenshots are kept in the folder that FIXHEAD_SCREENSHOTS names.
"""
import functools
import http.server
import os
import threading
from pathlib import Path

import pytest
from headless import chromium, report_of

pytestmark = pytest.mark.browser

PAGES = ["", "worth-it/", "margins/", "faq/", "benchmarks/", "evidence/", "evidence-claims/",
         "evidence-tables/", "tutorials/layer_in_fit/",
         "reference/commands/train/", "reference/python/head/", "architecture/"]
FRAME = """<body style="margin: 0"><iframe src="PAGE" width="WIDTH" height="1900" style="border: 0"></iframe><script>
window.addEventListener("load", () => setTimeout(() => {
  const page = document.querySelector("iframe").contentDocument;
  const report = document.createElement("pre");
  report.id = "report";
  report.textContent = JSON.stringify({
    title: page.querySelector("h1").textContent, wide: page.documentElement.scrollWidth - WIDTH,
    broken: [...page.images].filter(image => !image.naturalWidth).length});
  document.body.append(report);
}, 3000));</script>"""

LOCAL = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
"""No network except the test's own server; of two rules, Chromium takes the last."""


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def site():
    folder = Path(os.environ["FIXHEAD_SITE"])
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield folder, f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    (folder / "frame.html").unlink(missing_ok=True)


@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_readable_and_silent(site, page, width, tmp_path):
    """Headless Chromium has no window narrower than 500 pixels, so a page is shown in a frame."""
    folder, url = site
    (folder / "frame.html").write_text(FRAME.replace("PAGE", f"/{page}").replace("WIDTH", str(width)))
    found = report_of(tmp_path, f"{url}/frame.html", width, LOCAL)

    assert found["title"].strip() and found["broken"] == 0 and found["wide"] <= 0
    if shots := os.environ.get("FIXHEAD_SCREENSHOTS"):
        name = page.strip("/").replace("/", "-") or "home"
        chromium(tmp_path, f"{url}/frame.html", width, LOCAL, f"--screenshot={Path(shots) / name}-{width}.png")
