"""Optical flow between sampled frames: a product of its own because depth, tracks, motion and masks of `lite` share it."""

from __future__ import annotations

from typing import Protocol

from segmo.types import Clip, FlowFields, Steps

VERSION = 1


class FlowModel(Protocol):
    """Estimates dense flow for a set of frame gaps."""

    identity: str

    def flow(self, clip: Clip) -> Steps[FlowFields]:
        """Flow of every frame towards its neighbours at the model's gaps."""
        ...


def estimate_flow(clip: Clip, model: FlowModel) -> Steps[FlowFields]:
    """Run the flow model over a clip."""
    return (yield from model.flow(clip))
