"""The furniture of a landscape: trees, bushes, fences, posts, rocks and houses."""

from __future__ import annotations

import math

import numpy as np

from segmo.synthetic.figures import Figure, ellipse, fill, line, taper
from segmo.synthetic.spec import PartSpec, Stroke


def tree(rng: np.random.Generator, bare: bool = False) -> Figure:
    """A tree; `bare` gives thin branches. Materials: bark, leaves."""
    strokes = [taper((0.0, 0.02), (0.01, -0.5), 0.09, 0.05)]
    for _ in range(9 if bare else 4):
        y, lean, reach = -rng.uniform(0.3, 0.6), rng.normal(0, 0.5), rng.uniform(0.2, 0.42)
        tip = (reach * math.sin(lean), y - reach * math.cos(lean))
        strokes.append(taper((0.0, y), tip, 0.04, 0.012))
        for side in (-0.7, 0.6) if bare else ():
            twig = (tip[0] + 0.5 * reach * math.sin(lean + side), tip[1] - 0.5 * reach * math.cos(lean + side))
            strokes.append(line([((tip[0]) / 1.6, (y + tip[1]) / 2 - 0.02), twig], 0.014))
    crown = [(0.0, -0.68, 0.26)] + [
        (float(rng.normal(0, 0.15)), float(rng.uniform(-0.9, -0.5)), float(rng.uniform(0.12, 0.2))) for _ in range(8)
    ]
    strokes += [] if bare else [_bumpy(rng, x, y, r) for x, y, r in crown]
    return Figure("tree", (PartSpec(tuple(strokes)),), 2)


def _bumpy(rng: np.random.Generator, x: float, y: float, radius: float, material: int = 1) -> Stroke:
    outline = ellipse(x, y, radius, radius, count=26)
    return fill((outline - (x, y)) * rng.uniform(0.88, 1.12, (26, 1)) + (x, y), material)


def conifer(rng: np.random.Generator) -> Figure:
    """A fir. Materials: bark, needles."""
    strokes = [fill([(-0.03, 0.02), (-0.025, -0.2), (0.025, -0.2), (0.03, 0.02)])]
    for k in range(5):
        half, low, high = 0.28 - 0.045 * k, -0.1 - 0.16 * k, -0.36 - 0.16 * k
        jag = rng.uniform(0.8, 1.1, 2)
        strokes.append(
            fill(
                [
                    (-half * jag[0], low),
                    (-half * 0.4, low - 0.03),
                    (0.0, low + 0.01),
                    (half * 0.4, low - 0.03),
                    (half * jag[1], low),
                    (0.0, max(high, -1.0)),
                ],
                1,
            )
        )
    return Figure("conifer", (PartSpec(tuple(strokes)),), 2)


def bush(rng: np.random.Generator) -> Figure:
    """A bush. Materials: leaves, blossoms."""
    strokes = [_bumpy(rng, float(x), float(rng.uniform(-0.4, -0.2)), float(rng.uniform(0.18, 0.3)), 0) for x in np.linspace(-0.4, 0.4, 6)]
    strokes.append(fill([(-0.55, 0.0), (-0.5, -0.25), (0.5, -0.25), (0.55, 0.0)], 0))
    blossoms = rng.uniform((-0.45, -0.5), (0.45, -0.1), (7, 2)).tolist()
    return Figure("bush", (PartSpec((*strokes, *(fill(ellipse(x, y, 0.025, 0.025, count=8), 1) for x, y in blossoms))),), 2)


def fence(rng: np.random.Generator, posts: int = 9) -> Figure:
    """A picket fence, 4 long. Materials: wood."""
    rails = [line([(-2.05, y), (2.05, y)], 0.06) for y in (-0.25, -0.6)]
    pickets = [
        fill([(x - 0.06, 0.02), (x - 0.06, -0.8), (x, -0.92), (x + 0.06, -0.8), (x + 0.06, 0.02)])
        for x in np.linspace(-2, 2, posts).tolist()
    ]
    return Figure("fence", (PartSpec((*rails, *pickets)),), 1)


def post(rng: np.random.Generator) -> Figure:
    """A lamp post or pole. Materials: metal, lamp."""
    arm = float(rng.uniform(-0.2, 0.2))
    return Figure("post", (PartSpec((line([(0.0, 0.0), (0.0, -0.95), (arm, -1.0)], 0.035), fill(ellipse(arm, -0.98, 0.06, 0.03), 1))),), 2)


def rock(rng: np.random.Generator) -> Figure:
    """A boulder. Materials: stone."""
    around = np.linspace(np.pi, 2 * np.pi, 9)
    jag = rng.uniform(0.75, 1.1, 9)
    outline = np.stack([0.55 * jag * np.cos(around), 0.5 * jag * np.sin(around) + 0.02], axis=1)
    return Figure("rock", (PartSpec((fill(outline),)),), 1)


def house(rng: np.random.Generator) -> Figure:
    """A house front. Materials: wall, roof, glass, door."""
    storeys = int(rng.integers(1, 3))
    eave = -0.35 * storeys
    windows = []
    for storey in range(storeys):
        for x in (-0.28, 0.0, 0.28):
            if storey == 0 and x == 0.0:
                continue
            y = -0.14 - 0.33 * storey
            windows.append(fill([(x - 0.07, y), (x - 0.07, y - 0.14), (x + 0.07, y - 0.14), (x + 0.07, y)], 2))
    wall = fill([(-0.45, 0.02), (-0.45, eave), (0.45, eave), (0.45, 0.02)])
    roof = fill([(-0.53, eave + 0.02), (-0.32, eave - 0.26), (0.32, eave - 0.26), (0.53, eave + 0.02)], 1)
    chimney = fill([(0.16, eave - 0.2), (0.16, eave - 0.36), (0.25, eave - 0.36), (0.25, eave - 0.2)], 3)
    door = fill([(-0.07, 0.02), (-0.07, -0.23), (0.07, -0.23), (0.07, 0.02)], 3)
    return Figure("house", (PartSpec((chimney, wall, roof, door, *windows)),), 4)
