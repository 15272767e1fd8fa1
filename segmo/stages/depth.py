"""Relative inverse depth of every sampled frame."""

from __future__ import annotations

from typing import Protocol

from segmo.errors import ProductError
from segmo.types import Clip, DepthMaps, FlowFields, Steps

VERSION = 1


class DepthModel(Protocol):
    """Predicts inverse depth from the frames, or from their flow where `needs_flow`."""

    identity: str
    needs_flow: bool

    def depth(self, clip: Clip, flow: FlowFields | None) -> Steps[DepthMaps]:
        """Inverse depth in [0, 1] for every frame; `flow` is given where `needs_flow`."""
        ...


def estimate_depth(clip: Clip, flow: FlowFields | None, model: DepthModel) -> Steps[DepthMaps]:
    """Run the depth model over a clip.

    Raises:
        ProductError: the model answered for another number of frames.
    """
    depth = yield from model.depth(clip, flow)
    if len(depth.inverse_depth) != len(clip):
        seen = len(depth.inverse_depth)
        raise ProductError(f"The depth model {model.identity} answered for {seen} of {len(clip)} frames. Report this as its bug.")
    return depth
