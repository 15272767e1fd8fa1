"""A visitor's way through the app, in a real browser, with the real pipeline."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from segmo.ui.text import TABS
from segmo.video import write_mp4

pytestmark = pytest.mark.browser

RUN_MS = 180_000
OpenPage = Callable[..., Page]


def open_tab(page: Page, title: str) -> None:
    expect(page.get_by_role("tab").first).to_be_visible()  # until the page has measured how many tabs fit, none is
    tab = page.get_by_role("tab", name=title, exact=True)
    if tab.is_visible():
        tab.click()
    else:
        page.locator(".overflow-menu > button").click()
        page.locator(".overflow-dropdown").get_by_text(title, exact=True).click()


def wait_for_videos(page: Page, where: str, count: int = 1) -> None:
    """Wait until videos are on screen whose first frame is decoded."""
    page.wait_for_function(
        "([where, count]) => [...document.querySelectorAll(where + ' video')]"
        ".filter((v) => v.offsetWidth > 50 && v.videoWidth > 0 && v.readyState >= 2).length === count",
        arg=[where, count],
    )


def wait_for_pictures(page: Page, where: str, count: int) -> None:
    page.wait_for_function(
        "([where, count]) => [...document.querySelectorAll(where + ' .thumbnail-item img')]"
        ".filter((i) => i.offsetWidth > 50 && i.naturalWidth > 0).length >= count",
        arg=[where, count],
    )


def check_every_tab(page: Page, pictures: int, files: int) -> None:
    open_tab(page, TABS["frames"])
    wait_for_pictures(page, "#frames_gallery", pictures)
    for name in ("depth", "tracks", "motion", "masks"):
        open_tab(page, TABS[name])
        wait_for_videos(page, f"#{name}_video")
    open_tab(page, TABS["motion"])
    expect(page.locator("#histogram rect.moving").first).to_be_attached()
    if files:  # the examples' results may be older than this
        check_threshold(page)
    open_tab(page, TABS["features"])
    wait_for_pictures(page, "#features_gallery", 2)
    open_tab(page, TABS["files"])
    expect(page.locator("#archive")).to_be_visible()
    expect(page.locator("#files .download-link")).to_have_count(files)
    open_tab(page, TABS["run"])
    expect(page.locator("#record tbody tr")).to_have_count(8)
    open_tab(page, TABS["result"])
    wait_for_videos(page, "#compare", 2)


def check_threshold(page: Page) -> None:
    """Moving the threshold changes points, count and histogram at once, and asks nothing of the server."""
    count = page.locator(".live-count")
    expect(count).to_contain_text("tracks would move at")
    slider, canvas = page.locator(".live-threshold"), page.locator(".live-view canvas")
    slider.fill("0.99")
    high, few = canvas.evaluate("(c) => c.toDataURL()"), int(count.inner_text().split()[0])
    slider.fill("0.01")
    assert int(count.inner_text().split()[0]) > few and canvas.evaluate("(c) => c.toDataURL()") != high
    expect(page.locator("#histogram .at")).to_have_text("threshold 0.01")
    page.locator(".live-frame").fill("0")
    page.wait_for_function(
        "() => { const i = document.querySelector('.live-view img'); return i.naturalWidth > 0 && i.offsetHeight > 50; }"
    )


def set_number(page: Page, label: str, value: int) -> None:
    box = page.locator("#settings").get_by_label(label).first
    box.fill(str(value))
    box.blur()


def drop(page: Page, clip: Path) -> None:
    page.set_input_files("#upload input[type=file]", clip)


def states(page: Page) -> dict[str, str]:
    steps: dict[str, str] = page.evaluate(
        "() => Object.fromEntries([...document.querySelectorAll('.step')].map((s) => [s.dataset.step, s.dataset.state]))"
    )
    return steps


def wait_for_state(page: Page, step: str, state: str) -> None:
    expect(page.locator(f'.step[data-step="{step}"]')).to_have_attribute("data-state", state, timeout=RUN_MS)


def test_the_page_opens_on_a_finished_example_without_computing(open_page: OpenPage, server: Any) -> None:
    before = set(server.cache.rglob("*"))
    page = open_page()
    wait_for_videos(page, "#compare", 2)
    assert set(states(page).values()) <= {"done", "cached", "skipped"}
    expect(page.locator("#objects tbody tr").first).to_be_visible()
    check_every_tab(page, 12, 0)
    assert set(server.cache.rglob("*")) == before


def test_the_players_keep_in_step_and_one_slides_over_the_other(open_page: OpenPage) -> None:
    page = open_page()
    wait_for_videos(page, "#compare", 2)
    # Both must be playing before one is paused: pausing a player that has not begun does not stop it from beginning.
    page.wait_for_function("() => [...document.querySelectorAll('#compare video')].every(v => !v.paused && v.currentTime > 0)")
    page.evaluate("() => { const v = document.querySelector('#compare .overlay video'); v.pause(); v.currentTime = 1.5; }")
    page.wait_for_function(
        "() => { const [a, b] = document.querySelectorAll('#compare video');"
        " return a.paused && b.currentTime > 1.4 && Math.abs(a.currentTime - b.currentTime) < 0.05; }"
    )
    page.get_by_label("Compare by sliding").check()
    slider = page.get_by_label("Share of the original that is shown")
    slider.fill("25")
    left, right = page.locator("#compare figure.original"), page.locator("#compare figure.overlay")
    assert left.bounding_box() == right.bounding_box()
    assert "75%" in left.evaluate("(figure) => getComputedStyle(figure).clipPath")


def test_a_narrow_page_is_no_wider_than_the_screen(open_page: OpenPage) -> None:
    page = open_page(390, 844, "dark")
    for title in TABS.values():
        open_tab(page, title)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, title
    result, panel = page.locator("#result-column").bounding_box(), page.locator("#panel-column").bounding_box()
    assert result and panel and result["y"] < panel["y"], "the result comes first"


def test_a_clip_goes_in_and_masks_come_out(open_page: OpenPage, shared: Path, tmp_path: Path) -> None:
    page = open_page()
    drop(page, shared / "clips" / "cat.mp4")
    expect(page.locator("#clip-note")).to_contain_text("87 of 87 frames will be used")
    set_number(page, "Maximum frames", 14)
    set_number(page, "Maximum side", 240)
    expect(page.locator("#clip-note")).to_contain_text("14 of 87 frames will be used")
    page.locator("#run").click()
    expect(page.locator("#message")).to_contain_text("Done", timeout=RUN_MS)
    assert set(states(page).values()) == {"done"}
    check_every_tab(page, 14, 6)
    open_tab(page, TABS["files"])
    with page.expect_download() as waiting:
        page.locator("#archive").click()
    archive = tmp_path / "result.zip"
    waiting.value.save_as(archive)
    with zipfile.ZipFile(archive) as content:
        assert content.testzip() is None
        assert len([name for name in content.namelist() if name.startswith("masks/")]) == 14
        assert json.loads(content.read("run.json"))["settings"]["frames"]["max_frames"] == 14


def test_a_clip_may_be_dropped_anywhere_and_in_place_of_another(open_page: OpenPage, tmp_path: Path) -> None:
    page = open_page()
    for height in (48, 64):
        write_mp4(tmp_path / "clip.mp4", [np.full((height, 64, 3), 90, np.uint8)] * 4, 12.0)
        left_to_the_browser = page.evaluate(
            "(bytes) => { const data = new DataTransfer();"
            " data.items.add(new File([new Uint8Array(bytes)], 'clip.mp4', { type: 'video/mp4' }));"
            " return document.querySelector('#result-column').dispatchEvent("
            "new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true })); }",
            list((tmp_path / "clip.mp4").read_bytes()),
        )
        assert not left_to_the_browser, "it would open the file in place of the page"
        expect(page.locator("#clip-note")).to_contain_text(f"64×{height} px", timeout=20_000)


def test_stop_keeps_what_is_finished_and_the_next_run_goes_on_from_there(open_page: OpenPage, shared: Path) -> None:
    page = open_page()
    drop(page, shared / "clips" / "dog.mp4")
    expect(page.locator("#poster img")).to_be_visible()
    page.locator("#run").click()
    wait_for_state(page, "frames", "done")
    wait_for_state(page, "flow", "running")
    page.locator("#stop").click()
    expect(page.locator("#message")).to_contain_text("Stopped")
    expect(page.locator('.step[data-state="stopped"]')).to_have_count(1)  # flow, or what came after it before the click was heard
    open_tab(page, TABS["frames"])
    wait_for_pictures(page, "#frames_gallery", 12)
    page.locator("#run").click()  # waits for the first run if that had not really ended
    wait_for_state(page, "frames", "cached")
    page.locator("#stop").click()
    expect(page.locator("#run")).to_be_visible()


def test_a_text_file_called_mp4_is_refused_in_words(open_page: OpenPage, tmp_path: Path) -> None:
    path = tmp_path / "notes.mp4"
    path.write_text("These are notes and not a film. " * 40)
    page = open_page()
    drop(page, path)
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("This clip cannot be used. notes.mp4")
    page.locator("#run").click()
    wait_for_state(page, "frames", "failed")
    expect(page.locator("#message")).to_contain_text("This clip cannot be used")
    assert "Traceback" not in page.content()


def test_a_clip_of_one_frame_is_refused_in_words(open_page: OpenPage, tmp_path: Path) -> None:
    write_mp4(tmp_path / "one.mp4", [np.full((90, 160, 3), 90, np.uint8)], 10)
    page = open_page()
    drop(page, tmp_path / "one.mp4")
    expect(page.locator("#clip-note")).to_contain_text("The clip has a single frame, and motion needs at least 2", timeout=20_000)
    page.locator("#run").click()
    expect(page.locator("#message")).to_contain_text("This clip cannot be used. The clip has a single frame", timeout=20_000)


def test_a_new_threshold_computes_only_motion_and_masks(open_page: OpenPage, shared: Path) -> None:
    page = open_page()
    drop(page, shared / "clips" / "cat.mp4")
    expect(page.locator("#clip-note")).to_contain_text("87 of 87")
    set_number(page, "Maximum frames", 10)
    set_number(page, "Maximum side", 200)
    page.locator("#run").click()
    expect(page.locator("#message")).to_contain_text("Done", timeout=RUN_MS)
    open_tab(page, TABS["motion"])
    expect(page.locator(".live-count")).to_contain_text("tracks would move at")
    page.locator(".live-threshold").fill("0.35")
    page.locator(".live-use").click()
    expect(page.locator("#setting-threshold input, #setting-threshold textarea")).to_have_value("0.35")
    page.locator("#run").click()
    wait_for_state(page, "frames", "cached")
    expect(page.locator("#message")).to_contain_text("Done", timeout=RUN_MS)
    now = states(page)
    assert {now[step] for step in ("frames", "depth", "tracks", "features")} == {"cached"} and now["masks"] == "done"
    open_tab(page, TABS["run"])
    expect(page.locator("#record")).to_contain_text("--threshold 0.35")
