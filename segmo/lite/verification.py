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

from segmo.lite.refinement import warp
from segmo.lite.views import FrameViews

Field = npt.NDArray[np.floating[Any]]

BACKWARDS_PX = 0.3  # parallax below minus this, in map pixels over four frames, would lie behind the camera
STILL_PX = 0.25  # shift of the picture in map pixels over four frames below which a camera stands still
SMALLEST_SHARE = 0.001  # of all voxels below which a region, however sure, does not make a clip one where something moves
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
    camera: str
    """What the camera does here: `travels`, `turns` or `stands still`."""


def test_frame(views: FrameViews, grey: npt.NDArray[np.uint8], t: int) -> FrameTest | None:
    """Test a frame against a static scene.

    Args:
        views: of frame t.
        grey: (T, h, w) all frames on the flow grid.
        t: index of the frame.

    Returns:
        None if there is no frame four frames away.
    """
    gap = longest_gap(views)
    if gap is None:
        return None
    view, hw = views.towards(gap), views.map_hw
    camera = view.camera * np.float32(0.5)
    here, there = (cv2.resize(grey[i], (hw[1], hw[0]), interpolation=cv2.INTER_AREA) for i in (t, t + gap))
    gain = cv2.absdiff(here, warp(there, camera)).astype(np.float32) - cv2.absdiff(here, warp(there, view.in_map_pixels))
    gain = cv2.blur(gain, (3, 3))
    if view.ego.observable:
        parallel, across = view.epipolar_parts
        return FrameTest(across, parallel < -BACKWARDS_PX - 2 * view.ego.spread_px, gain, view.ego.spread_px, "travels")
    length = np.linalg.norm(view.in_map_pixels - camera, axis=-1)
    turns = float(np.median(np.linalg.norm(camera[::4, ::4], axis=-1))) > STILL_PX
    return FrameTest(length, np.zeros(hw, np.bool_), gain, float(np.median(length)), "turns" if turns else "stands still")


def longest_gap(views: FrameViews) -> int | None:
    """The gap over four frames, ahead if there is one; None in a clip too short."""
    return next((gap for gap in (4, -4) if gap in views.gaps), None)


def verify_regions(probability: Field, opinion: Field, tests: list[FrameTest | None]) -> tuple[Field, float]:
    """Lower the probability of regions that a static scene explains.

    Args:
        probability: (T, h, w) that a pixel moves.
        opinion: (T, h, w) the same, as a judge of single frames has it, before filtering.
        tests: one a frame.

    Returns:
        (T, h, w) probabilities, and the probability in [0, 1] that anything moves at all.
    """
    regions, count = ndimage.label(probability > 0.5)
    tested = [t for t, test in enumerate(tests) if test is not None]
    if not count or not tested:
        return probability, float(count > 0)
    violation, backwards, gain, spread = (np.stack([np.asarray(getattr(tests[t], name)) for t in tested]) for name in _MEASURES)
    inside, opinion = regions[tested], opinion[tested]
    weight = np.ones(count + 1, np.float32)
    anything = 0.0
    for region, box in enumerate(ndimage.find_objects(inside, max_label=count), start=1):
        if box is None:
            continue
        chosen = inside[box] == region
        size = int(chosen.sum())
        if size < SMALLEST_REGION:
            continue
        noise = np.broadcast_to(spread[box[0], None, None], chosen.shape)[chosen].mean()
        measured = (array[box][chosen] for array in (violation, backwards, gain, opinion))
        believed = _belief(*measured, noise=float(noise), share=size / inside.size)
        weight[region] = min(1.0, 2.0 * believed)  # what is about as likely to move as not keeps what it has
        if size >= SMALLEST_SHARE * inside.size:
            anything = max(anything, believed)
    return (probability * weight[regions]).astype(np.float32), anything


def _belief(violation: Field, backwards: Field, gain: Field, opinion: Field, *, noise: float, share: float) -> float:
    """Probability that a region moves, from the measures of its (M,) voxels, the noise of the flow and its share of the clip.

    Where the flow explains nothing better than the camera's motion it is not to be believed, so violation and cheirality are
    weighted by the gain. The weights lie between those of two logistic regressions, over 544 regions of 300 rendered clips like
    everyday video and over 1000 of 300 poor ones, half of each without a mover; that of cheirality was set, because the clips hold
    few cars that drive ahead of the camera.
    """
    trust = np.clip(gain - 1, 0, 30)
    order = np.argsort(violation)
    total = np.cumsum(trust[order])
    typical = float(violation[order][np.searchsorted(total, total[-1] / 2)]) if total[-1] > 1 else 0.0
    evidence = (
        0.52 * np.log((typical + 0.05) / (noise + 0.15))
        + 1.75 * float((backwards * trust).sum() / max(trust.sum(), 1e-3))
        + 0.37 * np.log1p(max(float(np.quantile(gain, 0.9)), 0.0))
        + 5.2 * float(opinion.mean())
        + 0.185 * np.log(share)
        - 5.14
    )
    return float(1 / (1 + np.exp(-evidence)))


_MEASURES = ("violation", "backwards", "gain", "spread")


def describe_camera(tests: list[FrameTest | None]) -> str:
    """What the camera does most of the time, in a sentence; empty for a clip too short to tell."""
    seen = [test.camera for test in tests if test is not None]
    return f"The camera {max(sorted(set(seen)), key=seen.count)}." if seen else ""
