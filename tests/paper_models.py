"""Models of the paper's kinds with random weights: tiny where the size is free, so that tests are fast."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import (
    DepthAnythingConfig,
    DepthAnythingForDepthEstimation,
    Dinov2Config,
    Dinov2Model,
    Sam2VideoConfig,
    Sam2VideoModel,
)

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
    network = Tapir(boots)
    with torch.no_grad():
        network.torch_cost_volume_track_mods["occ_out"].bias.fill_(-5)  # sure of what it sees, so that later stages have work to do
    torch.save(network.state_dict(), path)
    return path


def save_moseg(path: Path, seed: int = 0) -> Path:
    """The motion network's checkpoint format."""
    from segmo.networks.motion_net import MotionNet

    torch.manual_seed(seed)
    torch.save({"model_state_dict": MotionNet().state_dict(), "epoch": 4}, path)
    return path


def tiny_sam2(seed: int = 0) -> Any:
    """SAM 2.1 for images of 64 pixels."""
    torch.manual_seed(seed)
    config = Sam2VideoConfig(
        vision_config=_hiera(),
        **_segmenter(),
        memory_attention_num_layers=1,
        memory_attention_feed_forward_hidden_size=64,
        memory_fuser_intermediate_dim=64,
        memory_fuser_embed_dim=128,
        mask_downsampler_embed_dim=128,
    )
    return spread(Sam2VideoModel(config))


EDGETAM_ENCODER = {
    "model_type": "timm_wrapper",
    "architecture": "repvit_m1",
    "model_args": {"features_only": True, "in_chans": 3, "out_indices": [0, 1, 2, 3]},
    "num_classes": 1000,
}
"""How EdgeTAM's published configuration names its encoder."""


def tiny_edgetam(seed: int = 0) -> Any:
    """EdgeTAM for images of 64 pixels; its encoder is of the published size."""
    from segmo.networks.sam2_video import EdgeTamConfig, EdgeTamVideo

    torch.manual_seed(seed)
    vision = {
        "model_type": "edgetam_vision_model",
        "backbone_config": EDGETAM_ENCODER,
        "backbone_feature_sizes": [[16, 16], [8, 8], [4, 4]],
        "fpn_hidden_size": 128,
    }
    config = {
        "vision_config": vision,
        **_segmenter(),
        "memory_attention_num_layers": 1,
        "memory_attention_mlp_hidden_size": 64,
        "memory_attention_rope_k_sizes": [4, 4],
        "memory_fuser_intermediate_dim": 64,
        "memory_fuser_embed_dim": 128,
        "mask_downsampler_embed_dim": 128,
        "perceiver_resampler_num_latents": 16,
        "perceiver_resampler_num_latents_2d": 16,
    }
    model = spread(EdgeTamVideo(EdgeTamConfig.from_dict(config)))
    return with_norms(model, model.vision_encoder, torch.randn(4, 3, 64, 64))


def with_norms(model: Any, network: torch.nn.Module, images: torch.Tensor) -> Any:
    """A model whose batch normalisations have seen images, as after training: with random weights numbers explode otherwise."""
    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = None  # the mean of all batches: there is one
    network.train()
    with torch.no_grad():
        network(images)
    return model.eval()


def save_edgetam(folder: Path) -> Path:
    """EdgeTAM as published: its configuration names the encoder of another library."""
    tiny_edgetam().save_pretrained(folder)
    config = json.loads((folder / "config.json").read_text())
    config["vision_config"]["backbone_config"] = EDGETAM_ENCODER
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def _hiera() -> dict[str, Any]:
    """The encoder of SAM 2."""
    backbone = {
        "model_type": "sam2_hiera_det_model",
        "image_size": [64, 64],
        "hidden_size": 16,
        "blocks_per_stage": [1, 1, 2, 1],
        "embed_dim_per_stage": [16, 32, 64, 128],
        "num_attention_heads_per_stage": [1, 1, 1, 1],
        "window_size_per_stage": [4, 4, 4, 2],
        "global_attention_blocks": [3],
    }
    return {
        "model_type": "sam2_vision_model",
        "backbone_config": backbone,
        "backbone_channel_list": [128, 64, 32, 16],
        "backbone_feature_sizes": [[16, 16], [8, 8], [4, 4]],
        "fpn_hidden_size": 128,
    }


def _segmenter() -> dict[str, Any]:
    """What the configurations of SAM 2 and EdgeTAM share."""
    return {
        "prompt_encoder_config": {"image_size": 64, "hidden_size": 128},
        "mask_decoder_config": {"hidden_size": 128, "mlp_dim": 64, "num_attention_heads": 2, "iou_head_hidden_dim": 64},
        "image_size": 64,
        "memory_attention_hidden_size": 128,
        "memory_attention_rope_feat_sizes": [4, 4],
        "memory_encoder_hidden_size": 128,
    }


def keep_variance(model: Any) -> Any:
    """Weights large enough for outputs that depend on the image: each layer's values vary as much as those it was given."""
    with torch.no_grad():
        for value in model.state_dict().values():
            if value.dim() > 1:
                value.normal_(std=value[0].numel() ** -0.5)
    return model


def spread(model: Any) -> Any:
    """A segmenter with such weights, and an object that is always there."""
    keep_variance(model)
    with torch.no_grad():
        model.mask_decoder.pred_obj_score_head.proj_out.bias.fill_(5)
        model.shared_image_embedding.positional_embedding.copy_(model.prompt_encoder.shared_embedding.positional_embedding)
    return model.eval()


def moving_square(frames: int = 6, hw: tuple[int, int] = (72, 96)) -> Clip:
    """A textured background and a textured square that moves across it."""
    random = np.random.default_rng(5)
    scene = np.kron(random.integers(0, 255, (40, 40, 3), np.uint8), np.ones((4, 4, 1), np.uint8))[: hw[0], : hw[1]]
    square = np.kron(random.integers(0, 255, (5, 5, 3), np.uint8), np.ones((4, 4, 1), np.uint8))
    images = np.repeat(scene[None], frames, axis=0)
    for t in range(frames):
        images[t, 20:40, 3 * t + 5 : 3 * t + 25] = square
    return Clip(images, np.arange(frames) / 25, np.arange(frames), tuple(map(str, range(frames))), hw, frames, 25.0)
