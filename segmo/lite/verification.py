"""Does a region that stands out really move, or is it static after all? The ways to be fooled, and the test for each.

Parallax: what stands nearer to a travelling camera moves differently in the picture, but along epipolar lines and never as if it
lay behind the camera. A mover leaves those lines, sooner or later, on some of its parts. What is nearer also runs ahead of its
surroundings in the direction in which the camera makes all of them flow, while a mover that the camera follows stays behind.
Noise: where there is no texture the flow is arbitrary. Then moving the pixels as the camera moved explains the picture as well
as the flow does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import scipy

from segmo.geometry import lengths
from segmo.lite.belief import log_odds
from segmo.lite.refinement import warp
from segmo.lite.views import FrameViews, View

Field = npt.NDArray[np.floating[Any]]

BACKWARDS_PX = 0.3  # parallax below minus this, in map pixels over four frames, would lie behind the camera
STILL_PX = 0.25  # shift of the picture in map pixels over four frames below which a camera stands still
AHEAD_SHARE = 0.1  # of the camera's flow by which something must exceed it to run ahead
FLOOR_PX = 0.5  # added to the camera's flow, in pixels of the flow grid: its own noise
AGAINST_WEIGHT = 6.0  # log odds for a region that moves against the heading of the camera: set, not fitted, since nothing static can
ROADSIDE = 1.0  # log odds taken off where a camera drives past others, since poles and signs rush by it as nothing else does: set too
AGAINST_PX = 24  # map pixels around motion against the heading that belong to it: not all of a car has texture
BEST_OF_MANY = 0.6  # log odds taken off the surest region of a clip: among many that are static, one looks as if it moved
SMALLEST_SHARE = 0.001  # of all voxels below which a region, however sure, does not make a clip one where something moves
SUREST = 0.9  # share of a region that is less sure than what counts of its probability
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
    ahead: npt.NDArray[np.bool_]
    """(h, w) whether it runs ahead of the camera's flow in that flow's direction, as what is nearer does."""
    unsteady: Field
    """(h, w) in [0, 2] how much flow over four frames differs from four times that over one, as a share of it."""
    spread: float
    """Violation in map pixels that is usual in this frame, as a measure of its noise."""
    camera: str
    """What the camera does here: `travels`, `turns` or `stands still`."""


def test_frame(views: FrameViews, picture: Callable[[int], npt.NDArray[np.uint8]]) -> FrameTest | None:
    """Test a frame against a static scene.

    Args:
        views: of the frame.
        picture: gives the (h, w) grey picture on the flow grid of the frame at a gap; at 0, of this one.

    Returns:
        None if there is no frame four frames away.
    """
    gap = longest_gap(views)
    if gap is None:
        return None
    view, hw = views.towards(gap), views.map_hw
    camera = view.camera * np.float32(0.5)
    here, there = (cv2.resize(picture(g), (hw[1], hw[0]), interpolation=cv2.INTER_AREA) for g in (0, gap))
    gain = cv2.absdiff(here, warp(there, camera)).astype(np.float32) - cv2.absdiff(here, warp(there, view.in_map_pixels))
    gain = cv2.blur(gain, (3, 3))
    ahead, unsteady = _ahead(view), unsteadiness(views, gap)
    if view.ego.observable:
        parallel, across = view.epipolar_parts
        backwards = parallel < -BACKWARDS_PX - 2 * view.ego.spread_px
        return FrameTest(across, backwards, gain, ahead, unsteady, view.ego.spread_px, "travels")
    length = lengths(view.in_map_pixels - camera)
    turns = float(np.median(lengths(camera[::4, ::4]))) > STILL_PX
    what = "turns" if turns else "stands still"
    return FrameTest(length, np.zeros(hw, np.bool_), gain, ahead, unsteady, float(np.median(length)), what)


def _ahead(view: View) -> npt.NDArray[np.bool_]:
    """(h, w) whether flow exceeds that of the camera along its direction by more than a tenth."""
    along = (view.residual * view.camera).sum(axis=-1)
    return along > AHEAD_SHARE * (lengths(view.camera) + FLOOR_PX) ** 2


def unsteadiness(views: FrameViews, gap: int) -> Field:
    """(h, w) in [0, 2] how much flow over a long `gap` differs from as many times that over one frame, as a share of its length."""
    long, short = views.towards(gap).flow, views.towards(gap // abs(gap)).flow
    return np.minimum(lengths(long - abs(gap) * short) / (lengths(long) + 1), 2.0)


def longest_gap(views: FrameViews) -> int | None:
    """The gap over four frames, ahead if there is one; None in a clip too short."""
    return next((gap for gap in (4, -4) if gap in views.gaps), None)


def verify_regions(probability: Field, opinion: Field, against: Field, tests: list[FrameTest | None]) -> tuple[Field, float]:
    """Lower the probability of regions that a static scene explains.

    Args:
        probability: (T, h, w) that a pixel moves.
        opinion: (T, h, w) the same, as a judge of single frames has it, before filtering.
        against: (T, h, w) evidence in [0, 1] of motion that nothing static can show; see `heading.against_heading`.
        tests: one a frame.

    Returns:
        (T, h, w) probabilities, and the probability in [0, 1] that anything moves at all.
    """
    regions, count = _regions(probability > 0.5, against)
    if not count or not any(tests):
        return probability, float(count > 0)
    opposed = scipy.ndimage.mean(against, regions, np.arange(count + 1)) if against.any() else np.zeros(count + 1)
    weight, best, roadside = np.ones(count + 1, np.float32), -np.inf, ROADSIDE if against.any() else 0.0
    for region in measure_regions(regions, probability, opinion, tests):
        odds = log_odds(region.measures) + AGAINST_WEIGHT * opposed[region.label] - roadside
        weight[region.label] = min(1.0, 2.0 * scipy.special.expit(odds))  # what is about as likely to move as not keeps what it has
        if region.share >= SMALLEST_SHARE:
            best = max(best, odds - BEST_OF_MANY)
    return (probability * weight[regions]).astype(np.float32), float(scipy.special.expit(best))


def verify_shots(
    probability: Field, opinion: Field, against: Field, tests: list[FrameTest | None], shots: Sequence[slice]
) -> tuple[Field, float]:
    """As `verify_regions`, each shot by itself; of several shots, those that are too short for any test show nothing."""
    answers = [
        verify_regions(probability[shot], opinion[shot], against[shot], tests[shot])
        if len(shots) == 1 or any(tests[shot])
        else (np.zeros_like(probability[shot]), 0.0)
        for shot in shots
    ]
    return np.concatenate([maps for maps, _ in answers]), max(anything for _, anything in answers)


def _regions(inside: npt.NDArray[np.bool_], against: Field) -> tuple[npt.NDArray[np.int32], int]:
    """Labels of (T, h, w) regions, and how many there are; what lies around motion against the heading is kept apart from the rest.

    Else the lamp post that a car passes would be as sure to move as the car.
    """
    if not against.any():
        regions, count = scipy.ndimage.label(inside)
        return regions, count
    around = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * AGAINST_PX + 1, 2 * AGAINST_PX + 1))
    near = np.stack([cv2.dilate((frame > 0.5).astype(np.uint8), around) for frame in against]) > 0
    (first, count), (second, more) = scipy.ndimage.label(inside & near), scipy.ndimage.label(inside & ~near)
    return np.where(second > 0, second + count, first).astype(np.int32), count + more


@dataclass(frozen=True, eq=False)
class Region:
    """A region of a clip, and what was measured of it."""

    label: int
    share: float
    """Of all voxels."""
    measures: Field
    """(8,) as `segmo.lite.belief.MEASURES` names them."""


def measure_regions(
    regions: npt.NDArray[np.integer[Any]], probability: Field, opinion: Field, tests: list[FrameTest | None]
) -> Iterator[Region]:
    """Measure every region of (T, h, w) labels that is large enough, on the frames that have a test; see `verify_regions`."""
    tested = [t for t, test in enumerate(tests) if test is not None]
    measured = {name: np.stack([np.asarray(getattr(tests[t], name)) for t in tested]) for name in _MEASURED}
    measured |= {"opinion": opinion[tested], "probability": probability[tested]}
    spread = np.array([test.spread for test in tests if test is not None])
    inside = regions[tested]
    for label, box in enumerate(scipy.ndimage.find_objects(inside), start=1):
        if box is None:
            continue
        chosen = inside[box] == label
        size = int(chosen.sum())
        if size < SMALLEST_REGION:
            continue
        noise = float(np.broadcast_to(spread[box[0], None, None], chosen.shape)[chosen].mean())
        share = size / inside.size
        yield Region(label, share, _measures({name: array[box][chosen] for name, array in measured.items()}, noise, share))


def _measures(of: dict[str, Field], noise: float, share: float) -> Field:
    """(8,) measures of a region from what the tests say of its (M,) voxels, the noise of the flow there and its share of the clip.

    Where the flow explains nothing better than the camera's motion it is not to be believed, so most are weighted by the gain.
    """
    trust = np.clip(of["gain"] - 1, 0, 30)
    total = max(float(trust.sum()), 1e-3)
    order = np.argsort(of["violation"])
    running = np.cumsum(trust[order])
    typical = float(of["violation"][order][np.searchsorted(running, running[-1] / 2)]) if running[-1] > 1 else 0.0
    some_trust = trust + 0.05  # a region without texture has measures too
    return np.array(
        [
            np.log((typical + 0.05) / (noise + 0.15)),
            (of["backwards"] * trust).sum() / total,
            np.log1p(max(float(np.quantile(of["gain"], 0.9)), 0.0)),
            of["opinion"].mean(),
            np.log(share),
            (of["ahead"] * trust).sum() / total,
            _surest(of["probability"], some_trust),
            (of["unsteady"] * some_trust).sum() / some_trust.sum(),
        ]
    )


def _surest(values: Field, weight: Field) -> float:
    """What a tenth, by (M,) weight, of (M,) values exceeds: smoke behind a car does not make the car less sure."""
    order = np.argsort(values)
    running = np.cumsum(weight[order])
    return float(values[order][np.searchsorted(running, SUREST * running[-1])])


_MEASURED = ("violation", "backwards", "gain", "ahead", "unsteady")


def describe_camera(tests: list[FrameTest | None]) -> str:
    """What the camera does most of the time, in a sentence; empty for a clip too short to tell."""
    seen = [test.camera for test in tests if test is not None]
    return f"The camera {max(sorted(set(seen)), key=seen.count)}." if seen else ""
