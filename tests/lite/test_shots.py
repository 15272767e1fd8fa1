"""Where a clip is cut, and that nothing goes on from one shot to the next."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import pytest

from segmo.lite.flow import GAPS, grey_grid
from segmo.lite.shots import find_cuts, resume, shots_of, where_between
from segmo.training.fusion_task import as_clip
from segmo.types import Clip, finish
from segmo.zoo import lite_pictures
from segmo.zoo.lite_models import LiteFlow

GREEN, OLIVE, RED = (60, 150, 70), (130, 190, 60), (170, 80, 60)


def shot(seed: int, colour: tuple[int, int, int], frames: int = 12, step: float = 3.0) -> np.ndarray:
    """(T, 128, 224, 3) a wall of random boxes of about one colour, past which the camera travels."""
    random, wide = np.random.default_rng(seed), np.zeros((128, 600), np.float32)
    for x, y, width, height in random.integers((0, 0, 6, 6), (600, 128, 60, 40), (220, 4)):
        wide[y : y + height, x : x + width] = random.normal(0, 35)
    views = [wide[:, round(step * t) : round(step * t) + 224] for t in range(frames)]
    return np.clip(np.stack(views)[..., None] + np.array(colour), 0, 255).astype(np.uint8)


def cuts(frames: np.ndarray, steps: float = 1.0) -> list[int]:
    lab = np.stack([cv2.cvtColor(frame[::2, ::2], cv2.COLOR_RGB2LAB) for frame in frames])
    return find_cuts(lab, grey_grid(frames), steps)


def scaled(frames: np.ndarray, by: float, add: float = 0.0) -> np.ndarray:
    return np.clip(frames.astype(float) * by + add, 0, 255).astype(np.uint8)


def test_a_cut_is_found_where_it_is_at_the_rate_of_the_source_and_sampled():
    frames = np.concatenate([shot(1, GREEN, 9), shot(2, RED, 7), shot(3, GREEN, 6)])
    assert cuts(frames) == [9, 16]
    assert cuts(np.concatenate([shot(1, GREEN, 5, 15.0), shot(2, RED, 5, 15.0)]), steps=5.0) == [5]


def test_a_cut_between_blurred_scenes_is_found_though_one_can_be_bent_into_the_other():
    before, after = (np.stack([cv2.GaussianBlur(frame, (0, 0), 3) for frame in shot(*each)]) for each in ((1, GREEN), (2, RED)))
    assert cuts(np.concatenate([before, after])) == [12]


def test_the_first_and_the_last_frame_may_be_shots_of_their_own():
    assert cuts(np.concatenate([shot(2, RED, 1), shot(1, GREEN, 6), shot(4, RED, 1)])) == [1, 7]
    assert cuts(shot(1, GREEN, 1)) == []


@pytest.mark.parametrize("lasts", [1, 2])
def test_a_flash_a_lost_frame_and_a_black_one_are_no_cut(lasts: int):
    frames = shot(1, GREEN)
    for change in (scaled(frames, 1.6, 90), shot(5, RED), scaled(frames, 0)):
        broken = frames.copy()
        broken[5 : 5 + lasts] = change[5 : 5 + lasts]
        assert cuts(broken) == []


def test_black_frames_belong_to_the_shot_before_them():
    scene, black = shot(1, GREEN, 16), np.zeros((5, 128, 224, 3), np.uint8)
    assert cuts(np.concatenate([scene[:8], black, scene[13:]])) == []
    assert cuts(np.concatenate([scene[:8], black, shot(2, RED, 8)])) == [13]
    assert cuts(np.concatenate([scene[:10], shot(2, RED, 4), black, scene[10:]])) == [10, 19]  # not one for what came before the red one


def test_scenes_that_fade_through_black_are_two_and_one_that_comes_back_is_one():
    away = np.linspace(1, 0, 8)
    fading = [scaled(frame, level) for frame, level in zip(shot(1, GREEN, 16)[-8:], away, strict=True)]

    def coming(frames: np.ndarray) -> np.ndarray:
        return np.stack([scaled(frame, level) for frame, level in zip(frames[:8], away[::-1], strict=True)])

    start, other, same = shot(1, GREEN, 8), shot(2, OLIVE, 20), shot(1, GREEN, 36)[16:]
    found = cuts(np.concatenate([start, fading, coming(other), other[8:]]))
    assert len(found) == 1 and 15 <= found[0] <= 18
    assert cuts(np.concatenate([start, fading, coming(same), same[8:]])) == []


def test_fast_pans_noise_and_a_change_of_light_are_no_cut():
    frames = shot(1, GREEN, 12, step=25.0)
    noise = np.random.default_rng(0).normal(0, 12, frames.shape)
    light = np.linspace(0.6, 1.3, len(frames))[:, None, None, None]
    for changed in (frames, frames + noise, frames * light):
        assert cuts(np.clip(changed, 0, 255).astype(np.uint8)) == []


def test_a_cut_between_sampled_frames_is_placed_among_those_that_were_left_out():
    frames = grey_grid(np.concatenate([shot(1, GREEN, 4), shot(2, RED, 5)]))
    assert where_between(list(frames)) == 4
    assert where_between(list(frames[[2, 7]])) == 1


def sampled(frames: np.ndarray, every: int) -> Clip:
    """A clip of which every so many frames are sampled, and those between kept small and grey."""
    whole = as_clip(frames)
    chosen = np.arange(0, len(frames), every)
    rest = np.setdiff1d(np.arange(len(frames)), chosen)
    return dataclasses.replace(
        whole,
        frames=frames[chosen],
        timestamps_s=whole.timestamps_s[chosen],
        source_indices=chosen,
        names=tuple(whole.names[t] for t in chosen),
        between=grey_grid(frames)[rest],
        between_indices=rest,
    )


def test_flow_ends_at_a_cut_as_at_the_ends_of_a_clip():
    clip = as_clip(np.concatenate([shot(1, GREEN, 7), shot(2, RED, 6)]))
    fields = finish(LiteFlow().flow(clip))
    assert lite_pictures.cuts(clip) == (7,)
    assert shots_of(fields.valid) == [slice(0, 7), slice(7, 13)]
    shots = np.arange(13) >= 7
    for g, gap in enumerate(GAPS):
        expected = [0 <= t + gap < 13 and shots[t] == shots[t + gap] for t in range(13)]
        assert fields.valid[g].tolist() == expected
        assert not fields.flow[g, ~fields.valid[g]].any()


def test_flow_at_the_rate_of_the_source_ends_where_the_cut_is():
    clip = sampled(np.concatenate([shot(1, GREEN, 11), shot(2, RED, 13)]), 3)
    fields = finish(LiteFlow().flow(clip))
    assert lite_pictures.cuts(clip) == (11,)
    at = clip.source_indices
    assert shots_of(fields.valid) == [slice(0, 4), slice(4, 8)]
    now = fields.momentary
    for g, gap in enumerate(GAPS):
        for t, index in enumerate(at):
            there = index + gap * clip.step
            if 0 <= there < 24:
                assert now.valid[g, t] == ((index < 11) == (there < 11))


@pytest.mark.parametrize(("left", "expected"), [(60, [1, 2, 1]), (78, [1, 2, 3])])
def test_where_the_camera_returns_to_a_scene_what_is_still_there_keeps_its_number(left: int, expected: list[int]):
    one, other = shot(1, GREEN, 12), shot(2, RED, 4)
    frames = np.concatenate([one[:4], other, one[8:]])
    shots = [slice(0, 4), slice(4, 8), slice(8, 12)]
    painted = np.zeros(frames.shape[:3], np.int32)
    for number, part in enumerate(shots, start=1):
        for t in range(part.start, part.stop):  # on the wall, which travels by 3 pixels a frame
            at = (left if number == 3 else 60) - 3 * t
            painted[t, 40:80, at : at + 30] = number
    lab = np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2LAB) for frame in frames])
    found = resume(painted, lab, shots)
    assert [np.unique(found[part])[1:].tolist() for part in shots] == [[number] for number in expected]
