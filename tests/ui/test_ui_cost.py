"""What a run will cost, before it starts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from segmo.settings import PRESETS, Settings
from segmo.stages.frames import FramePlan
from segmo.ui import cost, handlers
from segmo.ui.cost import Work

WORK = Work(frames=80, megapixels=20.0, queries=8, points=5000)


def test_there_is_an_estimate_before_the_first_run() -> None:
    assert 5 < cost.estimate(WORK, "lite").total_s < 60
    assert set(cost.estimate(WORK, "paper").seconds) == set(cost.COSTS["paper"])


def test_the_estimate_follows_what_this_computer_took() -> None:
    took = {stage: 3 * seconds for stage, seconds in cost.estimate(WORK, "lite").seconds.items()}
    before = cost.estimate(WORK, "lite").total_s
    cost.learn(WORK, "lite", took.items())
    assert cost.estimate(WORK, "lite").total_s == pytest.approx(3 * before, rel=0.02)
    half = Work(40, 10.0, 4, 5000)
    assert cost.estimate(half, "lite").total_s == pytest.approx(1.5 * before, rel=0.02)
    assert cost.estimate(WORK, "paper").total_s == pytest.approx(sum(cost.estimate(WORK, "paper").seconds.values()))


def test_old_runs_are_forgotten_and_a_broken_file_does_no_harm(own_cache: Path) -> None:
    for factor in [10.0] * 5 + [2.0] * cost.RUNS_KEPT:
        cost.learn(WORK, "lite", [("flow", factor * cost.COSTS["lite"]["flow"][0] * WORK.frames)])
    assert cost.estimate(WORK, "lite").seconds["flow"] == pytest.approx(2 * cost.COSTS["lite"]["flow"][0] * WORK.frames)
    (own_cache / "timings.json").write_text('{"lite": {"flow": [["?"]]}}')
    assert cost.estimate(WORK, "lite").total_s > 0


def test_what_is_asked_of_a_lent_gpu_stays_within_a_minute() -> None:
    asked = [cost.estimate(Work(frames, 0.2 * frames, frames // 10 + 1, 5000), "paper").gpu_s("tracks") for frames in (2, 60, 90, 2000)]
    assert asked == sorted(asked) and asked[0] == cost.GPU_SECONDS[0] and asked[-1] == cost.GPU_SECONDS[1] and asked[1] < asked[2]


def test_a_stage_beyond_a_lent_minute_is_told_with_what_to_lower() -> None:
    long = Work(1000, 200.0, 100, 5000)
    told = cost.beyond_loan(cost.estimate(long, "paper"), ["depth", "tracks"], long.frames)
    assert "Tracks would take about 2 min on the GPU" in told and "60 s a stage" in told and "preset lite" in told
    frames = int(told.partition("maximum frames to ")[2].split()[0])
    fits = cost.estimate(Work(frames, 0.2 * frames, frames // 10 + 1, 5000), "paper")
    assert cost.beyond_loan(fits, ["depth", "tracks"], frames) == ""
    assert fits.gpu_s("tracks") <= cost.GPU_SECONDS[1] and frames > 100
    assert cost.beyond_loan(cost.estimate(long, "paper"), ["depth"], long.frames) == "", "only what needs a GPU counts"
    assert cost.beyond_loan(cost.estimate(long, "lite"), [], long.frames) == ""


def test_the_note_on_a_clip_changes_with_the_settings(clip_file: Path) -> None:
    cost.learn(WORK, "lite", [("flow", 4000.0)])
    full = handlers.describe(clip_file, {"stride": 4})["clip_note"]
    short = handlers.describe(clip_file, {"stride": 4, "max_frames": 3})["clip_note"]
    assert "about 10 min to compute" in full and "3 of 12 frames" in short and "min to compute" in short and full != short
    assert "quota" not in full


def test_a_run_teaches_the_estimate_and_cached_stages_do_not(make_pipeline: Callable[..., Any], clip_file: Path, own_cache: Path) -> None:
    for _ in handlers.run(clip_file, {"stride": 4}, stages=make_pipeline(cached=("depth",))):
        pass
    learnt = cost._load()["lite"]
    assert "motion" in learnt and "depth" not in learnt
    assert [row[1] for row in learnt["motion"]] == [0.2]
    assert learnt["files"], "writing files and drawing the tabs is part of what a visitor waits for"


def test_every_preset_has_costs_and_fewer_tracks_cost_less() -> None:
    assert tuple(cost.COSTS) == PRESETS
    planned = FramePlan(50, 50, (480, 854), (480, 854))
    points = [cost.work_of(planned, Settings(preset=preset)).points for preset in PRESETS]
    assert points == [5000, 5000, 2000]
