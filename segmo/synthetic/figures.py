"""Figures in their own units, and the tools to draw them.

The origin lies between the feet, x points forward, y down; a figure is about 1 high or long.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from segmo.synthetic.curves import Curve
from segmo.synthetic.spec import Array, PartSpec, Stroke, WarpSpec

Points = list[tuple[float, float]]


@dataclass(frozen=True, eq=False)
class Figure:
    """The shape of an object; its materials are chosen elsewhere."""

    kind: str
    parts: tuple[PartSpec, ...]
    material_count: int
    warps: tuple[WarpSpec, ...] = ()


@dataclass(frozen=True)
class Gait:
    """How a figure moves its limbs."""

    swing: float = 0.5
    """Largest angle of a limb in radians; 0 keeps the pose."""
    period: float = 24.0
    """Frames to a cycle of two steps."""
    phase: float = 0.0
    speed: float = 0.0
    """Units of the figure travelled per frame: turns wheels."""

    def wave(self, share: float, lag: float = 0.0, offset: float = 0.0) -> Curve:
        """A swing of `share` of the largest angle, `lag` cycles late, about `offset`."""
        if self.swing <= 0:
            return Curve(offset + 0.4 * share * math.sin(self.phase - 2 * math.pi * lag))
        return Curve(offset, waves=((self.swing * share, self.period, self.phase - 2 * math.pi * lag),))

    def wheel(self, radius: float) -> Curve:
        """The turning of a wheel that rolls along with the figure."""
        return Curve(self.phase, self.speed / radius)


def ellipse(x: float, y: float, rx: float, ry: float, angle: float = 0.0, count: int = 28) -> Array:
    """(count, 2) outline of an ellipse."""
    turn = np.linspace(0, 2 * np.pi, count, endpoint=False)
    px, py = rx * np.cos(turn), ry * np.sin(turn)
    return np.stack([x + px * math.cos(angle) - py * math.sin(angle), y + px * math.sin(angle) + py * math.cos(angle)], axis=1)


def smooth(points: Points, count: int = 48) -> Array:
    """(count, 2) closed curve through some points (Catmull-Rom spline)."""
    knots = np.asarray(points, np.float64)
    at = np.arange(count) * len(knots) / count
    i = at.astype(int)
    s = (at - i)[:, None]
    p0, p1, p2, p3 = (knots[(i + k) % len(knots)] for k in (-1, 0, 1, 2))
    cubic = 2 * p1 + (p2 - p0) * s + (2 * p0 - 5 * p1 + 4 * p2 - p3) * s**2 + (3 * p1 - p0 - 3 * p2 + p3) * s**3
    return np.asarray(cubic / 2)


def line(points: Points, width: float, material: int = 0) -> Stroke:
    """A line with round ends."""
    return Stroke(np.asarray(points, np.float64), material, width)


def fill(points: Array | Points, material: int = 0) -> Stroke:
    """A filled polygon."""
    return Stroke(np.asarray(points, np.float64), material)


def taper(start: tuple[float, float], end: tuple[float, float], start_width: float, end_width: float, material: int = 0) -> Stroke:
    """A limb with round ends that narrows from `start_width` to `end_width`."""
    along = math.atan2(end[1] - start[1], end[0] - start[0])
    around = np.linspace(0, np.pi, 9)
    half_circle = np.stack([np.sin(around), np.cos(around)], axis=1)
    first = half_circle * (-start_width / 2, start_width / 2)
    last = half_circle[::-1] * (end_width / 2, end_width / 2)
    turn = np.array([[math.cos(along), math.sin(along)], [-math.sin(along), math.cos(along)]])
    return Stroke(np.concatenate([first[::-1] @ turn + start, last[::-1] @ turn + end]), material)


def linked(parts: Sequence[PartSpec], parents: Sequence[int]) -> tuple[PartSpec, ...]:
    """The parts with their parents set; -1 for none."""
    return tuple(PartSpec(part.strokes, part.pivot, part.angle, parent) for part, parent in zip(parts, parents, strict=True))
