"""Random surfaces: palettes that range from natural to garish, and textures of every kind."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

import numpy as np

from segmo.synthetic.spec import Rgb, TextureSpec
from segmo.synthetic.textures import KINDS

_SOFT_KINDS = ("plain", "gradient", "noise", "clouds")
_NATURAL_HUES = ((0.22, 0.42), (0.05, 0.14), (0.52, 0.64), (0.08, 0.2))
"""Ranges of hue: foliage, earth, sky and water, dry grass."""


def random_palette(rng: np.random.Generator, count: int = 0) -> tuple[Rgb, ...]:
    """2 to 5 colours that go together more or less."""
    count = count or int(rng.integers(2, 6))
    style = rng.choice(["natural", "analogous", "free", "grey", "flat"], p=[0.35, 0.25, 0.2, 0.1, 0.1])
    low, high = _NATURAL_HUES[rng.integers(len(_NATURAL_HUES))]
    hue = rng.uniform(low, high) if style == "natural" else rng.uniform(0, 1)
    spread = {"natural": 0.04, "analogous": 0.07, "free": 0.5, "grey": 0.02, "flat": 0.02}[str(style)]
    contrast = 0.05 if style == "flat" else rng.uniform(0.06, 0.32)
    middle, saturation = rng.uniform(0.2, 0.8), rng.beta(2, 3) * (0.15 if style == "grey" else 1)
    colours = []
    for _ in range(count):
        level = float(np.clip(middle + contrast * rng.normal(), 0.03, 0.97))
        colours.append(colorsys.hls_to_rgb((hue + spread * rng.normal()) % 1, level, float(np.clip(saturation + 0.1 * rng.normal(), 0, 1))))
    return tuple((round(r * 255), round(g * 255), round(b * 255)) for r, g, b in colours)


@dataclass(frozen=True)
class Surfaces:
    """How surfaces look."""

    photos: float = 0.0
    """Share of textures cut from the photographs that come with scikit-image."""
    soft: float = 1.0
    """Factor on the share of nearly textureless kinds, on which flow is hard to see."""
    roughness: tuple[float, float] = (0.0, 0.0)
    """Range of `TextureSpec.roughness`."""


def random_texture(rng: np.random.Generator, size: float, surfaces: Surfaces, soft: float = 0.2) -> TextureSpec:
    """A texture for something `size` pixels across; `soft` is the share of nearly textureless kinds where `surfaces` has no say."""
    seed = int(rng.integers(2**31))
    if rng.random() < surfaces.photos:
        return TextureSpec("photo", random_palette(rng, 2), seed, float(rng.uniform(0.5, 2.0)), 0.0, float(rng.uniform(0, 2 * np.pi)))
    kind = str(rng.choice(_SOFT_KINDS if rng.random() < soft * surfaces.soft else [kind for kind in KINDS if kind != "photo"]))
    scale = float(np.clip(size * np.exp(rng.uniform(np.log(0.06), np.log(0.6))), 4, 120))
    palette, grain, angle = random_palette(rng), float(rng.choice([0.0, 0.02, 0.06, 0.12])), float(rng.uniform(0, np.pi))
    return TextureSpec(kind, palette, seed, scale, grain, angle, float(rng.uniform(*surfaces.roughness)))
