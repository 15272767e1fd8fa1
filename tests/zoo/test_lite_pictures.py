"""The pictures that the models of lite look at: the levels of dark and foggy clips are spread, all others are not touched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from segmo.lite.flow import AS_IT_IS
from segmo.settings import FrameSettings
from segmo.stages.frames import sample_frames
from segmo.types import Clip, finish
from segmo.zoo import lite_pictures

Frames = np.ndarray[Any, np.dtype[np.uint8]]


def scene(count: int = 9) -> Frames:
    """Noise of all grey levels on the grid of flow itself, in which nothing moves."""
    return np.repeat(np.random.default_rng(0).integers(0, 256, (1, 128, 160, 3)).astype(np.uint8), count, axis=0)


def clip_of(frames: Frames, kept: range | None = None) -> Clip:
    """A clip of all frames, or of those kept, with the others between them."""
    indices = np.array(kept if kept is not None else range(len(frames)))
    others = np.setdiff1d(np.arange(len(frames)), indices)
    grey = np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames])
    between = grey[others] if kept is not None else np.zeros((0, 0, 0), np.uint8)
    names = tuple(map(str, indices))
    hw = (frames.shape[1], frames.shape[2])
    known = others if kept is not None else np.zeros(0, np.int64)
    return Clip(frames[indices], indices / 30, indices, names, hw, len(frames), 30.0, (), between, known)


def test_ordinary_clips_are_looked_at_as_they_are() -> None:
    frames = scene()
    for bright in (frames, (frames * 0.55).astype(np.uint8), 115 + (frames * 0.55).astype(np.uint8)):
        assert lite_pictures.exposure(clip_of(bright)) == AS_IT_IS
        assert np.array_equal(lite_pictures.pictures(clip_of(bright)), bright)


@pytest.mark.parametrize("haze", [0, 120])
@pytest.mark.parametrize(("share", "gain"), [(0.4, 2.0), (0.25, 3.2), (0.1, 4.0), (0.0, 4.0)])
def test_the_levels_of_dark_and_foggy_clips_are_spread_but_not_without_end(share: float, gain: float, haze: int) -> None:
    flat = (scene() * share + haze).astype(np.uint8)
    clip = clip_of(flat)
    used = lite_pictures.exposure(clip)
    assert used.gain == pytest.approx(gain, rel=0.05) and used.black == pytest.approx(haze, abs=2)
    made = lite_pictures.pictures(clip)
    assert made.dtype == np.uint8
    assert np.abs(made - np.clip((flat - used.black) * used.gain, 0, 255)).max() <= 0.5
    assert (clip.frames == flat).all(), "what is shown and written stays as it is"


def test_between_dark_frames_it_is_as_bright_as_in_them() -> None:
    clip = clip_of((scene(7) * 0.2 + 30).astype(np.uint8), range(0, 7, 3))
    seen = lite_pictures.by_index(clip)
    assert sorted(seen) == list(range(7))
    assert all(abs(seen[index].mean() - seen[0].mean()) < 3 for index in seen)
    assert seen[1].std() == pytest.approx(seen[0].std(), rel=0.1) and seen[1].std() > 3 * clip.between[0].std()


def test_dark_pictures_are_averaged_before_their_levels_are_rounded() -> None:
    """Three quarters of a grey level are as good as nothing in bytes, and three levels when spread."""
    dark_one = np.random.default_rng(1).integers(0, 4, (128, 448))
    frames = np.ones((2, 256, 896, 3), np.uint8)
    for corner in range(4):
        frames[:, corner // 2 :: 2, corner % 2 :: 2][:, dark_one == corner] = 0
    made = lite_pictures.pictures(clip_of(frames))
    assert made.shape == (2, 128, 448, 3) and (made == 3).all()


def test_captions_are_painted_over_in_all_that_is_looked_at_but_not_in_what_is_shown() -> None:
    wide = cv2.resize(np.random.default_rng(1).integers(0, 256, (30, 80, 3)).astype(np.uint8), (320, 128), interpolation=cv2.INTER_CUBIC)
    frames = np.stack([wide[:, 2 * t : 2 * t + 160] for t in range(40)])
    plain = frames.copy()
    for frame in frames:
        cv2.putText(frame, "on the picture", (8, 110), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (255, 255, 255), 2)
    letters = (frames != plain).any(axis=(0, 3))
    clip = clip_of(frames, range(0, 40, 2))
    lying = lite_pictures.overlays(clip)
    assert lying is not None and lying[:, letters].mean() > 0.9
    assert not (lite_pictures.pictures(clip)[:, letters] == 255).all(axis=-1).mean() > 0.05
    grey = lite_pictures.by_index(clip)
    assert all((grey[index][letters] == 255).mean() < 0.05 for index in range(40))
    assert np.array_equal(clip.frames, frames[::2])
    assert lite_pictures.overlays(clip_of(plain)) is None and lite_pictures.notes(clip_of(plain)) == ()
    assert lite_pictures.notes(clip)[0].startswith(f"What lies on the picture in {lying.any(axis=(1, 2)).sum()} of 20 frames")


def test_a_translucent_mark_is_taken_off_everything() -> None:
    wide = cv2.resize(np.random.default_rng(1).integers(0, 200, (22, 80, 3)).astype(np.uint8), (500, 176), interpolation=cv2.INTER_CUBIC)
    scene = np.stack([wide[:, 3 * t : 3 * t + 320] for t in range(60)])
    drawn = np.zeros((176, 320), np.uint8)
    cv2.putText(drawn, "PREVIEW", (90, 95), cv2.FONT_HERSHEY_DUPLEX, 0.9, 255, 2)
    share = drawn[..., None] / 510
    frames = np.rint(scene * (1 - share) + 255 * share).astype(np.uint8)
    clip = clip_of(frames, range(0, 60, 2))
    assert lite_pictures.watermark(clip) is not None and lite_pictures.watermark(clip_of(scene)) is None
    assert lite_pictures.notes(clip)[0].startswith("What lies on the picture in 30 of 30 frames")
    grey, letters = lite_pictures.by_index(clip), drawn > 200
    true, given = ([cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)[letters].mean() for picture in pictures] for pictures in (scene, frames))
    assert np.abs([grey[t][letters].mean() - true[t] for t in range(60)]).mean() < 0.3 * np.abs(np.subtract(given, true)).mean()


def test_how_long_a_caption_stays_is_told_by_the_source() -> None:
    wide = cv2.resize(np.random.default_rng(1).integers(0, 256, (30, 100, 3)).astype(np.uint8), (400, 128), interpolation=cv2.INTER_CUBIC)
    frames = np.stack([wide[:, 3 * t : 3 * t + 160] for t in range(48)])
    for frame in frames[12:36]:  # 8 of the 16 that are used
        cv2.putText(frame, "on the picture", (8, 110), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (255, 255, 255), 2)
    lying = lite_pictures.overlays(clip_of(frames, range(0, 48, 3)))
    assert lying is not None and np.flatnonzero(lying.any(axis=(1, 2))).tolist() == list(range(4, 12))


@pytest.mark.parametrize("name", ["two_crossing", "parallax_static", "small_fast", "stop_and_start"])
def test_nothing_lies_on_the_example_clips(name: str) -> None:
    clip = finish(sample_frames(Path(__file__).parents[2] / "examples" / f"{name}.mp4", FrameSettings()))
    assert lite_pictures.notes(clip) == () and clip.window is None
