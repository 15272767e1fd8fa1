"""Depth Anything V2 as the depth model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from segmo.geometry import resample_image
from segmo.stages.paper_rules import stretched
from segmo.types import Clip, DepthMaps, FlowFields, Steps

if TYPE_CHECKING:
    from segmo.networks import depth_anything

GPU_BATCH = 4  # frames at once; a processor gains nothing from more than one


class DepthAnything:
    """Inverse depth of each frame on its own, scaled to [0, 1] within the frame."""

    identity = "depth-anything-v2"
    needs_flow = False

    def __init__(self, network: depth_anything.DepthAnything, device: str) -> None:
        from segmo.networks.precision import place

        self._device, self._precision = place(device)
        self._network = network.to(self._device)

    @classmethod
    def load(cls, path: Path, device: str) -> DepthAnything:
        """The model from a folder of the hub.

        Raises:
            WeightsError: the folder does not hold it.
        """
        from segmo.networks.depth_anything import load_depth_anything

        return cls(load_depth_anything(path), device)

    def depth(self, clip: Clip, flow: FlowFields | None) -> Steps[DepthMaps]:
        """Inverse depth at the size of the frames."""
        maps = np.empty((len(clip), *clip.hw), np.float16)
        batch = 1 if self._device.type == "cpu" else GPU_BATCH
        for first in range(0, len(clip), batch):
            maps[first : first + batch] = stretched(self._predict(clip, first, batch))
            yield min(1.0, (first + batch) / len(clip))
        return DepthMaps(maps, np.ones(len(clip), np.bool_))

    def _predict(self, clip: Clip, first: int, batch: int) -> np.ndarray:
        import torch

        from segmo.networks.precision import reduced

        hw = self._network.input_hw(clip.hw)
        images = torch.from_numpy(np.stack([resample_image(frame, hw, "bicubic") for frame in clip.frames[first : first + batch]]))
        with torch.inference_mode(), reduced(self._device, self._precision):
            return np.asarray(self._network(images.to(self._device), clip.hw).cpu().numpy(), np.float32)
