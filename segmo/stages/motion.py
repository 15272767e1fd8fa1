"""Which tracks move: evidence from a model first, then a decision that costs nothing to take again at another threshold."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Protocol

from segmo.settings import MotionSettings
from segmo.types import Clip, DepthMaps, FeatureMaps, FlowFields, MotionEvidence, MotionLabels, Steps, Tracks

VERSION = 2


@dataclass(frozen=True)
class MotionInputs:
    """Everything a motion model may look at; `flow` is there where the model `needs_flow`."""

    clip: Clip
    depth: DepthMaps
    tracks: Tracks
    features: FeatureMaps
    flow: FlowFields | None


class MotionModel(Protocol):
    """Judges tracks, and optionally pixels, and knows which threshold its probabilities call for."""

    identity: str
    needs_flow: bool

    def evidence(self, inputs: MotionInputs) -> Steps[MotionEvidence]:
        """Probability of motion of every track."""
        ...

    def decide(self, evidence: MotionEvidence, tracks: Tracks, threshold: float | None) -> MotionLabels:
        """Label the tracks; `threshold` None means automatic, which may find that nothing moves. Cheap, and loads no weights."""
        ...


def gather_evidence(inputs: MotionInputs, model: MotionModel) -> Steps[MotionEvidence]:
    """Run the motion model."""
    return (yield from model.evidence(inputs))


def label_motion(evidence: MotionEvidence, tracks: Tracks, settings: MotionSettings, model: MotionModel) -> MotionLabels:
    """Decide which tracks move. With `always_moves` the model decides as if it were certain that something does."""
    believed = dataclasses.replace(evidence, moving_score=1.0) if settings.always_moves else evidence
    labels = model.decide(believed, tracks, settings.threshold)
    return dataclasses.replace(labels, evidence=evidence)
