"""The layers of TAPIR: source, licence and deviations are those of `tapir.py`."""

from __future__ import annotations

import logging
from functools import cache
from types import ModuleType
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

TEMPERATURE = 20.0
ARGMAX_RADIUS = 5.0
"""Cells around the best one that share in an initial position."""
PATCH = 7
HIGH, LOW = 128, 256
"""Channels of the features at one quarter and one eighth of the resolution."""
MIXER_WIDTH, MIXER_BLOCKS = 512, 12
VOLUMES_AT_ONCE, GPU_VOLUMES_AT_ONCE = 512, 16384
"""Points and frames whose first estimate is computed together: what fits a processor's cache, and a gigabyte of a GPU."""

log = logging.getLogger(__name__)


class Estimate(NamedTuple):
    """Where points are, as far as is known."""

    positions: Tensor
    """(T, N, 2) x and y."""
    occlusion: Tensor
    """(T, N) logit that the point is hidden."""
    distance: Tensor
    """(T, N) logit that the position is wrong."""


class ResidualBlock(nn.Module):
    """Norm, ReLU and convolution twice; the shortcut is taken after the first ReLU where it is projected."""

    def __init__(self, inputs: int, outputs: int, stride: int, project: bool) -> None:
        super().__init__()
        if project:
            self.proj_conv = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
        self.bn_0 = nn.InstanceNorm2d(inputs, affine=True)
        self.conv_0 = nn.Conv2d(inputs, outputs, 3, stride, 1 if stride == 1 else 0, bias=False)
        self.conv_1 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn_1 = nn.InstanceNorm2d(outputs, affine=True)
        self.pad = stride > 1
        self.project = project

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn_0(x))
        shortcut = self.proj_conv(y) if self.project else x
        y = self.conv_0(F.pad(y, (0, 2, 0, 2)) if self.pad else y)
        return shortcut + self.conv_1(F.relu(self.bn_1(y)))


class BlockGroup(nn.Module):
    """Two residual blocks, of which the first may shrink."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([ResidualBlock(inputs, outputs, stride, True), ResidualBlock(outputs, outputs, 1, False)])

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x)
        return x


class Backbone(nn.Module):
    """A ResNet of four groups; (T, 3, S, S) -> low (T, 256, S / 8, S / 8) and high (T, 128, S / 4, S / 4)."""

    def __init__(self) -> None:
        super().__init__()
        self.initial_conv = nn.Conv2d(3, 64, 7, 2, bias=False)
        sizes = ((64, 64, 1), (64, HIGH, 2), (HIGH, LOW, 2), (LOW, LOW, 1))
        self.block_groups = nn.ModuleList(BlockGroup(*size) for size in sizes)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        first, second, third, fourth = self.block_groups
        high = second(first(self.initial_conv(F.pad(images, (2, 4, 2, 4)))))
        return fourth(third(high)), high


class ExtraBlock(nn.Module):
    """Two convolutions whose result is added to the *normalised* input."""

    def __init__(self) -> None:
        super().__init__()
        self.layer_norm = nn.LayerNorm(LOW)
        self.conv = nn.Conv2d(LOW, 4 * LOW, 3, 1, 1)
        self.conv_1 = nn.Conv2d(4 * LOW, LOW, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer_norm(x.movedim(1, -1)).movedim(-1, 1)
        return x + self.conv_1(F.gelu(self.conv(x), approximate="tanh"))


class ExtraConvolutions(nn.Module):
    """More context for the coarse features."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(ExtraBlock() for _ in range(5))

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x)
        return x


