"""Every model segmo knows, one row each: its role, its adapter, and, where it has weights, where they come from."""

from __future__ import annotations

from dataclasses import dataclass

from segmo.errors import SettingsError

ROLES = ("flow", "depth", "tracks", "features", "motion", "masks")
"""What a model can be for; each role is a Protocol of `segmo/stages`."""


@dataclass(frozen=True)
class ModelSpec:
    """One model."""

    role: str
    """One of `ROLES`."""
    name: str
    """Unique within its role."""
    preset: str
    """The preset that uses it."""
    adapter: str
    """`module:Class` with the role's Protocol; imported only when the model is wanted."""
    licence: str
    """SPDX name of the licence of the weights, or of the code where there are none."""
    paper: str
    """Where the method is published, or what it is."""
    repo: str = ""
    """Hugging Face repository of the weights; empty where the model needs no download."""
    revision: str = ""
    """Commit of that repository."""
    filename: str = ""
    """File in that repository."""
    size_bytes: int = 0
    """Size of the download."""
    sha256: str = ""
    """Checksum of the file, checked before every use."""


@dataclass(frozen=True)
class ShippedWeights:
    """A file of weights that we trained ourselves and that is part of the repository."""

    filename: str
    """File in `segmo/zoo/weights`, whose README says how it was trained."""
    size_bytes: int
    sha256: str
    """Checksum of the file, checked whenever it is loaded."""


LITE_MOTION = ShippedWeights("lite_motion.safetensors", 2352144, "5cff874f35eb1ff470f84969e19e7deb5b7ca1e8facee3400bea7f15d76a70f9")


def _lite(role: str, adapter: str, paper: str) -> ModelSpec:
    return ModelSpec(role, "lite", "lite", f"segmo.zoo.lite_models:{adapter}", "MIT", paper)


MODELS = (
    _lite("flow", "LiteFlow", "dense inverse search, arXiv:1603.03590"),
    _lite("depth", "LiteDepth", "motion parallax after removing camera rotation"),
    _lite("tracks", "LiteTracks", "optical flow chained over time"),
    _lite("features", "LiteFeatures", "colour and texture descriptors"),
    _lite("motion", "LiteMotion", "our network on flow, joined with residuals to the camera motion"),
    _lite("masks", "LiteMasks", "temporal filtering along the flow and an edge-aware cut"),
)


def find(role: str, name: str) -> ModelSpec:
    """The row of a model.

    Raises:
        SettingsError: there is none; the message lists those there are.
    """
    rows = {spec.name: spec for spec in MODELS if spec.role == role}
    if name not in rows:
        known = ", ".join(rows) or f"none; roles are {', '.join(ROLES)}"
        raise SettingsError(f"There is no model {name!r} for {role}. Known are {known}.")
    return rows[name]
