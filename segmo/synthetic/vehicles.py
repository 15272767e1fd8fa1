"""Rigid things that roll, float or fly: vehicles, boats, balls and balloons."""

from __future__ import annotations

import math

import numpy as np

from segmo.synthetic.figures import Figure, Gait, ellipse, fill, line, linked, smooth, taper
from segmo.synthetic.spec import PartSpec


def _wheel(gait: Gait, x: float, radius: float, rubber: int, rim: int) -> PartSpec:
    spokes = [
        line(
            [
                (x - 0.62 * radius * math.cos(a), -radius - 0.62 * radius * math.sin(a)),
                (x + 0.62 * radius * math.cos(a), -radius + 0.62 * radius * math.sin(a)),
            ],
            0.14 * radius,
            rubber,
        )
        for a in (0.3, 0.3 + math.pi / 3, 0.3 + 2 * math.pi / 3)
    ]
    strokes = (fill(ellipse(x, -radius, radius, radius), rubber), fill(ellipse(x, -radius, 0.62 * radius, 0.62 * radius), rim), *spokes)
    return PartSpec(strokes, (x, -radius), gait.wheel(radius))


def car(gait: Gait, roof: float = 0.36, length: float = 0.5) -> Figure:
    """A car in profile. Materials: paint, glass, rubber, metal, lamp."""
    n, floor, waist = length, -0.07, -0.22
    body = [
        (-n, floor),
        (-n, waist - 0.01),
        (-0.94 * n, waist - 0.03),
        (-0.72 * n, waist - 0.035),
        (-0.5 * n, -roof),
        (0.16 * n, -roof),
        (0.46 * n, waist - 0.02),
        (0.9 * n, waist + 0.02),
        (n, waist + 0.06),
        (n, floor),
    ]
    rear_glass = [(-0.58 * n, waist - 0.02), (-0.43 * n, -roof + 0.025), (-0.14 * n, -roof + 0.025), (-0.14 * n, waist - 0.02)]
    front_glass = [(-0.1 * n, waist - 0.02), (-0.1 * n, -roof + 0.025), (0.14 * n, -roof + 0.025), (0.36 * n, waist - 0.02)]
    shell = PartSpec(
        (
            fill(body),
            fill(rear_glass, 1),
            fill(front_glass, 1),
            fill([(-n, floor), (-n, floor - 0.035), (n, floor - 0.035), (n, floor)], 2),
            line([(-0.13 * n, waist + 0.02), (-0.13 * n, floor - 0.04)], 0.006, 2),
            line([(-0.1 * n, waist + 0.03), (-0.02 * n, waist + 0.03)], 0.012, 3),
            fill(ellipse(0.965 * n, waist + 0.075, 0.022, 0.022), 4),
        )
    )
    wheels = [_wheel(gait, x * n, 0.095, 2, 3) for x in (-0.62, 0.62)]
    return Figure("car", linked([shell, *wheels], [-1, -1, -1]), 5)


def truck(gait: Gait) -> Figure:
    """A lorry in profile. Materials: load, cabin, glass, rubber, metal."""
    body = PartSpec(
        (
            fill([(-0.6, -0.12), (-0.6, -0.52), (0.24, -0.52), (0.24, -0.12)]),
            fill([(0.27, -0.1), (0.27, -0.46), (0.46, -0.46), (0.56, -0.28), (0.58, -0.1)], 1),
            fill([(0.33, -0.28), (0.33, -0.42), (0.44, -0.42), (0.51, -0.28)], 2),
            fill([(-0.6, -0.09), (-0.6, -0.13), (0.58, -0.13), (0.58, -0.09)], 3),
        )
    )
    wheels = [_wheel(gait, x, 0.085, 3, 4) for x in (-0.44, -0.22, 0.42)]
    return Figure("truck", linked([body, *wheels], [-1] * 4), 5)


