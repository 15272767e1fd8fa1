"""Region similarity J, boundary measure F and their statistics, as defined by the DAVIS benchmark.

F. Perazzi et al., "A Benchmark Dataset and Evaluation Methodology for Video Object Segmentation", CVPR 2016, section 4. Masks are
(T, H, W) bool. `void`, also (T, H, W) bool, marks pixels that do not count: J leaves them out, F sees them as background (so that
the edge of a void region can become a boundary, as in the published evaluation).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from segmo.errors import ProductError
from segmo.types import Bool, UInt8

Values = npt.NDArray[np.float64]

BOUNDARY_TOLERANCE = 0.008
"""Distance up to which boundaries match, as a share of the image diagonal."""


@dataclass(frozen=True)
class Statistics:
    """What the benchmark reports of a series of per-frame values."""

    mean: float
    recall: float
    """Share of values above 0.5."""
    decay: float
    """Mean of the first quarter minus mean of the last quarter: positive where the result gets worse with time."""


def region_similarity(pred: Bool, gt: Bool, void: Bool | None = None) -> Values:
    """(T,) intersection over union of two mask series; 1 where both masks are empty.

    Raises:
        ProductError: an array is not bool of shape (T, H, W), or their shapes differ.
    """
    pred, gt = _without_void(pred, gt, void)
    intersection = _areas(pred & gt)
    union = _areas(pred | gt)
    return np.where(union > 0, intersection / np.maximum(union, 1), 1.0)


def boundary_f(pred: Bool, gt: Bool, void: Bool | None = None, *, tolerance: float = BOUNDARY_TOLERANCE) -> Values:
    """(T,) F-measure of the boundaries of two mask series: 1 where neither has a boundary, 0 where only one has.

    Args:
        tolerance: below 1 a share of the image diagonal, otherwise a distance in pixels.

    Raises:
        ProductError: an array is not bool of shape (T, H, W), or their shapes differ.
    """
    pred, gt = _without_void(pred, gt, void)
    radius = tolerance_px(pred.shape[1:], tolerance)
    return np.array([_frame_f(*frames, radius) for frames in zip(pred, gt, strict=True)], np.float64)


def statistics(values: Sequence[float] | Values) -> Statistics:
    """Mean, recall and decay of per-frame values.

    Neighbouring quarters share a frame, as published. The published code keeps the edges of the quarters in 8 bits, so that
    its decay is wrong from 256 frames on; here it is right. NaN is left out of the means and not above 0.5 in the recall.

    Raises:
        ProductError: there are no values.
    """
    series = np.asarray(values, np.float64)
    if series.ndim != 1 or not series.size:
        raise ProductError(f"Statistics need a list of at least one value, not shape {series.shape}. Evaluate at least one frame.")
    edges = np.round(np.linspace(1, len(series), 5) + 1e-10).astype(int) - 1
    decay = _mean(series[: edges[1] + 1]) - _mean(series[edges[3] :])
    return Statistics(_mean(series), float((series > 0.5).mean()), decay)


def tolerance_px(hw: Sequence[int], tolerance: float = BOUNDARY_TOLERANCE) -> float:
    """The distance in pixels up to which boundaries match in an image of this height and width."""
    return float(tolerance if tolerance >= 1 else math.ceil(tolerance * math.hypot(*hw)))


def boundary_map(mask: UInt8 | Bool) -> UInt8:
    """(H, W) 1 where a pixel of a binary mask differs from its right, lower or lower-right neighbour, else 0.

    The last row and column have one neighbour only and the last pixel has none, so a mask that fills the frame has no boundary.
    """
    image = np.ascontiguousarray(mask).view(np.uint8)
    edges = np.zeros_like(image)
    edges[:, :-1] = image[:, :-1] ^ image[:, 1:]
    edges[:-1] |= image[:-1] ^ image[1:]
    edges[:-1, :-1] |= image[:-1, :-1] ^ image[1:, 1:]
    return edges


def within(edges: UInt8, radius: float) -> Bool:
    """(H, W) whether a pixel lies within `radius` of a pixel set in `edges` (a dilation by a disk)."""
    if not edges.any():
        return np.zeros(edges.shape, np.bool_)
    distance = cv2.distanceTransform(1 - edges, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    # Squared distances are whole numbers: half-way to the next one no rounding can decide.
    return np.asarray(distance < np.sqrt(np.floor(radius**2) + 0.5))


def f_measure(pred_matched: int, pred_length: int, gt_matched: int, gt_length: int) -> float:
    """Harmonic mean of the matched shares of two boundaries, given in pixels."""
    if not pred_length and not gt_length:
        return 1.0
    if not pred_matched or not gt_matched:
        return 0.0
    precision, recall = pred_matched / pred_length, gt_matched / gt_length
    return 2 * precision * recall / (precision + recall)


def _frame_f(pred: Bool, gt: Bool, radius: float) -> float:
    window = _window(pred | gt)
    pred_edges, gt_edges = boundary_map(pred[window]), boundary_map(gt[window])
    pred_matched = cv2.countNonZero(pred_edges & within(gt_edges, radius))
    gt_matched = cv2.countNonZero(gt_edges & within(pred_edges, radius))
    return f_measure(pred_matched, cv2.countNonZero(pred_edges), gt_matched, cv2.countNonZero(gt_edges))


def _window(mask: Bool) -> tuple[slice, slice]:
    """The part of the frame that holds the mask and one pixel around it: all boundary pixels and their neighbours."""
    x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
    return slice(max(y - 1, 0), y + height + 1), slice(max(x - 1, 0), x + width + 1)


def _areas(masks: Bool) -> Values:
    return np.array([np.count_nonzero(mask) for mask in masks], np.float64)


def _mean(values: Values) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else math.nan


def _without_void(pred: Bool, gt: Bool, void: Bool | None) -> tuple[Bool, Bool]:
    arrays = {"pred": pred, "gt": gt} | ({} if void is None else {"void": void})
    for name, array in arrays.items():
        if array.dtype != np.bool_ or array.ndim != 3 or array.shape != gt.shape:
            wanted = f"bool of shape {gt.shape}" if gt.ndim == 3 else "bool of shape (T, H, W)"
            raise ProductError(f"{name} must be {wanted}, not {array.dtype} of shape {array.shape}. Load both masks at the same size.")
    return (pred, gt) if void is None else (pred & ~void, gt & ~void)
