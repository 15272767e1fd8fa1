"""FlowNet for training: which pixels of a frame move on their own, from maps of the frame. `flow_graph.py` is for use.

Source: own design, a small U-Net trained by us on rendered scenes (`lite.yaml` and `lite_fusion.yaml` in `segmo/training/configs`).
Licence: MIT. Deviations: none.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segmo.networks.flow_graph import ERROR_UNIT, STRIDE


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


def widened(tensors: dict[str, Tensor], model: FlowNet, planes: int) -> dict[str, Tensor]:
    """Weights of a network that saw fewer planes, for `model`, which sees `planes`: new ones come last and count nothing at first."""
    name = "down2.0.0.weight"
    missing = model.get_parameter(name).shape[1] - tensors[name].shape[1]
    if missing <= 0:
        return tensors
    seen, rest = tensors[name][:, : planes - missing], tensors[name][:, planes - missing :]
    return tensors | {name: torch.cat([seen, seen.new_zeros(len(seen), missing, *seen.shape[2:]), rest], 1)}


class FlowNet(nn.Module):
    """U-Net over (B, planes, h, w) maps, (B, errors, h, w) photometric errors and (B, scales) numbers of the frame."""

    def __init__(self, planes: int, errors: int, scales: int, widths: tuple[int, ...] = (24, 48, 80, 128), outputs: int = 1) -> None:
        super().__init__()
        a, b, c, d = widths
        self.down2 = nn.Sequential(_conv(planes + errors + scales, a, 2), _conv(a, a))
        self.down4 = nn.Sequential(_conv(a, b, 2), Residual(b))
        self.down8 = nn.Sequential(_conv(b, c, 2), Residual(c))
        self.down16 = nn.Sequential(_conv(c, d, 2), Residual(d), Residual(d, 2))
        self.whole = nn.Sequential(nn.Linear(2 * d, d), nn.ReLU(inplace=True), nn.Linear(d, d))
        self.up8 = _conv(d + c, c)
        self.up4 = _conv(c + b, b)
        self.up2 = _conv(b + a, a)
        self.head = nn.Conv2d(a, 4 * outputs, 3, 1, 1)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # twice as fast on a CPU

    def forward(self, planes: Tensor, error: Tensor, scales: Tensor) -> Tensor:
        """Logits of each pixel; of the first network, that it moves.

        Args:
            planes: (B, planes, h, w), of any precision.
            error: (B, errors, h, w) grey levels.
            scales: (B, scales) float.

        Returns:
            (B, outputs, h, w)
        """
        height, width = planes.shape[-2:]
        first, second = planes.shape[1], planes.shape[1] + error.shape[1]
        shape = (len(planes), second + scales.shape[1], height + -height % STRIDE, width + -width % STRIDE)
        x = torch.empty(shape, dtype=scales.dtype, device=scales.device)
        x[:, :first, :height, :width], x[:, first:second, :height, :width] = planes, error / ERROR_UNIT
        x[:, second:] = scales[..., None, None]
        x[:, :second, height:, :width] = x[:, :second, height - 1 : height, :width]  # what is added repeats the border
        x[:, :second, :, width:] = x[:, :second, :, width - 1 : width]
        half = self.down2(x)
        quarter = self.down4(half)
        eighth = self.down8(quarter)
        deep = self.down16(eighth)
        deep = deep + self.whole(torch.cat([deep.mean((2, 3)), deep.amax((2, 3))], 1))[..., None, None]
        x = self.up8(torch.cat([_twice(deep), eighth], 1))
        x = self.up4(torch.cat([_twice(x), quarter], 1))
        x = self.up2(torch.cat([_twice(x), half], 1))
        return F.pixel_shuffle(self.head(x), 2)[..., :height, :width]


def _twice(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
