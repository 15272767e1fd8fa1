"""Abstract outlines: Fourier blobs, unions, polygons, stars, and creatures made of a blob with limbs."""

from __future__ import annotations

import math

import numpy as np

from segmo.synthetic.figures import Figure, Gait, fill, linked, taper
from segmo.synthetic.spec import Array, PartSpec


def fourier_outline(rng: np.random.Generator, roughness: float = 0.35, count: int = 72) -> Array:
    """(count, 2) closed outline whose radius is a random Fourier series, about 1 across."""
    angle = np.linspace(0, 2 * np.pi, count, endpoint=False)
    radius = np.ones(count)
    for order in range(2, 8):
        radius += roughness * rng.normal() / order * np.cos(order * angle + rng.uniform(0, 2 * np.pi))
    radius = 0.5 * np.clip(radius, 0.25, 1.8)
    flat, turn = rng.uniform(0.5, 1), rng.uniform(0, np.pi)
    x, y = radius * np.cos(angle), radius * np.sin(angle) * flat
    return np.stack([x * math.cos(turn) - y * math.sin(turn), x * math.sin(turn) + y * math.cos(turn)], axis=1)


def polygon_outline(rng: np.random.Generator) -> Array:
    """(n, 2) outline of a box, a random convex polygon or a star, about 1 across."""
    kind = rng.integers(3)
    if kind == 0:
        w, h = 0.5 * rng.uniform(0.3, 1, 2)
        corners = np.array([[-w, -h], [w, -h], [w, h], [-w, h]])
    else:
        corner_count = int(rng.integers(3, 9)) * (2 if kind == 2 else 1)
        angle = np.sort(rng.uniform(0, 2 * np.pi, corner_count)) if kind == 1 else np.linspace(0, 2 * np.pi, corner_count, endpoint=False)
        radius = np.where(np.arange(corner_count) % 2, rng.uniform(0.2, 0.4), 0.5) if kind == 2 else np.full(corner_count, 0.5)
        corners = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    turn = rng.uniform(0, 2 * np.pi)
    return np.asarray(corners @ np.array([[math.cos(turn), math.sin(turn)], [-math.sin(turn), math.cos(turn)]]))


def blob(rng: np.random.Generator) -> Figure:
    """One smooth outline. Materials: 1."""
    return Figure("blob", (PartSpec((fill(fourier_outline(rng)),)),), 1)


def polygon(rng: np.random.Generator) -> Figure:
    """One outline with corners. Materials: 1."""
    return Figure("polygon", (PartSpec((fill(polygon_outline(rng)),)),), 1)


def union(rng: np.random.Generator) -> Figure:
    """Several overlapping outlines that move as one. Materials: 2."""
    strokes = []
    for index in range(int(rng.integers(2, 5))):
        outline = polygon_outline(rng) if rng.random() < 0.3 else fourier_outline(rng)
        strokes.append(fill(outline * rng.uniform(0.4, 0.8) + rng.normal(0, 0.25, 2), index % 2))
    return Figure("union", (PartSpec(tuple(strokes)),), 2)


def limbed(rng: np.random.Generator, gait: Gait) -> Figure:
    """A body with up to five swinging limbs of two joints. Materials: body, limbs."""
    outline = polygon_outline(rng) if rng.random() < 0.2 else fourier_outline(rng, 0.2)
    parts: list[PartSpec] = []
    parents: list[int] = []
    for _ in range(int(rng.integers(1, 6))):
        root = outline[rng.integers(len(outline))] * 0.8
        heading = math.atan2(root[1], root[0]) + rng.normal(0, 0.5)
        reach, width, bend = rng.uniform(0.2, 0.5), rng.uniform(0.03, 0.16), rng.normal(0, 0.5)
        joint = root + reach * np.array([math.cos(heading), math.sin(heading)])
        end = joint + reach * np.array([math.cos(heading + bend), math.sin(heading + bend)])
        start_xy, joint_xy, end_xy = ((float(p[0]), float(p[1])) for p in (root, joint, end))
        lag, material = float(rng.uniform(0, 1)), int(rng.integers(2))
        parents += [-2, len(parts)]
        upper, lower = float(rng.uniform(0.4, 1.4)), float(rng.uniform(0.3, 1.2))
        parts.append(PartSpec((taper(start_xy, joint_xy, width * 1.3, width, material),), start_xy, gait.wave(upper, lag)))
        parts.append(PartSpec((taper(joint_xy, end_xy, width, width * 0.6, material),), joint_xy, gait.wave(lower, lag + 0.2)))
    parts.append(PartSpec((fill(outline),)))
    body = len(parts) - 1
    return Figure("limbed", linked(parts, [body if parent == -2 else parent for parent in parents] + [-1]), 2)
