"""Headless Chromium for tests of pages, without a network."""
import json
import re
import subprocess
from html import unescape

NARROWEST = 500
"""Headless Chromium has no narrower window, so a narrower page is shown in a frame."""


def chromium(folder, address, width, *options):
    return subprocess.run(
        ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-extensions",
         "--no-proxy-server", "--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={folder / 'profile'}",
         f"--window-size={max(width, NARROWEST)},2000", "--virtual-time-budget=20000", "--enable-logging=stderr",
         *options, address], capture_output=True, text=True, timeout=300)


def with_probe(folder, page, probe, width):
    """Writes a page with a script that adds its report, and returns what shows it at a width: the page, or a frame."""
    probed = folder / "page.html"
    probed.write_text(page.read_text().replace("</body>", f"{probe}</body>"))
    if width >= NARROWEST:
        return probed
    frame = folder / "frame.html"
    frame.write_text(f'<iframe src="page.html" width="{width}" height="1900" style="border: 0"></iframe><script>'
                     'window.addEventListener("load", () => setTimeout(() => document.body.append(document.'
                     'querySelector("iframe").contentDocument.querySelector("#report").cloneNode(true)), 5000))'
                     "</script>")
    return frame


def report_of(folder, address, width, *options):
    """Returns the report that a page's script has added to it; there must be no message in the console."""
    done = chromium(folder, address, width, *options, "--dump-dom")
    assert not re.findall(r".*CONSOLE.*", done.stderr)
    return json.loads(unescape(re.search(r'<pre id="report"[^>]*>(.*?)</pre>', done.stdout, re.S)[1]))
