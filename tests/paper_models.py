"""Models of the paper's kinds with random weights: tiny where the size is free, so that tests are fast."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation, Dinov2Config, Dinov2Model

from segmo.types import Clip


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


def save_tapir(path: Path, seed: int = 0, boots: bool = True) -> Path:
    """DeepMind's checkpoint format. The size of the network is part of it."""
    from segmo.networks.tapir import Tapir

    torch.manual_seed(seed)
    torch.save(Tapir(boots).state_dict(), path)
    return path


def save_moseg(path: Path, seed: int = 0) -> Path:
    """The motion network's checkpoint format."""
    from segmo.networks.motion_net import MotionNet

    torch.manual_seed(seed)
    torch.save({"model_state_dict": MotionNet().state_dict(), "epoch": 4}, path)
    return path


def moving_square(frames: int = 6, hw: tuple[int, int] = (72, 96)) -> Clip:
    """A textured background and a textured square that moves across it."""
    random = np.random.default_rng(5)
    scene = np.kron(random.integers(0, 255, (40, 40, 3), np.uint8), np.ones((4, 4, 1), np.uint8))[: hw[0], : hw[1]]
    square = np.kron(random.integers(0, 255, (5, 5, 3), np.uint8), np.ones((4, 4, 1), np.uint8))
    images = np.repeat(scene[None], frames, axis=0)
    for t in range(frames):
        images[t, 20:40, 3 * t + 5 : 3 * t + 25] = square
    return Clip(images, np.arange(frames) / 25, np.arange(frames), tuple(map(str, range(frames))), hw, frames, 25.0)
