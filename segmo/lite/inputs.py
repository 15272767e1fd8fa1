"""What the motion network sees of one frame: flow without the camera, flow without its median, parallax split from motion, and how
what is left relates to the flow that the camera makes.

Training and inference build their inputs here, so that both see exactly the same. All maps are on half the flow grid; displacements are
in pixels of the whole grid, divided by what is usual in the frame, since speed alone says little about what moves on its own. The scale
itself is handed to the network as a number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from segmo.geometry import lengths
from segmo.lite.flow import GAPS
from segmo.lite.views import FrameViews, View

Field = npt.NDArray[np.floating[Any]]

FLOOR_PX = 0.3  # about the error of the flow: what is slower than this is not blown up to the size of motion
CLIP = 4.0
CAMERA_PX = 0.5  # added to the flow that the camera makes where something is divided by it: its own noise
RELATIVE_CLIP = 3.0  # of what is divided by it
LONG_GAPS = (-4, 4)  # parallax of a single frame is mostly below the noise
STORED_PLANES = 4 * len(GAPS) + 2 * len(LONG_GAPS)
PLANES = STORED_PLANES + 5 * len(GAPS)
SCALES = 2 * len(GAPS) + 2 * len(LONG_GAPS)


@dataclass(frozen=True, eq=False)
class NetworkInput:
    """The input of one frame."""

    planes: npt.NDArray[np.float32]
    """(PLANES, h, w): for each gap residual (x, y), then for each gap flow minus its median (x, y), both times the sign of the gap so that
    all point ahead in time; then for each long gap parallax along and motion across the epipolar lines, zero where they are unknown; then
    what `beside_camera` makes of the first ones."""
    error: npt.NDArray[np.uint8]
    """(G, h, w) photometric error in grey levels."""
    scales: npt.NDArray[np.float32]
    """(SCALES,) half the logarithm of what the planes were divided by: residual of each gap, flow of each gap, and of each long gap
    parallax and motion across; zero where those are unknown."""
    median: npt.NDArray[np.float32]
    """(G, 2) the median (x, y) of each gap's flow in pixels, times the sign of the gap."""


def network_input(views: FrameViews, error: npt.NDArray[np.uint8], *, both_ways: bool = False) -> NetworkInput:
    """Input of one frame; its maps are half as high and wide as the flow.

    Where a frame is missing, at the ends of the clip, the motion towards its mirror image in time stands in.

    Args:
        views: of the frame.
        error: (G, H, W) photometric error of its flow.
        both_ways: look for parallax towards the past too. Training does, so that it can reverse time; in use the future alone
            gives the same masks in two thirds of the time.
    """
    hw, count = views.map_hw, len(GAPS)
    planes, scales = np.zeros((PLANES, *hw), np.float32), np.zeros(SCALES, np.float32)
    errors, medians = np.zeros((count, *hw), np.uint8), np.zeros((count, 2), np.float32)
    standing_in = [_source(g, views.valid) for g in range(count)]
    for source in sorted({index for index in standing_in if index is not None}):
        same = [g for g in range(count) if standing_in[g] == source]
        small_error = cv2.resize(error[source], (hw[1], hw[0]), interpolation=cv2.INTER_AREA)
        for length in {abs(GAPS[g]) for g in same}:  # a clip of a few frames has no long gap: then four times the short one stands in
            view = views.towards(GAPS[source], length)
            sign = 1 if GAPS[source] > 0 else -1
            median = sign * np.median(view.flow[::4, ::4].reshape(-1, 2), axis=0)
            answer = _normalised(sign * view.residual), _normalised(sign * view.flow - median)
            for g in (g for g in same if abs(GAPS[g]) == length):
                errors[g], medians[g] = small_error, median
                for kind in range(2):
                    at = 2 * (kind * count + g)
                    planes[at : at + 2], scales[kind * count + g] = answer[kind]
            wanted = LONG_GAPS if both_ways else LONG_GAPS[1:]
            slots = [LONG_GAPS.index(GAPS[g]) for g in same if abs(GAPS[g]) == length and GAPS[g] in wanted]
            if slots:
                parts = _epipolar(view)
                for k in slots:
                    for kind, (part, scale) in enumerate(parts):
                        planes[4 * count + 2 * k + kind], scales[2 * count + 2 * k + kind] = part, scale
    planes[STORED_PLANES:] = beside_camera(planes[: 4 * count], scales[: 2 * count], medians)
    return NetworkInput(planes, errors, scales, medians)


