"""Where networks compute, and in which precision."""

from __future__ import annotations

from contextlib import AbstractContextManager

import torch

from segmo.device import pick_device


def place(device: str) -> tuple[torch.device, torch.dtype]:
    """The device of that name (as `pick_device` takes it), and what networks compute in there: float32 on a processor.

    Raises:
        DeviceError: it is not there.
    """
    picked = pick_device(device)
    return torch.device(picked.name), getattr(torch, picked.precision)


def reduced(device: torch.device, precision: torch.dtype) -> AbstractContextManager[None]:
    """Within it, convolutions and products are computed in that precision; norms and softmaxes stay exact where they must."""
    return torch.autocast(device.type, precision, enabled=precision != torch.float32)
