"""Does a group of tracks move on its own? The camera and the scene explain a static group; nothing static explains a mover.

Between two frames a static scene moves in the picture by a homography where the camera only turns or the scene is flat, and along epipolar
lines otherwise. Both are fitted to the tracks outside of the group; how much worse they explain the group is the evidence. It is blind
to what moves along the epipolar lines, so it is joined with the network's opinion, in log odds, and neither can silence the other.

The coefficients come from `python -m tests.calibration`: groups of movers and of static tracks in rendered scenes, with a tracker's noise.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from segmo.types import Bool, Int, Tracks

Array = npt.NDArray[np.float64]

SIDE = 512.0
"""Positions are scaled as if the longer side of the frame had this many pixels."""
PAIRS = 8
"""Pairs of frames looked at, spread over the clip."""
GAPS = (8, 4, 2, 1)
"""Frames from one to the other: the first that leaves enough tracks visible in both."""
FEWEST_IN_GROUP, FEWEST_OTHERS = 3, 16
MOST_IN_GROUP, MOST_OTHERS = 200, 500
INLIER_PX = 1.0
PRECISION_PX = (0.25, 0.5)
"""Added to the residual of the group and of the others, so that noise on still tracks is no evidence."""
COEFFICIENTS = (0.45, 2.63, -0.31)
"""Of the excess over the homography, over the epipolar geometry, and the constant."""
BOUND = 3.0
"""Log odds: about one mover in twenty moves along the epipolar lines, and about one static group in twenty is tracked badly."""
OPINIONS = 10
"""Tracks whose mean probability is the network's opinion of the clip: as many as the published decision asks for."""
CERTAIN = 0.99


def moving_score(tracks: Tracks, probability: npt.NDArray[np.float32]) -> float:
    """Probability in [0, 1] that anything moves in the clip.

    Args:
        tracks: N tracks.
        probability: (N,) that each moves, as the network says.
    """
    if not len(tracks) or tracks.positions_xy.shape[1] < 2:
        return 0.0
    best = np.argsort(-probability, kind="stable")[:OPINIONS]
    opinion = float(np.clip(probability[best].mean(), 1 - CERTAIN, CERTAIN))
    group = np.zeros(len(tracks), bool)
    group[probability > min(0.5, float(probability[best[-1]]))] = True
    group[best] = True
    odds = np.log(opinion / (1 - opinion)) + independence(tracks, group)
    return float(1 / (1 + np.exp(-odds)))


def independence(tracks: Tracks, group: Bool) -> float:
    """Log odds, within `BOUND`, that the (N,) group of tracks moves against the rest; 0 where too few are visible to tell."""
    excess = camera_excess(tracks.positions_xy.astype(np.float64), tracks.visible, group, tracks.frame_hw)
    return 0.0 if excess is None else float(np.clip(np.dot(COEFFICIENTS, (*excess, 1.0)), -BOUND, BOUND))


def camera_excess(positions_xy: Array, visible: Bool, group: Bool, hw: tuple[int, int]) -> tuple[float, float] | None:
    """How many times, as powers of two, a group is explained worse than the other tracks by their homography and epipolar geometry.

    Args:
        positions_xy: (N, T, 2) in pixels of frames of size `hw`.
        visible: (N, T).
        group: (N,).

    Returns:
        The medians over pairs of frames; None where no pair shows enough of the group and of the others.
    """
    positions = positions_xy * (SIDE / max(hw))
    last = positions.shape[1] - 1
    found = []
    for first in np.unique(np.linspace(0, last - min(GAPS[0], last), PAIRS).astype(int)):
        for second in (first + gap for gap in GAPS if first + gap <= last):
            both = visible[:, first] & visible[:, second]
            inside, outside = _some(both & group, MOST_IN_GROUP), _some(both & ~group, MOST_OTHERS)
            if len(inside) >= FEWEST_IN_GROUP and len(outside) >= FEWEST_OTHERS:
                found.append(_excess(positions[:, first], positions[:, second], inside, outside))
                break
    if not found:
        return None
    homography, epipolar = np.median(found, axis=0)
    return float(homography), float(epipolar)


def _some(chosen: Bool, most: int) -> Int:
    indices = np.flatnonzero(chosen)
    return indices[:: max(1, len(indices) // most)]


def _excess(start: Array, end: Array, inside: Int, outside: Int) -> tuple[float, float]:
    """The two logarithms for one pair of frames; start and end are (N, 2)."""
    here, there = start[outside], end[outside]
    plane, _ = cv2.findHomography(here, there, cv2.USAC_MAGSAC, INLIER_PX, maxIters=500, confidence=0.99)
    plane = np.eye(3) if plane is None else plane
    lines, _ = cv2.findFundamentalMat(here, there, cv2.USAC_MAGSAC, INLIER_PX, 0.99, 500)
    if lines is None or lines.shape != (3, 3):
        off_plane = _ratio(_off_plane(plane, start[inside], end[inside]), _off_plane(plane, here, there))
        return off_plane, off_plane
    return (
        _ratio(_off_plane(plane, start[inside], end[inside]), _off_plane(plane, here, there)),
        _ratio(_off_line(lines, start[inside], end[inside]), _off_line(lines, here, there)),
    )


def _ratio(group: Array, others: Array) -> float:
    return float(np.log2((np.median(group) + PRECISION_PX[0]) / (np.quantile(others, 0.75) + PRECISION_PX[1])))


def _off_plane(plane: Array, start: Array, end: Array) -> Array:
    """(M,) pixels between where a homography takes points and where they are."""
    taken = np.column_stack([start, np.ones(len(start))]) @ plane.T
    depth = np.where(np.abs(taken[:, 2:]) < 1e-9, 1e-9, taken[:, 2:])
    return np.asarray(np.linalg.norm(taken[:, :2] / depth - end, axis=1))


def _off_line(lines: Array, start: Array, end: Array) -> Array:
    """(M,) Sampson distances in pixels from the epipolar geometry."""
    a, b = (np.column_stack([points, np.ones(len(points))]) for points in (start, end))
    forth, back = a @ lines.T, b @ lines
    slope = np.linalg.norm(np.column_stack([forth[:, :2], back[:, :2]]), axis=1)
    return np.asarray(np.abs((b * forth).sum(axis=1)) / np.maximum(slope, 1e-12))
