"""Appearance descriptors on the query frames."""

from __future__ import annotations

from typing import Protocol

from segmo.stages.tracks import query_frames
from segmo.types import Clip, FeatureMaps, Int, Steps

VERSION = 1


class FeatureModel(Protocol):
    """Describes frames on a coarse grid of cells."""

    identity: str

    def describe(self, clip: Clip, frames: Int) -> Steps[FeatureMaps]:
        """Descriptors of the given (Q,) frames of the clip."""
        ...


def describe_frames(clip: Clip, stride: int, model: FeatureModel) -> Steps[FeatureMaps]:
    """Run the feature model over the query frames of a clip."""
    return (yield from model.describe(clip, query_frames(len(clip), stride)))
