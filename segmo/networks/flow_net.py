"""FlowNet: which pixels of a frame move on their own, from its flow towards four other frames.

Source: own design, a small U-Net trained by us on rendered scenes (`segmo/training/configs/lite.yaml`). Licence: MIT. Deviations: none.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

STRIDE = 16
"""Inputs are extended to multiples of this many pixels."""
ERROR_UNIT = 64.0
"""Grey levels of photometric error that count as 1."""
SLOW_PX = 0.3
"""Displacement in pixels from which on a logarithm tells slow from slower."""
CAMERA_PX = 0.5
"""Added to the camera's flow in pixels where something is divided by it: its own noise."""
RELATIVE_LIMIT = 3.0
"""Motion relative to the camera's flow is cut off here."""
DERIVED = 5
"""Planes that the network derives for each gap; see `seen_by_size_and_camera`."""


def _conv(inputs: int, outputs: int, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, dilation, dilation, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
    )


class Residual(nn.Module):
    """Two convolutions whose sum with the input is rectified."""

    def __init__(self, width: int, dilation: int = 1) -> None:
        super().__init__()
        self.first = _conv(width, width, dilation=dilation)
        self.second = nn.Sequential(nn.Conv2d(width, width, 3, 1, dilation, dilation, bias=False), nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.second(self.first(x)))


def seen_by_size_and_camera(planes: Tensor, scales: Tensor, median: Tensor) -> Tensor:
    """The residual flow on a scale that a fast mover elsewhere does not change, and in relation to the flow that the camera makes.

    What is nearer to a travelling camera runs ahead of the flow around it, and never aside; what the camera follows lags behind.
    All are the same in a mirrored picture and in reversed time, but for the direction of the residual.

    Args:
        planes: (B, planes, h, w) float, of which the first 2 G are the residual of G gaps (x, y) and the next 2 G flow minus its median,
            each in units of its scale.
        scales: (B, scales) whose first G and next G are half the logarithms of those scales in pixels.
        median: (B, G, 2) median flow in pixels.

    Returns:
        (B, DERIVED G, h, w): for each gap the residual (x, y) with its length on a logarithmic scale; then for all gaps how far it runs
        ahead of the camera's flow as a share of that; then how far aside; then the length of the camera's flow, logarithmic.
    """
    size, (height, width), gaps = len(planes), planes.shape[-2:], median.shape[1]
    both = planes[:, : 4 * gaps].reshape(size, 2, gaps, 2, height, width)
    residual, centred = (both * torch.exp(2 * scales[:, : 2 * gaps]).reshape(size, 2, gaps, 1, 1, 1)).unbind(1)
    camera = centred + median[..., None, None] - residual
    length, speed = (_length(x) for x in (residual, camera))
    slow = residual * (torch.log1p(length / SLOW_PX) / (2 * length + 1e-6))[:, :, None]
    unit = (speed + CAMERA_PX).square()
    ahead = ((residual * camera).sum(2) / unit).clamp(-RELATIVE_LIMIT, RELATIVE_LIMIT)
    aside = ((residual[:, :, 0] * camera[:, :, 1] - residual[:, :, 1] * camera[:, :, 0]).abs() / unit).clamp(max=RELATIVE_LIMIT)
    return torch.cat([slow.flatten(1, 2), ahead, aside, torch.log1p(speed / SLOW_PX) / 2], 1)


def _length(vectors: Tensor) -> Tensor:
    return vectors.square().sum(2).sqrt()


def widened(tensors: dict[str, Tensor], model: FlowNet) -> dict[str, Tensor]:
    """Weights of a network that saw less, for one that sees more: what is new counts nothing at first."""
    name = "down2.0.0.weight"
    missing = model.get_parameter(name).shape[1] - tensors[name].shape[1]
    return tensors | {name: F.pad(tensors[name], (0, 0, 0, 0, 0, missing))} if missing > 0 else tensors


class FlowNet(nn.Module):
    """U-Net over (B, planes, h, w) flow, (B, errors, h, w) photometric errors and (B, scales) numbers of the frame."""

    def __init__(self, planes: int, errors: int, scales: int, widths: tuple[int, ...] = (24, 48, 80, 128)) -> None:
        super().__init__()
        a, b, c, d = widths
        self.down2 = nn.Sequential(_conv(planes + errors + scales + DERIVED * errors, a, 2), _conv(a, a))
        self.down4 = nn.Sequential(_conv(a, b, 2), Residual(b))
        self.down8 = nn.Sequential(_conv(b, c, 2), Residual(c))
        self.down16 = nn.Sequential(_conv(c, d, 2), Residual(d), Residual(d, 2))
        self.whole = nn.Sequential(nn.Linear(2 * d, d), nn.ReLU(inplace=True), nn.Linear(d, d))
        self.up8 = _conv(d + c, c)
        self.up4 = _conv(c + b, b)
        self.up2 = _conv(b + a, a)
        self.head = nn.Conv2d(a, 4, 3, 1, 1)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # twice as fast on a CPU

    def forward(self, planes: Tensor, error: Tensor, scales: Tensor, median: Tensor) -> Tensor:
        """Logits that a pixel moves.

        Args:
            planes: (B, planes, h, w), of any precision; see `seen_by_size_and_camera` for the first ones.
            error: (B, errors, h, w) grey levels, one for each gap.
            scales: (B, scales) float.
            median: (B, errors, 2) median flow of each gap in pixels.

        Returns:
            (B, h, w)
        """
        height, width = planes.shape[-2:]
        planes = planes.to(scales.dtype)
        numbers = scales[..., None, None].expand(-1, -1, height, width)
        x = torch.cat([planes, error / ERROR_UNIT, numbers, seen_by_size_and_camera(planes, scales, median)], 1)
        x = F.pad(x, (0, -width % STRIDE, 0, -height % STRIDE), mode="replicate")
        half = self.down2(x)
        quarter = self.down4(half)
        eighth = self.down8(quarter)
        deep = self.down16(eighth)
        deep = deep + self.whole(torch.cat([deep.mean((2, 3)), deep.amax((2, 3))], 1))[..., None, None]
        x = self.up8(torch.cat([_twice(deep), eighth], 1))
        x = self.up4(torch.cat([_twice(x), quarter], 1))
        x = self.up2(torch.cat([_twice(x), half], 1))
        return F.pixel_shuffle(self.head(x), 2)[:, 0, :height, :width]

    def fused(self) -> FlowNet:
        """This network for use only, in evaluation mode, and faster: normalisations become part of the convolutions before them."""
        for module in list(self.modules()):
            if isinstance(module, nn.Sequential):
                for i in range(len(module) - 1):
                    convolution, norm = module[i], module[i + 1]
                    if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                        module[i], module[i + 1] = fuse_conv_bn_eval(convolution, norm), nn.Identity()
        return self


def _twice(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
