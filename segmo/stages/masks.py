"""From labelled tracks to one mask a moving object and frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from segmo.settings import MaskSettings
from segmo.types import Clip, FeatureMaps, FlowFields, MotionLabels, ObjectMasks, Steps, Tracks

VERSION = 1


@dataclass(frozen=True)
class MaskInputs:
    """Everything a mask model may look at; `flow` is there where the model `needs_flow`."""

    clip: Clip
    tracks: Tracks
    features: FeatureMaps
    labels: MotionLabels
    flow: FlowFields | None


class MaskModel(Protocol):
    """Turns labelled tracks into masks of objects with ids that stay the same."""

    identity: str
    needs_flow: bool

    def segment(self, inputs: MaskInputs, settings: MaskSettings) -> Steps[ObjectMasks]:
        """Masks at the size of the sampled frames."""
        ...


def segment_objects(inputs: MaskInputs, settings: MaskSettings, model: MaskModel) -> Steps[ObjectMasks]:
    """Run the mask model, or return empty masks at once where no track moves."""
    if inputs.labels.nothing_moves:
        return no_objects(inputs.clip)
    return (yield from model.segment(inputs, settings))


def no_objects(clip: Clip) -> ObjectMasks:
    """The product for a clip in which nothing moves."""
    return ObjectMasks(
        labels=np.zeros((len(clip), *clip.hw), np.uint8),
        object_ids=np.zeros(0, np.int64),
        motion_scores=np.zeros(0, np.float32),
        notes=("Nothing moves in this clip except, possibly, the camera.",),
    )
