"""Depth Anything V2 as the depth model."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from segmo.geometry import resample_image
from segmo.parallel import parallel_map
from segmo.stages.paper_rules import stretched
from segmo.types import Clip, DepthMaps, FlowFields, Steps, UInt8

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
        hw = self._network.input_hw(clip.hw)
        images = parallel_map(lambda frame: resample_image(frame, hw, "bicubic"), clip.frames)
        for first in range(0, len(clip), batch):
            maps[first : first + batch] = stretched(self._predict(np.stack(list(islice(images, batch))), clip.hw))
            yield min(1.0, (first + batch) / len(clip))
        return DepthMaps(maps, np.ones(len(clip), np.bool_))

    def _predict(self, images: UInt8, hw: tuple[int, int]) -> npt.NDArray[np.float32]:
        import torch

        from segmo.networks.precision import reduced

        with torch.inference_mode(), reduced(self._device, self._precision):
            return np.asarray(self._network(torch.from_numpy(images).to(self._device), hw).cpu().numpy(), np.float32)
