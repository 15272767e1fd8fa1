"""RepVitM1: the image encoder of EdgeTAM.

Source: RepViT (arXiv 2307.09283), variant M1. The names in its state dict are timm's, which EdgeTAM's published file keeps. Licence: MIT.
Deviations: `fused` makes one convolution of several that follow each other or are parallel, as the paper does.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from transformers import AutoModel, PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput

WIDTHS = (48, 96, 192, 384)
DEPTHS = (2, 2, 14, 2)


class NormedConvolution(nn.Sequential):
    """A convolution and the normalisation after it."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.c = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(outputs)

    def fused(self) -> nn.Conv2d:
        """One convolution that gives the same in evaluation mode."""
        return fuse_conv_bn_eval(self.c, self.bn)


class TokenMixer(nn.Module):
    """Each channel's neighbourhood: a 3 x 3 convolution, a 1 x 1 convolution and the input itself, added."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = NormedConvolution(width, width, 3, groups=width)
        self.conv1 = NormedConvolution(width, width, groups=width)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x) + self.conv1(x) + x

    def fused(self) -> nn.Conv2d:
        """One convolution that gives the same in evaluation mode."""
        whole, point = self.conv.fused(), self.conv1.fused()
        with torch.no_grad():
            whole.weight += F.pad(point.weight + 1, (1, 1, 1, 1))
            whole.bias += point.bias  # type: ignore[operator]  # both have one
        return whole


class SqueezeExcite(nn.Module):
    """Scales channels by what the whole image holds of all of them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        hidden = (width // 4 + 4) // 8 * 8  # a quarter, rounded to eights
        self.fc1 = nn.Conv2d(width, hidden, 1)
        self.fc2 = nn.Conv2d(hidden, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(self.fc2(F.relu(self.fc1(x.mean((2, 3), keepdim=True)))))


class ChannelMixer(nn.Module):
    """Two layers on each pixel, added to it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = NormedConvolution(width, 2 * width)
        self.conv2 = NormedConvolution(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(F.gelu(self.conv1(x)))


class Block(nn.Module):
    """Mixes neighbours, then channels."""

    def __init__(self, width: int, squeezes: bool) -> None:
        super().__init__()
        self.token_mixer = TokenMixer(width)
        self.se = SqueezeExcite(width) if squeezes else nn.Identity()
        self.channel_mixer = ChannelMixer(width)

    def forward(self, x: Tensor) -> Tensor:
        return self.channel_mixer(self.se(self.token_mixer(x)))


class Downsample(nn.Module):
    """Half the size, with more channels."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.pre_block = Block(inputs, squeezes=False)
        self.spatial_downsample = NormedConvolution(inputs, inputs, 3, 2, inputs)
        self.channel_downsample = NormedConvolution(inputs, outputs)
        self.ffn = ChannelMixer(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.ffn(self.channel_downsample(self.spatial_downsample(self.pre_block(x))))


class Stage(nn.Module):
    """Blocks of one size; the first and then every other one looks at the whole image."""

    def __init__(self, inputs: int, outputs: int, depth: int) -> None:
        super().__init__()
        self.downsample = Downsample(inputs, outputs) if inputs != outputs else nn.Identity()
        self.blocks = nn.Sequential(*(Block(outputs, squeezes=index % 2 == 0) for index in range(depth)))

    def forward(self, x: Tensor) -> Tensor:
        return self.blocks(self.downsample(x))


class Stem(nn.Module):
    """A quarter of the size."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = NormedConvolution(3, width // 2, 3, 2)
        self.conv2 = NormedConvolution(width // 2, width, 3, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv2(F.gelu(self.conv1(x)))


class RepVitM1(nn.Module):
    """RepViT-M1 without its classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = Stem(WIDTHS[0])
        before = (WIDTHS[0], *WIDTHS)
        for index, (width, depth) in enumerate(zip(WIDTHS, DEPTHS, strict=True)):
            self.add_module(f"stages_{index}", Stage(before[index], width, depth))

    def forward(self, images: Tensor) -> list[Tensor]:
        """Features at a 4th, 8th, 16th and 32nd of the size.

        Args:
            images: (B, 3, H, W), as ImageNet is normalised.

        Returns:
            (B, C, h, w) for each of `WIDTHS`.
        """
        x, features = self.stem(images), []
        for index in range(len(WIDTHS)):
            x = self.get_submodule(f"stages_{index}")(x)
            features.append(x)
        return features

    def fused(self) -> RepVitM1:
        """This network for use only, in evaluation mode, and faster: single convolutions do the work of several and their norms."""
        for parent in list(self.modules()):
            for name, child in list(parent.named_children()):
                if isinstance(child, NormedConvolution | TokenMixer):
                    setattr(parent, name, child.fused())
        return self


class RepVitConfig(PreTrainedConfig):  # type: ignore[no-untyped-call]
    """Stands in EdgeTAM's configuration for that of the library timm."""

    model_type = "segmo_repvit_m1"


class RepVitEncoder(PreTrainedModel):  # type: ignore[no-untyped-call]
    """The encoder as transformers' EdgeTAM calls it."""

    config_class = RepVitConfig
    main_input_name = "pixel_values"

    def __init__(self, config: RepVitConfig) -> None:
        super().__init__(config)
        self.timm_model = RepVitM1()
        self.post_init()  # type: ignore[no-untyped-call]

    def forward(self, pixel_values: Tensor, **_: Any) -> BaseModelOutput:
        return BaseModelOutput(last_hidden_state=self.timm_model(pixel_values))


def with_own_encoder(config: dict[str, Any]) -> dict[str, Any]:
    """EdgeTAM's published configuration, with this encoder in place of timm's.

    Raises:
        ValueError: it names another encoder.
    """
    vision = config.get("vision_config", {})
    name = vision.get("backbone_config", {}).get("architecture", "")
    if name.partition(".")[0] != "repvit_m1":
        raise ValueError(f"its encoder is {name!r}, not repvit_m1")
    AutoModel.register(RepVitConfig, RepVitEncoder, exist_ok=True)
    return {**config, "vision_config": {**vision, "backbone_config": RepVitConfig()}}
