"""Does a region that stands out really move, or is it static after all? The two ways to be fooled, and the test for each.

Parallax: what stands nearer to a travelling camera moves differently in the picture, but along epipolar lines and never as if it
lay behind the camera. A mover leaves those lines, sooner or later, on some of its parts.
Noise: where there is no texture the flow is arbitrary. Then moving the pixels as the camera moved explains the picture as well
as the flow does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from segmo.lite.camera import fit_homography, homography_flow, trusted_flow
from segmo.lite.cues import sigmoid
from segmo.lite.flow import GAPS
from segmo.lite.parallax import epipolar_parts, estimate_ego_motion
from segmo.lite.refinement import warp

Field = npt.NDArray[np.floating[Any]]

BACKWARDS_PX = 0.3  # parallax below minus this, in map pixels over four frames, would lie behind the camera
SMALLEST_REGION = 24  # voxels (pixels of the map grid times frames) below which nothing is measured


@dataclass(frozen=True, eq=False)
class FrameTest:
    """What one frame says for and against independent motion of each pixel, on the map grid."""

    violation: Field
    """(h, w) displacement in map pixels over four frames that no static point could show."""
    backwards: npt.NDArray[np.bool_]
    """(h, w) whether the parallax would lie behind the camera."""
    gain: Field
    """(h, w) grey levels by which the flow explains the picture better than the camera's motion alone."""
    spread: float
    """Violation in map pixels that is usual in this frame, as a measure of its noise."""


def test_frame(flow: npt.NDArray[np.float16], valid: npt.NDArray[np.bool_], grey: npt.NDArray[np.uint8], t: int) -> FrameTest | None:
    """Test frame t against a static scene.

    Args:
        flow, valid: (G, h, w, 2) and (G,) of this frame.
        grey: (T, h, w) all frames on the flow grid.
        t: index of this frame.

    Returns:
        None if there is no frame four frames away.
    """
    gap = 4 if valid[GAPS.index(4)] else -4
    if not valid[GAPS.index(gap)]:
        return None
    hw = (flow.shape[1] // 2, flow.shape[2] // 2)
    field = trusted_flow(flow, gap)
    small = cv2.resize(field, (hw[1], hw[0]), interpolation=cv2.INTER_AREA) * 0.5
    camera = homography_flow(fit_homography(field)[0], hw, cell=2) * 0.5
    here, there = (cv2.resize(grey[i], (hw[1], hw[0]), interpolation=cv2.INTER_AREA) for i in (t, t + gap))
    gain = cv2.absdiff(here, warp(there, camera)).astype(np.float32) - cv2.absdiff(here, warp(there, small))
    gain = cv2.blur(gain, (3, 3))
    ego = estimate_ego_motion(small)
    if ego.observable:
        parallel, across = epipolar_parts(small, ego)
        return FrameTest(across, parallel < -BACKWARDS_PX - 2 * ego.spread_px, gain, ego.spread_px)
    length = np.linalg.norm(small - camera, axis=-1)
    return FrameTest(length, np.zeros(hw, np.bool_), gain, float(np.median(length)))


def verify_regions(probability: Field, tests: list[FrameTest | None]) -> tuple[Field, float]:
    """Lower the probability of regions that a static scene explains.

    Args:
        probability: (T, h, w) that a pixel moves.
        tests: one a frame.

    Returns:
        (T, h, w) probabilities, and the probability in [0, 1] that anything moves at all.
    """
    regions, count = ndimage.label(probability > 0.5)
    if not count:
        return probability, 0.0
    tested = [t for t, test in enumerate(tests) if test is not None]
    if not tested:
        return probability, 1.0
    violation, backwards, gain, spread = (np.stack([np.asarray(getattr(tests[t], name)) for t in tested]) for name in _MEASURES)
    inside = regions[tested]
    index = np.arange(1, count + 1)
    size = np.bincount(inside.ravel(), minlength=count + 1)[1:]
    believed = np.zeros(count + 1, np.float32)
    noise = np.broadcast_to(spread[:, None, None], inside.shape)
    relative = np.log((_mean(violation, inside, index) + 0.02) / (_mean(noise, inside, index) + 0.06))
    behind = _mean(backwards, inside, index)
    boxes = ndimage.find_objects(inside, max_label=count)
    gains = np.array([np.quantile(gain[box][inside[box] == k], 0.9) if box else 0 for k, box in zip(index, boxes, strict=True)])
    geometry = sigmoid(4 * (relative - 0.7) + 6 * behind)
    photometry = sigmoid(3 * (np.log1p(np.maximum(gains, 0)) - np.log1p(2.5)))
    believed[1:] = np.where(size >= SMALLEST_REGION, geometry * photometry, 0.5)
    weight = np.minimum(2 * believed, 1)  # a region that is more likely moving than not keeps what it has
    weight[0] = 1
    anything = believed[1:][size >= SMALLEST_REGION]
    return (probability * weight[regions]).astype(np.float32), float(anything.max(initial=0.0))


_MEASURES = ("violation", "backwards", "gain", "spread")


def _mean(values: npt.NDArray[Any], regions: npt.NDArray[np.int32], index: npt.NDArray[np.int64]) -> Field:
    total = np.bincount(regions.ravel(), values.ravel().astype(np.float32), len(index) + 1)
    return total[1:] / np.maximum(np.bincount(regions.ravel(), minlength=len(index) + 1)[1:], 1)
