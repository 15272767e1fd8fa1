"""A camera that drives ahead, what it overtakes, and what overtakes it."""

from __future__ import annotations

import numpy as np
import pytest

from segmo.lite.heading import against_heading, clip_heading, motion_ahead
from segmo.lite.parallax import EgoMotion
from segmo.lite.verification import FrameTest, longest_gap, unsteadiness
from segmo.lite.views import FrameViews
from tests.lite.test_parallax import HW, fields, flow_of, relief


def street() -> np.ndarray:
    """Inverse depth of a road with a post and houses on both sides: a road alone, being flat, would leave two headings to choose from."""
    depth = relief()
    for left in range(0, HW[1], 28):
        depth[10:95, left : left + 14] = 0.15 + 0.5 * abs(left - HW[1] / 2) / HW[1]
    depth[POST] = 0.8
    return depth


def frame_test(views: FrameViews, gain: np.ndarray) -> FrameTest:
    gap = longest_gap(views)
    assert gap is not None
    nowhere = np.zeros(HW, bool)
    return FrameTest(np.zeros(HW), nowhere, gain, nowhere, unsteadiness(views, gap), 0.05, "travels")


CAR, POST = np.s_[60:90, 20:60], np.s_[20:90, 180:186]
ALL_GAPS, NO_FUTURE = [True] * 4, [True, True, False, False]


def test_the_clip_heads_where_most_frames_say_and_sideways_is_no_heading() -> None:
    ahead = EgoMotion(np.array([0.05, 0.1, 0.99]) / np.linalg.norm([0.05, 0.1, 0.99]), np.zeros(3), 0.1, 2.0)
    astray = EgoMotion(np.array([1.0, 0.0, 0.0]), np.zeros(3), 0.1, 2.0)
    blind = EgoMotion(np.array([1.0, 0.0, 0.0]), np.zeros(3), 0.1, 0.1)
    heading = clip_heading([ahead] * 8 + [astray, blind, None])
    assert heading is not None and heading @ ahead.translation > 0.999
    assert clip_heading([ahead] * 5 + [astray] * 5) is None
    assert clip_heading([ahead] * 5 + [blind] * 5) is None
    assert clip_heading([astray] * 10) is None
    assert clip_heading([]) is None


@pytest.mark.parametrize("valid", [ALL_GAPS, NO_FUTURE], ids=["towards the future", "towards the past"])
def test_what_is_faster_than_a_driving_camera_moves_and_what_it_passes_does_not(valid: list[bool]) -> None:
    scene = street()
    flow = flow_of((0, 0, 0.06), (0.001, -0.002, 0.0005), scene)
    flow[CAR] = flow_of((0, 0, -0.06), (0.001, -0.002, 0.0005), scene)[CAR]  # it shrinks towards where the camera heads
    views = FrameViews(fields(flow)[0], np.array(valid))
    motion = motion_ahead(views)
    assert motion is not None
    heading = clip_heading([motion])
    assert heading is not None and heading[2] > 0.95
    gain = np.full(HW, 20.0)
    gain[70:76, 36:42] = 0.0  # a bare door
    evidence = against_heading(views, frame_test(views, gain), heading)
    assert evidence[CAR].mean() > 0.9 and evidence[72, 39] > 0.9
    assert evidence[POST].max() < 0.1 and evidence[:40].max() < 0.1
    assert not against_heading(views, frame_test(views, np.zeros(HW)), heading).any()


def test_lane_markings_that_jump_to_the_next_are_not_believed() -> None:
    flow, valid = fields(flow_of((0, 0, 0.06), (0.001, -0.002, 0.0005), street()))
    dash = np.s_[160:200, 100:130]
    for long in (0, 3):
        flow[(long, *dash)] = -flow[(long, *dash)]  # over four frames the nearest match is the marking before
    views = FrameViews(flow, valid)
    motion = motion_ahead(views)
    assert motion is not None
    heading = clip_heading([motion])
    assert heading is not None
    evidence = against_heading(views, frame_test(views, np.full(HW, 20.0)), heading)
    assert evidence[80:100, 50:65].max() < 0.1
