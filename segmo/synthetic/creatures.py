"""Creatures that move their limbs: people, four-legged animals, birds, fish, snakes and insects."""

from __future__ import annotations

import math

import numpy as np

from segmo.synthetic.figures import Figure, Gait, ellipse, fill, line, linked, smooth, taper
from segmo.synthetic.spec import PartSpec, WarpSpec

Limb = tuple[PartSpec, PartSpec]


def person(gait: Gait, build: float = 1.0) -> Figure:
    """A walking person in profile. Materials: skin, shirt, trousers, hair, shoes."""
    b = build
    trunk = [(-0.06 * b, -0.84), (0.05 * b, -0.84), (0.085 * b, -0.72), (0.065 * b, -0.47), (-0.06 * b, -0.47), (-0.075 * b, -0.7)]
    torso = PartSpec(
        (
            taper((0.0, -0.82), (0.008, -0.9), 0.075, 0.058),
            fill(smooth([(-0.065 * b, -0.55), (0.065 * b, -0.55), (0.06 * b, -0.45), (-0.065 * b, -0.45)]), 2),
            fill(smooth(trunk), 1),
            fill(ellipse(0.012, -0.935, 0.058, 0.072), 0),
            fill(ellipse(0.072, -0.93, 0.012, 0.016), 0),
            fill(smooth([(0.055, -0.985), (0.0, -1.015), (-0.055, -0.985), (-0.068, -0.92), (-0.04, -0.895), (-0.02, -0.95)]), 3),
        ),
        (0.0, -0.5),
        gait.wave(0.05, 0.1, 0.04),
    )
    far_arm, near_arm, far_leg, near_leg = _arm(gait, b, 0.0), _arm(gait, b, 0.5), _leg(gait, b, 0.5), _leg(gait, b, 0.0)
    return Figure("person", linked([*far_arm, *far_leg, *near_leg, torso, *near_arm], [6, 0, -1, 2, -1, 4, -1, 6, 7]), 5)


def _leg(gait: Gait, build: float, lag: float) -> Limb:
    hip, knee, ankle = (0.0, -0.5), (0.0, -0.27), (-0.005, -0.05)
    thigh = PartSpec((taper(hip, knee, 0.108 * build, 0.08 * build, 2),), hip, gait.wave(1.0, lag))
    shoe = smooth([(-0.038, -0.06), (0.035, -0.058), (0.1, -0.02), (0.1, 0.0), (-0.038, 0.0)])
    shin = (taper(knee, ankle, 0.08 * build, 0.055 * build, 2), fill(shoe, 4))
    return thigh, PartSpec(shin, knee, gait.wave(0.7, lag + 0.25, 0.8 * gait.swing))


def _arm(gait: Gait, build: float, lag: float) -> Limb:
    shoulder, elbow, wrist = (0.0, -0.8), (-0.005, -0.64), (0.0, -0.5)
    upper = PartSpec((taper(shoulder, elbow, 0.074 * build, 0.058 * build, 1),), shoulder, gait.wave(0.9, lag))
    hand = fill(ellipse(0.004, -0.468, 0.026, 0.036), 0)
    return upper, PartSpec((hand, taper(elbow, wrist, 0.058 * build, 0.046 * build, 1)), elbow, gait.wave(0.4, lag, -0.9 * gait.swing))


