"""Weights of the motion network from and to the published format: a file of `torch.save` with the entry `model_state_dict`.

A network of other sizes or inputs than the paper's has an entry more, which says what it is, so that it can be used and turned back.
"""

from __future__ import annotations

import dataclasses
import io
import json
from pathlib import Path

import torch

from segmo.errors import SettingsError
from segmo.files import write_bytes
from segmo.networks.motion_net import CONFIG_NOTE, PAPER, STATE, MotionNet, read_published, read_trained
from segmo.networks.weights import fill
from segmo.training.checkpoint import write_tensors

PUBLISHED, OURS = ".pth", ".safetensors"


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
        weights, config = read_published(source)
        network = fill(MotionNet(config), weights, source)
        write_tensors(target, network.state_dict(), {CONFIG_NOTE: json.dumps(dataclasses.asdict(config))})
    else:
        weights, config = read_trained(source)
        network = fill(MotionNet(config), weights, source)
        buffer = io.BytesIO()
        note = {CONFIG_NOTE: json.dumps(dataclasses.asdict(config))} if config != PAPER else {}  # others look at the weights alone
        torch.save({STATE: network.state_dict(), **note}, buffer)
        write_bytes(target, buffer.getvalue())
    return sum(value.numel() for value in network.state_dict().values())
