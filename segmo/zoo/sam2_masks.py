"""SAM 2 and EdgeTAM as mask models, prompted as published."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from segmo.settings import MaskSettings
from segmo.stages.masks import MaskInputs
from segmo.stages.prompted_masks import segment_by_points
from segmo.types import ObjectMasks, Steps

if TYPE_CHECKING:
    from segmo.networks.sam2_video import EdgeTamVideo, Sam2Video


class Sam2Masks:
    """SAM 2 or SAM 2.1 of any size, asked about points of the moving tracks."""

    identity = "sam2"
    version = 3
    needs_flow = False
    uses_gpu = True
    precisions = ("float32", "bfloat16")  # float16 has too little range for its memory

    def __init__(self, network: Sam2Video | EdgeTamVideo, device: str) -> None:
        from segmo.networks.precision import place

        self._device, self._precision = place(device, self.precisions)
        self._network = network.to(self._device)  # type: ignore[arg-type]

    @classmethod
    def load(cls, path: Path, device: str) -> Sam2Masks:
        """The model from a folder of the hub.

        Raises:
            WeightsError: the folder does not hold it.
        """
        from segmo.networks.sam2_video import load_sam2

        return cls(load_sam2(path), device)

    def segment(self, inputs: MaskInputs, settings: MaskSettings) -> Steps[ObjectMasks]:
        """Masks at the size of the sampled frames."""
        from segmo.networks.sam2_video import VideoSegmenter

        return (yield from segment_by_points(inputs, settings, VideoSegmenter(self._network, inputs.clip.frames, self._precision)))


class EdgeTamMasks(Sam2Masks):
    """EdgeTAM, a smaller relative for weak machines."""

    identity = "edgetam"

    @classmethod
    def load(cls, path: Path, device: str) -> EdgeTamMasks:
        """The model from a folder of the hub.

        Raises:
            WeightsError: the folder does not hold it.
        """
        from segmo.networks.sam2_video import load_edgetam

        return cls(load_edgetam(path), device)
