"""The handlers translate events into what a visitor sees."""

from __future__ import annotations

import dataclasses
import json
import logging
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import gradio as gr
import numpy as np
import pytest

from segmo.errors import VideoError
from segmo.pipeline import StageEvent
from segmo.types import Clip
from segmo.ui import drawing, handlers, panels, text
from segmo.ui.limits import Limits
from segmo.ui.progress import Progress
from segmo.ui.translate import Translator

VALUES: dict[str, Any] = {"stride": 4}
ORDER = ["frames", "depth", "tracks", "features", "motion", "masks", "files"]


def value(update: Any) -> Any:
    return update["value"] if isinstance(update, dict) else update


def states(html: str) -> dict[str, str]:
    return dict(re.findall(r'data-step="(\w+)" data-state="(\w+)"', html))


def run(pipeline: Any, clip: Path) -> dict[str, Any]:
    """The page after a run: the last update of every component."""
    page: dict[str, Any] = {}
    for updates in handlers.run(clip, VALUES, stages=pipeline):
        page |= updates
    return page


def test_each_tab_fills_as_soon_as_its_stage_is_done(make_pipeline: Callable[..., Any], clip_file: Path) -> None:
    done_when_filled: dict[str, list[str]] = {}
    page: dict[str, Any] = {}
    for updates in handlers.run(clip_file, VALUES, stages=make_pipeline()):
        page |= updates
        done = [step for step, state in states(page["steps"]).items() if state == "done"]
        for tab, slots in panels.CONTENT.items():
            if any(value(page[slot]) for slot in slots):
                done_when_filled.setdefault(tab, done)
    for stage in ORDER:
        assert done_when_filled[stage] == ORDER[: ORDER.index(stage) + 1]
    assert done_when_filled["result"] == ["frames"], "the original plays while the rest is computed"
    assert done_when_filled["run"] == ORDER


def test_tracks_are_coloured_by_motion_once_it_is_known(make_pipeline: Callable[..., Any], clip_file: Path) -> None:
    notes, videos = list[str](), list[str]()
    for updates in handlers.run(clip_file, VALUES, stages=make_pipeline()):
        if "tracks_video" in updates and value(updates["tracks_video"]):
            notes.append(updates["tracks_note"])
            videos.append(value(updates["tracks_video"]))
    assert len(notes) == 2 and "orange moves" not in notes[0] and "orange moves" in notes[1]
    assert len(set(videos)) == 2, "a player does not look again at an address that it knows"
    assert not Path(videos[0]).exists() and Path(videos[1]).name == "tracks.mp4"


def test_every_video_of_a_run_can_be_decoded_at_its_size(make_pipeline: Callable[..., Any], clip_file: Path) -> None:
    page = run(make_pipeline(), clip_file)
    for slot in ("depth_video", "tracks_video", "motion_video", "masks_video"):
        with av.open(value(page[slot])) as container:
            frames = [frame for frame in container.decode(video=0)]
        assert len(frames) == 12
        assert frames[0].height == 48


def test_query_frames_are_named_and_framed(make_pipeline: Callable[..., Any], clip_file: Path) -> None:
    pictures = value(run(make_pipeline(), clip_file)["frames_gallery"])
    assert [caption.split(" · ")[0] for _, caption in pictures if "query" in caption] == ["query 0", "query 4", "query 8"]
    assert len(pictures) == 12


def test_objects_are_listed_with_colour_score_and_frames(make_pipeline: Callable[..., Any], clip_file: Path) -> None:
    html = value(run(make_pipeline(), clip_file)["objects"])
    assert re.search(r"background:#[0-9a-f]{6}", html)
    assert "Object 3" in html and "75%" in html and "12 of 12 frames" in html and "13.0%" in html


