"""Hand-made surroundings and well-known things in agreeable colours, for the scenarios.

`u` is the height of the picture in units of 360 pixels; positions are in pixels of a 640x360 picture and scale with it.
"""

from __future__ import annotations

import numpy as np

from segmo.synthetic import creatures, props, vehicles
from segmo.synthetic.figures import Figure, Gait, ellipse, fill
from segmo.synthetic.spec import BackgroundSpec, ObjectSpec, PartSpec, Rgb, StepSpec, TextureSpec

STANDING = Gait(0.0, 24.0, 0.9)


def flat(colour: Rgb, grain: float = 0.02) -> TextureSpec:
    """An almost even colour."""
    lighter = (min(colour[0] + 14, 255), min(colour[1] + 14, 255), min(colour[2] + 14, 255))
    return TextureSpec("plain", (colour, lighter), 1, 20, grain)


def standing_row(background: BackgroundSpec, inverse_depth: float) -> float:
    """Row of the reference frame at which something of that inverse depth stands on the ground."""
    return background.horizon + inverse_depth / background.ground_slope


def place(
    background: BackgroundSpec,
    figure: Figure,
    materials: tuple[TextureSpec, ...],
    x: float,
    inverse_depth: float,
    size: float,
    *,
    shading: float = 0.3,
    shadow: float = 0.4,
    mirrored: bool = False,
) -> ObjectSpec:
    """A figure that stands still on the ground at a column; `size` is that at inverse depth 1."""
    return ObjectSpec(
        kind=figure.kind,
        parts=figure.parts,
        materials=materials,
        anchor_xy=(x, standing_row(background, inverse_depth)),
        size=size * inverse_depth,
        inverse_depth=inverse_depth,
        moving=False,
        mirrored=mirrored,
        warps=figure.warps,
        shading=shading,
        shadow=shadow,
    )


def meadow(u: float) -> BackgroundSpec:
    """Summer: mountains, hills and woods behind a meadow."""
    at, slope = 188 * u, 1 / (172 * u)
    return BackgroundSpec(
        far=TextureSpec("sky", ((74, 140, 208), (142, 194, 234), (200, 226, 242), (250, 252, 253)), 12, 70 * u, 0.003),
        ground=TextureSpec("grass", ((78, 114, 48), (122, 156, 66), (164, 184, 90)), 12, 22 * u, 0.03),
        horizon=at,
        far_inverse_depth=0.01,
        ground_slope=slope,
        haze=0.55,
        steps=(
            StepSpec(
                "mountains",
                TextureSpec("noise", ((92, 110, 144), (140, 154, 180)), 13, 40 * u, 0.02),
                0.03,
                at - 50 * u,
                at + 6 * u,
                46 * u,
                11,
            ),
            StepSpec(
                "hills",
                TextureSpec("noise", ((66, 112, 88), (108, 148, 102)), 14, 16 * u, 0.04),
                0.07,
                at - 28 * u,
                at + 12 * u,
                15 * u,
                12,
            ),
            StepSpec("treeline", _leaves(15, u), 0.14, at - 12 * u, at + 0.14 / slope, 19 * u, 13),
        ),
    )


def village(u: float) -> BackgroundSpec:
    """A lane of cobbles before gardens, hills and an evening sky."""
    at, slope = 176 * u, 1 / (184 * u)
    return BackgroundSpec(
        far=TextureSpec("sky", ((104, 150, 204), (190, 208, 222), (246, 224, 196), (255, 240, 222)), 22, 80 * u, 0.003),
        ground=TextureSpec("cells", ((132, 122, 112), (156, 145, 132), (176, 165, 150)), 22, 12 * u, 0.03),
        horizon=at,
        far_inverse_depth=0.01,
        ground_slope=slope,
        haze=0.4,
        steps=(
            StepSpec(
                "hills",
                TextureSpec("noise", ((96, 130, 120), (134, 160, 132)), 24, 20 * u, 0.03),
                0.05,
                at - 44 * u,
                at + 9 * u,
                22 * u,
                22,
            ),
            StepSpec("treeline", _leaves(25, u), 0.13, at - 14 * u, at + 0.16 / slope, 15 * u, 23),
            StepSpec(
                "wall",
                TextureSpec("grass", ((92, 124, 62), (134, 160, 80)), 26, 14 * u, 0.03),
                0.2,
                at + 0.15 / slope,
                at + 0.33 / slope,
                0.0,
                24,
            ),
        ),
    )


