"""`make up` as a person sees it, in headless Chromium."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

BIN = Path(sys.executable).parent
PROJECT = Path(__file__).parents[1]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
]


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for(url, process, seconds=120):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert process.poll() is None, f"`wunderkammer up` ended with {process.returncode}"
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return answer.read()
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.5)
    raise AssertionError(f"{url} did not answer in {seconds} s")


@pytest.fixture
def served(workplace):
    workplace.write(
        "patchwork",
        scrape={"num_quilts": 96, "side_px": 160},
        filter={"min_side_px": 96, "size_px": 64},
    )
    environ = {**os.environ, **workplace.environ}
    subprocess.run([BIN / "wunderkammer", "refresh", "patchwork"], env=environ, check=True)
    port, tensorboard_port = free_port(), free_port()
    command = [BIN / "wunderkammer", "up", "--port", str(port)]
    process = subprocess.Popen(
        [*command, "--tensorboard-port", str(tensorboard_port)], env=environ, cwd=PROJECT
    )
    try:
        wait_for(f"http://127.0.0.1:{port}/server_info", process)
        yield f"http://127.0.0.1:{port}", f"http://127.0.0.1:{tensorboard_port}", process
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0


def screenshot(page, name):
    """Kept where WUNDERKAMMER_SCREENSHOTS says; the README's pictures are made this way."""
    folder = os.environ.get("WUNDERKAMMER_SCREENSHOTS")
    if folder:
        page.screenshot(path=Path(folder) / f"{name}.png")


@pytest.mark.timeout(400)
def test_the_graph_a_partition_and_a_contact_sheet_are_seen(served):
    from playwright.sync_api import sync_playwright

    url, tensorboard_url, process = served
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.set_default_timeout(60_000)

        page.goto(
            f"{url}/assets/interpolation_video?view=lineage&lineageScope=upstream&lineageDepth=5"
        )
        for asset in ("raw_scrape", "filtered_crops", "deduped_shards", "trained_checkpoint"):
            page.get_by_text(asset, exact=True).first.wait_for()
        page.wait_for_timeout(2000)
        screenshot(page, "graph")

        page.goto(f"{url}/assets/filtered_crops?view=partitions&partition=patchwork")
        page.get_by_text("patchwork", exact=True).first.wait_for()
        page.get_by_text("Materialized").first.wait_for()
        page.get_by_text("too_small").first.wait_for()
        screenshot(page, "partition")

        kept = page.locator("tr", has=page.get_by_text("picture/kept", exact=True))
        kept.get_by_text("[Show Markdown]").click()
        sheet = page.locator('img[src^="data:image/jpeg;base64,"]').first
        sheet.wait_for()
        assert sheet.evaluate("image => image.complete && image.naturalWidth > 100")
        screenshot(page, "contact_sheet")
        browser.close()
    assert b"TensorBoard" in wait_for(tensorboard_url, process)
