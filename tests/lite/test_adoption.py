"""Foreground on which no point lasts belongs to the object that is there before or after."""

from __future__ import annotations

import numpy as np
import pytest

from segmo.lite.adoption import adopt
from segmo.lite.flow import GAPS
from segmo.lite.objects import LONG_CLIP, find_objects, seed_points

FRAMES, HW, PACE = 20, (40, 120), 5


def moving_square(flow_from: int = 1, pace: int = PACE) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A square that moves to the right, (T, h, w), and its exact flow ahead and back on a grid `flow_from` times as large."""
    square = np.zeros((FRAMES, HW[0], 25 + pace * (FRAMES - 1)), np.int32)
    for t in range(FRAMES):
        square[t, 10:26, pace * t : pace * t + 16] = 1
    large = square.repeat(flow_from, axis=1).repeat(flow_from, axis=2)
    ahead = np.zeros((*large.shape, 2), np.float16)
    ahead[large > 0] = (pace * flow_from, 0)
    return square, ahead, -ahead


@pytest.mark.parametrize("pace", [PACE, 18])  # the fast one is never where it was a frame before
@pytest.mark.parametrize("flow_from", [1, 2])
def test_a_gap_closes_from_both_sides(flow_from: int, pace: int) -> None:
    square, ahead, back = moving_square(flow_from, pace)
    painted = square.copy()
    painted[[0, 7, 8, 9, 10, 19]] = 0
    assert (adopt(painted, square, ahead, back) == square).all()


def test_it_closes_where_flow_has_failed_too() -> None:
    square, ahead, back = moving_square()
    painted = square.copy()
    painted[7:9] = 0
    assert (adopt(painted, square, np.zeros_like(ahead), np.zeros_like(back)) == square).all()


def test_what_flashes_up_elsewhere_is_not_taken_in() -> None:
    square, ahead, back = moving_square()
    components = square.copy()
    components[7, 30:38, 100:110] = 99
    assert (adopt(square, components, ahead, back) == square).all()


def test_an_object_of_a_few_frames_is_a_part_of_what_it_shows_on_or_stays_itself() -> None:
    square, ahead, back = moving_square()
    painted, components = square.copy(), square.copy()
    painted[7:10][square[7:10] > 0] = 2
    painted[3:6, 30:38, 100:110] = components[3:6, 30:38, 100:110] = 3
    adopted = adopt(painted, components, ahead, back)
    assert (adopted[square > 0] == 1).all() and (adopted[3:6, 30:38, 100:110] == 3).all()


def resting(*places: slice, frames: int = FRAMES) -> tuple[np.ndarray, np.ndarray]:
    """Squares that rest at these columns, numbered from 1, and flow that is zero."""
    squares = np.zeros((frames, *HW), np.int32)
    for number, columns in enumerate(places, start=1):
        squares[:, 10:26, columns] = number
    return squares, np.zeros((*squares.shape, 2), np.float16)


@pytest.mark.parametrize("order", [1, -1])
def test_a_piece_goes_to_what_covers_most_of_it(order: int) -> None:
    painted, flow = resting()
    painted[:7, 10:26, 20:27], painted[8:, 10:26, 25:36] = 1, 2  # 7 and 11 of its 16 columns, before and after
    painted = np.ascontiguousarray(painted[::order])
    at = 7 if order == 1 else FRAMES - 8
    components = painted.copy()
    components[at, 10:26, 20:36] = 3
    adopted = adopt(painted, components, flow, flow)
    assert (adopted[at, 10:26, 20:36] == 2).all()


@pytest.mark.parametrize(("columns", "owner"), [(4, 0), (5, 1)])
def test_what_is_hardly_covered_stays_nobody_s(columns: int, owner: int) -> None:
    painted, flow = resting(slice(20, 20 + columns))
    painted[7] = 0
    components = painted.copy()
    components[7, 10:26, 20:36] = 1  # 16 columns
    assert (adopt(painted, components, flow, flow)[7, 10:26, 20:36] == owner).all()


def test_pieces_of_one_frame_find_their_owners_each_for_itself() -> None:
    squares, flow = resting(slice(20, 36), slice(60, 76))
    painted = squares.copy()
    painted[7] = 0
    assert (adopt(painted, squares, flow, flow) == squares).all()


def test_two_that_flash_up_on_one_component_are_parts_of_what_each_shows_on() -> None:
    squares, flow = resting(slice(20, 36), slice(36, 52))
    painted, components = squares.copy(), np.where(squares > 0, 1, 0).astype(np.int32)
    painted[7] += 2 * (squares[7] > 0)
    assert (adopt(painted, components, flow, flow) == squares).all()


@pytest.mark.parametrize(("frames", "stays"), [(8, True), (FRAMES, False)])
def test_in_a_short_clip_a_quarter_of_it_makes_an_object(frames: int, stays: bool) -> None:
    square, flow = resting(slice(20, 36), frames=frames)
    painted = square.copy()
    painted[3:5][square[3:5] > 0] = 2
    assert (adopt(painted, square, flow, flow) == (painted if stays else square)).all()


def test_an_object_keeps_its_id_through_frames_in_which_flow_fails() -> None:
    square, ahead, _ = moving_square()
    flow = np.stack([ahead * gap for gap in GAPS])
    error = np.zeros(flow.shape[:4], np.uint8)
    valid = np.array([[0 <= t + gap < FRAMES for t in range(FRAMES)] for gap in GAPS])
    for t in (6, 7, 8):  # what is seen from there, and from elsewhere of it, is wrong
        for g, gap in enumerate(GAPS):
            error[g, t] = 255
            flow[g, t] = -7
            if 0 <= t - gap < FRAMES:
                error[g, t - gap] = 255
    lab = np.full((*square.shape, 3), 128, np.uint8)
    labels = find_objects(square > 0, lab, flow, error, valid)
    assert [np.unique(frame[square[t] > 0]).tolist() for t, frame in enumerate(labels)] == [[labels[0][square[0] > 0][0]]] * FRAMES


def test_long_clips_get_no_more_points_than_those_that_can_still_be_compared_with_each_other() -> None:
    counts = [len(seed_points(np.ones((frames, 4, 5), np.int32))) for frames in (100, LONG_CLIP, LONG_CLIP + 1, 4 * LONG_CLIP)]
    assert counts[0] < counts[1] and counts[2] <= counts[3] <= counts[1]
