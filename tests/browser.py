"""Debian's Chromium without a window, for tests of pages: what they look like once their script has run."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

#: Nothing of it may reach for the network, and it runs as root in CI.
_FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--enable-logging=stderr", "--virtual-time-budget=20000"),
)


def rendered(page: Path, fragment: str = "") -> tuple[str, list[str]]:
    """Open a page; gives its document as it stands then, and what it wrote to the console.

    Where there is no Chromium, the test is skipped, which the summary says; in CI it fails.
    """
    chromium = shutil.which("chromium")
    if chromium is None:
        words = "NO CHROMIUM: the report was NOT opened in a browser. Debian: apt-get install chromium"
        if os.environ.get("CI"):  # noqa: TID251 - the environment of the tests, not of the worker
            pytest.fail(words)
        pytest.skip(words)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        done = subprocess.run(
            [chromium, *_FLAGS, f"--user-data-dir={profile}", "--dump-dom", f"{page.as_uri()}{fragment}"],
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]
