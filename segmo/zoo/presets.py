"""Presets: the one dial that picks the model of every stage."""

from __future__ import annotations

from dataclasses import dataclass

from segmo.errors import SettingsError


@dataclass(frozen=True)
class Preset:
    """The name of the model for every role of `registry.ROLES`."""

    name: str
    description: str
    flow: str
    """Used only where another model of the preset needs flow."""
    depth: str
    tracks: str
    features: str
    motion: str
    masks: str
    uses_torch: bool
    """Whether a GPU helps."""

    def model(self, role: str) -> str:
        """The model's name for a role."""
        return str(getattr(self, role))


LITE = Preset(
    name="lite",
    description="Runs anywhere: no download, no GPU.",
    flow="lite",
    depth="lite",
    tracks="lite",
    features="lite",
    motion="lite",
    masks="lite",
    uses_torch=False,
)

_AVAILABLE = {preset.name: preset for preset in (LITE,)}


def find_preset(name: str) -> Preset:
    """The preset of that name.

    Raises:
        SettingsError: this version does not have it.
    """
    if name not in _AVAILABLE:
        raise SettingsError(
            f"The preset {name!r} cannot be used: its models are not part of this version of segmo. Use the preset 'lite', "
            "which needs no download and no GPU."
        )
    return _AVAILABLE[name]


def default_preset() -> tuple[str, str]:
    """The preset to use where the user chose none, and why, as a sentence."""
    return LITE.name, "lite is used because the models of the paper preset are not part of this version of segmo."