def quadruped(
    gait: Gait, leg_length: float = 0.5, neck: float = 0.25, girth: float = 1.0, tail: float = 0.35, bushy: float = 1.0
) -> Figure:
    """A four-legged animal in profile, about 1.3 long. Materials: coat, belly and tail tip, dark points, eye."""
    hip_y, top = -leg_length - 0.08, -leg_length - 0.32 * girth
    back, front = -0.42, 0.38
    outline = [
        (back - 0.12, top + 0.12),
        (back + 0.02, top + 0.02),
        (-0.05, top + 0.02),
        (0.25, top),
        (front + 0.12, top + 0.06),
        (front + 0.15, hip_y - 0.1),
        (front + 0.02, hip_y + 0.03),
        (0.1, hip_y + 0.03),
        (-0.18, hip_y - 0.03),
        (back + 0.02, hip_y + 0.02),
        (back - 0.13, hip_y - 0.06),
    ]
    belly = [(front + 0.14, hip_y - 0.14), (front + 0.05, hip_y + 0.01), (0.1, hip_y + 0.03), (-0.15, hip_y - 0.025), (0.1, hip_y - 0.04)]
    trunk = PartSpec((fill(smooth(outline)), fill(smooth(belly), 1)), (0.0, hip_y), gait.wave(0.04, 0.2))
    legs = [_paw(gait, back, hip_y, girth, 0.5, True), _paw(gait, front, hip_y, girth, 0.0, False)]
    legs += [_paw(gait, back + 0.05, hip_y, girth, 0.0, True), _paw(gait, front + 0.05, hip_y, girth, 0.5, False)]
    order = [
        *legs[0],
        *legs[1],
        _tail(gait, back - 0.06, top + 0.12, tail, bushy),
        trunk,
        _head(gait, front, top, neck, girth),
        *legs[2],
        *legs[3],
    ]
    return Figure("quadruped", linked(order, [5, 0, 5, 2, 5, -1, 5, 5, 7, 5, 9]), 4)


def _paw(gait: Gait, x: float, hip_y: float, girth: float, lag: float, rear: bool) -> Limb:
    thick = girth**0.5
    knee = (x + (0.04 if rear else -0.01), hip_y * 0.52)
    ankle = (x - 0.03 if rear else x, -0.05)
    upper = PartSpec((taper((x, hip_y - 0.06), knee, (0.22 if rear else 0.17) * thick, 0.085 * thick),), (x, hip_y), gait.wave(0.8, lag))
    lower = (taper(knee, ankle, 0.085 * thick, 0.055), taper(ankle, (ankle[0] + 0.05, -0.026), 0.055, 0.05, 2))
    return upper, PartSpec(lower, knee, gait.wave(0.55, lag + 0.25, 0.12 if rear else -0.06))


def _head(gait: Gait, front: float, top: float, neck: float, girth: float) -> PartSpec:
    x, y = front + 0.14 + 0.6 * neck, top - 0.55 * neck
    skull = [
        (x - 0.11, y - 0.1),
        (x + 0.05, y - 0.1),
        (x + 0.14, y - 0.03),
        (x + 0.25, y + 0.02),
        (x + 0.24, y + 0.08),
        (x + 0.04, y + 0.11),
        (x - 0.11, y + 0.09),
    ]
    strokes = (
        fill([(x - 0.03, y - 0.05), (x + 0.0, y - 0.23), (x + 0.06, y - 0.07)], 2),
        taper((front - 0.02, top + 0.16), (x - 0.03, y), 0.26 * girth, 0.17 * girth**0.5),
        fill(smooth(skull)),
        fill(smooth([(x + 0.03, y + 0.1), (x + 0.1, y + 0.05), (x + 0.22, y + 0.08), (x + 0.1, y + 0.11)]), 1),
        fill([(x - 0.1, y - 0.04), (x - 0.06, y - 0.24), (x + 0.02, y - 0.07)]),
        fill(ellipse(x + 0.245, y + 0.035, 0.022, 0.024), 2),
        fill(ellipse(x + 0.07, y - 0.025, 0.017, 0.019), 3),
    )
    return PartSpec(strokes, (front, top + 0.12), gait.wave(0.12, 0.3))


def _tail(gait: Gait, x: float, y: float, length: float, bushy: float) -> PartSpec:
    n, b = length, length * bushy
    shape = [
        (x + 0.06, y + 0.02),
        (x - 0.45 * n, y - 0.2 * b),
        (x - n, y - 0.12 * b),
        (x - 1.12 * n, y + 0.02),
        (x - 0.95 * n, y + 0.1 * b),
        (x - 0.4 * n, y + 0.13 * b),
    ]
    tip = [(x - 0.84 * n, y - 0.13 * b), (x - n, y - 0.11 * b), (x - 1.11 * n, y + 0.02), (x - 0.95 * n, y + 0.09 * b), (x - 0.88 * n, y)]
    return PartSpec((fill(smooth(shape)), fill(smooth(tip), 1)), (x, y), gait.wave(0.4, 0.1, 0.1))


