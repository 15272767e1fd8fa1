"""Where the picture lies in frames with margins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from segmo.settings import FrameSettings
from segmo.stages.frames import sample_frames
from segmo.stages.margins import find_window
from segmo.types import finish

Frames = np.ndarray[Any, np.dtype[np.uint8]]
T, H, W = 12, 90, 160


def moving(count: int = T, hw: tuple[int, int] = (H, W), darkest: int = 0) -> Frames:
    """Smooth noise that moves by two pixels a frame."""
    coarse = np.random.default_rng(0).integers(darkest, 256, (H // 3, W // 3 + 7, 3)).astype(np.uint8)
    noise = cv2.resize(coarse, (hw[1] + 2 * count, hw[0]))
    return np.stack([noise[:, 2 * t : 2 * t + hw[1]] for t in range(count)])


def framed(window: tuple[int, int, int, int], colour: int | tuple[int, int, int] = 0, noise: int = 4) -> Frames:
    """Moving pictures in a window, with what compression leaves of one colour around it."""
    top, left, bottom, right = window
    frames = np.full((T, H, W, 3), colour, np.int16) + np.random.default_rng(1).integers(-noise, noise + 1, (T, H, W, 3))
    frames[:, top:bottom, left:right] = moving(hw=(bottom - top, right - left))
    return np.clip(frames, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("colour", [0, 255, 16, (20, 90, 160)])
@pytest.mark.parametrize(
    "window",
    [
        (0, 50, 90, 110),  # portrait on a wide page
        (12, 0, 78, 160),  # a wide film
        (10, 20, 80, 140),  # both
        (30, 0, 90, 160),  # below a caption
        (0, 0, 90, 60),
        (20, 60, 75, 100),  # portrait on a wide page, with bars of its own
    ],
)
def test_even_margins_are_found_to_the_pixel(window: tuple[int, int, int, int], colour: int | tuple[int, int, int]) -> None:
    assert find_window(framed(window, colour)) == window


def test_captions_may_stand_on_a_margin() -> None:
    frames = framed((24, 0, 66, 160), 255)
    for t, frame in enumerate(frames):
        cv2.putText(frame, "this is fine", (10, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (0, 0, 0), 1)
        cv2.putText(frame, f"now {t // 3}", (10, 82), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (200, 0, 0), 1)
    assert find_window(frames) == (24, 0, 66, 160)


def test_one_frame_that_spills_over_the_edge_does_not_hide_a_margin() -> None:
    frames = framed((0, 50, 90, 110))
    frames[7, ::3, 44:50], frames[7, ::3, 110:116] = 40, 40
    assert find_window(frames) == (0, 50, 90, 110)


def test_a_picture_that_fades_in_has_the_margins_of_the_others() -> None:
    frames = framed((0, 50, 90, 110))
    fading = (frames * np.minimum(np.arange(T) / 5, 1)[:, None, None, None]).astype(np.uint8)
    assert find_window(fading) == (0, 50, 90, 110)


def test_pictures_without_margins_are_taken_whole() -> None:
    night = moving()
    night[:, :30] = (night[:, :30] * np.linspace(0, 0.15, 30)[:, None, None]).astype(np.uint8)  # a sky that gets lighter
    sky = moving(darkest=120)
    for column in range(W):
        sky[:, : 20 + column // 12 * 7 % 23, column] = 200  # behind roofs
    for frames in (moving(), night, sky, np.zeros((T, H, W, 3), np.uint8), np.full((1, H, W, 3), 255, np.uint8), moving()[:0]):
        assert find_window(frames) is None


def test_narrow_margins_are_left_alone() -> None:
    assert find_window(framed((2, 0, 88, 160))) is None


def test_what_crosses_a_margin_once_is_part_of_the_picture() -> None:
    frames = framed((0, 50, 90, 110))
    frames[5, 20:60, 10:45] = moving()[5, :40, :35]
    assert find_window(frames) == (0, 0, 90, 110)


def filled(window: tuple[int, int, int, int]) -> Frames:
    """Moving pictures in a window, with themselves enlarged and blurred around it."""
    top, left, bottom, right = window
    pictures = np.stack([cv2.resize(picture[:30, :40], (right - left, bottom - top)) for picture in moving()])
    grown = (cv2.GaussianBlur(cv2.resize(picture, (W, H)), (0, 0), 8) * 0.7 for picture in pictures)
    frames = np.stack([picture.astype(np.uint8) for picture in grown])
    frames[:, top:bottom, left:right] = pictures
    return frames


@pytest.mark.parametrize("window", [(0, 50, 90, 110), (0, 20, 90, 140), (25, 0, 65, 160)])
def test_margins_filled_with_the_picture_itself_are_found(window: tuple[int, int, int, int]) -> None:
    found = find_window(filled(window))
    assert found is not None
    assert all(
        0 <= side * (inner - outer) <= 1 for inner, outer, side in zip(found, window, (1, 1, -1, -1), strict=True) if outer not in (0, W, H)
    )
    assert all(inner == outer for inner, outer in zip(found, window, strict=True) if outer in (0, W, H))


@pytest.mark.parametrize("blurred", [False, True])
def test_margins_are_found_in_compressed_pictures(tmp_path: Path, blurred: bool) -> None:
    """The edge of the picture rings in the blocks it goes through."""
    window = np.array((0, 51, 90, 109))
    for number, frame in enumerate(filled(tuple(window)) if blurred else framed(tuple(window), noise=0)):
        large = cv2.resize(frame, (4 * W, 4 * H), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(tmp_path / f"{number:02}.jpg"), large, [cv2.IMWRITE_JPEG_QUALITY, 20])
    found = finish(sample_frames(tmp_path, FrameSettings())).window
    assert found is not None and np.abs(np.array(found) - 4 * window).max() <= 5


def test_blurred_margins_are_of_one_width() -> None:
    assert find_window(filled((0, 30, 90, 110))) is None


def test_what_is_out_of_focus_beside_the_subject_is_part_of_the_picture() -> None:
    frames = moving()
    far = np.stack([cv2.GaussianBlur(frame, (0, 0), 8) for frame in frames])
    sharp = np.clip(1.6 - np.abs(np.arange(W) - W / 2) / (W / 6), 0, 1)[None, None, :, None]
    assert find_window((frames * sharp + far * (1 - sharp)).astype(np.uint8)) is None
