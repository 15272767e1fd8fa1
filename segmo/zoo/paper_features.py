"""DINOv2 as the feature model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from segmo.types import Clip, FeatureMaps, Int, Steps

if TYPE_CHECKING:
    from segmo.networks.dino import DinoKeys

GPU_BATCH = 2  # frames at once: nine thousand overlapping patches each fill a GPU


class Dinov2:
    """Keys of the last attention on overlapping patches, four cells where DINOv2 has one."""

    identity = "dinov2"

    def __init__(self, network: DinoKeys, device: str) -> None:
        from segmo.networks.precision import place

        self._device, self._precision = place(device)
        self._network = network.to(self._device)

    @classmethod
    def load(cls, path: Path, device: str) -> Dinov2:
        """The model, of any size, from a folder of the hub or a file of torch hub.

        Raises:
            WeightsError: it is not there.
        """
        from segmo.networks.dino import load_dino

        return cls(load_dino(path), device)

    def describe(self, clip: Clip, frames: Int) -> Steps[FeatureMaps]:
        """Descriptors of the query frames, 768 numbers a cell for the base model."""
        import torch

        from segmo.networks.dino import prepare_images
        from segmo.networks.precision import reduced

        batch = 1 if self._device.type == "cpu" else GPU_BATCH
        described = []
        for first in range(0, len(frames), batch):
            images = torch.from_numpy(clip.frames[frames[first : first + batch]]).to(self._device)
            with torch.inference_mode(), reduced(self._device, self._precision):
                keys = self._network(prepare_images(images))
            described.append(keys.half().cpu().numpy())
            yield min(1.0, (first + batch) / len(frames))
        return FeatureMaps(np.concatenate(described), frames)
