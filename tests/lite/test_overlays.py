"""Captions and logos: found where the camera moves, and nothing else taken for them."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from segmo.lite.overlays import find_overlays, paint_over

Frames = np.ndarray[Any, np.dtype[np.uint8]]
T, H, W = 24, 120, 200


def texture(seed: int, hw: tuple[int, int], cell: int = 6) -> Frames:
    coarse = np.random.default_rng(seed).integers(0, 256, (hw[0] // cell + 1, hw[1] // cell + 1, 3)).astype(np.uint8)
    return cv2.resize(coarse, (hw[1], hw[0]), interpolation=cv2.INTER_CUBIC)


def panned(speed: float = 1.5, count: int = T, cell: int = 6) -> Frames:
    """What a camera sees that moves by so many pixels a frame."""
    wide = texture(0, (H, W + int(abs(speed) * count) + 2), cell)
    moves = (np.float32([[1, 0, -speed * t], [0, 1, 0]]) for t in range(count))
    return np.stack([cv2.warpAffine(wide, move, (W, H)) for move in moves])


def noisy(frames: Frames, by: float = 1.5) -> Frames:
    noise = np.random.default_rng(5).normal(0, by, frames.shape)
    return np.clip(np.rint(frames + noise), 0, 255).astype(np.uint8)


def caption(frames: Frames, text: str = "as it was", first: int = 0, last: int = T) -> tuple[Frames, Frames]:
    """Frames with white letters, outlined in black, on those from first to last; and where they are."""
    written, letters = frames.copy(), np.zeros((H, W), np.uint8)
    for frame in [*written[first:last], letters]:
        for colour, thickness in (((0, 0, 0), 5), ((255, 255, 255), 2)):
            cv2.putText(frame, text, (20, 100), cv2.FONT_HERSHEY_SIMPLEX, 0.8, colour if frame.ndim == 3 else 1, thickness, cv2.LINE_AA)
    return written, letters.astype(np.bool_)


def test_a_caption_is_found_where_it_is_and_for_as_long_as_it_is_there() -> None:
    frames, letters = caption(panned(), first=2, last=22)
    found = find_overlays(noisy(frames))
    assert found is not None and found.shape == (T, H, W)
    assert not found[:2].any() and not found[22:].any()
    around = cv2.dilate(letters.astype(np.uint8), np.ones((17, 17), np.uint8)).astype(np.bool_)
    for region in found[2:22]:
        assert region[letters].mean() > 0.95 and not region[~around].any()


def test_what_lies_there_is_found_whole() -> None:
    frames = panned()
    for frame in frames:
        cv2.circle(frame, (170, 25), 14, (230, 20, 20), -1, cv2.LINE_AA)
        cv2.putText(frame, "5", (163, 32), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (255, 255, 255), 2, cv2.LINE_AA)
    found = find_overlays(noisy(frames))
    assert found is not None
    disc = np.zeros((H, W), np.uint8)
    cv2.circle(disc, (170, 25), 14, 1, -1)
    assert (found.any(axis=(1, 2))).all() and found[:, disc > 0].mean() > 0.97
    assert found[:, cv2.dilate(disc, np.ones((13, 13), np.uint8)) == 0].sum() == 0


@pytest.mark.parametrize("speed", [0.0, 1.5])
def test_scenes_without_anything_on_them_are_left_as_they_are(speed: float) -> None:
    assert find_overlays(noisy(panned(speed))) is None


def test_nothing_is_painted_over_where_the_camera_stands_still() -> None:
    assert find_overlays(noisy(caption(panned(0))[0])) is None


def test_what_the_camera_follows_is_no_overlay() -> None:
    frames, patch = panned(), texture(7, (40, 50))
    sway = np.cumsum(np.random.default_rng(2).normal(0, 0.4, (T, 2)), axis=0)
    for frame, (x, y) in zip(frames, sway, strict=True):
        move = np.float32([[1, 0, 80 + x], [0, 1, 40 + y]])
        cover = cv2.warpAffine(np.ones((40, 50), np.float32), move, (W, H))[..., None]
        frame[:] = np.rint(frame * (1 - cover) + cv2.warpAffine(patch, move, (W, H)) * cover)
    assert find_overlays(frames) is None


@pytest.mark.parametrize(("speed", "found"), [(0.12, False), (1.5, True)])
def test_nothing_is_painted_over_where_the_scene_hardly_moves(speed: float, found: bool) -> None:
    frames = panned(speed)
    frames[:, 50:, :120] = (90, 120, 150)  # so that nothing around the caption tells
    assert (find_overlays(caption(frames, "it")[0]) is not None) == found


def test_rails_along_the_way_of_the_camera_are_no_overlay() -> None:
    frames = panned()
    frames[:, 60:64], frames[:, 72:76] = (220, 220, 220), (30, 30, 30)
    assert find_overlays(noisy(frames)) is None


def test_where_the_camera_heads_for_is_no_overlay() -> None:
    tiles = np.random.default_rng(3).integers(0, 256, (28, 46, 3)).astype(np.uint8)
    wide = cv2.GaussianBlur(cv2.resize(tiles, (414, 252), interpolation=cv2.INTER_NEAREST), (0, 0), 0.7)
    frames = []
    for zoom in 1 + 0.006 * np.arange(T):
        move = np.array([[zoom, 0, W / 2 - W * zoom], [0, zoom, H / 2 - H * zoom]], np.float32)
        frames.append(cv2.warpAffine(wide, move, (W, H)))
    assert find_overlays(np.stack(frames)) is None


def test_what_fills_the_picture_is_no_overlay() -> None:
    frames = panned()
    frames[:, 50:] = texture(9, (H - 50, W))  # what the camera is mounted on
    assert find_overlays(frames) is None


def test_too_few_frames_tell_nothing() -> None:
    assert find_overlays(caption(panned())[0][:12]) is None
    assert find_overlays(caption(panned())[0][:13]) is not None


@pytest.mark.parametrize(
    ("steps", "count", "found"),
    [(1, 20, True), (0.5, 20, False), (0.5, 40, True), (3, 8, True), (3, 5, False), (9, 6, True), (9, 4, False)],
)
def test_a_caption_has_to_stay_for_a_time_however_many_frames_are_taken_in_it(steps: float, count: int, found: bool) -> None:
    frames = panned(1.5 * steps, count + 8)
    written, _ = caption(frames, first=4, last=4 + count)
    assert (find_overlays(noisy(written), steps) is not None) == found


def test_regions_show_what_is_around_them() -> None:
    scene = panned(cell=24)
    frames, letters = caption(scene)
    regions = np.repeat(cv2.dilate(letters.astype(np.uint8), np.ones((5, 5), np.uint8)).astype(np.bool_)[None], T, axis=0)
    regions[3] = False
    painted = paint_over(frames, regions)
    assert np.array_equal(painted[~regions], frames[~regions]) and np.array_equal(painted[3], frames[3])
    before, after = (np.abs(each[regions].astype(np.int16) - scene[regions]).mean() for each in (frames, painted))
    assert after < before / 2
    grey = np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames])
    assert paint_over(grey, regions).shape == grey.shape
