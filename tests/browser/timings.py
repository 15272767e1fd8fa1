"""How fast the page is on this computer: `python -m tests.browser.timings`. Figures for people, not a test: they depend on the machine."""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from playwright.sync_api import Page, sync_playwright

from segmo.geometry import resize_image
from segmo.video import open_source, write_mp4
from tests.browser.conftest import CHROMIUM_OPTIONS, REPOSITORY, Server, running_app

HD, SECONDS, FPS = (720, 1280), 5, 24
PAINTED = "() => [...document.querySelectorAll('#compare video')].filter((v) => v.offsetWidth > 50 && v.readyState >= 2).length === 2"
FILLED = "() => [...document.querySelectorAll('#frames_gallery .thumbnail-item img')].filter((i) => i.naturalWidth > 0).length > 3"
EMPTY = "() => !document.querySelector('#frames_gallery .thumbnail-item img')"


def write_clip(path: Path) -> None:
    """Five seconds of 720p: an example, forwards and backwards, enlarged."""
    source = open_source(REPOSITORY / "examples" / "two_crossing.mp4")
    frames = [resize_image(frame, HD) for _, frame in source.read(list(range(source.info.frame_count)))]
    there_and_back = (frames + frames[::-1]) * 2
    write_mp4(path, np.stack(there_and_back[: SECONDS * FPS]), FPS)


def first_paint(page: Page, server: Server) -> float:
    """Seconds from asking for the page to both videos of the example's result on screen."""
    began = time.monotonic()
    page.goto(server.url)
    page.wait_for_function(PAINTED)
    return time.monotonic() - began


def first_tab(page: Page, clip: Path) -> float:
    """Seconds from pressing Run to the pictures of the sampled frames."""
    page.set_input_files("#upload input[type=file]", clip)
    page.wait_for_selector("#player video", timeout=60_000)
    page.get_by_role("tab", name="Frames", exact=True).click()
    page.locator("#run").click()
    began = time.monotonic()
    page.wait_for_function(EMPTY)
    page.wait_for_function(FILLED)
    seconds = time.monotonic() - began
    page.locator("#stop").click()
    page.wait_for_selector("#run:visible")
    return seconds


def main() -> None:
    """Measure and tell."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory() as folder, running_app(Path(folder)) as server, sync_playwright() as playwright:
        clip = Path(folder) / "hd.mp4"
        write_clip(clip)
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_OPTIONS)
        page = browser.new_page()
        rows = [("start of app.py to the first page", server.seconds_to_first_page, 8)]
        rows += [(f"page with the example's result, visit {visit}", first_paint(page, server), 3) for visit in (1, 2)]
        rows.append(("Run to the first filled tab, 5 s of 720p, lite", first_tab(page, clip), 2))
        browser.close()
    for name, seconds, wanted in rows:
        sys.stdout.write(f"{name:50} {seconds:5.2f} s   wanted: below {wanted} s\n")


if __name__ == "__main__":
    main()
