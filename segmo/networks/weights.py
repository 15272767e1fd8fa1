"""Reading weights files into networks: never anything but tensors, and every entry must match."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from segmo.errors import WeightsError

Network = TypeVar("Network", bound=nn.Module)


def read_weights(path: Path, what: str, key: str = "") -> dict[str, Tensor]:
    """The state dict in a torch checkpoint.

    Args:
        path: a file written by `torch.save`.
        what: the model's name, for errors.
        key: where in the file's dictionary the state dict lies; empty where it is the whole file.

    Raises:
        WeightsError: the file is absent, damaged, or holds no such dictionary.
    """
    try:
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
        return dict(content[key] if key else content)
    except Exception as error:  # a damaged file makes torch raise almost anything
        raise _unfit(path, what, error) from error


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


def fill(network: Network, weights: dict[str, Tensor], path: Path) -> Network:
    """Fill a network, strictly, and make it ready to judge on the processor.

    Args:
        network: receives the weights.
        weights: a state dict.
        path: where it was read, for errors.

    Raises:
        WeightsError: there are other entries or shapes than the network has.
    """
    try:
        network.load_state_dict(weights)
    except Exception as error:
        raise _unfit(path, type(network).__name__, error) from error
    return network.eval().requires_grad_(False)


def _unfit(path: Path, what: str, error: Exception) -> WeightsError:
    reason = " ".join(str(error).split())[:300]
    return WeightsError(f"{path} holds no weights of {what} ({type(error).__name__}: {reason}). Fetch the file again.")


def load_published(kind: Any, folder: Path, what: str) -> Any:
    """A transformers model from a folder as the hub publishes it (config.json and safetensors), on the processor and ready to judge.

    Its weights are float32, whatever the folder stores: what a network computes in is up to its caller.

    Args:
        kind: a `PreTrainedModel`.
        folder: on this machine; nothing is fetched.
        what: the model's name, for errors.

    Raises:
        WeightsError: the folder holds no such model, or not all of it.
    """
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # type: ignore[no-untyped-call]  # loading is short, and the command line has bars of its own
    logging.getLogger("transformers.modeling_utils").addFilter(_is_no_report)
    how: Any = {"local_files_only": True, "use_safetensors": True, "output_loading_info": True}
    try:
        model, report = kind.from_pretrained(folder, dtype=torch.float32, ignore_mismatched_sizes=True, **how)
    except Exception as error:  # transformers raises almost anything for a damaged folder
        raise WeightsError(f"{folder} holds no weights of {what} ({' '.join(str(error).split())[:300]}). Fetch it again.") from error
    if lacking := sorted(report["missing_keys"]):
        raise WeightsError(f"{folder} lacks {len(lacking)} weights of {what}, such as {lacking[0]}. Fetch it again.")
    if unlike := sorted(report["mismatched_keys"]):
        name, seen, wanted = unlike[0]
        sizes = f"{len(unlike)} weights are of another size, such as {name} with {tuple(seen)} instead of {tuple(wanted)}"
        raise WeightsError(f"{folder} holds no weights of {what} as its config.json describes it: {sizes}. Fetch it again.")
    return model.eval().requires_grad_(False)


def _is_no_report(record: logging.LogRecord) -> bool:
    """False for transformers' table of all weights that do not fit: the error tells how many, and one."""
    return "LOAD REPORT" not in record.getMessage()
