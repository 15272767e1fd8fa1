"""One or several processes, on processors or GPUs, in single or mixed precision: all of it by Hugging Face accelerate."""

from __future__ import annotations

import datetime
import logging
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from segmo.errors import DeviceError

if TYPE_CHECKING:
    from accelerate import Accelerator

PRECISIONS = {"float32": "no", "bfloat16": "bf16", "float16": "fp16"}
"""Ours, and what accelerate calls them."""
PATIENCE = datetime.timedelta(hours=24)
"""How long processes wait for the one that renders data."""


def start(device: str, precision: str, directory: Path) -> Accelerator:
    """Join the other processes, if `accelerate launch` started several, and find the device.

    Raises:
        DeviceError: the device is absent, or lacks the precision.
    """
    from accelerate import Accelerator
    from accelerate.utils import InitProcessGroupKwargs, ProjectConfiguration

    if device == "cpu" and precision == "float16":
        raise DeviceError(
            "Training on cpu in float16 cannot start: gradients vanish in it unless a GPU scales them. Set precision to bfloat16."
        )
    logging.getLogger("accelerate").setLevel(logging.WARNING)
    try:
        accelerator = Accelerator(
            cpu=device == "cpu",
            mixed_precision=PRECISIONS[precision],
            log_with=["tensorboard", *(["wandb"] if find_spec("wandb") else [])],
            project_config=ProjectConfiguration(str(directory), logging_dir=str(directory / "tensorboard")),
            kwargs_handlers=[InitProcessGroupKwargs(timeout=PATIENCE)],
        )
    except (ValueError, RuntimeError) as error:
        raise DeviceError(f"Training on {device} in {precision} cannot start: {error}. Set another device or precision.") from error
    found = accelerator.device.type
    if device not in ("auto", found):
        stop(accelerator)
        raise DeviceError(f"The device {device} is not there, but {found} is. Set device to auto or cpu.")
    return accelerator


def stop(accelerator: Accelerator) -> None:
    """Close the logs and leave the other processes, so that another run can start."""
    accelerator.end_training()
    type(accelerator.state)._reset_state(reset_partial_state=True)
