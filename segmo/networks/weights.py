"""Reading weights files into networks: never anything but tensors, and every entry must match."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from segmo.errors import WeightsError

Network = TypeVar("Network", bound=nn.Module)


def load_into(network: Network, path: Path, key: str = "") -> Network:
    """Fill a network from a torch checkpoint, strictly, and make it ready to judge on the processor.

    Args:
        network: receives the weights.
        path: a file written by `torch.save`.
        key: where in the file's dictionary the state dict lies; empty where it is the whole file.

    Raises:
        WeightsError: the file is absent, damaged, or holds other entries or shapes than the network has.
    """
    try:
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
        network.load_state_dict(content[key] if key else content)
    except Exception as error:  # a damaged file makes torch raise almost anything
        reason = " ".join(str(error).split())[:300]
        raise WeightsError(
            f"{path} holds no weights of {type(network).__name__} ({type(error).__name__}: {reason}). Fetch the file again."
        ) from error
    return network.eval().requires_grad_(False)
