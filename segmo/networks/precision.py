"""Where networks compute, and in which precision."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import AbstractContextManager

import torch

from segmo.device import PRECISIONS, pick_device
from segmo.parallel import core_count


def place(device: str, precisions: Collection[str] = PRECISIONS) -> tuple[torch.device, torch.dtype]:
    """The device of that name, and what a network computes in there. On the processor torch gets no more threads than there are cores for.

    Args:
        device: as `pick_device` takes it.
        precisions: those that suit the network; float32 does where the device would take another.

    Raises:
        DeviceError: it is not there.
    """
    picked = pick_device(device)
    if picked.name == "cpu" and torch.get_num_threads() > core_count():  # it counts those of the machine, not of a container
        torch.set_num_threads(core_count())
    return torch.device(picked.name), getattr(torch, picked.precision_among(precisions))


def reduced(device: torch.device, precision: torch.dtype) -> AbstractContextManager[None]:
    """Within it, convolutions and products are computed in that precision; norms and softmaxes stay exact where they must."""
    return torch.autocast(device.type, precision, enabled=precision != torch.float32)