def desert(u: float) -> BackgroundSpec:
    """A desert road at sunset, table mountains behind."""
    at, slope = 196 * u, 1 / (164 * u)
    return BackgroundSpec(
        far=TextureSpec("sky", ((96, 92, 150), (226, 140, 118), (252, 202, 140), (255, 228, 190)), 32, 90 * u, 0.003),
        ground=TextureSpec("noise", ((186, 122, 82), (214, 156, 106), (234, 188, 138)), 33, 26 * u, 0.04),
        horizon=at,
        far_inverse_depth=0.01,
        ground_slope=slope,
        haze=0.5,
        steps=(
            StepSpec(
                "mountains",
                TextureSpec("noise", ((146, 92, 104), (178, 112, 110)), 34, 30 * u, 0.02),
                0.03,
                at - 46 * u,
                at + 5 * u,
                40 * u,
                36,
            ),
            StepSpec(
                "skyline",
                TextureSpec("marble", ((148, 84, 68), (178, 104, 78), (190, 118, 88)), 35, 9 * u, 0.03),
                0.06,
                at - 18 * u,
                at + 10 * u,
                18 * u,
                37,
            ),
            StepSpec(
                "hills",
                TextureSpec("noise", ((196, 132, 88), (216, 152, 102)), 36, 26 * u, 0.04),
                0.12,
                at - 2 * u,
                at + 0.13 / slope,
                8 * u,
                38,
            ),
        ),
    )


def park(u: float) -> BackgroundSpec:
    """An autumn park."""
    at, slope = 170 * u, 1 / (190 * u)
    return BackgroundSpec(
        far=TextureSpec("sky", ((150, 184, 212), (206, 220, 226), (238, 232, 218), (252, 250, 244)), 42, 90 * u, 0.003),
        ground=TextureSpec("grass", ((132, 122, 62), (166, 146, 76), (190, 160, 92)), 43, 20 * u, 0.04),
        horizon=at,
        far_inverse_depth=0.01,
        ground_slope=slope,
        haze=0.45,
        steps=(
            StepSpec("treeline", _autumn(44, u, 0.8), 0.07, at - 42 * u, at + 0.08 / slope, 30 * u, 43),
            StepSpec("treeline", _autumn(45, u, 1.0), 0.16, at - 10 * u, at + 0.17 / slope, 22 * u, 44),
        ),
    )


def lake(u: float) -> BackgroundSpec:
    """A mountain lake; its ground is water."""
    at, slope = 160 * u, 1 / (200 * u)
    return BackgroundSpec(
        far=TextureSpec("sky", ((84, 146, 210), (160, 204, 236), (214, 232, 242), (252, 253, 254)), 52, 80 * u, 0.003),
        ground=TextureSpec("noise", ((28, 84, 118), (58, 122, 152), (112, 168, 186)), 53, 40 * u, 0.0),
        horizon=at,
        far_inverse_depth=0.01,
        ground_slope=slope,
        haze=0.6,
        steps=(
            StepSpec(
                "mountains",
                TextureSpec("noise", ((96, 112, 140), (150, 162, 184)), 54, 40 * u, 0.02),
                0.03,
                at - 58 * u,
                at + 4 * u,
                56 * u,
                53,
            ),
            StepSpec("treeline", _leaves(55, u), 0.07, at - 12 * u, at + 0.075 / slope, 14 * u, 54),
        ),
    )


def _leaves(seed: int, u: float) -> TextureSpec:
    return TextureSpec("dead_leaves", ((36, 74, 44), (62, 106, 52), (100, 138, 66)), seed, 8 * u, 0.05)


def _autumn(seed: int, u: float, glow: float) -> TextureSpec:
    colours = ((120, 58, 34), (190, 98, 40), (222, 150, 54), (150, 120, 50))
    return TextureSpec(
        "dead_leaves", tuple((round(r * glow + 40 * (1 - glow)), round(g), round(b)) for r, g, b in colours), seed, 8 * u, 0.05
    )


