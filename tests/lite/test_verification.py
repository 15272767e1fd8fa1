"""Regions that a static scene explains lose their probability; movers keep it."""

from __future__ import annotations

import numpy as np

from segmo.lite.verification import FrameTest, verify_regions, verify_shots

SHAPE = (6, 80, 120)
REGION = np.zeros(SHAPE, bool)
REGION[:, 10:25, 20:40] = True


def clip(violation: float, gain: float, *, against: float = 0.0, ahead: bool = False) -> tuple:
    """What is known of a clip in which one region may move, as `verify_regions` takes it."""
    probability = np.where(REGION, 0.92, 0.1).astype(np.float32)
    tests = []
    for frame in REGION:
        nowhere, steady = np.zeros_like(frame), np.full(frame.shape, 0.1)
        tests.append(
            FrameTest(np.where(frame, violation, 0.05), nowhere, np.where(frame, gain, 0.0), frame & ahead, steady, 0.05, "travels")
        )
    opinion = np.where(REGION, 0.75, 0.1).astype(np.float32)
    return probability, opinion, np.where(REGION, np.float32(against), np.float32(0)), tests


def judged(violation: float, gain: float, **more) -> tuple[np.ndarray, float]:
    return verify_regions(*clip(violation, gain, **more))


def test_a_region_off_its_epipolar_lines_moves() -> None:
    maps, anything = judged(violation=3.0, gain=15)
    assert maps[REGION].min() > 0.8 and anything > 0.5


def test_parallax_along_the_lines_is_static() -> None:
    maps, anything = judged(violation=0.03, gain=15)
    assert maps[REGION].max() < 0.7 and anything < 0.5
    assert np.allclose(maps[~REGION], 0.1)


def test_what_runs_ahead_of_the_flow_of_the_camera_is_likelier_near_than_moving() -> None:
    assert judged(violation=1.0, gain=15, ahead=True)[1] < judged(violation=1.0, gain=15)[1] - 0.05


def test_what_moves_against_the_heading_of_the_camera_moves() -> None:
    _, anything = judged(violation=0.03, gain=15, against=0.8)
    assert anything > 0.6


def test_a_post_that_something_passes_is_judged_by_itself() -> None:
    post = np.zeros(SHAPE, bool)
    post[:, 25:70, 28:32] = True
    inside, tests = REGION | post, []
    for frame in inside:
        steady = np.full(frame.shape, 0.1)
        tests.append(FrameTest(np.where(frame, 0.03, 0.05), np.zeros_like(frame), np.where(frame, 15, 0.0), frame, steady, 0.05, "travels"))
    probability, opinion = (np.where(inside, value, 0.1).astype(np.float32) for value in (0.8, 0.7))
    maps, _ = verify_regions(probability, opinion, REGION.astype(np.float32), tests)
    assert maps[REGION].min() > 0.75 and maps[:, 55:70, 28:32].max() < 0.5
    assert verify_regions(probability, opinion, inside.astype(np.float32), tests)[0][post].min() > 0.75


def test_flow_that_explains_nothing_better_than_the_camera_is_noise() -> None:
    maps, anything = judged(violation=2.0, gain=0.2)
    assert maps[REGION].max() < 0.3 and anything < 0.3


def test_no_region_means_nothing_moves_and_no_test_means_no_doubt() -> None:
    quiet = np.full(SHAPE, 0.2, np.float32)
    assert verify_regions(quiet, quiet, 0 * quiet, [None] * len(quiet))[1] == 0
    maps, anything = verify_regions(np.where(REGION, 0.9, 0.1).astype(np.float32), quiet, 0 * quiet, [None] * len(REGION))
    assert maps[REGION].min() > 0.85 and anything == 1


def test_each_shot_is_judged_as_a_clip_of_its_own_and_one_without_tests_shows_nothing() -> None:
    moving, still = clip(violation=3.0, gain=15), clip(violation=0.03, gain=15)
    untested = (*still[:3], [None] * len(REGION))
    maps = [np.concatenate(part) for part in zip(still[:3], moving[:3], untested[:3], strict=True)]
    tests = [*still[3], *moving[3], *untested[3]]
    maps, anything = verify_shots(*maps, tests, [slice(0, 6), slice(6, 12), slice(12, 18)])
    for answer, alone in zip((maps[:6], maps[6:12]), (still, moving), strict=True):
        assert np.array_equal(answer, verify_regions(*alone)[0])
    assert not maps[12:].any()
    assert anything == verify_regions(*moving)[1] > 0.5
    assert verify_shots(*untested, [slice(0, 6)])[1] == 1  # a clip too short for tests is not doubted
