"""Clicks on a result become marks, a text, and masks made again, with everything else as it was."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from segmo.settings import Correction, MaskSettings, Settings
from segmo.ui import correcting, handlers, parts, results
from segmo.ui.controls import client_snippet, command_line, settings_from, values_of
from segmo.ui.drawing import CLICK_COLOURS
from segmo.ui.examples import Example
from segmo.video import write_mp4

Page = dict[str, Any]
REUSED = ("frames", "depth", "tracks", "features", "motion")


def last_of(steps: Generator[Page, None, None]) -> Page:
    page: Page = {}
    for updates in steps:
        page |= updates
    return page


@pytest.fixture
def finished(make_pipeline: Callable[..., Any], clip_file: Path) -> Page:
    return last_of(handlers.run(clip_file, {"stride": 4}, stages=make_pipeline()))


@pytest.fixture
def apply(make_pipeline: Callable[..., Any]) -> Callable[..., tuple[Page, list[Settings]]]:
    """Applies clicks with a pipeline that has all but the masks in its cache; also tells which settings it was given."""

    def apply_one(result: str, clicks: str, examples: Any = None) -> tuple[Page, list[Settings]]:
        given: list[Settings] = []

        def stages(source: Path, settings: Settings) -> Any:
            given.append(settings)
            return make_pipeline(cached=REUSED)(source, settings)

        return last_of(correcting.apply(result, 3, clicks, examples or {}, stages=stages)), given

    return apply_one


def test_clicks_become_a_text_and_marks_on_their_frame(finished: Page) -> None:
    page = correcting.click(finished["shown"], 3, "", "+", (31, 23), {})
    assert page["clicks"] == "3,0.4922,0.4896,+" and "1 click, 1 on this frame" in page["correct_note"]
    page = correcting.click(finished["shown"], 3, page["clicks"], "-", (8, 40), {})
    assert page["clicks"].endswith("3,0.1328,0.8438,-")
    for (x, y), moves in (((26, 23), True), ((3, 40), False)):  # in the disc, beside the bar of the sign
        colour = page["correct_picture"][y + 2, x].astype(int)
        assert np.abs(colour - CLICK_COLOURS[moves]).max() < 60
    elsewhere = correcting.show_frame(finished["shown"], 9, page["clicks"], {})
    assert "2 clicks, 0 on this frame" in elsewhere["correct_note"]
    assert correcting.undo(finished["shown"], 3, page["clicks"], {})["clicks"] == "3,0.4922,0.4896,+"


def test_a_place_can_be_said_without_a_mouse(finished: Page) -> None:
    aimed = correcting.show_frame(finished["shown"], 3, "", {}, (0.5, 0.25))["correct_picture"].astype(int)
    plain = correcting.show_frame(finished["shown"], 3, "", {})["correct_picture"].astype(int)
    rows, columns = np.nonzero(np.abs(aimed - plain).sum(-1) > 60)
    assert abs(columns.mean() - 31.5) < 2 and abs(rows.mean() - 11.5) < 2 and np.ptp(columns) > 12
    assert correcting.add(finished["shown"], 3, "", "-", (0.5, 0.25), {})["clicks"] == "3,0.5,0.25,-"


def test_the_masks_are_made_again_as_a_new_result_and_the_rest_is_kept(
    finished: Page, apply: Callable[..., tuple[Page, list[Settings]]]
) -> None:
    before = results.results_directory() / finished["shown"]
    kept = {path.name: path.read_bytes() for path in (before / parts.VIEW_FOLDER).iterdir()}
    page, (settings,) = apply(finished["shown"], "3,0.5,0.25,+ 9,1,0,-")
    clicks = (Correction(3, 0.5, 0.25, True), Correction(9, 1, 0, False))
    assert settings == Settings.from_dict({**settings_from({"stride": 4}).to_dict(), "masks": {"corrections": clicks}})
    assert "Corrected" in page["message"] and "Computed: masks, files. Everything else came from the cache" in page["message"]
    after = results.results_directory() / page["shown"]
    assert after != before and kept == {path.name: path.read_bytes() for path in (before / parts.VIEW_FOLDER).iterdir()}
    assert set(kept) == {path.name for path in (after / parts.VIEW_FOLDER).iterdir()}
    assert (after / "view/depth.mp4").samefile(before / "view/depth.mp4")
    assert page["correct"]["open"] and page["correct_frame"]["value"] == 3 and page["correct_picture"].shape == (48, 64, 3)
    assert page["run"]["visible"] and not page["stop"]["visible"]
    record = json.loads((after / "run.json").read_text())
    assert Settings.from_dict(record["settings"]).masks.corrections == clicks
    opened = handlers.open_link(page["shown"], {})
    assert opened["clicks"] == "3,0.5,0.25,+ 9,1,0,-" and "--click 3,0.5,0.25,+ --click 9,1,0,-" in opened["record"]["value"]


def test_the_clip_of_an_example_can_be_corrected(
    finished: Page, clip_file: Path, apply: Callable[..., tuple[Page, list[Settings]]]
) -> None:
    example = Example("One", clip_file, results.results_directory() / finished["shown"])
    page, given = apply("one", "0,0,0,+", {"one": example})
    assert len(given) == 1 and page["shown"] not in ("one", finished["shown"])


def test_what_cannot_be_corrected_is_told(finished: Page, apply: Callable[..., tuple[Page, list[Settings]]]) -> None:
    page, given = apply("0" * 32, "0,0,0,+")
    assert "Press Run first" in page["message"] and not given
    page, given = apply(finished["shown"], "0,0,0")
    assert "Give it as FRAME,X,Y,+" in page["message"] and not given and page["run"]["visible"]
    assert "not here" in correcting.show_frame("0" * 32, 0, "", {})["correct_note"]


def test_a_new_clip_forgets_the_clicks_and_hides_the_place_for_them(finished: Page, clip_file: Path) -> None:
    first = handlers.drop(str(clip_file), {})
    assert first["clicks"] == "" and not first["correct"]["visible"]


def test_clicks_are_placed_on_the_clip_that_is_run_and_on_no_other(finished: Page, clip_file: Path, tmp_path: Path) -> None:
    def shows(source: Path | None, result: str = finished["shown"]) -> bool:
        return bool(handlers.settled(result, source, {}, {})["correct"]["visible"])

    copy, other = tmp_path / "copy.mp4", tmp_path / "other.mp4"
    shutil.copyfile(clip_file, copy)
    write_mp4(other, np.zeros((5, 48, 64, 3), np.uint8), 12.0)
    assert not finished["correct"]["visible"], "not before it is known which clip is on the page by then"
    assert shows(clip_file) and shows(copy) and shows(None) and not shows(other) and not shows(clip_file, "")
    assert "5 of 5 frames" in handlers.settled(finished["shown"], other, {}, {})["clip_note"]


def test_settings_of_a_result_bring_its_clicks_only_to_its_own_clip(
    finished: Page, clip_file: Path, tmp_path: Path, apply: Callable[..., tuple[Page, list[Settings]]]
) -> None:
    corrected, _ = apply(finished["shown"], "3,0.5,0.25,+")
    other = tmp_path / "other.mp4"
    write_mp4(other, np.zeros((5, 48, 64, 3), np.uint8), 12.0)
    used = [handlers.use_settings(corrected["shown"], source, {}) for source in (clip_file, None, other)]
    assert [updates.get("clicks") for updates in used] == ["3,0.5,0.25,+", "3,0.5,0.25,+", None]
    assert used[2]["stride"] == 4


def test_clicks_are_a_setting_of_the_page_the_command_line_and_the_api() -> None:
    settings = Settings(masks=MaskSettings(corrections=(Correction(3, 0.5, 0.25, True),)))
    assert settings_from(values_of(settings)) == settings
    assert command_line("clip.mp4", settings).endswith("--click 3,0.5,0.25,+")
    assert "clicks='3,0.5,0.25,+'" in client_snippet(settings)
