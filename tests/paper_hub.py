"""A folder that stands for the hub: every published model, small or with random weights, in the format it is published in.

To add a model, write the function that saves it into a folder, and name it in `SAVERS` by the adapter of its rows in the registry.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from paper_models import save_edgetam, save_moseg, save_tapir, tiny_depth, tiny_dino, tiny_sam2

from segmo.zoo.registry import ModelSpec, find

SIZES = {"dinov2-small": 384, "dinov2-base": 768, "dinov2-large": 1024}


def _depth(folder: Path, spec: ModelSpec) -> None:
    tiny_depth().save_pretrained(folder)


def _features(folder: Path, spec: ModelSpec) -> None:
    tiny_dino(SIZES[spec.name]).save_pretrained(folder)


def _tapir(folder: Path, spec: ModelSpec) -> None:
    assert spec.weights is not None
    save_tapir(folder / spec.weights.files[0].name, boots=spec.name == "bootstapir")


def _motion(folder: Path, spec: ModelSpec) -> None:
    save_moseg(folder / "moseg.pth")


def _sam2(folder: Path, spec: ModelSpec) -> None:
    tiny_sam2().save_pretrained(folder)


def _edgetam(folder: Path, spec: ModelSpec) -> None:
    save_edgetam(folder)


SAVERS: dict[str, Callable[[Path, ModelSpec], None]] = {
    "segmo.zoo.paper_depth:DepthAnything": _depth,
    "segmo.zoo.paper_features:Dinov2": _features,
    "segmo.zoo.paper_tracks:BootsTapir": _tapir,
    "segmo.zoo.paper_tracks:Tapir": _tapir,
    "segmo.zoo.paper_motion:PaperMotion": _motion,
    "segmo.zoo.sam2_masks:Sam2Masks": _sam2,
    "segmo.zoo.sam2_masks:EdgeTamMasks": _edgetam,
}


def publish(hub: Path, models: Iterable[tuple[str, str]]) -> Path:
    """Save models, by role and name, where `SEGMO_HUB=<hub>` finds them. Those without weights, or that nobody can save, are left out."""
    for role, name in models:
        spec = find(role, name)
        if spec.weights and spec.adapter in SAVERS:
            folder = hub / spec.weights.repo
            folder.mkdir(parents=True, exist_ok=True)
            SAVERS[spec.adapter](folder, spec)
    return hub