def bicycle(gait: Gait, rider: bool = True) -> Figure:
    """A bicycle with thin wheels, and its rider. Materials: frame, tyre, skin, shirt, trousers."""
    radius, back, front = 0.2, -0.32, 0.34

    def wheel(x: float) -> PartSpec:
        ring = np.concatenate([ellipse(x, -radius, radius, radius, count=40), ellipse(x, -radius, radius, radius, count=40)[:1]])
        spokes = [
            line(
                [(x - radius * math.cos(a), -radius - radius * math.sin(a)), (x + radius * math.cos(a), -radius + radius * math.sin(a))],
                0.008,
                1,
            )
            for a in (0.1, 0.9, 1.7, 2.5)
        ]
        return PartSpec((line([(float(p[0]), float(p[1])) for p in ring], 0.026, 1), *spokes), (x, -radius), gait.wheel(radius))

    crank, saddle, bar = (-0.04, -0.2), (-0.14, -0.5), (0.24, -0.54)
    frame = PartSpec(
        (
            line([(back, -radius), crank, bar, saddle, crank], 0.026),
            line([(back, -radius), saddle], 0.02),
            line([(front, -radius), bar, (0.3, -0.58)], 0.024),
            line([(-0.2, -0.52), (-0.08, -0.52)], 0.035, 1),
        )
    )
    parts = [wheel(back), wheel(front), frame]
    if rider:
        hip, shoulder, knee = (-0.13, -0.56), (0.08, -0.88), (0.06, -0.4)
        pedalling = Gait(gait.swing, gait.period, gait.phase)
        legs = [
            PartSpec((taper(hip, knee, 0.1, 0.075, 4), taper(knee, (0.0, -0.2), 0.07, 0.05, 4)), hip, pedalling.wave(0.35, lag))
            for lag in (0.5, 0.0)
        ]
        torso = PartSpec(
            (taper(shoulder, (0.26, -0.6), 0.06, 0.045, 2), taper(hip, shoulder, 0.14, 0.15, 3), fill(ellipse(0.16, -1.0, 0.06, 0.07), 2))
        )
        parts = [legs[0], *parts, torso, legs[1]]
    return Figure("bicycle", linked(parts, [-1] * len(parts)), 5)


def ball(gait: Gait) -> Figure:
    """A ball that rolls. Materials: two colours."""
    radius = 0.5
    around = ellipse(0.0, -radius, radius, radius, count=48)
    sectors = [fill(np.concatenate([[(0.0, -radius)], around[k : k + 9]]), 1) for k in (0, 16, 32)]
    return Figure(
        "ball", (PartSpec((fill(around), *sectors, fill(ellipse(0.0, -radius, 0.1, 0.1))), (0.0, -radius), gait.wheel(radius)),), 2
    )


def balloon(gait: Gait) -> Figure:
    """A hot-air balloon. Materials: envelope, basket, ropes."""
    envelope = smooth(
        [(0.0, -1.0), (0.3, -0.9), (0.38, -0.65), (0.2, -0.36), (0.06, -0.24), (-0.06, -0.24), (-0.2, -0.36), (-0.38, -0.65), (-0.3, -0.9)]
    )
    strokes = (
        line([(-0.06, -0.25), (-0.055, -0.1)], 0.01, 2),
        line([(0.06, -0.25), (0.055, -0.1)], 0.01, 2),
        fill(envelope),
        fill([(-0.07, -0.12), (0.07, -0.12), (0.06, 0.0), (-0.06, 0.0)], 1),
    )
    return Figure("balloon", (PartSpec(strokes, (0.0, -0.6), gait.wave(0.1)),), 3)


def boat(gait: Gait) -> Figure:
    """A sailing boat. Materials: hull, sail, mast."""
    strokes = (
        line([(0.0, -0.1), (0.0, -0.98)], 0.022, 2),
        fill(smooth([(-0.03, -0.93), (-0.03, -0.2), (-0.42, -0.2), (-0.25, -0.55)]), 1),
        fill(smooth([(0.03, -0.88), (0.03, -0.2), (0.36, -0.2), (0.22, -0.5)]), 1),
        fill([(-0.5, -0.15), (0.52, -0.15), (0.36, 0.03), (-0.36, 0.03)]),
    )
    return Figure("boat", (PartSpec(strokes, (0.0, 0.0), gait.wave(0.1)),), 3)
