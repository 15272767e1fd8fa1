"""Hand-written scenes with known properties, for tests, pictures and the example clips. All run at 24 frames a second."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from segmo.errors import SettingsError
from segmo.synthetic import creatures
from segmo.synthetic.curves import Curve, Path
from segmo.synthetic.figures import Gait
from segmo.synthetic.spec import BackgroundSpec, CameraSpec, DegradeSpec, ObjectSpec, PartSpec, SceneSpec, StepSpec, TextureSpec

Hw = tuple[int, int]
_HW = (360, 640)
_FRAMES = 60
FPS = 24


def _span(frames: int) -> tuple[float, float]:
    return (-(frames // 2), frames - 1 - frames // 2)


def _meadow(u: float, seed: int, horizon: float = 190) -> BackgroundSpec:
    """A summer landscape: sky, mountains, hills and woods behind a meadow. `u` is the height of the picture in units of 360 pixels."""
    sky = TextureSpec("clouds", ((96, 158, 216), (150, 196, 232), (236, 244, 250)), seed, 90 * u, 0.004)
    meadow = TextureSpec("grass", ((70, 104, 42), (118, 152, 62), (168, 186, 92)), seed + 1, 22 * u, 0.06)
    mountains = TextureSpec("noise", ((96, 112, 142), (140, 152, 176)), seed + 2, 40 * u, 0.02)
    hills = TextureSpec("noise", ((62, 104, 84), (104, 142, 100)), seed + 3, 16 * u, 0.05)
    woods = TextureSpec("dead_leaves", ((30, 66, 40), (58, 100, 48), (98, 134, 62)), seed + 4, 9 * u, 0.08)
    at, slope = horizon * u, 1 / (170 * u)
    return BackgroundSpec(
        far=sky,
        ground=meadow,
        horizon=at,
        far_inverse_depth=0.01,
        ground_slope=slope,
        haze=0.55,
        seed=seed,
        steps=(
            StepSpec("mountains", mountains, 0.03, at - 52 * u, at + 6 * u, 48 * u, seed),
            StepSpec("hills", hills, 0.07, at - 26 * u, at + 12 * u, 15 * u, seed + 1),
            StepSpec("treeline", woods, 0.14, at - 14 * u, at + 0.14 / slope, 20 * u, seed + 2),
        ),
    )


def _standing(background: BackgroundSpec, inverse_depth: float) -> float:
    """Row of the reference frame at which something of that inverse depth stands on the ground."""
    return background.horizon + inverse_depth / background.ground_slope


def two_crossing(hw: Hw = _HW, frames: int = _FRAMES) -> SceneSpec:
    """A person (id 1) walks left and passes behind a fox (id 2) that trots right, while a hand-held camera moves sideways."""
    u = hw[0] / 360
    background = _meadow(u, 11)
    span = _span(frames)
    stride = 60 / frames
    walker = creatures.person(Gait(0.5, 26))
    fox = creatures.quadruped(Gait(0.6, 16), leg_length=0.42, tail=0.55)
    person = ObjectSpec(
        "person",
        walker.parts,
        (
            _plain((228, 178, 142)),
            TextureSpec("stripes", ((196, 62, 54), (240, 230, 214)), 3, 13 * u, 0.03, np.pi / 2),
            _plain((46, 62, 98)),
            _plain((70, 44, 32)),
            _plain((52, 40, 38)),
        ),
        (330 * u, _standing(background, 0.62)),
        165 * u,
        0.62,
        True,
        Path(Curve(velocity=-2.6 * u * stride), Curve(waves=((1.5 * u, 13, 0.0),))),
        mirrored=True,
        shadow=0.45,
    )
    coat = TextureSpec("fur", ((178, 84, 34), (214, 116, 52), (236, 148, 80)), 5, 10 * u, 0.05)
    animal = ObjectSpec(
        "fox",
        fox.parts,
        (coat, _plain((246, 236, 222)), _plain((58, 38, 32)), _plain((20, 18, 20))),
        (300 * u, _standing(background, 0.8)),
        108 * u,
        0.8,
        True,
        Path(Curve(velocity=3.4 * u * stride), Curve(waves=((2.0 * u, 8, 0.0),))),
        shadow=0.45,
    )
    camera = CameraSpec(
        focal=600 * u,
        pan=Curve(waves=((1.5 * u, 47, 0.3), (0.7 * u, 19, 1.0))),
        tilt=Curve(waves=((1.2 * u, 53, 0.0), (0.5 * u, 17, 2.0))),
        shift_x=Curve(velocity=1.3 * u * stride),
    )
    return SceneSpec("two_crossing", hw, camera, background, (person, animal), span, 0.4, -2.2, DegradeSpec(1, 1.5, gain=Curve(1.0)))


def parallax_static(hw: Hw = _HW, frames: int = _FRAMES) -> SceneSpec:
    """Nothing moves: the camera travels sideways past a row of trees, a fox and a person that stand still."""
    u = hw[0] / 360
    still = two_crossing(hw, frames)
    background = _meadow(u, 21, 176)
    places = ((0.45, 120.0, 0), (0.62, 520.0, 1), (0.95, 330.0, 1))
    objects = tuple(_frozen(still.objects[which], (x * u, _standing(background, depth)), depth) for depth, x, which in places)
    camera = CameraSpec(focal=600 * u, shift_x=Curve(velocity=4.5 * u * 60 / frames), shift_y=Curve(waves=((3 * u, 40, 0.0),)))
    return SceneSpec("parallax_static", hw, camera, background, objects, _span(frames), 0.4, -2.2, DegradeSpec(2, 1.5))


def camera_rotation_static(hw: Hw = _HW, frames: int = _FRAMES) -> SceneSpec:
    """Nothing moves: the camera pans, tilts and rolls on the spot."""
    u = hw[0] / 360
    still = parallax_static(hw, frames)
    pace = 60 / frames
    camera = CameraSpec(
        focal=600 * u,
        pan=Curve(velocity=3.5 * u * pace),
        tilt=Curve(waves=((10 * u, 60 / pace, 0.0),)),
        roll=Curve(waves=((0.03, 70 / pace, 0.0),)),
    )
    return SceneSpec("camera_rotation_static", hw, camera, still.background, still.objects, _span(frames), 0.4, -2.2, DegradeSpec(3, 1.5))


def static_nothing(hw: Hw = _HW, frames: int = _FRAMES) -> SceneSpec:
    """Nothing moves, not even the camera; only sensor noise changes."""
    still = parallax_static(hw, frames)
    camera = CameraSpec(focal=600 * hw[0] / 360)
    return SceneSpec("static_nothing", hw, camera, still.background, still.objects, _span(frames), 0.0, -2.2, DegradeSpec(4, 2.0))


def _plain(colour: tuple[int, int, int]) -> TextureSpec:
    lighter = (min(colour[0] + 12, 255), min(colour[1] + 12, 255), min(colour[2] + 12, 255))
    return TextureSpec("plain", (colour, lighter), 1, 20, 0.03)


def _frozen(thing: ObjectSpec, anchor_xy: tuple[float, float], inverse_depth: float) -> ObjectSpec:
    parts = tuple(PartSpec(part.strokes, part.pivot, Curve(part.angle(0.0)), part.parent) for part in thing.parts)
    size = thing.size * inverse_depth / thing.inverse_depth
    return ObjectSpec(
        thing.kind, parts, thing.materials, anchor_xy, size, inverse_depth, False, mirrored=thing.mirrored, shadow=thing.shadow
    )


SCENARIOS: dict[str, Callable[[Hw, int], SceneSpec]] = {
    "two_crossing": two_crossing,
    "parallax_static": parallax_static,
    "camera_rotation_static": camera_rotation_static,
    "static_nothing": static_nothing,
}


def scenario(name: str, hw: Hw = _HW, frames: int = _FRAMES) -> SceneSpec:
    """A scenario by name. An unknown name is a SettingsError that lists the known ones."""
    if name not in SCENARIOS:
        raise SettingsError(f"There is no scenario {name!r}. Choose one of {', '.join(SCENARIOS)}.")
    return SCENARIOS[name](hw, frames)
