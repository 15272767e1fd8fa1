"""Settings panel, limits, results, panels and examples."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import gradio as gr
import pytest

from segmo.errors import DataError, SettingsError
from segmo.settings import MotionSettings, QuerySettings, Settings, iter_options, with_values
from segmo.synthetic import examples as synthetic_examples
from segmo.synthetic import render_clip, scenarios
from segmo.types import UInt8
from segmo.ui import examples, launch, panels, parts, results
from segmo.ui.controls import build_controls, client_snippet, command_line, name, settings_from
from segmo.ui.examples import find_examples
from segmo.ui.limits import Limits, limits_from
from segmo.ui.progress import Progress, in_seconds
from segmo.video import probe, write_mp4

REPOSITORY = Path(__file__).resolve().parents[2]


Controls = dict[str, gr.components.Component]


@pytest.fixture
def controls_of(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Controls]]:
    """Builds the panel of a preset. Gradio leaves the event loops it makes for a page open; here they are closed."""
    loops: list[asyncio.AbstractEventLoop] = []
    make = asyncio.new_event_loop

    def make_and_remember() -> asyncio.AbstractEventLoop:
        loops.append(make())
        return loops[-1]

    monkeypatch.setattr(asyncio, "new_event_loop", make_and_remember)

    def build(preset: str, reason: str = "") -> Controls:
        with gr.Blocks():
            return build_controls(preset, reason)

    yield build
    for loop in loops:
        loop.close()
    asyncio.set_event_loop(None)


def test_every_setting_has_a_control_with_its_help(controls_of: Callable[[str], Controls]) -> None:
    controls = controls_of("lite")
    for option in iter_options():
        control = controls[name(option)]
        assert control.label == option.label and control.info == option.help


def test_the_page_tells_why_it_starts_with_a_preset(controls_of: Callable[..., Controls]) -> None:
    told = str(controls_of("lite", "lite is used because no CUDA GPU was found.")["preset"].info)
    assert told.endswith("Here lite is used because no CUDA GPU was found.")


def test_the_untouched_panel_gives_the_default_settings(controls_of: Callable[[str], Controls]) -> None:
    values = {preset: {key: control.value for key, control in controls_of(preset).items()} for preset in ("lite", "paper")}
    assert settings_from(values["lite"]) == Settings()
    assert settings_from({}) == Settings(), "callers of the API may leave everything out"
    assert settings_from(values["paper"]).preset == "paper"


def test_the_threshold_is_automatic_or_a_number() -> None:
    assert settings_from({"threshold": "auto"}).motion == MotionSettings(None)
    assert settings_from({"threshold": "0.3"}).motion == settings_from({"threshold": 0.3}).motion == MotionSettings(0.3)
    assert settings_from({"threshold": 0}).motion == MotionSettings(0)
    for wrong in ("high", "1.2"):
        with pytest.raises(SettingsError, match=r"Motion threshold is .*from 0 to 1"):
            settings_from({"threshold": wrong})


def test_numbers_of_the_page_become_the_kind_the_setting_has() -> None:
    settings = settings_from({"stride": 7.0, "max_side": None, "start_s": 2, "length_s": 0})
    assert settings.query == QuerySettings(7)
    assert json.dumps(settings.to_dict()) == json.dumps(
        with_values(Settings(), {("query", "stride"): 7, ("frames", "start_s"): 2.0}).to_dict()
    )
    with pytest.raises(SettingsError, match="Maximum frames"):
        settings_from({"max_frames": -1})


def test_the_command_line_repeats_the_settings() -> None:
    values = {"stride": 4, "efficiency": False, "start_s": 1.5, "threshold": 0.25}
    settings = settings_from(values)
    start = "python -m segmo run clip.mp4 --preset lite"
    assert command_line("clip.mp4", Settings()) == start, "without it, the preset would depend on the computer"
    assert command_line("clip.mp4", settings) == f"{start} --no-efficiency --start 1.5 --stride 4 --threshold 0.25"
    assert command_line("clip.mp4", settings_from({"max_objects": 3, "min_area": 0.01})) == f"{start} --max-objects 3 --min-area 0.01"
    assert "efficiency=False, start_s=1.5, stride=4, threshold=0.25" in client_snippet(settings)
    assert "preset='lite'" in client_snippet(Settings()), "a server may start with another"


def test_limits_come_from_the_environment() -> None:
    assert limits_from({}) == Limits()
    assert limits_from({"SEGMO_UPLOAD_MB": "2000", "SEGMO_QUEUE": ""}).upload_mb == 2000
    with pytest.raises(SettingsError, match="SEGMO_KEEP_HOURS is 'soon'"):
        limits_from({"SEGMO_KEEP_HOURS": "soon"})
    for far in ("99999999", "9" * 5000):  # dates so far ahead cannot be told, and the end of every run would fail
        with pytest.raises(SettingsError, match="from 1 to 1000000"):
            limits_from({"SEGMO_KEEP_HOURS": far})


def test_old_results_are_swept_and_young_ones_kept() -> None:
    old, young = results.new_result(), results.new_result()
    os.utime(old, (time.time() - 7200, time.time() - 7200))
    assert results.sweep(1) == 1
    assert not old.exists() and young.exists()


def test_texts_from_outside_cannot_become_markup() -> None:
    part = parts.RunPart(["<script>"], ["<img onerror=1>"], [parts.StageRow("frames", "<b>", 1.0, False)], "run '<x>.mp4'", "<y>")
    shown = panels.show("run", part, Path("/tmp"))
    html = shown["record"]["value"] + shown["run_note"]
    for markup in ("<script", "<img", "<b>", "<x>", "<y>"):
        assert markup not in html


def test_run_details_tell_the_memory_of_each_stage() -> None:
    rows = [
        parts.StageRow("flow", "", 1.0, False, 740, 3120),
        parts.StageRow("masks", "", 1.0, False, 1260),
        parts.StageRow("depth", "", 0, True),
    ]
    cells = re.findall(r"<td>([^<]*)</td></tr>", panels.show("run", parts.RunPart(stages=rows), Path("/tmp"))["record"]["value"])
    assert cells == ["0.74 GB + 3.12 GB on the GPU", "1.26 GB", ""]


def test_a_folder_without_a_result_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"view\.json is not a finished result"):
        parts.load(tmp_path)
    (tmp_path / "view.json").write_text('{"version": 0, "parts": {}}')
    with pytest.raises(DataError, match="version 0"):
        parts.load(tmp_path)


def test_steps_that_never_ran_were_not_needed() -> None:
    rows = [parts.StageRow("frames", "", 0.5, False), parts.StageRow("depth", "m", 75.0, False), parts.StageRow("masks", "m", 1.0, True)]
    html = Progress.of_rows(rows).to_html()
    assert "not needed" in html and "1 min 15 s" in html and "from cache" in html and "0.5 s" in html


def test_times_are_told_in_full_minutes_and_seconds_below_sixty() -> None:
    assert [in_seconds(s) for s in (0.04, 59.4, 59.97, 75, 119.7)] == ["0.0 s", "59.4 s", "1 min 0 s", "1 min 15 s", "2 min 0 s"]


def test_every_example_is_complete() -> None:
    shipped = find_examples()
    assert shipped
    for example in shipped.values():
        for content in panels.show_all(parts.load(example.result), example.result).values():
            value = content.get("value") if isinstance(content, dict) else content
            for item in value if isinstance(value, list) else [value]:
                path = item[0] if isinstance(item, tuple) else item
                if isinstance(path, str) and path.startswith(str(example.result)):
                    assert Path(path).stat().st_size > 0


def test_the_page_is_built_without_the_libraries_that_compute() -> None:
    code = (
        "import sys\n"
        "from segmo.ui.launch import build_app, find_examples, limits_from\n"
        "build_app('lite', find_examples(), limits_from())\n"
        "print([name for name in ('torch', 'cv2', 'av', 'scipy', 'moviepy', 'segmo.pipeline') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.strip().splitlines()[-1] == "[]"


def test_options_of_the_app() -> None:
    options = launch.parse(["--share", "--host", "0.0.0.0", "--port", "8000", "--preset", "paper"])
    assert (options.share, options.host, options.port, options.preset) == (True, "0.0.0.0", 8000, "paper")
    assert launch.parse([]).preset is None


def test_examples_are_built_small_and_complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the whole pipeline, on a short clip."""
    monkeypatch.setattr(examples, "TITLES", {"two_crossing": "Two"})
    frames = render_clip(scenarios.SCENARIOS["two_crossing"]((360, 640), 8)).frames
    monkeypatch.setattr(synthetic_examples, "write_examples", lambda folder: [_written(folder / "two_crossing.mp4", frames)])
    examples.build_results(tmp_path)
    (example,) = find_examples(tmp_path).values()
    content = parts.load(example.result)
    motion = content["motion"]
    assert isinstance(motion, parts.MotionPart) and (example.result / motion.points).is_file()
    for video in ("original", "overlay", "tracks", "masks"):
        assert probe(example.result / "view" / f"{video}.mp4").hw == (270, 480)
    with zipfile.ZipFile(example.result / "segmo.zip") as archive:
        assert {name.partition("/")[0] for name in archive.namelist()} == {"masks", "overlay.mp4", "objects.json", "run.json"}
    assert sorted(path.name for path in example.result.iterdir()) == ["segmo.zip", "view", "view.json"]


def _written(path: Path, frames: UInt8) -> Path:
    write_mp4(path, frames, 24)
    return path
