"""Flow of frames that were sampled from a source of more: at its own rate, and along the frames between."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from segmo.lite.between import sampled_flow
from segmo.lite.flow import GAPS, DenseFlow, dense_flow
from segmo.types import finish

HW = (120, 200)
Images = np.ndarray[Any, np.dtype[np.uint8]]


def textured(hw: tuple[int, int], seed: int) -> Images:
    noise = np.random.default_rng(seed).random((hw[0] // 4, hw[1] // 4)).astype(np.float32)
    return (cv2.resize(noise, (hw[1], hw[0]), interpolation=cv2.INTER_CUBIC).clip(0, 1) * 255).astype(np.uint8)


def passing(count: int, speed: int) -> Images:
    """Something as wide as it is high passes a textured wall."""
    frames = np.stack([textured(HW, 0)] * count)
    for t, frame in enumerate(frames):
        frame[40:80, 10 + speed * t : 50 + speed * t] = textured((40, 40), 1)
    return frames


def sample(frames: Images, sampled: list[int], step: int = 1, *, without: tuple[int, ...] = ()) -> tuple[DenseFlow, DenseFlow]:
    there = {index: frame for index, frame in enumerate(frames) if index not in without}
    return finish(sampled_flow(there, sampled, step))


@pytest.mark.parametrize("step", [1, 2])
def test_at_the_rate_of_the_source_flow_is_that_of_all_its_frames(step: int) -> None:
    frames = passing(26, 3)
    sampled = [0, 3, 7, 12, 20, 24]
    _, at_once = sample(frames, sampled, step)
    for t, index in enumerate(sampled):
        whole = finish(dense_flow(frames[index % step :: step]))
        assert at_once.valid[:, t].tolist() == whole.valid[:, index // step].tolist()
        for g, gap in enumerate(GAPS):
            off = np.abs(at_once.flow[g, t].astype(np.float32) - whole.flow[g, index // step])
            if abs(gap) == 1:
                assert not off.any() and np.array_equal(at_once.error[g, t], whole.error[g, index // step])
            else:  # those between are searched for on half the grid
                assert np.median(off) < 0.1 and off.mean() < 0.5


@pytest.mark.parametrize("hw", [(16, 16), (16, 448), (20, 28)])
def test_the_smallest_pictures_have_flow_too(hw: tuple[int, int]) -> None:
    frames = np.stack([np.roll(textured((32, 448), 2)[: hw[0], : hw[1]], t, axis=1) for t in range(9)])
    apart, at_once = sample(frames, [0, 4, 8])
    assert at_once.valid.tolist() == [[False, True, True], [False, True, True], [True, True, False], [True, True, False]]
    assert apart.flow.shape == (len(GAPS), 3, *hw, 2)


def test_flow_between_sampled_frames_follows_what_is_too_fast_to_be_searched_for() -> None:
    frames = passing(13, 6)
    inside = np.s_[45:75, 10 + 4 * 6 + 6 : 10 + 4 * 6 + 34]
    apart, _ = sample(frames, [0, 4, 8, 12])
    direct = finish(dense_flow(frames[::4]))
    off = [np.median(np.abs(flow.flow[GAPS.index(1), 1].astype(np.float32)[inside][..., 0] - 24)) for flow in (apart, direct)]
    assert off[0] < 0.3 and off[1] > 15
    assert apart.valid.tolist() == direct.valid.tolist()
    assert np.median(apart.error[GAPS.index(1), 1][inside]) < 10


def test_frames_farther_apart_than_any_that_are_known_are_searched_for_as_ever() -> None:
    frames = passing(17, 2)
    known = {index: frames[index] for index in (0, 1, 2, 3, 4, 12, 13, 14, 15, 16)}
    apart, at_once = finish(sampled_flow(known, [0, 16], 1))
    direct = finish(dense_flow(frames[[0, 16]]))
    assert np.array_equal(apart.flow, direct.flow) and np.array_equal(apart.valid, direct.valid)
    assert at_once.valid.tolist() == [[False, True], [False, True], [True, False], [True, False]]


def test_where_a_frame_could_not_be_read_nothing_is_said() -> None:
    _, at_once = sample(passing(13, 2), [0, 6, 12], without=(7,))
    assert at_once.valid[:, 1].tolist() == [True, True, False, False]
    assert not at_once.flow[GAPS.index(4), 1].any()


def test_progress_goes_up_to_one() -> None:
    frames = passing(9, 2)
    told = list(sampled_flow(dict(enumerate(frames)), [0, 4, 8], 1))
    assert told == sorted(told) and told[-1] == pytest.approx(1)
