"""How often motion and objects are found on scenes with exact ground truth: false alarms, misses, split and merged objects.

A predicted object finds an annotated one if their volumes over the whole sequence overlap with an IoU above 0.5. An annotated object is
split if two predicted ones each lie mostly on it and cover a sizeable part of it; two are merged if one predicted object
covers a sizeable part of both.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from segmo.datasets.annotations import AnnotatedSequence, read_ids
from segmo.evaluation.predictions import prediction_files
from segmo.evaluation.protocols import Annotations, each_sequence, read_like
from segmo.evaluation.results import or_none
from segmo.types import Steps

FOUND_IOU = 0.5
SIZEABLE = 0.15
"""Share of an annotated object that a piece must cover to count as a part of it."""
SMALLEST_SHARE = 0.002
"""Mean share of the frames it is seen in below which an annotated object is too small to count."""
MOVER_SHARE = 0.01
"""Mean share of all frames that must move before a sequence counts as one where something moves."""


@dataclass(frozen=True)
class SequenceDetection:
    """Counts of one sequence."""

    name: str
    moving_share: float
    """Mean share of the frames that moves."""
    predicted: int
    """Predicted objects."""
    objects: int
    """Annotated objects that are large enough to count."""
    found: int
    split: int
    merged: int


@dataclass(frozen=True)
class Detection:
    """Counts of all sequences."""

    rows: tuple[SequenceDetection, ...]

    def summary(self) -> dict[str, float]:
        """Rates in [0, 1], and of how many; NaN where there is nothing to count."""
        still = [row for row in self.rows if not row.moving_share]
        moving = [row for row in self.rows if row.moving_share >= MOVER_SHARE]
        objects = sum(row.objects for row in self.rows)
        return {
            "still_sequences": len(still),
            "false_alarms": _ratio(sum(row.predicted > 0 for row in still), len(still)),
            "moving_sequences": len(moving),
            "hits": _ratio(sum(row.predicted > 0 for row in moving), len(moving)),
            "objects": objects,
            "found": _ratio(sum(row.found for row in self.rows), objects),
            "split_or_merged": _ratio(sum(row.split + row.merged for row in self.rows), objects),
        }

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON; None where there is nothing to count."""
        return {"summary": {name: or_none(value) for name, value in self.summary().items()}, "rows": [asdict(row) for row in self.rows]}


def evaluate_detection(predictions: Path, annotations: Annotations) -> Steps[Detection]:
    """Compare predicted with annotated objects, sequence by sequence; void pixels are background in both.

    Raises:
        DataError: as `evaluate_mos`.
    """
    rows = yield from each_sequence(annotations, lambda sequence: [_detect(predictions, sequence)], None)
    return Detection(rows)


def compare_volumes(pred: npt.NDArray[np.uint8], gt: npt.NDArray[np.uint8]) -> tuple[int, int, int, int]:
    """Counts of annotated objects that count, are found, are split, and are merged with another, in (T, H, W) ids."""
    pair = np.bincount(gt.ravel().astype(np.int64) * 256 + pred.ravel(), minlength=65536).reshape(256, 256)
    seen = np.array([max(1, int((gt == k).any(axis=(1, 2)).sum())) for k in range(256)]) if gt.any() else np.ones(256, int)
    area, share = pair.sum(axis=1), pair.sum(axis=1) / (seen * gt[0].size)
    ids = [k for k in range(1, 256) if share[k] >= SMALLEST_SHARE]
    candidates = [k for k in range(1, 256) if pair[:, k].any()]
    if not ids or not candidates:
        return len(ids), 0, 0, 0
    overlap = pair[np.ix_(ids, candidates)].astype(float)
    size = pair[:, candidates].sum(axis=0)
    iou = overlap / (area[ids][:, None] + size[None] - overlap)
    found = int((iou[linear_sum_assignment(iou, maximize=True)] > FOUND_IOU).sum())
    covers = overlap > SIZEABLE * area[ids][:, None]
    split = int(((covers & (overlap > 0.5 * size[None])).sum(axis=1) > 1).sum())
    shared = covers[:, covers.sum(axis=0) > 1].any(axis=1)
    return len(ids), found, split, int(shared.sum())


def _detect(predictions: Path, sequence: AnnotatedSequence) -> SequenceDetection:
    gt = sequence.read_ids()
    pred = read_like(gt, prediction_files(predictions, sequence), sequence, read_ids)
    if (void := sequence.read_void()) is not None:
        gt[void] = pred[void] = 0
    objects, found, split, merged = compare_volumes(pred, gt)
    return SequenceDetection(sequence.name, float((gt > 0).mean()), len(np.unique(pred[pred > 0])), objects, found, split, merged)


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
