"""What cannot be static because it lies behind a camera that drives ahead: its parallax runs towards where the camera is heading.

Traffic seen from a car is the case: a car that overtakes, or one ahead that is faster, shrinks while everything static grows. A turn of
the camera cannot imitate that, so that one heading for the whole clip, on which most frames agree, says it with little noise. For a
camera that moves sideways the same sign hangs on how much it turns, which flow alone tells badly: there nothing is said.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from segmo.lite.parallax import EgoMotion, ego_motion_along, epipolar_parts
from segmo.lite.verification import BACKWARDS_PX, FrameTest, longest_gap
from segmo.lite.views import FrameViews
from segmo.parallel import parallel_map

Field = npt.NDArray[np.floating[Any]]

AHEAD = 0.8  # cosine between heading and line of sight above which a camera drives ahead (or back)
AGREEMENT_DEGREES = 10.0  # between headings of two frames that count as the same: candidates are 14 degrees apart before refinement
ENOUGH_FRAMES = 0.6  # share of all frames whose heading is seen, and of those that agree
FULL_PX = 0.6  # parallax in map pixels over four frames, below what is usual, at which evidence is complete
FULL_GAIN = 5.0  # grey levels by which flow must explain the picture better than the camera for the same
HOLE_PX = 9  # width in map pixels of a bare surface that belongs to what moves around it
DISAGREEMENT = 0.3  # of long and short flow, as a share: what repeats (lane markings) is matched with its neighbour over the long gap


def driven_against(
    flow: npt.NDArray[np.float16], valid: npt.NDArray[np.bool_], tests: list[FrameTest | None], motions: list[EgoMotion | None]
) -> npt.NDArray[np.float32]:
    """(T, h, w) evidence in [0, 1] on the map grid that pixels move against a camera that drives ahead; 0 where none does.

    Args:
        flow: (G, T, H, W, 2) at `GAPS` of the frames of a shot, and which of it exists (G, T).
        tests: one a frame.
        motions: as of `clip_heading`.
    """
    towards = clip_heading(motions)

    def one(t: int) -> npt.NDArray[np.float32]:
        test = tests[t]
        if test is None or towards is None:
            return np.zeros((flow.shape[2] // 2, flow.shape[3] // 2), np.float32)
        return against_heading(FrameViews(flow[:, t], valid[:, t]), test, towards)

    return np.stack(list(parallel_map(one, range(len(tests)))))


def clip_heading(motions: list[EgoMotion | None]) -> Field | None:
    """Where a camera drives through a whole shot: a (3,) unit vector, x right, y down, z ahead.

    Args:
        motions: of the camera over each frame's future; None where it is not known.

    Returns:
        None if the camera does not drive ahead or back, or frames disagree.
    """
    seen = [motion.translation for motion in motions if motion is not None and motion.observable]
    if not seen or len(seen) < ENOUGH_FRAMES * len(motions):
        return None
    directions = np.stack(seen)
    agree = directions @ directions.T > np.cos(np.radians(AGREEMENT_DEGREES))
    most = int(agree.sum(axis=1).argmax())
    if agree[most].mean() < ENOUGH_FRAMES:
        return None
    mean = directions[agree[most]].mean(axis=0)
    heading: Field = mean / np.linalg.norm(mean)
    return heading if abs(heading[2]) > AHEAD else None


def motion_ahead(views: FrameViews) -> EgoMotion | None:
    """Camera motion over the four frames that follow; over those before, turned round, where none follow; None in a clip too short."""
    gap = longest_gap(views)
    if gap is None:
        return None
    motion = views.towards(gap).ego
    return motion if gap > 0 else EgoMotion(-motion.translation, -motion.rotation, motion.spread_px, motion.parallax_px)


def against_heading(views: FrameViews, test: FrameTest, heading: Field) -> npt.NDArray[np.float32]:
    """(h, w) evidence in [0, 1] on the map grid that a pixel moves against the heading of the camera, as nothing static can.

    Counts only where flow explains the picture better than the camera's motion does, so that there is texture, and where flow over one
    frame and over four agree.
    """
    gap = longest_gap(views)
    assert gap is not None, "a frame without a long gap has no test"
    view = views.towards(gap)
    ego = ego_motion_along(view.in_map_pixels, heading if gap > 0 else -heading)
    parallel, _ = epipolar_parts(view.in_map_pixels, ego)
    backwards = np.clip((-parallel - BACKWARDS_PX - 2 * ego.spread_px) / FULL_PX, 0, 1)
    textured = np.clip((test.gain - 1) / (FULL_GAIN - 1), 0, 1)
    steady = test.unsteady < DISAGREEMENT
    seen = (backwards * textured * steady).astype(np.float32)
    closed = cv2.morphologyEx(seen, cv2.MORPH_CLOSE, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (HOLE_PX, HOLE_PX)))
    return np.minimum(closed, backwards).astype(np.float32)  # a bare door between wheels and windows moves as they do
