"""All a run needs to go on, in one file of tensors that is replaced in one step."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from segmo.errors import OutputError, WeightsError


def save_checkpoint(
    path: Path, model: nn.Module, average: nn.Module, optimiser: torch.optim.Optimizer, iteration: int, recipe: str
) -> None:
    """Write the state of a run after `iteration` iterations of a recipe. Random states follow from the iteration.

    Raises:
        OutputError: the file cannot be written.
    """
    tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
    tensors |= {f"average.{name}": value for name, value in average.state_dict().items()}
    for index, state in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{index}.{name}": torch.as_tensor(value) for name, value in state.items()}
    write_tensors(path, tensors, {"iteration": str(iteration), "recipe": recipe})


def load_checkpoint(path: Path, model: nn.Module, average: nn.Module, optimiser: torch.optim.Optimizer, recipe: str) -> int:
    """Restore the state of a run and return the number of iterations done.

    Raises:
        WeightsError: the file is missing, damaged, or of another recipe.
    """
    tensors, notes = read_tensors(path)
    if notes.get("recipe") != recipe:
        raise WeightsError(f"{path} is a checkpoint of another configuration. Train without --resume, or into another output folder.")
    parts: dict[str, dict[str, Tensor]] = {"model": {}, "average": {}, "optimiser": {}}
    for name, value in tensors.items():
        part, _, rest = name.partition(".")
        parts[part][rest] = value
    model.load_state_dict(parts["model"])
    average.load_state_dict(parts["average"])
    states: dict[int, dict[str, Any]] = {}
    for name, value in parts["optimiser"].items():
        index, _, kind = name.partition(".")
        states.setdefault(int(index), {})[kind] = value
    optimiser.load_state_dict({"state": states, "param_groups": optimiser.state_dict()["param_groups"]})
    return int(notes["iteration"])


def write_tensors(path: Path, tensors: dict[str, Tensor], notes: dict[str, str]) -> None:
    """Write tensors and notes in one step.

    Raises:
        OutputError: the file cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file({name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}, temporary, notes)
        os.replace(temporary, path)
    except (OSError, SafetensorError) as error:
        raise OutputError(f"{path} cannot be written: {error}. Check the folder and the free space.") from error


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and notes of a file.

    Raises:
        WeightsError: it is missing or damaged.
    """
    try:
        with safe_open(path, "pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{path} cannot be read: {error}. Train again, or restore the file.") from error