class CostVolumeHeads(nn.ModuleDict):
    """A first estimate from how well each cell of a frame fits a point, each frame on its own."""

    def __init__(self) -> None:
        super().__init__()
        self["hid1"] = nn.Conv2d(1, 16, 3, 1, 1)
        self["hid2"] = nn.Conv2d(16, 1, 3, 1, 1)
        self["hid3"] = nn.Conv2d(16, 32, 3, 2, 2)
        self["hid4"] = nn.Linear(32, 16)
        self["occ_out"] = nn.Linear(16, 2)

    def forward(self, volume: Tensor, scale: float) -> Estimate:
        """The estimate from (T, N, h, w) correlations with `scale` pixels a cell."""
        images = volume.flatten(0, 1)[:, None]
        parts = [self._some(some) for some in torch.split(images, GPU_VOLUMES_AT_ONCE if volume.is_cuda else VOLUMES_AT_ONCE)]
        positions, logits = (torch.cat(values).reshape(*volume.shape[:2], 2) for values in zip(*parts, strict=True))
        return Estimate(positions * scale, logits[..., 0], logits[..., 1])

    def _some(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Positions in cells and both logits, (M, 2) each, of (M, 1, h, w) correlations."""
        x = F.relu_(self["hid1"](images))
        if x.is_cuda:  # once for both convolutions that follow
            x = x.contiguous(memory_format=torch.channels_last)
        positions = _soft_argmax(self["hid2"](x)[:, 0])
        x = F.relu_(self["hid3"](x)[..., 1:, 1:]).mean((2, 3))  # zeros are wanted to the right and below only
        return positions, self["occ_out"](F.relu(self["hid4"](x)))


def _soft_argmax(scores: Tensor) -> Tensor:
    """(M, 2) mean position x, y in cells around the maximum of (M, h, w) scores."""
    height, width = scores.shape[-2:]
    share = torch.softmax(scores.flatten(1) * TEMPERATURE, -1)
    rows, columns = torch.meshgrid(torch.arange(height, device=scores.device), torch.arange(width, device=scores.device), indexing="ij")
    centres = torch.stack([columns.flatten(), rows.flatten()], -1).to(share.dtype) + 0.5
    best = centres[share.argmax(-1)]
    offsets = centres - best[:, None]  # from the best cell rather than from the corner, which rounds less
    share = share * (offsets.square().sum(-1) < ARGMAX_RADIUS**2)
    return best + (share[..., None] * offsets).sum(1) / share.sum(-1, keepdim=True).clamp_min(1e-12)


class ChannelMixer(nn.Module):
    """A hidden layer four times as wide."""

    def __init__(self) -> None:
        super().__init__()
        self.mlp2_up = nn.Linear(MIXER_WIDTH, 4 * MIXER_WIDTH)
        self.mlp2_down = nn.Linear(4 * MIXER_WIDTH, MIXER_WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        return self.mlp2_down(self._hidden(x))

    def _hidden(self, x: Tensor) -> Tensor:
        up = self.mlp2_up
        if x.is_cuda:  # product and GELU in one pass; torch offers that by no other name
            weight, bias, rows = (values.to(_precision(x)) for values in (up.weight, up.bias, x.flatten(0, 1)))
            return torch._addmm_activation(bias, rows, weight.T, use_gelu=True).reshape(*x.shape[:2], -1)
        return F.gelu(up(x), approximate="tanh")


class MixerBlock(nn.Module):
    """Mixes neighbouring frames channel by channel, then the channels."""

    def __init__(self) -> None:
        super().__init__()
        self.layer_norm = nn.LayerNorm(MIXER_WIDTH, bias=False)
        self.mlp1_up = nn.Conv1d(MIXER_WIDTH, 4 * MIXER_WIDTH, 3, padding=1, groups=MIXER_WIDTH)
        self.mlp1_up_1 = nn.Conv1d(4 * MIXER_WIDTH, 4 * MIXER_WIDTH, 3, padding=1, groups=4 * MIXER_WIDTH)
        self.layer_norm_1 = nn.LayerNorm(MIXER_WIDTH, bias=False)
        self.conv_channels_mixer = ChannelMixer()

    def forward(self, x: Tensor) -> Tensor:
        """(T, N, 512)."""
        kernels = gpu_kernels(x.device) if x.is_cuda else None
        if kernels is None:
            x = x + self._mix_time(self.layer_norm(x))
            return x + self.conv_channels_mixer(self.layer_norm_1(x))
        x = kernels.mix_time(x, self.layer_norm.weight, *self._over_time())
        return x + self.conv_channels_mixer(kernels.normalise(x, self.layer_norm_1.weight, _precision(x)))

    def _over_time(self) -> tuple[Tensor, ...]:
        """Weight and bias of both convolutions over time."""
        return *self.mlp1_up.parameters(), *self.mlp1_up_1.parameters()

    def _mix_time(self, x: Tensor) -> Tensor:
        """Both convolutions over time and the sum of each channel's four.

        The four are done one after another, as shifted sums over (T, N, C): that keeps memory at a quarter and is faster than torch's
        grouped convolutions, which want time last.
        """
        up, up_bias, down, down_bias = (values.reshape(MIXER_WIDTH, 4, -1).permute(1, 2, 0).to(x.dtype) for values in self._over_time())
        out = down_bias.sum(0).expand_as(x).contiguous()
        for i in range(4):
            hidden = _add_shifted(up_bias[i].expand_as(x).contiguous(), x, up[i])
            out = _add_shifted(out, F.gelu(hidden, approximate="tanh"), down[i])
        return out


def _precision(x: Tensor) -> torch.dtype:
    """What products of a value on a GPU are computed in."""
    return torch.get_autocast_dtype("cuda") if torch.is_autocast_enabled("cuda") else x.dtype


@cache
def gpu_kernels(device: torch.device) -> ModuleType | None:
    """`tapir_kernel`, once it is known to work on a GPU, or None."""
    try:
        from segmo.networks import tapir_kernel

        ones = torch.ones(4, 1, 3, device=device)
        x = tapir_kernel.mix_time(torch.zeros(2, 1, 1, device=device), ones[:1, 0, 0], ones, ones[:, 0, 0], ones, ones[:, 0, 0])
        tapir_kernel.normalise(x, ones[:1, 0, 0], torch.float32)
    except Exception as error:  # no Triton, no compiler, or a GPU that it does not know
        log.warning("The tracker's kernels cannot be built (%r): it computes with torch's operations, which takes longer.", error)
        return None
    return tapir_kernel


def _add_shifted(total: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    """Add, in place, a convolution of x (T, N, C) over time with (3, C) weights, zeros beyond both ends."""
    total.addcmul_(x, weight[1])
    total[1:].addcmul_(x[:-1], weight[0])
    total[:-1].addcmul_(x[1:], weight[2])
    return total


class Mixer(nn.Module):
    """What to change about an estimate, from how it fits on some grids and how it moves; (T, N, 388 + 49 grids) -> (T, N, 388)."""

    def __init__(self, grids: int) -> None:
        super().__init__()
        self.linear = nn.Linear(4 + HIGH + LOW + grids * PATCH**2, MIXER_WIDTH)
        self.blocks = nn.ModuleList(MixerBlock() for _ in range(MIXER_BLOCKS))
        self.layer_norm = nn.LayerNorm(MIXER_WIDTH, bias=False)
        self.linear_1 = nn.Linear(MIXER_WIDTH, 4 + HIGH + LOW)

    def forward(self, x: Tensor) -> Tensor:
        x = self.linear(x)
        for block in self.blocks:
            x = block(x)
        return self.linear_1(self.layer_norm(x))
