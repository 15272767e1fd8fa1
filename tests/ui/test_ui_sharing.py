"""Links to results, their settings, and what is checked before a run waits."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from segmo.errors import InputError, SettingsError
from segmo.settings import Settings
from segmo.ui import checks, handlers, results, text, webcam
from segmo.ui.controls import settings_from, values_of
from segmo.ui.limits import Limits
from segmo.video import write_mp4

VALUES: dict[str, Any] = {"stride": 4, "threshold": "0.3", "efficiency": False}


@pytest.fixture
def finished(make_pipeline: Callable[..., Any], clip_file: Path) -> dict[str, Any]:
    """The page after a run."""
    page: dict[str, Any] = {}
    for updates in handlers.run(clip_file, VALUES, stages=make_pipeline()):
        page |= updates
    return page


def test_a_link_opens_the_result_with_its_settings(finished: dict[str, Any]) -> None:
    opened = handlers.open_link(finished["shown"], {})
    assert opened["compare"] == finished["compare"] and opened["share"] == finished["share"]
    assert settings_from({name: opened[name] for name in values_of(Settings())}) == settings_from(VALUES)
    assert handlers.take_settings(finished["shown"], {})["threshold"] == 0.3
    assert f'data-result="{finished["shown"]}"' in finished["share"] and "Kept until" in finished["share"]


@pytest.mark.parametrize("name", [None, "", "..", "../results", "0" * 32, "%2e%2e", "two_crossing", "A" * 32])
def test_ids_that_were_never_given_out_open_nothing(finished: dict[str, Any], name: Any) -> None:
    opened = handlers.open_link(name, {})
    assert set(opened) == {"message"} and text.GONE_TITLE in opened["message"]
    assert set(handlers.take_settings(name, {})) == {"message"}


def test_a_link_works_as_long_as_the_page_says(finished: dict[str, Any]) -> None:
    directory = results.find_result(finished["shown"])
    assert directory is not None
    assert f"{results.kept_until(directory):%d %b %Y, %H:%M}" in finished["share"]
    old = time.time() - Limits().keep_hours * 3600 - 5
    os.utime(directory, (old, old))
    assert results.find_result(finished["shown"]) is None


def test_uploads_go_with_the_results_of_their_time(finished: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Gradio deletes those only that arrived whole, and that while it runs."""
    uploads = results.uploads_directory()
    (uploads / "abc").mkdir(parents=True)
    (uploads / "abc" / "whole.mp4").write_bytes(b"1")
    (uploads / "tmp123").write_bytes(b"broken off")
    results.sweep(1)
    assert len(list(uploads.rglob("*"))) == 3
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 3600 + 5)
    (directory := uploads / "new").mkdir()
    os.utime(directory, (now + 3600, now + 3600))
    results.sweep(1)
    results.sweep(1)  # a folder is as old as what was last taken out of it
    assert {path.name for path in uploads.rglob("*")} <= {"abc", "new"} and directory.is_dir()


def test_a_clip_that_is_gone_is_asked_for_again(tmp_path: Path) -> None:
    clip = tmp_path / "holiday.mp4"
    for page in (handlers.stand_in_line(clip, VALUES, Limits()), handlers.drop(str(clip), VALUES), handlers.describe(clip, VALUES)):
        words = page.get("message") or page["clip_note"]
        assert "holiday.mp4 is no longer kept here" in words and "drop it again" in words and str(tmp_path) not in words