def test_files_are_below_an_unguessable_folder_and_not_named_after_the_upload(
    make_pipeline: Callable[..., Any], clip_file: Path, own_cache: Path
) -> None:
    first, second = run(make_pipeline(), clip_file), run(make_pipeline(), clip_file)
    archive = Path(value(first["archive"]))
    assert archive.parent != Path(value(second["archive"])).parent
    assert archive.parent.parent == own_cache / "results" and re.fullmatch("[0-9a-f]{32}", archive.parent.name)
    assert not [path for path in own_cache.rglob("*") if "holiday" in path.name]
    with zipfile.ZipFile(archive) as content:
        assert content.testzip() is None
        assert {"masks/00000.png", "overlay.mp4", "objects.json", "tracks.npz", "run.json"} <= set(content.namelist())


def test_a_finished_run_opens_again_as_it_was(make_pipeline: Callable[..., Any], clip_file: Path) -> None:
    page = run(make_pipeline(), clip_file)
    opened = handlers.open_result(Path(value(page["archive"])).parent)
    for slot in [slot for slots in panels.CONTENT.values() for slot in slots]:
        assert value(opened[slot]) == value(page[slot])
    assert states(opened["steps"]) == states(page["steps"])


def test_closing_the_handler_closes_the_pipeline_and_keeps_what_is_finished(make_pipeline: Callable[..., Any], clip_file: Path) -> None:
    pipeline = make_pipeline()
    steps = handlers.run(clip_file, VALUES, stages=pipeline)
    page: dict[str, Any] = {}
    while not value(page.get("depth_video")):
        page |= next(steps)
    steps.close()
    assert pipeline.closed and "tracks" not in pipeline.finished
    after = page | handlers.stop(page["progress"])
    assert Path(value(after["depth_video"])).is_file()
    assert states(after["steps"])["depth"] == "done" and "Stopped" in after["message"]
    assert after["run"]["visible"] and not after["stop"]["visible"]


def test_a_step_that_waits_for_weights_says_so() -> None:
    page = Translator(Path())
    (updates,) = page.take(StageEvent("depth", "progress", 0.0, 65.0, note="fetching weights, 12%"))
    assert "fetching weights, 12% · 1 min 5 s" in updates["steps"] and "0% ·" not in updates["steps"].replace("12% ·", "")


def test_a_step_never_goes_back() -> None:
    """A second product of a stage, which waits for its turn at the cache, tells that it has nothing yet."""
    page = Translator(Path())
    list(page.take(StageEvent("motion", "progress", 0.8, 12.0)))
    list(page.take(StageEvent("motion", "progress", 0.0, 14.0)))
    assert "80% · 14.0 s" in page.progress.to_html()
    list(page.take(StageEvent("masks", "progress", 0.1, 1.0)))
    assert "10% · 1.0 s" in page.progress.to_html()


def test_what_the_facts_of_the_frames_say_is_no_warning_beside_them(tmp_path: Path) -> None:
    frames, told = np.zeros((2, 48, 64, 3), np.uint8), ("Used 2 of 30 frames, evenly spread.", "Frames were shrunk from 128x96 to 64x48.")
    damaged = "1 of the frames used are damaged in the file and may show errors."
    clip = Clip(frames, np.arange(2) / 2, np.array([0, 15]), ("a", "b"), (96, 128), 30, 12.0, (*told, damaged))
    part = drawing.draw_frames(drawing.open_canvas(tmp_path, clip), np.array([0]))
    assert part.facts[:2] == ["2 of 30 frames used", "64×48 px, shrunk from 128×96"] and part.notes == [damaged]


