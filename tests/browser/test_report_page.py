"""The page of a benchmark in a real browser: all of it is there, nothing is fetched, and it fits a phone, by day and by night."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import fakes
import pytest
from mask_trees import BrightMasks, write_davis

from segmo.cache import StageCache
from segmo.evaluation.benchmark import run_benchmark
from segmo.settings import FrameSettings, Settings
from segmo.types import finish

pytestmark = pytest.mark.browser

NAMES = ["one", "a-sequence-with-quite-a-long-name", "three"]
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    write_davis(folder / "davis", NAMES, frames=8)
    with StageCache(folder / "cache") as cache:
        settings = Settings(frames=FrameSettings(efficiency=False))
        finish(run_benchmark(folder / "davis", folder / "out", settings, cache=cache, store=fakes.FakeStore(masks=BrightMasks)))  # type: ignore[arg-type]
    return folder / "out/report.html"


@pytest.fixture(scope="module")
def chromium():
    executable = shutil.which("chromium") or shutil.which("chromium-browser")
    if not executable:
        if os.environ.get("CI") == "true":
            pytest.fail("No Chromium was found, and CI must run the browser tests.")
        pytest.skip("no Chromium was found")
    api = pytest.importorskip("playwright.sync_api")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, headless=True, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page(report: Path, chromium, scheme: str, width: int) -> None:
    context = chromium.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme, offline=True)
    page = context.new_page()
    trouble: list[str] = []
    page.on("console", lambda message: trouble.append(message.text))
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.on("request", lambda request: trouble.append(request.url) if request.url.split(":")[0] not in ("file", "data") else None)
    page.goto(report.as_uri())
    page.wait_for_function("[...document.images].every(image => image.complete)")
    page.screenshot(path=report.parent / f"report-{scheme}-{width}.png", full_page=True)
    assert trouble == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("img").count() == 2 * len(NAMES)
    assert page.evaluate("[...document.images].every(image => image.naturalWidth > 0 && image.alt)")
    assert page.locator("tbody tr").count() == 1 + len(NAMES)
    widths = page.evaluate("[...document.querySelectorAll('.bar')].map(bar => bar.firstChild.offsetWidth / bar.offsetWidth * 100)")
    shown = [float(text) for text in page.locator(".pair b").all_inner_texts()]
    assert len(shown) == 2 * len(NAMES) and 20 < min(shown) < max(shown) < 100
    assert all(abs(a - b) < 2 for a, b in zip(widths, shown, strict=True))
    colours = page.evaluate("['color', 'backgroundColor'].map(name => getComputedStyle(document.body)[name])")
    ink, paper = (sum(map(int, colour.removeprefix("rgb(").removesuffix(")").split(", "))) for colour in colours)
    assert (ink < paper - 300) if scheme == "light" else (ink > paper + 300)
    page.get_by_role("link", name=NAMES[1]).click()
    assert page.locator(f"article[id='{NAMES[1]}']").evaluate("card => card.getBoundingClientRect().top < innerHeight")
    context.close()
