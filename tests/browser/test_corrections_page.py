"""A visitor corrects a result by clicking, chooses what the zip holds, and records a clip with the webcam."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from test_app import RUN_MS, drop, open_tab, set_number, states, wait_for_videos

from segmo.ui.text import TABS

pytestmark = pytest.mark.browser

SLOW_MS = 20_000
"""For answers of the server that are fast where nothing else runs."""
OpenPage = Callable[..., Page]


def click_at(page: Page, x: float, y: float, says: str) -> None:
    """Click at shares of the width and height of the frame."""
    page.get_by_label(says).check()
    picture = page.locator("#correct-picture img")
    expect(picture).to_be_visible()
    page.wait_for_function("() => document.querySelector('#correct-picture img').naturalWidth > 50")
    picture.scroll_into_view_if_needed()
    box = picture.bounding_box()
    assert box
    picture.click(position={"x": x * box["width"], "y": y * box["height"]})


def test_a_click_corrects_the_masks_and_nothing_else_runs(open_page: OpenPage, shared: Path, tmp_path: Path) -> None:
    page = open_page()
    drop(page, shared / "clips" / "cat.mp4")
    expect(page.locator("#clip-note")).to_contain_text("87 of 87", timeout=SLOW_MS)
    expect(page.locator("#correct")).to_be_hidden(timeout=SLOW_MS)
    set_number(page, "Maximum frames", 10)
    set_number(page, "Maximum side", 200)
    page.locator("#run").click()
    expect(page.locator("#message")).to_contain_text("Done", timeout=RUN_MS)
    expect(page.locator("#clip-note")).to_contain_text("all stages from the cache", timeout=SLOW_MS)
    objects = page.locator("#objects tbody tr")
    before = objects.count()
    page.get_by_role("button", name="Correct by clicking").click()
    expect(page.locator("#correct-note")).to_contain_text("No clicks yet", timeout=SLOW_MS)
    click_at(page, 0.5, 0.5, "This does not")
    expect(page.locator("#correct-note")).to_contain_text("1 click, 1 on this frame", timeout=SLOW_MS)
    page.locator("#correct-undo").click()
    expect(page.locator("#correct-note")).to_contain_text("No clicks yet", timeout=SLOW_MS)
    click_at(page, 0.15, 0.12, "This moves too")
    expect(page.locator("#correct-note")).to_contain_text("1 click, 1 on this frame", timeout=SLOW_MS)
    page.locator("#correct-apply").click()
    expect(page.locator("#message")).to_contain_text("Everything else came from the cache", timeout=RUN_MS)
    now = states(page)
    assert {name for name, state in now.items() if state == "done"} == {"masks", "files"} and set(now.values()) == {"done", "cached"}
    expect(objects).to_have_count(before + 1)
    wait_for_videos(page, "#compare", 2)
    expect(page.locator("#run")).to_be_visible()
    open_tab(page, TABS["run"])
    expect(page.locator("#record")).to_contain_text("--click ")
    expect(page.locator("#record tr", has_text="Masks")).to_contain_text("GB")
    check_choice_of_files(page, tmp_path)


def check_choice_of_files(page: Page, folder: Path) -> None:
    open_tab(page, TABS["files"])
    for name in ("Overlay video", "Side by side video", "Alpha video", "Tracks (NPZ)", "Objects (COCO RLE)"):
        page.get_by_label(name).uncheck()
    page.get_by_label("Tracks (CSV)").check()
    expect(page.locator("#files")).to_contain_text(re.compile(r"tracks\s*\.csv"), timeout=RUN_MS)
    expect(page.locator("#archive")).to_be_enabled()
    with page.expect_download() as waiting:
        page.locator("#archive").click()
    waiting.value.save_as(folder / "chosen.zip")
    with zipfile.ZipFile(folder / "chosen.zip") as archive:
        assert {name.partition("/")[0] for name in archive.namelist()} == {"masks", "run.json", "tracks.csv"}


def test_the_zip_of_an_example_holds_what_is_chosen(open_page: OpenPage, tmp_path: Path) -> None:
    """Of what it is shipped with; nothing is computed for that."""
    page = open_page()
    open_tab(page, TABS["files"])
    expect(page.get_by_label("Alpha video")).not_to_be_checked()
    for name in ("Overlay video", "Masks (palette PNG)"):
        page.get_by_label(name).uncheck()
    expect(page.locator("#files")).to_contain_text("objects", timeout=SLOW_MS)
    names = []
    while "segmo-objects-run.zip" not in names:  # what was chosen on the way there may be packed, and for a moment offered, first
        assert len(names) < 4, names
        expect(page.locator("#archive")).to_be_enabled(timeout=SLOW_MS)
        with page.expect_download() as waiting:
            page.locator("#archive").click()
        names.append(waiting.value.suggested_filename)
    waiting.value.save_as(tmp_path / "chosen.zip")
    with zipfile.ZipFile(tmp_path / "chosen.zip") as archive:
        assert set(archive.namelist()) == {"objects.json", "run.json"}


def test_a_recording_from_the_webcam_is_a_clip(open_page: OpenPage) -> None:
    page = open_page()
    page.context.grant_permissions(["camera"])
    page.get_by_role("button", name="Or record with the webcam").click()
    page.locator("#webcam").get_by_text("Click to Access Webcam").click()
    record = page.locator("#webcam .button-wrap button").first
    page.wait_for_function("() => { const v = document.querySelector('#webcam video'); return v && v.videoWidth > 0; }")
    record.click()
    page.wait_for_timeout(1500)
    record.click()
    wait_for_videos(page, "#player")
    expect(page.locator("#clip-note")).to_contain_text("frames will be used")
    expect(page.locator("#upload")).to_contain_text(".webm")


def test_the_original_shows_while_a_button_is_held(open_page: OpenPage) -> None:
    page = open_page()
    wait_for_videos(page, "#compare", 2)
    left, right = page.locator("#compare figure.original"), page.locator("#compare figure.overlay")
    assert left.bounding_box() != right.bounding_box()
    page.get_by_role("button", name="Hold to see the original").hover()
    page.mouse.down()
    expect(page.locator("#compare .compare")).to_have_class("compare holding")
    assert left.bounding_box() == right.bounding_box()
    page.mouse.up()
    expect(page.locator("#compare .compare")).to_have_class("compare")
