"""Models of the paper's kinds with random weights: tiny where the size is free, so that tests are fast."""

from __future__ import annotations

from typing import Any

import torch
from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation, Dinov2Config, Dinov2Model


def tiny_depth(seed: int = 0) -> Any:
    """Depth Anything for images of 56 pixels."""
    torch.manual_seed(seed)
    backbone = Dinov2Config(
        image_size=56,
        patch_size=14,
        hidden_size=32,
        num_hidden_layers=4,
        num_attention_heads=2,
        mlp_ratio=2,
        out_indices=[1, 2, 3, 4],
        apply_layernorm=True,
        reshape_hidden_states=False,
    )
    config = DepthAnythingConfig(
        backbone_config=backbone,
        patch_size=14,
        reassemble_hidden_size=32,
        neck_hidden_sizes=[8, 16, 32, 32],
        fusion_hidden_size=16,
        head_hidden_size=8,
    )
    model = DepthAnythingForDepthEstimation(config)
    torch.nn.init.constant_(model.head.conv3.bias, 1.0)  # so that the last ReLU does not flatten it all
    return model.eval()


def tiny_dino(width: int = 768, seed: int = 0) -> Any:
    """DINOv2 of two layers; the paper's motion network wants 768 channels."""
    torch.manual_seed(seed)
    config = Dinov2Config(
        image_size=56, patch_size=14, hidden_size=width, num_hidden_layers=2, num_attention_heads=width // 64, mlp_ratio=1
    )
    return Dinov2Model(config).eval()
