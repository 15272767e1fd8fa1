"""What is found in the picture between margins lies where it is in the whole frame."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from segmo.cache import StageCache
from segmo.framing import clicks_inside, inner, laid_back
from segmo.pipeline import Result, segment
from segmo.settings import Correction, FrameSettings, MaskSettings, Settings
from segmo.types import Clip, DepthMaps, FeatureMaps, FlowFields, MotionEvidence, MotionLabels, ObjectMasks, Tracks

T, H, W = 3, 40, 80
WINDOW = (10, 20, 30, 60)


def a_clip(window: tuple[int, int, int, int] | None = WINDOW) -> Clip:
    frames = np.random.default_rng(0).integers(0, 256, (T, H, W, 3)).astype(np.uint8)
    return Clip(frames, np.arange(T) / 30, np.arange(T), ("0", "1", "2"), (H, W), T, 30.0, window=window)


def test_stages_look_at_the_picture_alone() -> None:
    clip = a_clip()
    seen = inner(clip)
    assert np.array_equal(seen.frames, clip.frames[:, 10:30, 20:60]) and seen.window is None
    assert seen.names == clip.names and seen.source_hw == clip.source_hw
    whole = a_clip(None)
    assert inner(whole) is whole


def test_products_are_laid_where_the_picture_is() -> None:
    clip, random = a_clip(), np.random.default_rng(1)
    maps = random.random((T, 10, 20)).astype(np.float16)  # half as fine as the picture
    depth = laid_back(DepthMaps(maps, np.ones(T, np.bool_)), clip)
    assert depth.inverse_depth.shape == (T, 20, 40)
    assert np.array_equal(depth.inverse_depth[:, 5:15, 10:30], maps) and depth.inverse_depth.sum() == pytest.approx(maps.sum())

    points = random.random((4, T, 2)).astype(np.float32) * 10
    seen = np.ones((4, T), np.float32)
    tracks = laid_back(Tracks(points, seen, seen, np.zeros(4, np.int64), (20, 40)), clip)
    assert np.allclose(tracks.positions_xy, points + np.array([20, 10])) and tracks.frame_hw == (H, W)

    features = laid_back(FeatureMaps(np.ones((1, 10, 20, 6), np.float16), np.array([0])), clip)
    assert features.features.shape == (1, 20, 40, 6) and features.features[:, 5:15, 10:30].all() and features.features.sum() == 1200

    evidence = MotionEvidence(np.full(4, 0.5, np.float32), maps, 0.7, "still")
    labels = laid_back(MotionLabels(evidence, np.ones(4, np.bool_), 0.5), clip)
    assert np.array_equal(labels.evidence.probability_maps, depth.inverse_depth) and labels.evidence.seam_maps.size == 0
    tracks_only = MotionEvidence(np.full(4, 0.5, np.float32), np.zeros((T, 0, 0), np.float16), 0.7, "")
    assert laid_back(tracks_only, clip).probability_maps.shape == (T, 0, 0)

    objects = np.ones((T, 20, 40), np.uint8)
    masks = laid_back(ObjectMasks(objects, np.array([1]), np.ones(1, np.float32)), clip)
    assert masks.labels.shape == (T, H, W) and masks.labels.sum() == objects.sum() and masks.labels[:, 10:30, 20:60].all()

    flow = np.ones((2, T, 20, 40, 2), np.float16)
    fields = FlowFields(flow, np.zeros((2, T, 20, 40), np.uint8), np.ones((2, T), np.bool_), (-1, 1), (20, 40))
    laid = laid_back(fields, clip)
    assert laid.grid_hw == laid.frame_hw == (H, W) and laid.flow.sum() == flow.sum() and laid.photometric_error[0, 0, 0, 0] == 255
    assert laid.momentary is laid


def test_without_margins_nothing_is_touched() -> None:
    clip = a_clip(None)
    masks = ObjectMasks(np.ones((T, H, W), np.uint8), np.array([1]), np.ones(1, np.float32))
    assert laid_back(masks, clip) is masks and laid_back(clip, clip) is clip
    settings = Settings(masks=MaskSettings(corrections=(Correction(0, 0.1, 0.1, True),)))
    assert clicks_inside(settings, clip) is settings


def test_clicks_are_meant_for_what_lies_under_them() -> None:
    clicks = (Correction(1, 0.5, 0.5, True), Correction(0, 0.25, 0.75, False), Correction(2, 0.1, 0.5, True), Correction(2, 0.5, 0.9, True))
    inside = clicks_inside(Settings(masks=MaskSettings(corrections=clicks)), a_clip())
    assert inside.masks.corrections == (Correction(1, 0.5, 0.5, True), Correction(0, 0.0, 1.0, False))


def a_walk(count: int, hw: tuple[int, int] = (120, 160)) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """A patch that crosses a background which the camera pans over."""
    random = np.random.default_rng(3)
    ground, patch = (
        cv2.resize(random.integers(0, 256, (n, m, 3)).astype(np.uint8), size) for n, m, size in ((40, 90, (360, 120)), (10, 10, (36, 36)))
    )
    frames = np.stack([ground[: hw[0], t : t + hw[1]] for t in range(count)])
    for t, frame in enumerate(frames):
        frame[40:76, 10 + 4 * t : 46 + 4 * t] = patch
    return frames


def written(folder: Path, frames: np.ndarray[Any, np.dtype[np.uint8]]) -> Path:
    folder.mkdir()
    for t, frame in enumerate(frames):
        cv2.imwrite(str(folder / f"{t:03}.png"), frame[..., ::-1])
    return folder


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Result]:
    """The same pictures alone, between black bars, and every third of them between black bars."""
    folder = tmp_path_factory.mktemp("framing")
    frames = a_walk(18)
    between = np.zeros((18, 120, 360, 3), np.uint8)
    between[:, :, 100:260] = frames
    sources = {"alone": written(folder / "alone", frames), "framed": written(folder / "framed", between)}
    some = Settings(frames=FrameSettings(max_frames=6))
    with StageCache(folder / "cache") as cache:
        found = {name: segment(source, Settings(), cache=cache) for name, source in sources.items()}
        return found | {f"{name}, sampled": segment(source, some, cache=cache) for name, source in sources.items()}


@pytest.mark.parametrize("sampled", ["", ", sampled"])
def test_margins_change_nothing_in_what_is_found(runs: dict[str, Result], sampled: str) -> None:
    alone, framed = runs[f"alone{sampled}"], runs[f"framed{sampled}"]
    assert framed.clip.window == (0, 100, 120, 260) and framed.clip.hw == (120, 360)
    assert any("160x120 of 360x120" in warning for warning in framed.warnings)
    assert not alone.masks.nothing_moves
    assert np.array_equal(framed.masks.labels[:, :, 100:260], alone.masks.labels)
    assert not framed.masks.labels[:, :, :100].any() and not framed.masks.labels[:, :, 260:].any()
    assert np.allclose(framed.tracks.positions_xy, alone.tracks.positions_xy + np.array([100, 0]), atol=1e-3)
    assert np.array_equal(framed.labels.moving, alone.labels.moving)
    assert framed.evidence.probability_maps.shape[2] == pytest.approx(framed.evidence.probability_maps.shape[1] * 3, abs=1)


def test_clicks_reach_the_picture_between_margins(tmp_path: Path, runs: dict[str, Result]) -> None:
    frame, (row, column) = 9, (58, 100 + 10 + 4 * 9 + 18)
    assert runs["framed"].masks.labels[frame, row, column]
    click = Correction(frame, (column + 0.5) / 360, (row + 0.5) / 120, False)
    beside = Correction(frame, 0.1, 0.5, True)
    settings = dataclasses.replace(runs["framed"].settings, masks=MaskSettings(corrections=(click, beside)))
    with StageCache(tmp_path) as cache:
        for _ in range(2):  # computed, and from the cache
            masks = segment(runs["framed"].source, settings, cache=cache).masks
            assert not masks.labels[frame, row, column] and not masks.labels[:, :, :100].any()
            assert masks.notes[-1] == f"Clicks on the margins around the picture were left out: {beside}."
    assert not any("Clicks" in note for note in runs["framed"].masks.notes)
