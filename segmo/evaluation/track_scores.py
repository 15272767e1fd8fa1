"""How well tracks were labelled as moving or static: IoU of the labels, ROC and precision-recall curves and the areas under them.

Definitions as in T. Fawcett, "An introduction to ROC analysis", 2006, and J. Davis, M. Goadrich, "The relationship between
Precision-Recall and ROC curves", 2006: tracks with equal scores move together, and precision is not interpolated between points.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from segmo.errors import ProductError
from segmo.evaluation.metrics import Values
from segmo.types import Bool, Float

THRESHOLD = 0.7
"""Probability above which a track counts as moving in the validation of the paper."""


@dataclass(frozen=True, eq=False)
class Curve:
    """Points of a curve, from the strictest threshold to the loosest."""

    x: Values
    """False positive rate (ROC) or recall (precision-recall)."""
    y: Values
    """True positive rate (ROC) or precision (precision-recall)."""
    thresholds: Values
    """A track counts as moving from this score on; infinity where none does."""
    area: float
    """Area under the curve in [0, 1]; NaN where the labels do not allow one (only moving, or only static tracks)."""


def label_iou(probability: Float, moving: Bool, threshold: float = THRESHOLD) -> float:
    """Intersection over union of the tracks called moving (probability above the threshold) and those that are; 1 if there are neither.

    Args:
        probability: (N,) scores.
        moving: (N,) truth.
    """
    scores, truth = _checked(probability, moving)
    called = scores > threshold
    union = np.count_nonzero(called | truth)
    return float(np.count_nonzero(called & truth) / union) if union else 1.0


def roc_curve(probability: Float, moving: Bool) -> Curve:
    """Receiver operating characteristic of (N,) scores against (N,) truth, from (0, 0) to (1, 1); its area by the trapezoidal rule."""
    true, false, thresholds = _counts(*_checked(probability, moving))
    with np.errstate(invalid="ignore"):  # 0 / 0: no moving, or no static track
        x, y = false / false[-1], true / true[-1]
    area = np.sum(np.diff(x) * (y[1:] + y[:-1]) / 2) if len(x) > 1 else np.nan
    return Curve(x, y, thresholds, float(area))


def precision_recall_curve(probability: Float, moving: Bool) -> Curve:
    """Precision over recall of (N,) scores against (N,) truth, from recall 0.

    Its area is the average precision: the sum of precision times the step of recall.
    """
    true, false, thresholds = _counts(*_checked(probability, moving))
    called = true + false
    precision = np.where(called > 0, true / np.maximum(called, 1), 1.0)
    with np.errstate(invalid="ignore"):  # 0 / 0: no moving track
        recall = true / true[-1]
    area = np.sum(np.diff(recall) * precision[1:]) if len(recall) > 1 else np.nan
    return Curve(recall, precision, thresholds, float(area))


def _counts(scores: Values, truth: Bool) -> tuple[Values, Values, Values]:
    """True and false positives at each distinct score, from none to all, and that score."""
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    last_of_equals = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True)) if len(ordered) else np.zeros(0, np.intp)
    true = np.cumsum(truth[order], dtype=np.float64)[last_of_equals]
    none = np.zeros(1)
    return np.append(none, true), np.append(none, last_of_equals + 1 - true), np.append(np.inf, ordered[last_of_equals])


def _checked(probability: npt.NDArray[np.floating], moving: Bool) -> tuple[Values, Bool]:
    if probability.ndim != 1 or moving.shape != probability.shape or moving.dtype != np.bool_:
        seen = f"{probability.shape} and {moving.dtype} {moving.shape}"
        raise ProductError(f"Scores and truth must be (N,) numbers and (N,) bool, not {seen}. Give one of each a track.")
    if np.isnan(probability).any():
        raise ProductError(
            f"{np.count_nonzero(np.isnan(probability))} of {len(probability)} scores are NaN. Find out why the model gave them."
        )
    return probability.astype(np.float64), moving
