"""Headless Chromium for tests of pages, without a network."""
import subprocess


def chromium(folder, page, width, *options):
    return subprocess.run(
        ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-extensions",
         "--no-proxy-server", "--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={folder / 'profile'}",
         f"--window-size={width},2000", "--virtual-time-budget=20000", "--enable-logging=stderr", *options,
         page.as_uri()], capture_output=True, text=True, timeout=300)
