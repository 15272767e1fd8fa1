"""Articulated figures in their own units: origin between the feet, x forward, y down, height about 1."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from segmo.synthetic.curves import Curve
from segmo.synthetic.spec import Array, PartSpec, Stroke

Points = list[tuple[float, float]]


@dataclass(frozen=True, eq=False)
class Figure:
    """The shape of an object; its materials are chosen elsewhere."""

    kind: str
    parts: tuple[PartSpec, ...]
    material_count: int


@dataclass(frozen=True)
class Gait:
    """How a figure moves its limbs."""

    swing: float = 0.5
    """Largest angle of a limb in radians; 0 keeps the pose."""
    period: float = 24.0
    """Frames to a cycle of two steps."""
    phase: float = 0.0

    def wave(self, share: float, lag: float = 0.0, offset: float = 0.0) -> Curve:
        """A swing of `share` of the largest angle, `lag` cycles late, about `offset`."""
        if self.swing <= 0:
            return Curve(offset + 0.4 * share * math.sin(self.phase - 2 * math.pi * lag))
        return Curve(offset, waves=((self.swing * share, self.period, self.phase - 2 * math.pi * lag),))


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


def person(gait: Gait, build: float = 1.0) -> Figure:
    """A walking person in profile. Materials: skin, shirt, trousers, hair, shoes."""
    hip, shoulder, knee, elbow = (0.0, -0.5), (0.0, -0.8), (0.0, -0.27), (0.0, -0.63)
    limb = 0.062 * build

    def leg(lag: float) -> tuple[PartSpec, PartSpec]:
        thigh = PartSpec((line([hip, knee], limb * 1.5, 2),), hip, gait.wave(1.0, lag))
        shin = PartSpec(
            (
                line([knee, (0.0, -0.05)], limb * 1.15, 2),
                fill(smooth([(-0.035, -0.06), (0.04, -0.055), (0.1, -0.015), (0.09, 0.0), (-0.035, 0.0)]), 4),
            ),
            knee,
            gait.wave(0.7, lag + 0.25, 0.35 if gait.swing else 0.0),
        )
        return thigh, shin

    def arm(lag: float) -> tuple[PartSpec, PartSpec]:
        upper = PartSpec((line([shoulder, elbow], limb * 1.05, 1),), shoulder, gait.wave(0.9, lag))
        fore = PartSpec(
            (line([elbow, (0.0, -0.5)], limb * 0.8, 1), fill(ellipse(0.0, -0.465, 0.032, 0.036), 0)), elbow, gait.wave(0.4, lag, -0.45)
        )
        return upper, fore

    torso = PartSpec(
        (
            line([(0.0, -0.84), (0.005, -0.9)], 0.06, 0),
            fill(
                smooth(
                    [
                        (-0.06 * build, -0.84),
                        (0.05 * build, -0.84),
                        (0.085 * build, -0.72),
                        (0.065 * build, -0.48),
                        (-0.06 * build, -0.48),
                        (-0.075 * build, -0.7),
                    ]
                ),
                1,
            ),
            fill(ellipse(0.012, -0.935, 0.058, 0.072), 0),
            fill(smooth([(0.05, -0.985), (0.0, -1.015), (-0.055, -0.985), (-0.065, -0.92), (-0.035, -0.9), (-0.02, -0.955)]), 3),
        ),
        (0.0, -0.5),
        gait.wave(0.05, 0.1, 0.04),
    )
    far_arm, near_arm, far_leg, near_leg = arm(0.0), arm(0.5), leg(0.5), leg(0.0)
    order = [far_arm[0], far_arm[1], far_leg[0], far_leg[1], near_leg[0], near_leg[1], torso, near_arm[0], near_arm[1]]
    parents = [6, 0, -1, 2, -1, 4, -1, 6, 7]
    return Figure("person", _linked(order, parents), 5)


def quadruped(gait: Gait, leg_length: float = 0.5, neck: float = 0.25, girth: float = 1.0, tail: float = 0.35) -> Figure:
    """A four-legged animal in profile, about 1.3 long. Materials: coat, belly and tail tip, dark points, eye."""
    back, front = -0.42, 0.38
    top = -leg_length - 0.32 * girth
    hip_y = -leg_length - 0.08

    def leg(x: float, lag: float, rear: bool) -> tuple[PartSpec, PartSpec]:
        knee = (x + (-0.05 if rear else 0.03), hip_y * 0.5)
        upper = PartSpec(
            (line([(x, hip_y - 0.05), knee], 0.13 * girth**0.5 if rear else 0.11 * girth**0.5, 0),), (x, hip_y), gait.wave(0.8, lag)
        )
        lower = PartSpec(
            (line([knee, (x, -0.05)], 0.066, 0), line([(x, -0.04), (x + 0.05, -0.025)], 0.055, 2)),
            knee,
            gait.wave(0.55, lag + 0.25, 0.12 if rear else -0.08),
        )
        return upper, lower

    trunk = PartSpec(
        (
            fill(
                smooth(
                    [
                        (back - 0.1, top + 0.1),
                        (-0.15, top),
                        (0.2, top + 0.01),
                        (front + 0.12, top + 0.05),
                        (front + 0.13, hip_y),
                        (0.1, hip_y + 0.05),
                        (-0.2, hip_y + 0.01),
                        (back - 0.1, hip_y),
                    ]
                ),
                0,
            ),
            fill(
                smooth(
                    [(front + 0.1, hip_y - 0.08), (front, hip_y + 0.01), (0.1, hip_y + 0.05), (-0.15, hip_y + 0.0), (0.1, hip_y - 0.03)]
                ),
                1,
            ),
        ),
        (0.0, hip_y),
        gait.wave(0.04, 0.2),
    )
    head_x, head_y = front + 0.14 + 0.6 * neck, top - 0.55 * neck
    head = PartSpec(
        (
            line([(front, top + 0.14), (head_x - 0.03, head_y)], 0.19 * girth, 0),
            fill(
                smooth(
                    [
                        (head_x - 0.1, head_y - 0.1),
                        (head_x + 0.06, head_y - 0.08),
                        (head_x + 0.24, head_y + 0.02),
                        (head_x + 0.23, head_y + 0.07),
                        (head_x + 0.04, head_y + 0.1),
                        (head_x - 0.1, head_y + 0.08),
                    ]
                ),
                0,
            ),
            fill([(head_x - 0.1, head_y - 0.05), (head_x - 0.07, head_y - 0.24), (head_x + 0.02, head_y - 0.08)], 0),
            fill(ellipse(head_x + 0.235, head_y + 0.03, 0.022, 0.022), 2),
            fill(ellipse(head_x + 0.05, head_y - 0.03, 0.016, 0.018), 3),
        ),
        (front, top + 0.12),
        gait.wave(0.12, 0.3),
    )
    root = (back - 0.05, top + 0.1)
    tail_part = PartSpec(
        (
            fill(
                smooth(
                    [
                        root,
                        (root[0] - 0.5 * tail, root[1] - 0.25 * tail),
                        (root[0] - tail, root[1] - 0.1 * tail),
                        (root[0] - 0.9 * tail, root[1] + 0.12 * tail),
                        (root[0] - 0.4 * tail, root[1] + 0.15 * tail),
                    ]
                ),
                0,
            ),
            fill(ellipse(root[0] - 0.88 * tail, root[1] - 0.02 * tail, 0.14 * tail, 0.1 * tail), 1),
        ),
        root,
        gait.wave(0.4, 0.1, 0.1),
    )
    legs = [leg(back, 0.5, True), leg(front, 0.0, False), leg(back + 0.04, 0.0, True), leg(front + 0.05, 0.5, False)]
    order = [legs[0][0], legs[0][1], legs[1][0], legs[1][1], tail_part, trunk, head, legs[2][0], legs[2][1], legs[3][0], legs[3][1]]
    parents = [5, 0, 5, 2, 5, -1, 5, 5, 7, 5, 9]
    return Figure("quadruped", _linked(order, parents), 4)


def _linked(parts: list[PartSpec], parents: list[int]) -> tuple[PartSpec, ...]:
    return tuple(PartSpec(part.strokes, part.pivot, part.angle, parent) for part, parent in zip(parts, parents, strict=True))
