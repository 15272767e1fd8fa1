"""What a run will cost, before it starts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from segmo.errors import SettingsError
from segmo.settings import PRESETS, ModelSettings, Settings
from segmo.stages.frames import FramePlan
from segmo.ui import cost, handlers
from segmo.ui.cost import Work
from segmo.zoo.presets import models_of

LITE, PAPER = (models_of(Settings(preset=preset)) for preset in ("lite", "paper"))
WORK = Work(frames=80, megapixels=20.0, queries=8, points=5000, models=LITE)


def on_paper(frames: int, megapixels: float, queries: int) -> Work:
    return Work(frames, megapixels, queries, 5000, PAPER)


def test_there_is_an_estimate_before_the_first_run() -> None:
    assert 5 < cost.estimate(WORK).total_s < 60
    assert set(cost.estimate(on_paper(80, 20.0, 8)).seconds) == set(cost.COSTS) - {"flow"}


def test_the_estimate_follows_what_this_computer_took() -> None:
    took = {stage: 3 * seconds for stage, seconds in cost.estimate(WORK).seconds.items()}
    before = cost.estimate(WORK).total_s
    cost.learn(WORK, took.items())
    assert cost.estimate(WORK).total_s == pytest.approx(3 * before, rel=0.02)
    half = Work(40, 10.0, 4, 5000, LITE)
    assert cost.estimate(half).total_s == pytest.approx(1.5 * before, rel=0.02)
    paper = cost.estimate(on_paper(80, 20.0, 8))
    assert paper.total_s == pytest.approx(sum(paper.seconds.values()))


def test_old_runs_are_forgotten_and_a_broken_file_does_no_harm(own_cache: Path) -> None:
    for factor in [10.0] * 5 + [2.0] * cost.RUNS_KEPT:
        cost.learn(WORK, [("flow", factor * cost.COSTS["flow"]["lite"][0] * WORK.frames)])
    assert cost.estimate(WORK).seconds["flow"] == pytest.approx(2 * cost.COSTS["flow"]["lite"][0] * WORK.frames)
    (own_cache / "timings.json").write_text('{"flow": {"lite": [["?"]]}}')
    assert cost.estimate(WORK).total_s > 0


def test_what_is_asked_of_a_lent_gpu_stays_within_a_minute() -> None:
    asked = [cost.estimate(on_paper(frames, 0.2 * frames, frames // 10 + 1)).gpu_s("tracks") for frames in (2, 60, 90, 2000)]
    assert asked == sorted(asked) and asked[0] == cost.GPU_SECONDS[0] and asked[-1] == cost.GPU_SECONDS[1] and asked[1] < asked[2]


def test_a_stage_beyond_a_lent_minute_is_told_with_what_to_lower() -> None:
    long = on_paper(1000, 200.0, 100)
    told = cost.beyond_loan(cost.estimate(long), ["depth", "tracks"], long.frames)
    assert "Tracks would take about 2 min on the GPU" in told and "60 s a stage" in told and "preset lite" in told
    frames = int(told.partition("maximum frames to ")[2].split()[0])
    fits = cost.estimate(on_paper(frames, 0.2 * frames, frames // 10 + 1))
    assert cost.beyond_loan(fits, ["depth", "tracks"], frames) == ""
    assert fits.gpu_s("tracks") <= cost.GPU_SECONDS[1] and frames > 100
    assert cost.beyond_loan(cost.estimate(long), ["depth"], long.frames) == "", "only what needs a GPU counts"


def test_the_note_on_a_clip_changes_with_the_settings(clip_file: Path) -> None:
    cost.learn(WORK, [("flow", 4000.0)])
    full = handlers.describe(clip_file, {"stride": 4})["clip_note"]
    short = handlers.describe(clip_file, {"stride": 4, "max_frames": 3})["clip_note"]
    assert "about 10 min to compute" in full and "3 of 12 frames" in short and "min to compute" in short and full != short
    assert "quota" not in full


def test_a_run_teaches_the_estimate_and_cached_stages_do_not(make_pipeline: Callable[..., Any], clip_file: Path, own_cache: Path) -> None:
    for _ in handlers.run(clip_file, {"stride": 4}, stages=make_pipeline(cached=("depth",))):
        pass
    learnt = {stage: models["" if stage == "files" else "lite"] for stage, models in cost._load().items() if stage != "frames"}
    assert "motion" in learnt and "depth" not in learnt
    assert [row[1] for row in learnt["motion"]] == [0.2]
    assert learnt["files"], "writing files and drawing the tabs is part of what a visitor waits for"


def test_every_model_of_a_preset_has_costs_and_fewer_tracks_cost_less() -> None:
    for preset in PRESETS:
        assert all(model in cost.COSTS[role] for role, model in models_of(Settings(preset=preset)).items())
    planned = FramePlan(50, 50, (480, 854), (480, 854))
    points = [cost.work_of(planned, Settings(preset=preset)).points for preset in PRESETS]
    assert points == [5000, 5000, 2000]


def test_frames_between_those_that_are_used_cost_flow_and_nothing_else() -> None:
    near, sparse = (
        cost.estimate(cost.work_of(FramePlan(100, total, (480, 854), (480, 854), between), Settings(preset="lite"))).seconds
        for total, between in ((100, 0), (300, 200))
    )
    assert 1.5 * near["flow"] < sparse["flow"] < 3 * near["flow"]
    assert {**sparse, "flow": 0} == {**near, "flow": 0}


def test_a_model_chosen_by_hand_costs_what_it_costs_in_any_preset() -> None:
    planned = FramePlan(100, 100, (480, 854), (480, 854))
    mixed, paper = (
        cost.work_of(planned, settings) for settings in (Settings(models=ModelSettings(masks="sam2-large")), Settings(preset="paper"))
    )
    assert cost.estimate(mixed).seconds["masks"] == cost.estimate(paper).seconds["masks"]
    before = cost.estimate(WORK)
    cost.learn(mixed, [("masks", 120.0)])
    assert cost.estimate(WORK) == before, "a slow run with another model says nothing about lite"
    assert cost.estimate(mixed).seconds["masks"] == pytest.approx(120.0)
    other = cost.work_of(planned, Settings(preset="paper", models=ModelSettings(masks="sam2.1-large")))
    assert cost.estimate(other).gpu_s("masks") >= cost.estimate(cost.work_of(planned, Settings(preset="paper-fast"))).gpu_s("masks")
    with pytest.raises(SettingsError, match="works only with"):
        cost.work_of(planned, Settings(models=ModelSettings(motion="moseg")))
