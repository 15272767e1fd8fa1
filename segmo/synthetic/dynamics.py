"""Textures that move although no object does: water, foliage, smoke, flickering light, and the pictures of screens."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from segmo.synthetic.layers import Field
from segmo.synthetic.spec import Array, DynamicSpec

_TILE = 64
_BUMP = 4.0
"""Size of the bumps of a noise tile in its own pixels."""
_WAVES = 6
_DUST = (1.0, 0.9, 0.75)
"""Shares of red, green and blue."""
_CLOUD_EDGE = 0.3
"""Share of a cloud over which it fades out."""
_SCREEN_FRAME = 8.0
"""Pixels of the dark frame of a screen; maps are solved every four pixels and cannot be sharper."""
_SHORTEST_WAVE = 12.0
"""Waves shorter than this in the picture fade out, since maps are solved every four pixels."""


@dataclass(frozen=True, eq=False)
class Stir:
    """What dynamic textures do to a sheet at one time, on a grid (h, w) of its points."""

    displacement: Array
    """(h, w, 2) by which the place where the texture is looked up moves."""
    gain: Array
    """(h, w) factor on the brightness."""
    veil: Array
    """(h, w) coverage by smoke in [0, 1]."""
    veil_colour: Array
    """(3,) of the smoke, in grey levels."""


class Dynamic:
    """One dynamic texture, ready to be evaluated at any place and time."""

    def __init__(self, spec: DynamicSpec, horizon: float, bottom: float) -> None:
        self.spec = spec
        self._horizon, self._near = horizon, max(bottom - horizon, 1.0)
        rng = np.random.default_rng([spec.seed, 0xD1])
        self._tiles = [_periodic_noise(rng) for _ in range(4)]
        self._angles = rng.normal(0.6, 0.5, _WAVES) if spec.perspective else rng.uniform(0, 2 * np.pi, _WAVES)
        self._lengths = spec.wavelength * rng.uniform(0.5, 1.6, _WAVES)
        self._phases = rng.uniform(0, 2 * np.pi, _WAVES)
        self._colour = rng.choice([235.0, 200.0, 90.0]) * np.ones(3)
        self._tempo = rng.uniform(0.6, 1.7, 3)
        self._elsewhere = rng.normal(0, 150, 2)
        if spec.kind == "cloud":
            self._colour *= rng.choice([(1.0, 1.0, 1.0), _DUST], p=[0.6, 0.4])

    def stir(self, xy: Array, time: float) -> Stir:
        """Effect at points (h, w, 2) of the sheet at a time in frames."""
        inside = self._inside(xy, time)
        still = Stir(np.zeros_like(xy), np.ones(xy.shape[:2]), np.zeros(xy.shape[:2]), self._colour)
        if not inside.any():
            return still
        drift = -time * np.asarray(self.spec.drift_xy) * inside[..., None]
        if self.spec.kind == "water":
            displacement, gain = self._water(xy, time)
            return Stir(drift + displacement * inside[..., None], 1 + (gain - 1) * inside, still.veil, self._colour)
        if self.spec.kind == "foliage":
            return Stir(drift + self._foliage(xy, time) * inside[..., None], still.gain, still.veil, self._colour)
        if self.spec.kind == "screen":
            return self._screen(xy, time)
        if self.spec.kind in ("smoke", "cloud"):
            return Stir(still.displacement, still.gain, self._smoke(xy, time) * inside, self._colour)
        return Stir(drift, 1 + self._flicker(xy, time) * inside, still.veil, self._colour)

    def _inside(self, xy: Array, time: float) -> Array:
        """(h, w) share in [0, 1] by which points lie in the region; the border is uneven."""
        left, top, right, bottom = self.spec.region
        if self.spec.follow is not None:
            xy = xy - np.asarray(self.spec.follow(time))
        edge = max((_CLOUD_EDGE if self.spec.kind == "cloud" else 0.08) * min(right - left, bottom - top), 4.0)
        uneven = np.clip(1.2 * self._noise(3, xy / (3 * edge)), -1.5, 1.5)
        return np.asarray(np.clip(self._depth(xy) / edge + uneven, 0, 1))

    def _depth(self, xy: Array) -> Array:
        """(h, w) pixels by which points lie inside the region."""
        left, top, right, bottom = self.spec.region
        return np.minimum(np.minimum(xy[..., 0] - left, right - xy[..., 0]), np.minimum(xy[..., 1] - top, bottom - xy[..., 1]))

    def _noise(self, tile: int, at: Array) -> Field:
        """Periodic noise (h, w) of deviation about 1 at positions (h, w, 2), with bumps of size 1."""
        where = np.mod(at * _BUMP, _TILE).astype(np.float32)
        return cv2.remap(self._tiles[tile], where[..., 0], where[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)

    def _water(self, xy: Array, time: float) -> tuple[Array, Array]:
        """A sum of travelling waves that refract what is painted, and the light they reflect."""
        if self.spec.perspective:
            magnification = self._near / np.maximum(xy[..., 1] - self._horizon, 1.0)
            across, along = xy[..., 0] * magnification, -self._near * magnification
        else:
            magnification = np.ones(xy.shape[:2])
            across, along = xy[..., 0], xy[..., 1]
        slope = np.zeros_like(xy)
        for angle, length, phase in zip(self._angles, self._lengths, self._phases, strict=True):
            speed = 2 * np.pi / self.spec.period * math.sqrt(self.spec.wavelength / length)  # deep water: long waves take longer
            cos, sin = math.cos(angle), math.sin(angle)
            fade = np.clip(length / magnification / _SHORTEST_WAVE - 0.5, 0, 1)
            wave = fade * np.cos((cos * across + sin * along) * (2 * np.pi / length) - speed * time + phase)
            slope += wave[..., None] * (cos, sin)
        slope /= math.sqrt(_WAVES)
        glint = np.clip(slope.sum(axis=-1) - 0.35, 0, None) ** 2
        return self.spec.strength * slope / np.sqrt(magnification)[..., None], 0.97 + 0.1 * slope[..., 1] + 0.35 * glint

    def _foliage(self, xy: Array, time: float) -> Array:
        """Leaves that sway about their place, each clump in its own time."""
        at = xy / self.spec.wavelength
        beat = 2 * np.pi * time / self.spec.period
        gust = np.sin(beat + 2.5 * self._noise(2, at * 0.5)) + 0.4 * np.sin(2.3 * beat + 3 * self._noise(2, at))
        return self.spec.strength * np.stack([self._noise(0, at) * gust, 0.6 * self._noise(1, at) * gust], axis=-1)

    def _smoke(self, xy: Array, time: float) -> Array:
        """Two layers of puffs that drift at different speeds."""
        drift = time * np.asarray(self.spec.drift_xy) / self.spec.wavelength
        at = xy / self.spec.wavelength
        puffs = self._noise(0, at - drift) + 0.6 * self._noise(1, 2.1 * at - 2.6 * drift) + 0.3 * self._noise(2, 4.3 * at - 5.0 * drift)
        return np.asarray(self.spec.strength * np.clip((0.95 if self.spec.kind == "cloud" else 0.5) + 0.45 * puffs, 0, 1))

    def _screen(self, xy: Array, time: float) -> Stir:
        """Another part of the texture that pans, brighter or darker than it is, in a dark frame."""
        depth = self._depth(xy)
        shown = depth > 0
        pan = time * np.asarray(self.spec.drift_xy) + 3 * math.sin(2 * np.pi * time / self.spec.period + self._phases[0])
        gain = np.where(depth > _SCREEN_FRAME, 1 + self.spec.strength, np.where(shown, 0.15, 1.0))
        return Stir((self._elsewhere - pan) * shown[..., None], gain, np.zeros(depth.shape), self._colour)

    def _flicker(self, xy: Array, time: float) -> Array:
        """Patches of light that come and go irregularly."""
        beat = 2 * np.pi * time / self.spec.period
        pulse = sum(math.sin(tempo * beat + phase) for tempo, phase in zip(self._tempo, self._phases, strict=False)) / 2
        return np.asarray(self.spec.strength * pulse * np.clip(0.6 + 0.6 * self._noise(0, xy / self.spec.wavelength), 0, 1.5))


def combine(stirs: list[Stir]) -> Stir:
    """The joint effect of several dynamic textures on one sheet."""
    total = stirs[0]
    for other in stirs[1:]:
        thicker = other if float(other.veil.max()) > float(total.veil.max()) else total
        veil = 1 - (1 - total.veil) * (1 - other.veil)
        total = Stir(total.displacement + other.displacement, total.gain * other.gain, veil, thicker.veil_colour)
    return total


def _periodic_noise(rng: np.random.Generator) -> Field:
    """(_TILE, _TILE) noise that continues seamlessly beyond its border."""
    tripled = np.tile(rng.standard_normal((int(_TILE / _BUMP),) * 2, dtype=np.float32), (3, 3))
    return np.asarray(
        cv2.resize(tripled, (3 * _TILE, 3 * _TILE), interpolation=cv2.INTER_CUBIC)[_TILE : 2 * _TILE, _TILE : 2 * _TILE] * 1.3
    )