def test_a_full_disk_is_told_as_such(make_pipeline: Callable[..., Any], clip_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    first = run(make_pipeline(), clip_file)
    monkeypatch.setattr(Path, "mkdir", full)
    pages = [*handlers.run(clip_file, VALUES, stages=make_pipeline()), *handlers.edit_objects(first["shown"], "[]", {})]
    for page in (pages[0], pages[-1]):
        assert "There is no room for a result (No space left on device)" in page["message"] and page["run"]["visible"]
    with pytest.raises(gr.Error, match="no room for a result"):
        list(handlers.stages_of(str(clip_file), VALUES, stages=make_pipeline()))


def test_stop_marks_the_step_under_way() -> None:
    progress = Progress().change("frames", "done", 1.0, 0.3).change("depth", "running", 0.4, 1.0)
    assert states(handlers.stop(progress)["steps"])["depth"] == "stopped"
    assert "running" not in states(handlers.stop(None)["steps"]).values()


def test_only_a_run_that_never_began_is_told_that_too_many_wait():
    waiting = handlers.stand_in_line()
    assert set(states(waiting["steps"]).values()) == {"waiting"}
    assert text.BUSY in handlers.turn_away(waiting["progress"])["message"] and text.BUSY in handlers.turn_away(None)["message"]
    stopped = handlers.stop(Progress().change("frames", "running"))["progress"]
    assert handlers.turn_away(stopped) == {"progress": stopped}


def test_results_of_the_cache_are_told_apart(make_pipeline: Callable[..., Any], clip_file: Path) -> None:
    page = run(make_pipeline(cached=("frames", "depth")), clip_file)
    assert states(page["steps"])["depth"] == "cached" and states(page["steps"])["tracks"] == "done"
    assert value(page["record"]).count("from cache") == 2


def test_flow_that_nothing_asks_for_waits_no_longer_than_the_stages(make_pipeline: Callable[..., Any], clip_file: Path) -> None:
    seen = [states(page["steps"]) for page in handlers.run(clip_file, VALUES, stages=make_pipeline()) if "steps" in page]
    assert {now["flow"] for now in seen if now["masks"] != "done"} == {"waiting"}
    drawing = [now for now in seen if now["masks"] == "done" and now["files"] in ("waiting", "running")]
    assert drawing and {now["flow"] for now in drawing} == {"skipped"}


def test_nothing_moves_is_a_result_with_an_explanation(make_pipeline: Callable[..., Any], clip_file: Path) -> None:
    page = run(make_pipeline(moving=False), clip_file)
    assert text.NOTHING_MOVES_TITLE in value(page["objects"]) and "error" not in page["message"]
    assert "above it" not in page["motion_note"]
    assert value(page["archive"]) and "failed" not in states(page["steps"]).values()


def test_tracks_above_the_threshold_that_are_no_motion_are_explained(products: dict[str, Any], tmp_path: Path) -> None:
    labels = products["motion"]
    weak = dataclasses.replace(labels, moving=np.zeros_like(labels.moving))
    facts = " · ".join(drawing.draw_motion(drawing.open_canvas(tmp_path, products["frames"]), products["tracks"], weak).facts)
    assert "0 of 40 tracks move · threshold 0.50 · 20 are above it, too weak together to be motion" in facts
    assert "anything moves with probability 0.90" in facts


def test_an_expected_error_says_what_happened_and_what_to_do(make_pipeline: Callable[..., Any], clip_file: Path) -> None:
    error = VideoError("Stage frames: clip <1> is empty (0 bytes). Copy it again.")
    page = run(make_pipeline(error=("frames", error)), clip_file)
    assert 'role="alert"' in page["message"] and "clip &lt;1&gt; is empty (0 bytes). Copy it again." in page["message"]
    assert states(page["steps"])["frames"] == "failed" and page["run"]["visible"]


def test_an_unexpected_error_is_logged_and_never_shown(
    make_pipeline: Callable[..., Any], clip_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        page = run(make_pipeline(error=("tracks", ZeroDivisionError("secret /home/path"))), clip_file)
    assert "secret" not in json.dumps(page, default=str) and text.UNEXPECTED in page["message"].replace("&#x27;", "'")
    assert "secret" in caplog.text
    assert states(page["steps"])["depth"] == "done" and value(page["depth_video"])


def test_a_wrong_setting_is_named(make_pipeline: Callable[..., Any], clip_file: Path) -> None:
    (*_, last) = handlers.run(clip_file, {"stride": 0}, stages=make_pipeline())
    assert "Query-frame stride is 0" in last["message"]


def test_running_without_a_clip_asks_for_one(make_pipeline: Callable[..., Any]) -> None:
    (only,) = handlers.run(None, VALUES, stages=make_pipeline())
    assert text.NO_CLIP in only["message"]


def test_a_dropped_clip_is_described_before_the_run(clip_file: Path) -> None:
    updates = handlers.inspect(str(clip_file), {"stride": 5, "max_frames": 10})
    assert "64×48 px" in updates["clip_note"] and "10 of 12 frames will be used" in updates["clip_note"]
    assert f"{clip_file.stat().st_size / 1000:.0f} kB" in updates["clip_note"]  # not 0.0 MB
    assert "tracks will start on 2" in updates["clip_note"]
    assert updates["poster"]["value"].shape == (48, 64, 3)


def test_models_that_do_not_go_together_are_told_beside_the_picture_of_the_clip(clip_file: Path) -> None:
    updates = handlers.inspect(str(clip_file), {"motion": "moseg", "stride": 5})
    assert "works only with features/dinov2-base" in updates["clip_note"] and "to compute" not in updates["clip_note"]
    assert updates["poster"]["visible"] and "tracks will start on 3" in updates["clip_note"]


def test_a_dropped_text_file_is_refused_with_advice(tmp_path: Path) -> None:
    path = tmp_path / "notes.mp4"
    path.write_text("not a video " * 50)
    updates = handlers.inspect(str(path), {})
    assert 'role="alert"' in updates["clip_note"] and "notes.mp4" in updates["clip_note"] and not updates["poster"]["visible"]


def test_the_api_answers_files_and_a_summary(make_pipeline: Callable[..., Any], clip_file: Path) -> None:
    *steps, (overlay, archive, summary) = handlers.segment(str(clip_file), VALUES, stages=make_pipeline())
    assert {step["stage"] for _, _, step in steps} == set(ORDER)
    assert overlay and Path(overlay).is_file() and archive and zipfile.is_zipfile(archive)
    assert summary["objects"] == [{"id": 3, "motion_score": 0.75}] and not summary["nothing_moves"]
    assert summary["moving_score"] == 0.9


def test_the_api_reports_errors_in_words(make_pipeline: Callable[..., Any], clip_file: Path) -> None:
    broken = make_pipeline(error=("frames", VideoError("It is empty. Copy it again.")))
    with pytest.raises(gr.Error, match="It is empty"):
        list(handlers.segment(str(clip_file), VALUES, stages=broken))
    with pytest.raises(gr.Error, match="No clip was given"):
        list(handlers.segment(None, VALUES, stages=broken))


def test_the_api_answers_every_stage_and_then_any_threshold(make_pipeline: Callable[..., Any], clip_file: Path) -> None:
    *steps, (views, summary) = handlers.stages_of(str(clip_file), VALUES, stages=make_pipeline())
    assert {step["stage"] for _, step in steps} <= set(ORDER) and len(steps) > 3
    assert {"depth.mp4", "tracks.mp4", "motion.mp4", "masks.mp4"} <= {Path(view).name for view in views or ()}
    assert [row["stage"] for row in summary["stages"]] == ORDER
    counts = [handlers.evaluate_threshold(summary["result"], threshold)["moving_tracks"] for threshold in (0, 0.5, 1)]
    assert counts == [39, 20, 0], "forty probabilities evenly from 0 to 1"
    with pytest.raises(gr.Error, match="from 0 to 1"):
        handlers.evaluate_threshold(summary["result"], 7)
    with pytest.raises(gr.Error, match="Give a number"):
        handlers.evaluate_threshold(summary["result"], None)
    with pytest.raises(gr.Error, match="not here"):
        handlers.evaluate_threshold(None, 0.5)
    with pytest.raises(gr.Error, match="not here"):
        handlers.evaluate_threshold("../results", 0.5)


def test_what_is_not_allowed_is_refused_before_the_queue(clip_file: Path) -> None:
    assert handlers.refuse(clip_file, VALUES, Limits()) == ""
    assert "5 are allowed" in handlers.refuse(clip_file, VALUES, Limits(frames=5))
    assert "No clip was given" in handlers.refuse(None, VALUES, Limits())