def test_a_film_does_not_play_before_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Making it play would take minutes, whether somebody still looks or not."""
    write_mp4(film := tmp_path / "film.mp4", [np.zeros((32, 32, 3), np.uint8)] * 20, 10)
    assert handlers.drop(str(film), VALUES)["to_play"] == str(film)
    monkeypatch.setenv("SEGMO_CLIP_SECONDS", "1")
    page = handlers.drop(str(film), {**VALUES, "length_s": 0.5})
    assert page["to_play"] is None and page["poster"]["visible"] and "to compute" in page["clip_note"]


def test_nobody_clicks_without_end() -> None:
    clicks = " ".join(["0,0.5,0.5,+"] * 300)
    assert len(settings_from({"clicks": clicks}).masks.corrections) == 300
    with pytest.raises(SettingsError, match="301 corrections, and 300 are allowed"):
        settings_from({"clicks": clicks + " 0,0.5,0.5,-"})


def test_run_json_brings_the_settings_back(finished: dict[str, Any], tmp_path: Path) -> None:
    record = results.results_directory() / finished["shown"] / "run.json"
    updates = handlers.drop(str(record), {})
    assert updates["upload"] is None and "Settings restored" in updates["clip_note"]
    assert settings_from({name: updates[name] for name in values_of(Settings())}) == settings_from(VALUES)
    for content in ("[]", "{}", '{"settings": {"stride": 1}}', '{"settings": 3}', "no json"):
        wrong = tmp_path / "run.json"
        wrong.write_text(content)
        updates = handlers.drop(str(wrong), {})
        assert 'role="alert"' in updates["clip_note"] and "stride" not in updates
        with pytest.raises(SettingsError):
            checks.settings_of_record(wrong)


def test_a_dropped_clip_plays_whatever_it_was_recorded_with(tmp_path: Path) -> None:
    path = tmp_path / "odd.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=10)
        stream.width, stream.height, stream.pix_fmt = 71, 45, "yuvj420p"
        for shade in range(0, 200, 40):
            frame = av.VideoFrame(71, 45, "rgb24")
            frame.planes[0].update(bytes([shade]) * frame.planes[0].buffer_size)
            container.mux(stream.encode(frame.reformat(format="yuvj420p")))
        container.mux(stream.encode(None))
    first, second = handlers.drop(str(path), {}), handlers.play(str(path), {})
    assert "71×45 px" in first["clip_note"] and first["poster"]["visible"] and first["example"] is None and first["to_play"] == str(path)
    with av.open(second["player"]["value"]) as played:
        video = played.streams.video[0]
        assert (video.codec_context.name, video.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert video.width % 2 == 0 and video.height % 2 == 0 and len(list(played.decode(video))) == 5


def test_taking_the_clip_away_clears_what_was_said_about_it() -> None:
    updates = handlers.drop(None, {})
    assert updates["clip_note"] == "" and not updates["player"]["visible"] and not updates["poster"]["visible"]


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        (Limits(upload_mb=0), "0 MB are allowed"),
        (Limits(clip_seconds=0), "0 s are allowed"),
        (Limits(frames=5), "12 frames would be used, and 5 are allowed"),
    ],
)
def test_what_is_over_a_limit_does_not_wait(clip_file: Path, limits: Limits, said: str) -> None:
    with pytest.raises(InputError, match=said):
        checks.check_clip(clip_file, Settings(), limits)
    page = handlers.stand_in_line(clip_file, {}, limits)
    assert said in page["message"] and not page["allowed"] and page["run"]["visible"]


def test_what_cannot_run_is_told_as_soon_as_it_is_dropped(clip_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_mp4(tmp_path / "one.mp4", [np.full((48, 64, 3), 90, np.uint8)], 12.0)
    note = handlers.drop(str(tmp_path / "one.mp4"), {})["clip_note"]
    assert "The clip has a single frame" in note and "to compute" not in note
    assert "single frame" in handlers.stand_in_line(tmp_path / "one.mp4", {}, Limits())["message"]
    assert "A single frame would be used" in handlers.describe(clip_file, {"max_frames": 1})["clip_note"]
    assert "leave 0 of the 12 frames" in handlers.describe(clip_file, {"start_s": 99})["clip_note"]
    monkeypatch.setenv("SEGMO_FRAMES", "5")
    note = handlers.describe(clip_file, {})["clip_note"]
    assert "5 are allowed" in note and "to compute" not in note
    assert "to compute" in handlers.describe(clip_file, {"max_frames": 5})["clip_note"]


def test_what_is_within_the_limits_may_run(clip_file: Path) -> None:
    assert handlers.stand_in_line(clip_file, {}, Limits())["allowed"]
    assert handlers.stand_in_line(clip_file, {"max_frames": 5}, Limits(frames=5))["allowed"]
    assert handlers.stand_in_line(clip_file, {"length_s": 0.5}, Limits(clip_seconds=1))["allowed"]


def test_settings_are_kept_as_plain_values(finished: dict[str, Any]) -> None:
    view = json.loads((results.results_directory() / finished["shown"] / "view.json").read_text())
    assert Settings.from_dict(view["parts"]["run"]["settings"]) == settings_from(VALUES)


def test_a_recording_takes_the_place_of_an_upload(clip_file: Path) -> None:
    updates = webcam.record(str(clip_file), {"stride": 4})
    assert updates["upload"] == str(clip_file) and updates["example"] is None
    assert "12 of 12 frames" in updates["clip_note"] and handlers.play(str(clip_file), {})["player"]["visible"]
    assert "example" not in webcam.record(None, {})
