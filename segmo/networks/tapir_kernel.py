"""What TAPIR's mixer does between its matrix products, as kernels for GPUs: source and licence are those of `tapir.py`.

Along time there are two convolutions with a GELU between them, each channel on its own and four hidden values a channel. Done by torch's
operations that is some eighty passes over all points and frames; here every value is read once, normalised, and written once.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

HIDDEN = tl.constexpr(4)
COLUMNS = 256
"""Channels, of any points, that one program follows through all frames."""
EPSILON = 1e-5
"""Of the layer norms."""


@triton.jit
def _gelu(x):  # type: ignore[no-untyped-def]
    return x * tl.sigmoid(1.5957691216057308 * (x + 0.044715 * x * x * x))  # by tanh: sigmoid(2 y) = (1 + tanh(y)) / 2


@triton.jit  # type: ignore[untyped-decorator]
def _moments(x, mean, scale, epsilon, channels: tl.constexpr):  # type: ignore[no-untyped-def]
    row = tl.program_id(0).to(tl.int64)
    values = tl.load(x + row * channels + tl.arange(0, channels)).to(tl.float32)
    middle = tl.sum(values, axis=0) / channels
    values = values - middle
    tl.store(mean + row, middle)
    tl.store(scale + row, tl.rsqrt(tl.sum(values * values, axis=0) / channels + epsilon))


@triton.jit  # type: ignore[untyped-decorator]
def _normalise(x, weight, out, epsilon, channels: tl.constexpr):  # type: ignore[no-untyped-def]
    row = tl.program_id(0).to(tl.int64)
    column = tl.arange(0, channels)
    values = tl.load(x + row * channels + column).to(tl.float32)
    values = values - tl.sum(values, axis=0) / channels
    scale = tl.rsqrt(tl.sum(values * values, axis=0) / channels + epsilon)
    tl.store(out + row * channels + column, (values * scale * tl.load(weight + column)).to(out.dtype.element_ty))


@triton.jit  # type: ignore[untyped-decorator]
def _mix(  # type: ignore[no-untyped-def]
    x, mean, scale, weight, up, up_bias, down, down_bias, out, frames, points, channels, total, width: tl.constexpr
):
    columns = points * channels
    column = tl.program_id(0) * width + tl.arange(0, width)
    inside = column < columns
    channel, point = column % channels, column // channels
    four = channel[:, None] * HIDDEN + tl.arange(0, HIDDEN)[None, :]
    step = channels * HIDDEN
    up_0, up_1, up_2 = tl.load(up + four), tl.load(up + step + four), tl.load(up + 2 * step + four)
    down_0, down_1, down_2 = tl.load(down + four), tl.load(down + step + four), tl.load(down + 2 * step + four)
    up_bias, down_bias = tl.load(up_bias + four), tl.load(down_bias + channel)
    weight = tl.load(weight + channel)
    older = tl.zeros((width, HIDDEN), tl.float32)
    old = tl.zeros((width, HIDDEN), tl.float32)
    before = tl.zeros((width,), tl.float32)
    raw_before = tl.zeros((width,), tl.float32)
    raw = tl.load(x + column, mask=inside, other=0.0).to(tl.float32)
    now = (raw - tl.load(mean + point, mask=inside, other=0.0)) * tl.load(scale + point, mask=inside, other=0.0) * weight
    # Of the frame whose hidden values come next. All points and frames may be more than 31 bits count.
    here, token = column.to(tl.int64), point.to(tl.int64)
    for _ in range(0, frames + 1):
        more = inside & (here + columns < total)
        raw_after = tl.load(x + here + columns, mask=more, other=0.0).to(tl.float32)
        middle = tl.load(mean + token + points, mask=more, other=0.0)
        after = (raw_after - middle) * tl.load(scale + token + points, mask=more, other=0.0) * weight
        new = _gelu(up_bias + up_0 * before[:, None] + up_1 * now[:, None] + up_2 * after[:, None])
        new = tl.where((here < total)[:, None], new, 0.0)
        mixed = tl.sum(down_0 * older + down_1 * old + down_2 * new, axis=1) + down_bias + raw_before
        tl.store(out + here - columns, mixed.to(out.dtype.element_ty), mask=inside & (here >= columns))
        older, old, before, now, raw_before, raw = old, new, now, after, raw, raw_after
        here += columns
        token += points


def mix_time(x: Tensor, norm: Tensor, up: Tensor, up_bias: Tensor, down: Tensor, down_bias: Tensor) -> Tensor:
    """The input, and added to it both convolutions over time of what its layer norm gives, with the sum of each channel's four.

    Args:
        x: (T, N, C), on a GPU; C is a power of two.
        norm: (C,) weight of the norm.
        up: (4 C, 1, 3) weights of the first convolution, four outputs a channel.
        up_bias: (4 C,).
        down: (4 C, 1, 3) weights of the second.
        down_bias: (4 C,).

    Returns:
        (T, N, C), in the precision of x; computed in float32.
    """
    frames, points, channels = x.shape
    x = x.contiguous()
    out = torch.empty_like(x)
    mean, scale = (torch.empty(frames, points, device=x.device) for _ in range(2))
    up, down = (weight.float().reshape(channels, HIDDEN.value, 3).permute(2, 0, 1).contiguous() for weight in (up, down))
    summed = down_bias.float().reshape(channels, HIDDEN.value).sum(1)
    with torch.cuda.device_of(x):  # type: ignore[no-untyped-call]
        _moments[(frames * points,)](x, mean, scale, EPSILON, channels)
        _mix[(triton.cdiv(points * channels, COLUMNS),)](
            x, mean, scale, norm.float(), up, up_bias.float(), down, summed, out, frames, points, channels, x.numel(), COLUMNS
        )
    return out


def normalise(x: Tensor, weight: Tensor, precision: torch.dtype) -> Tensor:
    """The layer norm of (..., C) values in another precision. C is a power of two."""
    x = x.contiguous()
    out = torch.empty_like(x, dtype=precision)
    with torch.cuda.device_of(x):  # type: ignore[no-untyped-call]
        _normalise[(x.numel() // x.shape[-1],)](x, weight.float(), out, EPSILON, x.shape[-1])
    return out
