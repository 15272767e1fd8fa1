"""Weights of a motion network that a user has trained with `python -m segmo train`, in place of those that a model comes with."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from segmo.errors import SettingsError, WeightsError

_ADVICE = "Give best.safetensors of a run of `python -m segmo train`, or a .pth file that `python -m segmo convert` wrote."


@dataclass(frozen=True)
class TrainedWeights:
    """A file of weights as it was when it was first looked at."""

    path: Path
    model: str
    """Name of the motion model that they are for."""
    network: str
    """Note of the file that names which of its networks."""
    sha256: str

    @classmethod
    def of(cls, path: Path) -> TrainedWeights:
        """Look at a file.

        Raises:
            WeightsError: it cannot be read, or holds something else.
        """
        try:
            return cls(path, *_network_of(path), hashlib.sha256(path.read_bytes()).hexdigest())
        except OSError as error:
            raise WeightsError(f"The weights {path} cannot be read: {error}. {_ADVICE}") from error

    @classmethod
    def of_all(cls, paths: Sequence[Path]) -> tuple[TrainedWeights, ...]:
        """Look at files that are to be used together, in the order of the networks that they are for.

        Raises:
            WeightsError: as `of`.
            SettingsError: two are for the same network, or for different models.
        """
        found = sorted((cls.of(path) for path in paths), key=lambda weights: weights.network)
        for one, next_one in pairwise(found):
            if one.model != next_one.model or one.network == next_one.network:
                what = f"{one.path} and {next_one.path} cannot be used together"
                raise SettingsError(f"{what}. Give one file, or one for each of the two networks of the preset lite.")
        return tuple(found)

    def unchanged_path(self) -> Path:
        """Where they are.

        Raises:
            WeightsError: they are not what they were, as when a training goes on.
        """
        if TrainedWeights.of(self.path) != self:
            raise WeightsError(f"The weights {self.path} have changed since this run began. Start it again, or give a copy of the file.")
        return self.path


def _network_of(path: Path) -> tuple[str, str]:
    """Name of the motion model, and note that names the network."""
    from safetensors import SafetensorError, safe_open

    from segmo.networks.motion_net import CONFIG_NOTE
    from segmo.zoo.lite_motion import FUSION_WIDTHS_NOTE, WIDTHS_NOTE

    if path.suffix == ".pth":
        return "moseg", CONFIG_NOTE
    try:
        with safe_open(path, "pt") as file:
            notes = file.metadata() or {}
    except SafetensorError as error:
        raise WeightsError(f"The weights {path} cannot be read: {error}. {_ADVICE}") from error
    for note, model in ((WIDTHS_NOTE, "lite"), (FUSION_WIDTHS_NOTE, "lite"), (CONFIG_NOTE, "moseg")):
        if note in notes:
            return model, note
    raise WeightsError(f"{path} holds no weights of a motion network. {_ADVICE}")
