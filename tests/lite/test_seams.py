"""What comes apart where two objects meet, and what does not."""

from __future__ import annotations

import numpy as np
import pytest

from segmo.lite.objects import find_objects
from segmo.lite.seams import join_seamless, seams, touching
from tests.lite.test_objects import FRAMES, main_id, scene


def test_a_seam_counts_as_a_whole_where_a_part_of_it_is_sure() -> None:
    probability = np.zeros((2, 9, 9), np.float16)
    probability[0, 2], probability[0, 6], probability[1, 2] = 0.65, 0.68, 0.65
    probability[0, 2, 4], probability[0, 3] = 0.9, 0.5
    found = seams(probability)
    assert found[0, 2].all() and found.sum() == 9, "neither a seam that is nowhere sure, nor that of another frame, nor what is beside it"


@pytest.mark.parametrize(("down", "right", "meet"), [(0, 2, True), (0, 3, False), (2, 2, True), (3, 2, False)])
def test_objects_touch_within_two_pixels(down: int, right: int, meet: bool) -> None:
    frame = np.zeros((12, 12), np.int32)
    frame[2:5, 2:5], frame[4 + down : 8 + down, 4 + right : 8 + right] = 7, 3
    assert sorted(touching(frame).T.tolist()) == ([[3, 7], [7, 3]] if meet else [])


def halves(contact_frames: int, likely: float, gap: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Two halves of a bar that touch in some of twelve frames, and a probability of a seam there."""
    painted = np.zeros((12, 20, 40), np.int32)
    painted[:contact_frames, 5:15, 5:20], painted[:, 5:15, 20 + gap : 35] = 1, 2
    probability = np.zeros(painted.shape, np.float16)
    probability[:, :, 18:22] = likely
    return painted, probability


@pytest.mark.parametrize(
    ("contact_frames", "likely", "gap", "count"),
    [
        (12, 0.0, 0, 1),
        (8, 0.1, 0, 1),
        (12, 0.4, 0, 2),  # something parts them, though not for sure
        (5, 0.0, 0, 2),  # they meet in passing
        (12, 0.0, 6, 2),  # they do not touch
    ],
)
def test_what_touches_where_no_seam_is_likely_is_one_object(contact_frames: int, likely: float, gap: int, count: int) -> None:
    painted, probability = halves(contact_frames, likely, gap)
    joined = join_seamless(painted, probability)
    assert len(np.unique(joined[joined > 0])) == count
    assert np.array_equal(joined > 0, painted > 0)


def test_where_a_part_of_a_contact_is_a_seam_it_parts_all_of_it() -> None:
    painted, probability = halves(12, 0.0)
    probability[:, 5:8, 18:22] = 0.7  # three tenths of it
    assert len(np.unique(join_seamless(painted, probability))) == 3


def test_a_few_doubtful_pixels_are_no_seam() -> None:
    painted, probability = halves(12, 0.0)
    probability[:, 5, 18:21] = 0.9  # of ten rows of four
    assert len(np.unique(join_seamless(painted, probability))) == 2


def test_of_three_in_a_row_the_middle_one_joins_all() -> None:
    painted = np.zeros((9, 20, 60), np.int32)
    painted[:, 5:15, 5:20], painted[:, 5:15, 20:35], painted[:, 5:15, 35:50] = 3, 1, 2
    probability = np.zeros(painted.shape, np.float16)
    assert np.array_equal(np.unique(join_seamless(painted, probability)), [0, 1])
    probability[:, :, 34:36] = 0.9
    assert len(np.unique(join_seamless(painted, probability))) == 3


def test_nothing_and_a_single_object_stay_as_they_are() -> None:
    painted = np.zeros((3, 20, 40), np.int32)
    assert not join_seamless(painted, np.zeros(painted.shape)).any()
    painted[:, 5:15, 5:20] = 4
    assert np.array_equal(join_seamless(painted, np.zeros(painted.shape)), painted)


def test_a_thing_that_bends_far_is_one_object_if_no_seam_is_seen() -> None:
    """By its motion alone what slides along a body is another object."""
    body = [(30 + t, 11, 26, 20) for t in range(FRAMES)]
    thing = [(38 + t + 0.5 * max(0, t - 10), 30, 6, 16) for t in range(FRAMES)]
    owner, lab, flow, error, valid = scene([body, thing])
    alone = find_objects(owner > 0, lab, flow, error, valid)
    assert main_id(alone, owner == 1) != main_id(alone, owner == 2)
    for likely, same in ((0.05, True), (0.5, False)):
        together = find_objects(owner > 0, lab, flow, error, valid, np.full(owner.shape, likely, np.float16))
        assert (main_id(together, owner == 1) == main_id(together, owner == 2)) is same
