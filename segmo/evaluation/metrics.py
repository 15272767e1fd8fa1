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
    intersection = np.array([np.count_nonzero(a & b) for a, b in zip(pred, gt, strict=True)], np.float64)
    union = _areas(pred) + _areas(gt) - intersection
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


def label_similarities(pred: UInt8, gt: UInt8, pred_ids: Sequence[int], gt_ids: Sequence[int], void: Bool) -> tuple[Values, Values]:
    """J and F of every predicted with every annotated object: what `region_similarity` and `boundary_f` give for each pair of masks.

    Args:
        pred: (T, H, W) ids of P predicted objects.
        gt: (T, H, W) ids of K annotated objects.
        pred_ids, gt_ids: the P and the K ids.
        void: (T, H, W) pixels that do not count.

    Returns:
        (P, K, T) J and (P, K, T) F.
    """
    j = np.empty((len(pred_ids), len(gt_ids), len(gt)))
    f = np.empty_like(j)
    radius = tolerance_px(gt.shape[1:])
    for t in range(len(gt)):
        window = _window((pred[t] > 0) | (gt[t] > 0))
        counts = ~void[t][window]
        preds = np.stack([(pred[t][window] == identity) & counts for identity in pred_ids])
        gts = np.stack([(gt[t][window] == identity) & counts for identity in gt_ids])
        j[..., t] = _pair_j(preds.reshape(len(preds), -1), gts.reshape(len(gts), -1))
        f[..., t] = _pair_f(preds, gts, radius)
    return j, f


def _pair_j(preds: Bool, gts: Bool) -> Values:
    intersection = np.array([[np.count_nonzero(a & b) for b in gts] for a in preds], np.float64)
    union = _areas(preds)[:, None] + _areas(gts)[None] - intersection
    return np.where(union > 0, intersection / np.maximum(union, 1), 1.0)


def _pair_f(preds: Bool, gts: Bool, radius: float) -> Values:
    pred_boundaries, gt_boundaries = ([_Boundary(mask, radius) for mask in masks] for masks in (preds, gts))
    return np.array([[a.f_measure(b) for b in gt_boundaries] for a in pred_boundaries], np.float64)


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


class _Boundary:
    """The boundary of a mask, ready to count how much of it lies near another boundary in an image of the same size.

    A dilation by a disk, as published, would look at every pixel of the image. Here each boundary pixel looks at the rows of the
    disk around it, and running sums along the rows of the other boundary tell at once whether a row of the disk holds any of it.
    """

    def __init__(self, mask: Bool, radius: float) -> None:
        edges = boundary_map(mask)
        margin = int(radius)
        padded = np.zeros((edges.shape[0] + 2 * margin, edges.shape[1] + 2 * margin + 1), np.int32)
        padded[margin : margin + edges.shape[0], margin + 1 : margin + 1 + edges.shape[1]] = edges
        self._pixels = np.flatnonzero(padded) - 1
        self._sums = np.cumsum(padded, axis=1, dtype=np.int32).ravel()  # of the pixels to the left, not counting the own
        rows = np.arange(-margin, margin + 1)
        half = np.sqrt(radius**2 - rows**2).astype(np.int64)
        self._starts, self._ends = rows * padded.shape[1] - half, rows * padded.shape[1] + half + 1

    def f_measure(self, other: _Boundary) -> float:
        """Harmonic mean of the shares of two boundaries that lie near each other: 1 if there is none, 0 if there is only one."""
        if not self._pixels.size and not other._pixels.size:
            return 1.0
        matched, other_matched = self._near(other), other._near(self)
        if not matched or not other_matched:
            return 0.0
        precision, recall = matched / self._pixels.size, other_matched / other._pixels.size
        return 2 * precision * recall / (precision + recall)

    def _near(self, other: _Boundary) -> int:
        """How many pixels lie within the radius of a pixel of the other boundary."""
        found = other._sums.take(self._pixels[:, None] + self._ends) != other._sums.take(self._pixels[:, None] + self._starts)
        return int(np.count_nonzero(found.any(axis=1)))


def _frame_f(pred: Bool, gt: Bool, radius: float) -> float:
    window = _window(pred | gt)
    return _Boundary(pred[window], radius).f_measure(_Boundary(gt[window], radius))


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
