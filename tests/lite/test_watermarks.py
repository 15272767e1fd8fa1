"""Translucent marks: found in the mean of all frames, and taken off."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from segmo.lite.watermarks import Watermark, find_watermark

Frames = np.ndarray[Any, np.dtype[np.uint8]]
T, H, W = 40, 180, 320


def texture(seed: int, hw: tuple[int, int], cell: int) -> Frames:
    coarse = np.random.default_rng(seed).integers(20, 200, (hw[0] // cell + 1, hw[1] // cell + 1, 3)).astype(np.uint8)
    return cv2.resize(coarse, (hw[1], hw[0]), interpolation=cv2.INTER_CUBIC)


def panned(speed: int = 3, count: int = T) -> Frames:
    """What a camera sees that moves by so many pixels a frame."""
    wide = texture(0, (H, W + speed * count), 10)
    return np.stack([wide[:, speed * t : speed * t + W] for t in range(count)])


def letters() -> Frames:
    drawn = np.zeros((H, W), np.uint8)
    cv2.putText(drawn, "PREVIEW", (90, 95), cv2.FONT_HERSHEY_DUPLEX, 0.9, 255, 2, cv2.LINE_AA)
    return drawn


def marked(frames: Frames, opacity: float) -> Frames:
    """Frames with white letters of an opacity across them."""
    share = opacity * letters().astype(np.float32)[..., None] / 255
    return np.rint(frames * (1 - share) + 255 * share).astype(np.uint8)


@pytest.mark.parametrize("opacity", [0.3, 0.5, 0.7])
def test_a_mark_is_found_and_what_shines_through_is_kept(opacity: float) -> None:
    scene = panned()
    seen = marked(scene, opacity)
    mark = Watermark.of(seen)
    assert mark is not None
    inside = letters() > 128
    assert mark.where[inside].mean() > 0.95
    assert not mark.where[cv2.dilate(letters(), np.ones((25, 25), np.uint8)) == 0].any()
    without = mark.taken_off(seen)
    assert np.array_equal(without[:, ~mark.where], seen[:, ~mark.where])
    for before, after, true in zip(seen[::8], without[::8], scene[::8], strict=True):
        assert (
            np.abs(after[inside] - true[inside].astype(np.float32)).mean()
            < 0.4 * np.abs(before[inside] - true[inside].astype(np.float32)).mean()
        )
        assert np.corrcoef(after[inside].ravel(), true[inside].ravel())[0, 1] > 0.7


def test_grey_pictures_are_treated_like_those_in_colour() -> None:
    seen = marked(panned(), 0.5)
    mark = Watermark.of(seen)
    assert mark is not None
    grey = [np.stack([cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in pictures]) for pictures in (seen, mark.taken_off(seen))]
    difference = np.abs(mark.taken_off(grey[0]).astype(np.int16) - grey[1])
    assert difference.mean() < 1 and difference.max() < 40


def test_scenes_without_a_mark_are_left_alone() -> None:
    assert find_watermark(panned()) is None
    assert find_watermark(panned(0)) is None
    assert find_watermark(marked(panned(0), 0.5)) is None, "where the camera stands still a mark does no harm"
    assert find_watermark(marked(panned(count=20), 0.5)) is None, "the mean of so few frames tells nothing"


def test_what_the_camera_follows_is_no_mark() -> None:
    frames, patch = panned(), texture(7, (40, 50), 8)
    sway = np.cumsum(np.random.default_rng(2).normal(0, 1.0, (T, 2)), axis=0)
    for frame, (x, y) in zip(frames, sway, strict=True):
        move = np.array([[1, 0, 80 + x], [0, 1, 40 + y]], np.float32)
        cover = cv2.warpAffine(np.ones((40, 50), np.float32), move, (W, H))[..., None]
        frame[:] = np.rint(frame * (1 - cover) + cv2.warpAffine(patch, move, (W, H)) * cover)
    assert find_watermark(frames) is None
