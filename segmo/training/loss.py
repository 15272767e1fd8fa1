"""What training lowers, and how results are scored on held-out scenes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

FEWEST_PX = 20.0
"""Objects below this many pixels are left to the cross entropy: their overlap is all edge."""


def segmentation_loss(logits: Tensor, target: Tensor, dice_weight: float, weight: Tensor | None = None) -> Tensor:
    """Cross entropy, plus soft Dice (Milletari et al., 3DV 2016) where there is an object.

    Args:
        logits: (B, h, w).
        target: (B, h, w) in [0, 1].
        dice_weight: of the second part.
        weight: (B, h, w) of each pixel in the first part; all count the same if None.
    """
    loss = F.binary_cross_entropy_with_logits(logits, target, weight)
    area = target.sum((1, 2))
    probability = torch.sigmoid(logits)
    overlap = 2 * (probability * target).sum((1, 2)) + 1
    dice = 1 - overlap / (probability.sum((1, 2)) + area + 1)
    present = area > FEWEST_PX
    return loss + dice_weight * (dice * present).sum() / present.sum().clamp(min=1)


@dataclass(frozen=True)
class Scores:
    """Scores over held-out scenes."""

    iou: float
    """Mean intersection over union at probability one half, over scenes with an object."""
    false_share: float
    """Share of the scenes without a mover where more than half a percent of the picture is said to move."""


class Scorer:
    """Collects predictions batch by batch."""

    def __init__(self) -> None:
        self._ious: list[float] = []
        self._false: list[bool] = []

    def add(self, logits: Tensor, target: Tensor) -> None:
        """Add (B, h, w) predictions."""
        predicted, wanted = logits > 0, target > 0.5
        union = (predicted | wanted).sum((1, 2))
        overlap = (predicted & wanted).sum((1, 2))
        for b in range(len(logits)):
            area = float(wanted[b].sum())
            if area > FEWEST_PX:
                self._ious.append(float(overlap[b]) / float(union[b]))
            elif area == 0:
                self._false.append(float(predicted[b].float().mean()) > 0.005)

    def include(self, other: Scorer) -> None:
        """Add what another has collected."""
        self._ious += other._ious
        self._false += other._false

    def scores(self) -> Scores:
        """The means; NaN where there was no such scene."""
        return Scores(_mean(self._ious), _mean([float(x) for x in self._false]))


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else float("nan")
