"""DinoKeys: what each place of an image looks like, as the keys of DINOv2's last attention on overlapping patches.

Source: DINOv2 (arXiv 2304.07193), transformers' `Dinov2Model` with the weights `facebook/dinov2-base` (both Apache-2.0), used as in
"Segment Any Motion in Videos". Licence: MIT. Deviations from transformers' model, all of which the paper's motion network was trained with:

- The patches overlap: their convolution takes a stride of 7 instead of 14.
- Quirk: the position table is resized by scale factors with 0.1 added to the size, as Meta's own code does, and not to a size.
- Quirk: channel = position in the head * heads + head.

The rest of the last layer is not computed, since only its keys are wanted.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import Dinov2Config, Dinov2Model

from segmo.errors import WeightsError
from segmo.networks.weights import fill, load_published, read_weights

PATCH = 14
STRIDE = 7
HEAD_WIDTH = 64
MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)
_RENAMED = {
    "cls_token": "embeddings.cls_token",
    "mask_token": "embeddings.mask_token",
    "pos_embed": "embeddings.position_embeddings",
    "patch_embed.proj": "embeddings.patch_embeddings.projection",
    "norm": "layernorm",
    "blocks": "encoder.layer",
    ".attn.proj.": ".attention.o_proj.",
    ".ls1.gamma": ".layer_scale1.lambda1",
    ".ls2.gamma": ".layer_scale2.lambda1",
}


def padded_hw(hw: tuple[int, int]) -> tuple[int, int]:
    """Height and width rounded up to whole patches."""
    return -(-hw[0] // PATCH) * PATCH, -(-hw[1] // PATCH) * PATCH


def grid_hw(hw: tuple[int, int], stride: int = STRIDE) -> tuple[int, int]:
    """Rows and columns of keys for an image of that size."""
    height, width = padded_hw(hw)
    return 1 + (height - PATCH) // stride, 1 + (width - PATCH) // stride


def normalised(frames: Tensor) -> Tensor:
    """(B, 3, H, W) float images of (B, H, W, 3) uint8 frames, as networks trained on ImageNet take them."""
    images = frames.permute(0, 3, 1, 2).float() / 255
    mean, deviation = (torch.tensor(values, device=images.device)[:, None, None] for values in (MEAN, DEVIATION))
    return (images - mean) / deviation


def prepare_images(frames: Tensor) -> Tensor:
    """(B, 3, H', W') float input of the network from (B, H, W, 3) uint8 frames; the sides grow to multiples of 14 pixels."""
    images = normalised(frames)
    size = padded_hw((images.shape[2], images.shape[3]))
    if size != images.shape[2:]:
        images = F.interpolate(images, size=size, mode="bilinear", align_corners=False)  # linear, so before or after does not matter
    return images


class DinoKeys(nn.Module):
    """The keys of a DINOv2 model's last layer on a grid of patches."""

    def __init__(self, model: Dinov2Model, stride: int = STRIDE) -> None:
        super().__init__()
        self.model = model
        self.stride = stride

    def forward(self, images: Tensor) -> Tensor:
        """(B, rows, columns, C) keys of (B, 3, H, W) images, normalised and of whole patches as `prepare_images` gives them."""
        embeddings = self.model.embeddings
        projection = embeddings.patch_embeddings.projection
        patches = F.conv2d(images, projection.weight, projection.bias, stride=self.stride)
        rows, columns = patches.shape[2:]
        tokens = torch.cat([embeddings.cls_token.expand(len(images), -1, -1), patches.flatten(2).transpose(1, 2)], 1)
        tokens = tokens + self.position_table(rows, columns)
        layers: list[Any] = list(self.model.encoder.layer)
        last = layers.pop()
        for layer in layers:
            tokens = layer(tokens)
        keys = last.attention.k_proj(last.norm1(tokens))[:, 1:]
        by_head = keys.reshape(len(images), rows, columns, last.attention.num_attention_heads, -1)
        return by_head.transpose(-1, -2).flatten(-2)

    def position_table(self, rows: int, columns: int) -> Tensor:
        """(1, 1 + rows * columns, C) position embeddings for a grid, the class token's first."""
        table = self.model.embeddings.position_embeddings
        side = round((table.shape[1] - 1) ** 0.5)
        if rows == columns == side:
            return table
        grid = table[:, 1:].reshape(1, side, side, -1).permute(0, 3, 1, 2).float()
        scale = ((rows + 0.1) / side, (columns + 0.1) / side)
        grid = F.interpolate(grid, scale_factor=scale, mode="bicubic", align_corners=False, recompute_scale_factor=False)
        return torch.cat([table[:, :1], grid.flatten(2).transpose(1, 2).to(table.dtype)], 1)


def base_model() -> Dinov2Model:
    """DINOv2 base without registers, with random weights: images of 518 pixels, 12 layers of 768 channels in 12 heads."""
    return Dinov2Model(Dinov2Config(image_size=518, patch_size=PATCH, hidden_size=768, num_hidden_layers=12, num_attention_heads=12))


def from_hub_names(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """A state dict as torch hub publishes it, as one of `Dinov2Model`."""
    renamed = {}
    for name, values in weights.items():
        if ".attn.qkv." in name:
            for part, rows in zip("qkv", values.chunk(3), strict=True):
                renamed[_rename(name.replace(".attn.qkv.", f".attention.{part}_proj."))] = rows
        else:
            renamed[_rename(name)] = values
    return renamed


def _rename(name: str) -> str:
    for old, new in _RENAMED.items():
        if old in name if old.startswith(".") else name == old or name.startswith(f"{old}."):
            name = name.replace(old, new, 1)
    return name


def model_of(weights: dict[str, Tensor]) -> Dinov2Model:
    """A model, with random weights, of the size of a state dict as torch hub publishes it: small, base or large, without registers."""
    side = math.isqrt(weights["pos_embed"].shape[1] - 1) * PATCH
    layers = 1 + max(int(name.split(".")[1]) for name in weights if name.startswith("blocks."))
    hidden, width = weights["blocks.0.mlp.fc1.weight"].shape
    return Dinov2Model(
        Dinov2Config(
            image_size=side,
            patch_size=PATCH,
            hidden_size=width,
            num_hidden_layers=layers,
            num_attention_heads=max(width // HEAD_WIDTH, 1),
            mlp_ratio=hidden // width,
        )
    )


def load_dino(path: Path, stride: int = STRIDE) -> DinoKeys:
    """The network with published weights, on the processor.

    Args:
        path: a folder of the hub (config.json and safetensors), or a file of torch hub such as `dinov2_vitb14_pretrain.pth`.

    Raises:
        WeightsError: there is no DINOv2 model.
    """
    if path.is_file():
        weights = read_weights(path, "DINOv2")
        try:
            model, renamed = model_of(weights), from_hub_names(weights)
        except (KeyError, ValueError, AttributeError) as error:
            raise WeightsError(f"{path} holds no weights of DINOv2 ({error!r}). Fetch the file again.") from error
        return DinoKeys(fill(model, renamed, path), stride)
    return DinoKeys(load_published(Dinov2Model, path, "DINOv2"), stride)
