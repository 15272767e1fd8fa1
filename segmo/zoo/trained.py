"""Weights of a motion network that a user has trained with `python -m segmo train`, in place of those that a model comes with."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from segmo.errors import WeightsError

_ADVICE = "Give best.safetensors of a run of `python -m segmo train`, or a .pth file that `python -m segmo convert` wrote."


@dataclass(frozen=True)
class TrainedWeights:
    """A file of weights as it was when it was first looked at."""

    path: Path
    model: str
    """Name of the motion model that they are for."""
    sha256: str

    @classmethod
    def of(cls, path: Path) -> TrainedWeights:
        """Look at a file.

        Raises:
            WeightsError: it cannot be read, or holds something else.
        """
        try:
            return cls(path, _model_of(path), hashlib.sha256(path.read_bytes()).hexdigest())
        except OSError as error:
            raise WeightsError(f"The weights {path} cannot be read: {error}. {_ADVICE}") from error

    def unchanged_path(self) -> Path:
        """Where they are.

        Raises:
            WeightsError: they are not what they were, as when a training goes on.
        """
        if TrainedWeights.of(self.path) != self:
            raise WeightsError(f"The weights {self.path} have changed since this run began. Start it again, or give a copy of the file.")
        return self.path


def _model_of(path: Path) -> str:
    from safetensors import SafetensorError, safe_open

    from segmo.networks.motion_net import CONFIG_NOTE
    from segmo.zoo.lite_motion import FUSION_WIDTHS_NOTE, WIDTHS_NOTE

    if path.suffix == ".pth":
        return "moseg"
    try:
        with safe_open(path, "pt") as file:
            notes = file.metadata() or {}
    except SafetensorError as error:
        raise WeightsError(f"The weights {path} cannot be read: {error}. {_ADVICE}") from error
    for note, model in ((WIDTHS_NOTE, "lite"), (FUSION_WIDTHS_NOTE, "lite"), (CONFIG_NOTE, "moseg")):
        if note in notes:
            return model
    raise WeightsError(f"{path} holds no weights of a motion network. {_ADVICE}")
