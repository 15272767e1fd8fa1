"""All a run needs to go on, in one file of tensors that is replaced in one step; and weights from and to the published format."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor, nn

from segmo import __version__
from segmo.errors import OutputError, WeightsError
from segmo.files import replacing
from segmo.networks.weights import read_tensors


@dataclass(frozen=True, eq=False)
class State:
    """What changes while a run goes on. Random states follow from the number of the iteration."""

    model: nn.Module
    average: nn.Module | None
    optimiser: torch.optim.Optimizer
    scaler: Any
    """Of losses in float16; None in other precisions."""


def save_checkpoint(path: Path, state: State, iteration: int, best: float, notes: dict[str, str]) -> None:
    """Write the state of a run after `iteration` iterations.

    Raises:
        OutputError: the file cannot be written.
    """
    tensors = {f"model.{name}": value for name, value in state.model.state_dict().items()}
    if state.average is not None:
        tensors |= {f"average.{name}": value for name, value in state.average.state_dict().items()}
    for index, values in state.optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{index}.{name}": torch.as_tensor(value) for name, value in values.items()}
    if state.scaler is not None:
        tensors |= {f"scaler.{name}": torch.tensor(value, dtype=torch.float64) for name, value in state.scaler.state_dict().items()}
    write_tensors(path, tensors, {**notes, "iteration": str(iteration), "best": repr(best)})


def load_checkpoint(path: Path, state: State, recipe: str) -> tuple[int, float]:
    """Restore the state of a run, and return the number of iterations done and the best score until then.

    Raises:
        WeightsError: the file is missing, damaged, or of another recipe.
    """
    tensors, notes = read_tensors(path)
    if notes.get("recipe") != recipe:
        advice = f"Train without --resume into another folder (--set output=...), or delete {path.parent} first"
        raise WeightsError(f"{path} is a checkpoint of another configuration. {advice}.")
    parts: dict[str, dict[str, Tensor]] = {"model": {}, "average": {}, "optimiser": {}, "scaler": {}}
    for name, value in tensors.items():
        part, _, rest = name.partition(".")
        parts[part][rest] = value
    state.model.load_state_dict(parts["model"])
    if state.average is not None:
        state.average.load_state_dict(parts["average"])
    states: dict[int, dict[str, Any]] = {}
    for name, value in parts["optimiser"].items():
        index, _, kind = name.partition(".")
        states.setdefault(int(index), {})[kind] = value
    state.optimiser.load_state_dict({"state": states, "param_groups": state.optimiser.state_dict()["param_groups"]})
    if state.scaler is not None:
        like = state.scaler.state_dict()
        state.scaler.load_state_dict({name: type(like[name])(value.item()) for name, value in parts["scaler"].items()})
    return int(notes["iteration"]), float(notes.get("best", "-inf"))


def code_version() -> str:
    """The version of segmo, and the commit where it runs from a repository."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return __version__
    return f"{__version__} ({done.stdout.strip()})"


def write_tensors(path: Path, tensors: dict[str, Tensor], notes: dict[str, str]) -> None:
    """Write tensors and notes in one step.

    Raises:
        OutputError: the file cannot be written.
    """
    try:
        with replacing(path) as temporary:
            save_file({name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}, temporary, notes)
    except SafetensorError as error:
        raise OutputError(f"{path} cannot be written: {error}. Check the folder and the free space.") from error
