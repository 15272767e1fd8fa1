"""Weights of the motion network from and to the published format: a file of `torch.save` with the entry `model_state_dict`."""

from __future__ import annotations

import dataclasses
import io
import json
from pathlib import Path

import torch
from torch import Tensor

from segmo.errors import SettingsError, WeightsError
from segmo.files import write_bytes
from segmo.networks.motion_net import PAPER, MotionNet, MotionNetConfig
from segmo.networks.weights import fill, read_weights
from segmo.training.checkpoint import read_tensors, write_tensors
from segmo.training.config import build

PUBLISHED, OURS = ".pth", ".safetensors"
STATE = "model_state_dict"
CONFIG_NOTE = "motion_net"
"""Note of a file of weights with the network's configuration as JSON."""
PARTS = ("average.", "model.")
"""What the weights' names begin with in a checkpoint; the average is what a run keeps where it makes one."""


def convert(source: Path, target: Path) -> int:
    """Write weights in the other format, and return the number of parameters.

    Args:
        source: the published format (.pth), or weights or a checkpoint of a run (.safetensors).
        target: a file of the other ending.

    Raises:
        SettingsError: the endings are not one of each.
        WeightsError: the source holds no weights of the motion network.
        OutputError: the target cannot be written.
    """
    if {source.suffix, target.suffix} != {PUBLISHED, OURS}:
        raise SettingsError(f"{source.name} and {target.name} are not one {OURS} and one {PUBLISHED}. Give files with these endings.")
    if source.suffix == PUBLISHED:
        weights, config = read_weights(source, MotionNet.__name__, STATE), PAPER
        network = fill(MotionNet(config), weights, source)
        write_tensors(target, network.state_dict(), {CONFIG_NOTE: json.dumps(dataclasses.asdict(config))})
    else:
        weights, config = read_trained(source)
        network = fill(MotionNet(config), weights, source)
        buffer = io.BytesIO()
        torch.save({STATE: network.state_dict()}, buffer)
        write_bytes(target, buffer.getvalue())
    return sum(value.numel() for value in network.state_dict().values())


def read_trained(path: Path) -> tuple[dict[str, Tensor], MotionNetConfig]:
    """Weights of the motion network in a file of a run, and what network they are of.

    Raises:
        WeightsError: the file is missing or damaged, or of another network.
    """
    tensors, notes = read_tensors(path)
    if CONFIG_NOTE not in notes:
        raise WeightsError(f"{path} holds no weights of the motion network of the paper. Give a file that its training wrote.")
    for part in PARTS:
        found = {name[len(part) :]: value for name, value in tensors.items() if name.startswith(part)}
        if found:
            tensors = found
            break
    return tensors, build(MotionNetConfig, json.loads(notes[CONFIG_NOTE]), str(path))