def sun(x: float, y: float, radius: float) -> ObjectSpec:
    """A setting sun behind everything but the sky."""
    strokes = (fill(ellipse(0, 0, 1.25, 1.25, count=60), 1), fill(ellipse(0, 0, 1, 1, count=60)))
    materials = (flat((255, 240, 206), 0.0), flat((254, 214, 160), 0.0))
    return ObjectSpec("sun", (PartSpec(strokes),), materials, (x, y), radius, 0.001, False, shading=0.0)


def leafy_tree(
    seed: int, palette: tuple[Rgb, ...] = ((44, 92, 44), (76, 126, 54), (122, 160, 74))
) -> tuple[Figure, tuple[TextureSpec, ...]]:
    """A tree and its materials."""
    bark = TextureSpec("fur", ((88, 66, 48), (120, 94, 66)), seed, 8, 0.03, np.pi / 2)
    return props.tree(np.random.default_rng(seed)), (bark, TextureSpec("dead_leaves", palette, seed + 1, 7, 0.05))


def fir(seed: int) -> tuple[Figure, tuple[TextureSpec, ...]]:
    """A fir and its materials."""
    return props.conifer(np.random.default_rng(seed)), (
        flat((86, 64, 48)),
        TextureSpec("fur", ((28, 74, 60), (54, 104, 78)), seed, 8, 0.05, np.pi / 2),
    )


def garden_bush(seed: int) -> tuple[Figure, tuple[TextureSpec, ...]]:
    """A flowering bush and its materials."""
    return props.bush(np.random.default_rng(seed)), (
        TextureSpec("dead_leaves", ((58, 104, 52), (90, 136, 62), (124, 160, 78)), seed, 6, 0.05),
        flat((244, 196, 206)),
    )


def cottage(seed: int, wall: Rgb, roof: Rgb) -> tuple[Figure, tuple[TextureSpec, ...]]:
    """A house and its materials."""
    plaster = TextureSpec("noise", (wall, (min(wall[0] + 18, 255), min(wall[1] + 18, 255), min(wall[2] + 16, 255))), seed, 14, 0.03)
    darker = (int(roof[0] * 0.75), int(roof[1] * 0.75), int(roof[2] * 0.75))
    return props.house(np.random.default_rng(seed)), (
        plaster,
        TextureSpec("bricks", (darker, roof), seed, 9, 0.02),
        flat((150, 186, 204)),
        flat((104, 72, 54)),
    )


def walker(
    gait: Gait, jersey: TextureSpec, trousers: Rgb = (46, 62, 98), hair: Rgb = (70, 44, 32)
) -> tuple[Figure, tuple[TextureSpec, ...]]:
    """A person and their materials."""
    return creatures.person(gait), (flat((228, 178, 142)), jersey, flat(trousers), flat(hair), flat((52, 40, 38)))


def fox(gait: Gait) -> tuple[Figure, tuple[TextureSpec, ...]]:
    """A fox and its materials."""
    coat = TextureSpec("fur", ((184, 88, 38), (212, 116, 54), (230, 142, 76)), 5, 10, 0.03)
    figure = creatures.quadruped(gait, leg_length=0.4, neck=0.2, girth=0.95, tail=0.55)
    return figure, (coat, flat((246, 236, 222)), flat((58, 38, 32)), flat((20, 18, 20)))


def dog(gait: Gait) -> tuple[Figure, tuple[TextureSpec, ...]]:
    """A dog and its materials."""
    coat = TextureSpec("fur", ((70, 50, 40), (96, 70, 54), (120, 92, 72)), 7, 9, 0.03)
    figure = creatures.quadruped(gait, leg_length=0.42, neck=0.26, girth=1.15, tail=0.36, bushy=0.5)
    return figure, (coat, flat((206, 178, 146)), flat((44, 32, 28)), flat((16, 14, 14)))


def motor_car(gait: Gait, paint: Rgb) -> tuple[Figure, tuple[TextureSpec, ...]]:
    """A car and its materials."""
    return vehicles.car(gait), (flat(paint), flat((66, 84, 100)), flat((40, 40, 44)), flat((196, 200, 204)), flat((255, 240, 190)))