def beside_camera(planes: Field, scales: Field, median: Field) -> Field:
    """The residual on a scale that fast movers elsewhere do not change, and in relation to the flow that the camera makes.

    What is nearer to a travelling camera runs ahead of the flow around it, never aside, and what the camera follows lags behind. That is
    the same in a mirrored picture and in reversed time.

    Args:
        planes: (4 G, h, w) residual of each of G gaps and flow minus its median, as in `NetworkInput`.
        scales: half the logarithms of what those were divided by, 2 G in all.
        median: (G, 2) in pixels.

    Returns:
        (5 G, h, w): for each gap the residual (x, y) with the logarithm of its length for a length; then for each gap how far it runs ahead
        of the camera's flow, as a share of that; then how far aside; then the logarithm of the length of the camera's flow.
    """
    count = len(median)
    usual = np.exp(2 * scales.ravel()).astype(np.float32)
    answer = np.empty((5 * count, *planes.shape[1:]), np.float32)
    for g in range(count):  # one gap at a time stays in the processor's cache: twice as fast as all at once
        residual = planes[2 * g : 2 * g + 2] * usual[g]
        camera = planes[2 * (count + g) : 2 * (count + g) + 2] * usual[count + g] - residual + median[g][:, None, None]
        long, speed = (np.sqrt(v[0] * v[0] + v[1] * v[1]) for v in (residual, camera))
        shrunk = np.log(1 + long / FLOOR_PX) / (2 * long + np.float32(1e-6))
        np.multiply(residual, shrunk, out=answer[2 * g : 2 * g + 2])
        share = 1 / np.square(speed + np.float32(CAMERA_PX))
        ahead = (residual[0] * camera[0] + residual[1] * camera[1]) * share
        aside = np.abs(residual[0] * camera[1] - residual[1] * camera[0]) * share
        np.clip(ahead, -RELATIVE_CLIP, RELATIVE_CLIP, out=answer[2 * count + g])
        np.minimum(aside, RELATIVE_CLIP, out=answer[3 * count + g])
        np.multiply(np.log(1 + speed / FLOOR_PX), 0.5, out=answer[4 * count + g])
    return answer


def _source(g: int, valid: npt.NDArray[np.bool_]) -> int | None:
    """Index of the gap whose flow serves gap `g`: itself, its opposite, or the short gap in its direction; None without any."""
    sign = 1 if GAPS[g] > 0 else -1
    for gap in (GAPS[g], -GAPS[g], sign, -sign):
        if valid[GAPS.index(gap)]:
            return GAPS.index(gap)
    return None


def _normalised(vectors: Field) -> tuple[Field, float]:
    """Vectors as (2, h, w) planes in units of what is usual among them, with half the logarithm of that."""
    few = vectors[::2, ::2]
    scale = float(np.quantile(lengths(few), 0.9)) + FLOOR_PX
    return np.clip(vectors * np.float32(1 / scale), -CLIP, CLIP).transpose(2, 0, 1), 0.5 * float(np.log(scale))


def _epipolar(view: View) -> list[tuple[Field, float]]:
    """Parallax along and motion across the epipolar lines; nothing where the camera travels too little to tell."""
    if not view.ego.observable:
        return []
    answer = []
    for part in view.epipolar_parts:
        scale = float(np.quantile(np.abs(part[::2, ::2]), 0.9)) * 2 + FLOOR_PX
        answer.append((np.clip(part * np.float32(2 / scale), -CLIP, CLIP), 0.5 * float(np.log(scale))))
    return answer