def bird(gait: Gait, span: float = 0.7) -> Figure:
    """A flying bird in profile; its wings beat. Materials: body, wings, beak, eye."""
    body = PartSpec(
        (
            fill([(-0.3, -0.03), (-0.62, -0.1), (-0.56, 0.0), (-0.63, 0.09), (-0.3, 0.05)], 1),
            fill([(0.44, -0.07), (0.58, -0.02), (0.43, 0.01)], 2),
            fill(
                smooth([(-0.42, 0.0), (-0.1, -0.13), (0.25, -0.13), (0.42, -0.13), (0.48, -0.04), (0.38, 0.05), (0.1, 0.13), (-0.25, 0.08)])
            ),
            fill(ellipse(0.38, -0.06, 0.02, 0.022), 3),
        )
    )
    feathers = smooth([(0.18, 0.0), (0.14, -0.45 * span), (-0.02, -span), (-0.14, -0.95 * span), (-0.2, -0.4 * span), (-0.16, 0.02)])
    far, near = (
        PartSpec((fill(feathers + np.array([shift, 0.0]), 1),), (shift, 0.0), gait.wave(2.2, lag, -0.9))
        for shift, lag in ((0.07, 0.03), (0.0, 0.0))
    )
    return Figure("bird", linked([far, body, near], [-1, -1, -1]), 4)


def fish(gait: Gait) -> Figure:
    """A fish that bends as it swims. Materials: body, fins, eye."""
    body = smooth(
        [(0.5, 0.0), (0.35, -0.15), (0.0, -0.24), (-0.35, -0.09), (-0.48, -0.03), (-0.48, 0.03), (-0.35, 0.09), (0.0, 0.22), (0.35, 0.14)]
    )
    trunk = PartSpec(
        (
            fill(smooth([(0.1, -0.2), (-0.1, -0.4), (-0.25, -0.3), (-0.2, -0.15)]), 1),
            fill(smooth([(0.05, 0.2), (-0.1, 0.34), (-0.18, 0.15)]), 1),
            fill(body),
            fill(ellipse(0.36, -0.04, 0.028, 0.03), 2),
        )
    )
    tail = PartSpec((fill([(-0.4, 0.0), (-0.72, -0.26), (-0.62, 0.0), (-0.72, 0.26)], 1),), (-0.44, 0.0), gait.wave(0.6, 0.1))
    warps = (WarpSpec(0.05, 1.4, gait.period),) if gait.swing > 0 else ()
    return Figure("fish", linked([tail, trunk], [1, -1]), 3, warps)


def snake(gait: Gait, thickness: float = 0.12) -> Figure:
    """A snake that winds; one part, bent by a travelling wave. Materials: skin, eye."""
    body = [
        (0.5, -0.6 * thickness),
        (0.66, 0.0),
        (0.5, 0.6 * thickness),
        (0.3, 0.45 * thickness),
        (-0.4, 0.4 * thickness),
        (-0.75, 0.0),
        (-0.4, -0.4 * thickness),
        (0.3, -0.45 * thickness),
    ]
    parts = (PartSpec((fill(smooth(body, 80)), fill(ellipse(0.54, -0.02, 0.014, 0.014), 1))),)
    return Figure("snake", parts, 2, (WarpSpec(0.11, 0.62, gait.period if gait.swing > 0 else 1e6),))


def insect(gait: Gait, legs: int = 6) -> Figure:
    """A crawling insect or spider with thin legs, seen from above. Materials: shell, legs."""
    limbs: list[PartSpec] = []
    for side in (-1, 1):
        for k in range(legs // 2):
            x = 0.22 - 0.4 * k / max(legs // 2 - 1, 1)
            reach = side * (0.34 + 0.05 * math.sin(3 * k))
            bow = x + 0.1 * (1 - k)
            strokes = (line([(x, side * 0.08), (bow, reach * 0.7), (bow + 0.1 * (1 - k), reach * 1.25)], 0.026, 1),)
            limbs.append(PartSpec(strokes, (x, side * 0.08), gait.wave(0.6, 0.5 * ((k + (side > 0)) % 2))))
    shell = PartSpec((fill(ellipse(-0.22, 0.0, 0.26, 0.18)), fill(ellipse(0.1, 0.0, 0.15, 0.12)), fill(ellipse(0.27, 0.0, 0.08, 0.08))))
    return Figure("insect", linked([*limbs, shell], [-1] * (len(limbs) + 1)), 2)
