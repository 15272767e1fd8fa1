"""Presets: the one dial that picks the model of every stage, and the models that were picked by hand instead."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from segmo.errors import SettingsError
from segmo.settings import PRESETS, Settings, with_values
from segmo.zoo.registry import ROLES, ModelSpec, find


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
    most_tracks: int = 0
    """Tracks beyond these are not drawn, whatever the settings say; 0 = no limit of the preset."""

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
PAPER = Preset(
    name="paper",
    description="The published models of the paper; wants a GPU.",
    flow="lite",
    depth="depth-anything-v2-large",
    tracks="bootstapir",
    features="dinov2-base",
    motion="moseg",
    masks="sam2-large",
    uses_torch=True,
)
PAPER_FAST = Preset(
    name="paper-fast",
    description="Smaller siblings of the paper's models and fewer points, for small GPUs.",
    flow="lite",
    depth="depth-anything-v2-small",
    tracks="bootstapir",
    features="dinov2-base",
    motion="moseg",
    masks="sam2.1-tiny",
    uses_torch=True,
    most_tracks=2000,
)
ALL = {preset.name: preset for preset in (LITE, PAPER, PAPER_FAST)}


def find_preset(name: str) -> Preset:
    """The preset of that name.

    Raises:
        SettingsError: there is none.
    """
    if name not in ALL:
        raise SettingsError(f"There is no preset {name!r}. Choose one of {', '.join(PRESETS)}.")
    return ALL[name]


def specs_of(preset: Preset) -> tuple[ModelSpec, ...]:
    """The rows of a preset's models."""
    return tuple(find(role, preset.model(role)) for role in ROLES)


def models_of(settings: Settings) -> dict[str, str]:
    """The model's name for every role: that of the preset, or the one chosen for that role alone.

    Raises:
        SettingsError: two of them do not go together.
    """
    preset = find_preset(settings.preset)
    chosen = {role: preset.model(role) for role in ROLES}
    for spec in dataclasses.fields(settings.models):
        name = getattr(settings.models, spec.name)
        if name != "preset":
            chosen[spec.name] = name
    for role, name in chosen.items():
        partner = find(role, name).only_with
        other = partner.partition("/")[0]
        if partner and partner != f"{other}/{chosen[other]}":
            what = f"The model {role}/{name} works only with {partner}, not with {other}/{chosen[other]}"
            raise SettingsError(f"{what}. Choose {partner} as well, or another model for {role}.")
    return chosen


def uses_weights(settings: Settings) -> bool:
    """Whether any of the models has published weights; then a GPU helps."""
    return any(find(role, name).weights for role, name in models_of(settings).items())


def within_preset(settings: Settings) -> Settings:
    """The settings as the stages get them: with no more tracks than the preset allows."""
    most = find_preset(settings.preset).most_tracks
    return with_values(settings, {("tracks", "max_tracks"): most}) if 0 < most < settings.tracks.max_tracks else settings


def fetch_name(spec: ModelSpec) -> str:
    """What to give `weights fetch` for a model: the first preset that has it, or else its own name."""
    return next((preset.name for preset in ALL.values() if preset.model(spec.role) == spec.name), spec.full_name)
