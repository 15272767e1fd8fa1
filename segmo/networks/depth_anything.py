"""DepthAnything: relative inverse depth of single images.

Source: "Depth Anything V2" (arXiv 2406.09414), transformers' `DepthAnythingForDepthEstimation` with the weights of
`depth-anything/Depth-Anything-V2-*-hf`. Licence: MIT; weights Apache-2.0 (Small) or CC-BY-NC-4.0 (Base, Large). Deviations: none.
Images are prepared as its image processor does with Pillow, written anew because loading that by name wants torchvision.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn
from transformers import DepthAnythingForDepthEstimation

from segmo.networks.dino import normalised
from segmo.networks.weights import load_published


class DepthAnything(nn.Module):
    """Predicts inverse depth at the size of the frames."""

    def __init__(self, model: DepthAnythingForDepthEstimation) -> None:
        super().__init__()
        self.model = model
        config: Any = model.config
        self.side = int(config.backbone_config.image_size)
        self.patch = int(config.patch_size)

    def input_hw(self, hw: tuple[int, int]) -> tuple[int, int]:
        """Height and width at which a frame is looked at.

        The frame is scaled, as little as that allows, until a side has the size the model was trained at; then sides are rounded to whole
        patches.
        """
        scale = min((self.side / side for side in hw), key=lambda factor: abs(1 - factor))  # of equals the height's, as published
        height, width = (max(round(scale * side / self.patch), 1) * self.patch for side in hw)
        return height, width

    def forward(self, images: Tensor, hw: tuple[int, int]) -> Tensor:
        """(B, *hw) float inverse depth, of any scale, of (B, h, w, 3) uint8 images of the size `input_hw(hw)`."""
        depth = self.model(pixel_values=normalised(images)).predicted_depth
        return F.interpolate(depth[:, None].float(), hw, mode="bicubic", align_corners=False)[:, 0]


def load_depth_anything(folder: Path) -> DepthAnything:
    """The network with the weights of a folder as the hub publishes it (config.json and safetensors), on the processor.

    Raises:
        WeightsError: the folder holds no Depth Anything model.
    """
    return DepthAnything(load_published(DepthAnythingForDepthEstimation, folder, "Depth Anything")).eval()
