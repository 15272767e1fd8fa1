"""From labelled tracks to one mask a moving object and frame."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from segmo.settings import Correction, MaskSettings
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
        """Masks at the size of the sampled frames. The frames of `settings.corrections` are those of the clip, not of the source."""
        ...


def segment_objects(inputs: MaskInputs, settings: MaskSettings, model: MaskModel) -> Steps[ObjectMasks]:
    """Run the mask model, or return empty masks at once where no track moves and no click says that something does."""
    corrections = on_clip(inputs.clip, settings.corrections)
    if inputs.labels.nothing_moves and not any(correction.moves for correction in corrections):
        product = no_objects(inputs.clip)
    else:
        product = yield from model.segment(inputs, dataclasses.replace(settings, corrections=corrections))
    used = _frames_used(inputs.clip)
    outside = [str(correction) for correction in settings.corrections if correction.frame not in used]
    if not outside:
        return product
    note = f"Clicks outside of the frames used, {used[0]} to {used[-1]}, were left out: {'; '.join(outside)}."
    return dataclasses.replace(product, notes=(*product.notes, note))


def on_clip(clip: Clip, corrections: Sequence[Correction]) -> tuple[Correction, ...]:
    """The corrections with frames of the clip, the nearest ones, instead of frames of the source; those outside the clip are left out."""
    used = _frames_used(clip)
    inside = [correction for correction in corrections if correction.frame in used]
    nearest = [int(np.abs(clip.source_indices - correction.frame).argmin()) for correction in inside]
    return tuple(dataclasses.replace(correction, frame=t) for correction, t in zip(inside, nearest, strict=True))


def _frames_used(clip: Clip) -> range:
    """The frames of the source that the clip stands for, also those between and after the sampled ones."""
    first = int(clip.source_indices[0])
    return range(first, max(first + clip.source_frame_count, int(clip.source_indices[-1]) + 1))


def no_objects(clip: Clip) -> ObjectMasks:
    """The product for a clip in which nothing moves."""
    return ObjectMasks(
        labels=np.zeros((len(clip), *clip.hw), np.uint8),
        object_ids=np.zeros(0, np.int64),
        motion_scores=np.zeros(0, np.float32),
        notes=("Nothing moves in this clip except, possibly, the camera.",),
    )
