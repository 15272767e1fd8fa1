"""Hand-written scenes with known properties, for tests, pictures and the example clips; 24 frames a second."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from segmo.errors import SettingsError
from segmo.synthetic import landscapes as land
from segmo.synthetic import props, vehicles
from segmo.synthetic.curves import Clock, Curve, Path
from segmo.synthetic.figures import Gait
from segmo.synthetic.spec import BackgroundSpec, CameraSpec, DegradeSpec, DynamicSpec, ObjectSpec, SceneSpec, TextureSpec

Hw = tuple[int, int]
FPS = 24
_HW = (360, 640)
_FRAMES = 72


def two_crossing(hw: Hw = _HW, frames: int = _FRAMES) -> SceneSpec:
    """A person (id 1) walks left and passes behind a fox (id 2) that trots right, while a hand-held camera moves sideways."""
    u, pace = hw[0] / 360, 72 / frames
    background = land.meadow(u)
    jersey = TextureSpec("stripes", ((198, 66, 58), (242, 232, 216)), 3, 12 * u, 0.02, np.pi / 2)
    person = land.place(background, *land.walker(Gait(0.36, 26 / pace), jersey), 330 * u, 0.62, 266 * u, mirrored=True)
    fox = land.place(background, *land.fox(Gait(0.5, 17 / pace)), 300 * u, 0.8, 138 * u)
    tree = land.place(background, *land.leafy_tree(4), 70 * u, 0.34, 520 * u)
    far_tree = land.place(background, *land.fir(6), 560 * u, 0.26, 480 * u)
    bush = land.place(background, *land.garden_bush(8), 600 * u, 0.5, 150 * u)
    walking = _moving(person, Path(Curve(velocity=-4.2 * u * pace), Curve(waves=((1.3 * u, 13 / pace, 0.0),))))
    trotting = _moving(fox, Path(Curve(velocity=5.0 * u * pace), Curve(waves=((1.8 * u, 8.5 / pace, 0.0),))))
    camera = CameraSpec(
        focal=600 * u,
        pan=Curve(waves=((1.5 * u, 47, 0.3), (0.7 * u, 19, 1.0))),
        tilt=Curve(waves=((1.2 * u, 53, 0.0), (0.5 * u, 17, 2.0))),
        shift_x=Curve(velocity=1.3 * u * pace),
    )
    return _scene("two_crossing", hw, frames, camera, background, (walking, trotting, tree, far_tree, bush))


def parallax_static(hw: Hw = _HW, frames: int = _FRAMES) -> SceneSpec:
    """Nothing moves: the camera travels along a village lane, past houses, a parked car and somebody who stands still."""
    u, pace = hw[0] / 360, 72 / frames
    camera = CameraSpec(focal=600 * u, shift_x=Curve(velocity=4.0 * u * pace), shift_y=Curve(waves=((2 * u, 40, 0.0),)))
    background, things = _village(u)
    return _scene("parallax_static", hw, frames, camera, background, things)


def camera_rotation_static(hw: Hw = _HW, frames: int = _FRAMES) -> SceneSpec:
    """Nothing moves: the camera pans, tilts and rolls on the spot."""
    u, pace = hw[0] / 360, 72 / frames
    camera = CameraSpec(
        focal=600 * u,
        pan=Curve(velocity=3.2 * u * pace),
        tilt=Curve(waves=((9 * u, 60 / pace, 0.0),)),
        roll=Curve(waves=((0.03, 70 / pace, 0.0),)),
    )
    background, things = _village(u)
    return _scene("camera_rotation_static", hw, frames, camera, background, things)


def static_nothing(hw: Hw = _HW, frames: int = _FRAMES) -> SceneSpec:
    """Nothing moves, not even the camera; only sensor noise changes."""
    u = hw[0] / 360
    background, things = _village(u)
    scene = _scene("static_nothing", hw, frames, CameraSpec(focal=600 * u), background, things)
    return dataclasses.replace(scene, exposure=0.0, degrade=DegradeSpec(4, 2.0))


def small_fast(hw: Hw = _HW, frames: int = _FRAMES) -> SceneSpec:
    """A small car (id 1) races through a desert; the camera pans after it but lags behind."""
    u, pace = hw[0] / 360, 72 / frames
    background = land.desert(u)
    speed = 10.5 * u * pace
    size = 150 * u * 0.36
    car = land.place(background, *land.motor_car(Gait(0.3, 20, 0.0, speed / size), (206, 44, 40)), 330 * u, 0.36, 150 * u, shadow=0.5)
    racing = _moving(car, Path(Curve(velocity=speed), Curve(waves=((0.8 * u, 9 / pace, 0.0), (0.5 * u, 5.3 / pace, 1.0)))))
    rocks = [(120.0, 0.5, 90.0, 31), (520.0, 0.26, 130.0, 32), (420.0, 0.8, 120.0, 33), (-140.0, 0.62, 100.0, 34), (800.0, 0.55, 130.0, 35)]
    stone = TextureSpec("noise", ((128, 80, 62), (172, 116, 86)), 9, 16 * u, 0.04)
    still = [land.place(background, props.rock(np.random.default_rng(s)), (stone,), x * u, d, size * u) for x, d, size, s in rocks]
    camera = CameraSpec(
        focal=600 * u,
        pan=Curve(velocity=5.5 * u * pace, waves=((1.2 * u, 31, 0.4),)),
        tilt=Curve(waves=((1.0 * u, 37, 1.0),)),
    )
    sun = land.sun(470 * u, 96 * u, 21 * u)
    return _scene("small_fast", hw, frames, camera, background, (racing, sun, *still))


def stop_and_start(hw: Hw = _HW, frames: int = _FRAMES) -> SceneSpec:
    """A dog (id 1) walks, stops for the middle third of the clip, and walks on; the camera is hand-held."""
    u, pace = hw[0] / 360, 72 / frames
    background = land.park(u)
    dog = land.place(background, *land.dog(Gait(0.42, 20 / pace)), 310 * u, 0.72, 178 * u)
    clock = Clock(stops=((-13 / pace, 9 / pace),), ramp=6 / pace)
    walking = _moving(dog, Path(Curve(velocity=4.4 * u * pace), Curve(waves=((1.2 * u, 10 / pace, 0.0),)), clock))
    maple = ((142, 58, 34), (206, 104, 44), (232, 166, 70))
    still = (
        land.place(background, *land.leafy_tree(16, maple), 110 * u, 0.4, 560 * u, shadow=0.25),
        land.place(background, *land.leafy_tree(19, maple), 520 * u, 0.3, 560 * u, shadow=0.25),
        land.place(
            background, props.post(np.random.default_rng(3)), (land.flat((58, 62, 66)), land.flat((250, 236, 196))), 420 * u, 0.5, 330 * u
        ),
    )
    camera = CameraSpec(
        focal=600 * u,
        pan=Curve(velocity=0.4 * u * pace, waves=((2.2 * u, 43, 0.3), (0.8 * u, 17, 1.0))),
        tilt=Curve(waves=((1.8 * u, 51, 0.0), (0.6 * u, 15, 2.0))),
        roll=Curve(waves=((0.004, 61, 0.0),)),
        shift_x=Curve(waves=((2.0 * u, 67, 1.0),)),
    )
    return _scene("stop_and_start", hw, frames, camera, background, (walking, *still))


def dynamic_water_static(hw: Hw = _HW, frames: int = _FRAMES) -> SceneSpec:
    """Nothing moves: waves on a lake and trees that sway, a moored boat, and a camera that drifts a little."""
    u = hw[0] / 360
    background = land.lake(u)
    water = DynamicSpec("water", 5, 4.0 * u, 46 * u, 26, (-400 * u, background.horizon + 4 * u, 1040 * u, 500 * u), perspective=True)
    sway = DynamicSpec("foliage", 6, 1.0 * u, 18 * u, 22, (-400 * u, 0.0, 1040 * u, background.horizon + 30 * u), layer=2)
    background = dataclasses.replace(background, dynamics=(water, sway))
    materials = (land.flat((166, 66, 52)), land.flat((250, 246, 236)), land.flat((110, 80, 50)))
    boat = land.place(background, vehicles.boat(Gait(0.0)), materials, 400 * u, 0.4, 250 * u, shadow=0.0)
    moored = dataclasses.replace(boat, reflection=0.55)
    camera = CameraSpec(focal=600 * u, pan=Curve(waves=((1.5 * u, 57, 0.3),)), tilt=Curve(waves=((1.2 * u, 47, 0.0),)))
    return _scene("dynamic_water_static", hw, frames, camera, background, (moored,))


def _village(u: float) -> tuple[BackgroundSpec, tuple[ObjectSpec, ...]]:
    background = land.village(u)
    walls = [
        ((236, 214, 178), (170, 84, 62)),
        ((222, 226, 220), (120, 76, 66)),
        ((226, 186, 160), (140, 70, 58)),
        ((206, 214, 224), (98, 88, 96)),
    ]
    houses = [
        land.place(background, *land.cottage(60 + k, *walls[k % 4]), x * u, 0.34 + 0.012 * (k % 3), 360 * u, shadow=0.25, shading=0.1)
        for k, x in enumerate((-150.0, 30.0, 195.0, 360.0, 540.0, 720.0))
    ]
    jersey = TextureSpec("plaid", ((46, 90, 120), (110, 160, 176)), 3, 12 * u, 0.02)
    wood = (TextureSpec("fur", ((232, 226, 212), (248, 244, 236)), 4, 8, 0.02, np.pi / 2),)
    lamp = (land.flat((58, 62, 66)), land.flat((252, 238, 200)))
    things = [
        land.place(background, *land.leafy_tree(71), 280 * u, 0.42, 420 * u),
        land.place(background, *land.motor_car(land.STANDING, (64, 120, 128)), 150 * u, 0.56, 250 * u),
        land.place(background, *land.walker(land.STANDING, jersey, (92, 80, 70)), 400 * u, 0.6, 240 * u, mirrored=True),
        land.place(background, props.post(np.random.default_rng(2)), lamp, 500 * u, 0.66, 380 * u),
        land.place(background, *land.garden_bush(73), 20 * u, 0.7, 150 * u),
        land.place(background, props.fence(np.random.default_rng(1), 12), wood, 560 * u, 0.9, 70 * u),
        land.place(background, props.fence(np.random.default_rng(1), 12), wood, 40 * u, 0.9, 70 * u),
    ]
    return background, (*houses, *things)


def _moving(thing: ObjectSpec, path: Path) -> ObjectSpec:
    return dataclasses.replace(thing, moving=True, path=path)


def _scene(name: str, hw: Hw, frames: int, camera: CameraSpec, background: BackgroundSpec, objects: tuple[ObjectSpec, ...]) -> SceneSpec:
    span = (float(-(frames // 2)), float(frames - 1 - frames // 2))
    return SceneSpec(name, hw, camera, background, objects, span, exposure=0.4, light_angle=-2.2, degrade=DegradeSpec(1, 1.0))


SCENARIOS: dict[str, Callable[[Hw, int], SceneSpec]] = {
    "two_crossing": two_crossing,
    "parallax_static": parallax_static,
    "camera_rotation_static": camera_rotation_static,
    "static_nothing": static_nothing,
    "small_fast": small_fast,
    "stop_and_start": stop_and_start,
    "dynamic_water_static": dynamic_water_static,
}


def scenario(name: str, hw: Hw = _HW, frames: int = _FRAMES) -> SceneSpec:
    """A scenario by name. An unknown name is a SettingsError that lists the known ones."""
    if name not in SCENARIOS:
        raise SettingsError(f"There is no scenario {name!r}. Choose one of {', '.join(SCENARIOS)}.")
    return SCENARIOS[name](hw, frames)
