"""The distribution of random scenes: what a camera does, what lies around, what moves, and how badly it is filmed.

Speeds and sizes in `SceneConfig` are for pictures 448 pixels wide and scale with the width.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from segmo.errors import SettingsError
from segmo.synthetic.catalogue import FLYING, random_figure
from segmo.synthetic.curves import Curve, Path, Range, log_uniform
from segmo.synthetic.figures import Figure, Gait
from segmo.synthetic.materials import Surfaces, random_texture
from segmo.synthetic.nuisances import random_cloud, random_posts, random_screen, random_water
from segmo.synthetic.spec import BackgroundSpec, CameraSpec, DegradeSpec, DynamicSpec, ObjectSpec, SceneSpec, TextureSpec, WarpSpec
from segmo.synthetic.surroundings import random_background, random_degradation, random_trail

Rng = np.random.Generator
EVERYDAY: dict[str, Any] = {
    "soft": 0.4,
    "roughness": (0.04, 0.35),
    "noise": (0.4, 4.0),
    "defocus_share": 0.12,
    "dark_share": 0.04,
    "dynamic_share": 0.2,
    "hover_share": 0.08,
    "bob_share": 0.4,
}
"""Fields of `SceneConfig` for pictures as good as those of everyday video; its defaults make many that are dark, noisy or bare."""
CAMERAS = ("static", "rotating", "translating", "strongly_translating")


@dataclass(frozen=True)
class SceneConfig:
    """Ranges and probabilities of random scenes. Ranges of speeds and sizes are log-uniform."""

    hw: tuple[int, int] = (256, 448)
    times: tuple[float, ...] = (-4.0, -1.0, 0.0, 1.0, 4.0)
    """Frame times of a sample."""
    camera_shares: tuple[float, float, float, float] = (0.1, 0.3, 0.35, 0.25)
    """Of static, rotating, translating and strongly translating cameras."""
    pan_speed: Range = (0.1, 26.0)
    """Pixels a frame of a rotating camera."""
    shift_speed: Range = (0.3, 8.0)
    """Pixels a frame, at inverse depth 1, of a translating camera."""
    strong_shift_speed: Range = (8.0, 30.0)
    """The same of a strongly translating camera."""
    bob_share: float = 0.0
    """Translating cameras that are carried by somebody who walks: their translation sways."""
    drive_share: float = 0.0
    """Scenes filmed from a vehicle that drives ahead; the first mover drives too, mostly in the same direction."""
    follow_share: float = 0.6
    """Probability that the camera follows the first mover."""
    mover_shares: tuple[float, ...] = (0.07, 0.5, 0.25, 0.12, 0.06)
    """Of scenes with 0, 1, 2, ... movers."""
    still_shares: tuple[float, ...] = (0.22, 0.22, 0.18, 0.14, 0.1, 0.08, 0.06)
    """Of scenes with 0, 1, 2, ... cut-outs that stand still."""
    size: Range = (36.0, 240.0)
    """Size of movers: the square root of the area of their bounding box in pixels."""
    hover_share: float = 1.0
    """Of cut-outs that stand still, those that may hang in mid-air; the others stand on the ground, are cut off by the border below, or
    are pictures on the wall. What hangs free and what moves along with the camera's parallax look the same."""
    still_size: Range = (26.0, 180.0)
    """The same of cut-outs that stand still."""
    speed: Range = (0.25, 18.0)
    """Pixels a frame of movers, at their own depth."""
    dynamic_share: float = 0.35
    """Scenes with water, foliage, smoke or flicker."""
    cloud_share: float = 0.0
    """Scenes whose first mover raises thick smoke, dust or spray."""
    post_share: float = 0.0
    """Scenes with posts near the camera."""
    screen_share: float = 0.0
    """Scenes with a screen that shows moving pictures."""
    water_share: float = 0.0
    """Scenes with a ground whose first mover floats on rippling water that mirrors it."""
    photos: float = 0.0
    """Share of textures cut from scikit-image's photographs."""
    soft: float = 1.0
    """Factor on the share of nearly textureless surfaces."""
    roughness: Range = (0.0, 0.0)
    """Strength of fine detail on all other surfaces but photographs."""
    noise: Range = (0.5, 7.0)
    """Sensor noise in grey levels, log-uniform."""
    defocus_share: float = 0.25
    """Scenes whose far parts are out of focus."""
    dark_share: float = 0.1
    """Scenes that are much too dark."""
    degraded: bool = True
    """Whether sensor and codec spoil the picture."""

    def __post_init__(self) -> None:
        for name in ("camera_shares", "mover_shares", "still_shares"):
            shares = getattr(self, name)
            if min(shares) < 0 or abs(sum(shares) - 1) > 1e-6:
                raise SettingsError(f"SceneConfig.{name} is {shares}. Give shares of at least 0 that add up to 1.")
        for name in ("pan_speed", "shift_speed", "strong_shift_speed", "size", "still_size", "speed", "noise"):
            low, high = getattr(self, name)
            if not 0 < low <= high:
                raise SettingsError(f"SceneConfig.{name} is ({low}, {high}). Give a positive lower and a larger upper limit.")
        for name, value in vars(self).items():
            if (name == "photos" or name.endswith("_share")) and not 0 <= value <= 1:
                raise SettingsError(f"SceneConfig.{name} is {value}. Give a share from 0 to 1.")
        if not self.times or list(self.times) != sorted(self.times):
            raise SettingsError(f"SceneConfig.times is {self.times}. Give at least one time, in rising order.")

    @property
    def surfaces(self) -> Surfaces:
        """How surfaces look."""
        return Surfaces(self.photos, self.soft, self.roughness)

    @property
    def unit(self) -> float:
        """Pixels to a pixel of a picture 448 wide."""
        return self.hw[1] / 448


def sample_scene(seed: int, config: SceneConfig | None = None) -> SceneSpec:
    """Description of a random scene; the same seed and settings give the same scene."""
    config = config or SceneConfig()
    rng = np.random.default_rng([seed, 0x5C])
    kind = CAMERAS[rng.choice(4, p=config.camera_shares)]
    background = random_background(rng, config.hw, config.surfaces, config.dynamic_share, config.defocus_share, config.hover_share)
    movers = [_mover(rng, config, background) for _ in range(int(rng.choice(len(config.mover_shares), p=config.mover_shares)))]
    floating, fooling = (np.random.default_rng([seed, own]) for own in (0x5E, 0x5D))  # whatever else is in the scene stays as it is
    water: tuple[DynamicSpec, ...] = ()
    if movers and background.ground is not None and floating.random() < config.water_share:
        movers[0], water = random_water(floating, config.hw, background, movers[0])
    still = [_still(rng, config, background, movers) for _ in range(int(rng.choice(len(config.still_shares), p=config.still_shares)))]
    if rng.random() < config.drive_share:
        camera, movers = _drive(rng, config, movers)
    else:
        camera = _camera(rng, config, kind, movers)
    noise = int(rng.integers(2**31))
    dynamics = water + background.dynamics + random_trail(rng, movers, config.dynamic_share)
    if movers and fooling.random() < config.cloud_share:
        dynamics += random_cloud(fooling, movers[0])
    if fooling.random() < config.screen_share:
        dynamics += (random_screen(fooling, config.hw),)
    posts = random_posts(fooling, config.hw, config.surfaces, movers) if fooling.random() < config.post_share else ()
    return SceneSpec(
        name=f"scene_{seed:06d}",
        hw=config.hw,
        camera=camera,
        background=dataclasses.replace(background, dynamics=dynamics),
        objects=(*movers, *still, *posts),
        span=(config.times[0], config.times[-1]),
        exposure=float(rng.uniform(0.1, 0.9)) if rng.random() < 0.45 else 0.0,
        light_angle=float(rng.uniform(-2.7, -0.4)),
        degrade=random_degradation(rng, noise, config.unit, config.noise, config.dark_share) if config.degraded else DegradeSpec(),
    )


def _heading(rng: Rng) -> tuple[float, float]:
    """A unit vector, horizontal more often than not."""
    angle = rng.uniform(0, 2 * np.pi) if rng.random() < 0.35 else rng.normal(0, 0.25) + rng.choice([0.0, np.pi])
    return math.cos(angle), math.sin(angle)


def _drift(rng: Rng, speed: float) -> tuple[Curve, Curve]:
    """A steady but not quite even motion: horizontal and vertical."""
    x, y = _heading(rng)
    bend_x, bend_y = rng.normal(0, 0.06, 2)
    return Curve(0.0, speed * x, speed * bend_x), Curve(0.0, speed * y, speed * bend_y)


def _shaken(rng: Rng, curve: Curve, strength: float) -> Curve:
    waves = tuple((strength * rng.uniform(0.3, 1), rng.uniform(4, 25), rng.uniform(0, 2 * np.pi)) for _ in range(2))
    return dataclasses.replace(curve, waves=waves)


def _camera(rng: Rng, config: SceneConfig, kind: str, movers: list[ObjectSpec]) -> CameraSpec:
    unit = config.unit
    focal = config.hw[1] * float(rng.uniform(0.7, 1.9))
    if kind == "static":
        return CameraSpec(focal)
    follows = bool(movers) and rng.random() < config.follow_share
    rest = 0.25 if follows else 1.0
    gain = float(rng.uniform(0.75, 1.1)) if follows else 0.0
    pan, tilt = Curve(), Curve()
    shift_x, shift_y, advance = Curve(), Curve(), Curve()
    follow_pan = follow_shift = 0.0
    if kind == "rotating":
        pan, tilt = _drift(rng, rest * unit * log_uniform(rng, config.pan_speed))
        follow_pan = gain
    else:
        strong = kind == "strongly_translating"
        shift_x, shift_y = _drift(rng, rest * unit * log_uniform(rng, config.strong_shift_speed if strong else config.shift_speed))
        if rng.random() < 0.5:
            pan, tilt = _drift(rng, unit * log_uniform(rng, (0.1, 4.0)))
        if rng.random() < config.bob_share:
            sway = unit * log_uniform(rng, (0.2, 5.0))
            shift_x, shift_y = _shaken(rng, shift_x, sway), _shaken(rng, shift_y, sway)
        if rng.random() < 0.35:
            advance = Curve(0.0, float(rng.choice([-1, 1])) * log_uniform(rng, (0.008, 0.035) if strong else (0.001, 0.012)))
        if follows:
            pace = math.hypot(movers[0].path.x.velocity, movers[0].path.y.velocity) + 1e-6
            follow_shift = min(gain / movers[0].inverse_depth, 45 * unit / pace)
            follow_pan = max(gain - follow_shift * movers[0].inverse_depth, 0.0)
    if rng.random() < 0.5:
        shake = unit * log_uniform(rng, (0.1, 3.0))
        pan, tilt = _shaken(rng, pan, shake), _shaken(rng, tilt, shake)
    return CameraSpec(
        focal=focal,
        pan=pan,
        tilt=tilt,
        roll=Curve(0.0, float(rng.normal(0, 0.004))) if rng.random() < 0.4 else Curve(),
        zoom=Curve(1.0, float(rng.normal(0, 0.008))) if rng.random() < 0.2 else Curve(1.0),
        shift_x=shift_x,
        shift_y=shift_y,
        advance=advance,
        follow=movers[0].path if follows else None,
        follow_pan=follow_pan,
        follow_shift=follow_shift,
    )


def _drive(rng: Rng, config: SceneConfig, movers: list[ObjectSpec]) -> tuple[CameraSpec, list[ObjectSpec]]:
    """A camera that drives ahead and shakes, and the movers, of which the first and about half of the others drive along the road too."""
    unit, pace = config.unit, log_uniform(rng, (0.004, 0.06))
    shake = unit * log_uniform(rng, (0.1, 2.0))
    pan, tilt = (_shaken(rng, curve, shake) for curve in (Curve(0.0, unit * float(rng.normal(0, 0.8))), Curve()))
    camera = CameraSpec(config.hw[1] * float(rng.uniform(0.7, 1.9)), pan=pan, tilt=tilt, advance=Curve(0.0, pace))
    return camera, [mover if i and rng.random() < 0.5 else _driving(rng, config, mover, pace) for i, mover in enumerate(movers)]


def _driving(rng: Rng, config: SceneConfig, mover: ObjectSpec, pace: float) -> ObjectSpec:
    """The mover on its way along the road, seen from a vehicle that covers `pace` of the distance of inverse depth 1 a frame."""
    own = float(rng.choice([rng.uniform(0.7, 1.3), rng.uniform(-1.2, -0.5)], p=[0.75, 0.25]))  # 1: as fast as the camera; < 0: oncoming
    rate = mover.inverse_depth * pace * own
    away = [-(at - (side - 1) / 2) * rate for at, side in zip(mover.anchor_xy, (config.hw[1], config.hw[0]), strict=True)]
    path = Path(Curve(0.0, away[0] + config.unit * float(rng.normal(0, 0.3))), Curve(0.0, away[1]))
    return dataclasses.replace(mover, approach=Curve(1.0, -rate, 2 * rate**2), path=path, growth=Curve(1.0))


def _mover(rng: Rng, config: SceneConfig, background: BackgroundSpec) -> ObjectSpec:
    unit = config.unit
    speed = unit * log_uniform(rng, config.speed)
    size = unit * log_uniform(rng, config.size)
    gait = Gait(float(rng.uniform(0.15, 0.9)), float(rng.uniform(7, 40)), float(rng.uniform(0, 2 * np.pi)), speed / size)
    figure = random_figure(rng, gait)
    x, y = _drift(rng, speed)
    if figure.kind not in FLYING:  # things on the ground go sideways
        x, y = Curve(0.0, math.copysign(speed, x.velocity), x.acceleration), Curve(0.0, 0.15 * y.velocity)
    if rng.random() < 0.4:
        y = _shaken(rng, y, 0.02 * size)
    abstract = figure.kind in ("blob", "union", "polygon", "limbed")
    thing = _placed(rng, config, background, figure, size)
    return dataclasses.replace(
        thing,
        moving=True,
        path=Path(x, y),
        mirrored=bool((x.velocity < 0) != (rng.random() < 0.05)),
        approach=Curve(1.0, float(rng.normal(0, 0.02))) if rng.random() < 0.3 else Curve(1.0),
        growth=Curve(1.0, float(rng.normal(0, 0.02))) if abstract and rng.random() < 0.25 else Curve(1.0),
        spin=Curve(thing.spin.offset, float(rng.normal(0, 0.06))) if abstract and rng.random() < 0.4 else thing.spin,
        width=Curve(1.0, float(rng.normal(0, 0.02))) if rng.random() < 0.25 else Curve(1.0),
        warps=figure.warps + _warps(rng, 0.5 if abstract else 0.2, 1.0 if abstract else 0.4),
    )


def _still(rng: Rng, config: SceneConfig, background: BackgroundSpec, movers: list[ObjectSpec]) -> ObjectSpec:
    figure = random_figure(rng, Gait(0.0, 20.0, float(rng.uniform(0, 2 * np.pi))), props_share=0.4)
    figure = dataclasses.replace(figure, warps=())
    thing = _placed(rng, config, background, figure, config.unit * log_uniform(rng, config.still_size))
    if movers and rng.random() < 0.3:  # in front of a mover
        mover = movers[rng.integers(len(movers))]
        near = min(mover.inverse_depth * float(rng.uniform(1.05, 1.8)), 1.2)
        x = mover.anchor_xy[0] + float(rng.normal(0, 0.6)) * mover.size
        y = mover.anchor_xy[1] + float(rng.uniform(0, 0.3)) * mover.size
        thing = dataclasses.replace(thing, inverse_depth=near, anchor_xy=(x, y))
    return thing if rng.random() < config.hover_share else _put_down(rng, config.hw, background, thing)


def _put_down(rng: Rng, hw: tuple[int, int], background: BackgroundSpec, thing: ObjectSpec) -> ObjectSpec:
    """The thing where something holds it: on the ground at its depth, on the wall, or on what the lower border of the picture cuts off."""
    highest, lowest = thing.rows
    height = lowest - highest
    x, y = thing.anchor_xy
    if background.ground is not None:
        furthest_down = hw[0] + 0.4 * height
        inverse_depth = min(thing.inverse_depth, (furthest_down - background.horizon) * background.ground_slope)
        y = background.horizon + inverse_depth / background.ground_slope - lowest
        return dataclasses.replace(thing, inverse_depth=inverse_depth, anchor_xy=(x, y))
    if rng.random() < 0.4:
        return dataclasses.replace(thing, inverse_depth=background.far_inverse_depth + float(rng.uniform(0.003, 0.04)), shadow=0.0)
    return dataclasses.replace(thing, anchor_xy=(x, hw[0] - lowest + float(rng.uniform(0.02, 0.4)) * height))


def _placed(rng: Rng, config: SceneConfig, background: BackgroundSpec, figure: Figure, size: float) -> ObjectSpec:
    """A figure with random materials at a random place where it may stand or float, still."""
    h, w = config.hw
    points = np.concatenate([stroke.points for part in figure.parts for stroke in part.strokes])
    extent = float(np.sqrt(np.prod(np.ptp(points, axis=0)).clip(0.02)))
    x = float(rng.uniform(0.1, 0.9)) * w
    behind = background.far_inverse_depth
    if background.ground is not None and (figure.kind not in FLYING or rng.random() < 0.3):
        first = max(background.horizon, 0.15 * h)
        y = float(rng.uniform(first + 0.15 * (h - first), 1.08 * h))
        inverse_depth = float(np.clip((y - background.horizon) * background.ground_slope, behind + 0.02, 1.2))
    else:
        y = float(rng.uniform(0.12, 0.88)) * h - float(points.mean(axis=0)[1]) * size / extent
        inverse_depth = float(rng.uniform(min(behind + 0.05, 0.6), 1.0))
    wet = any(dynamic.kind == "water" for dynamic in background.dynamics)
    camouflaged = rng.random() < 0.08
    materials = tuple(
        dataclasses.replace(background.far, seed=int(rng.integers(2**31))) if camouflaged else _material(rng, size, config.surfaces)
        for _ in range(figure.material_count)
    )
    tilt = (
        float(rng.uniform(0, 2 * np.pi)) if figure.kind in ("blob", "union", "polygon", "limbed", "insect") else float(rng.normal(0, 0.06))
    )
    return ObjectSpec(
        kind=figure.kind,
        parts=figure.parts,
        materials=materials,
        anchor_xy=(x, y),
        size=size / extent,
        inverse_depth=inverse_depth,
        moving=False,
        spin=Curve(tilt),
        mirrored=bool(rng.random() < 0.5),
        shading=float(rng.uniform(0, 0.6)),
        shadow=float(rng.uniform(0.15, 0.6)) if rng.random() < 0.6 else 0.0,
        reflection=float(rng.uniform(0.2, 0.8)) if rng.random() < (0.5 if wet else 0.05) else 0.0,
    )


def _material(rng: Rng, size: float, surfaces: Surfaces) -> TextureSpec:
    return random_texture(rng, size, surfaces, soft=0.3)


def _warps(rng: Rng, share: float, strength: float) -> tuple[WarpSpec, ...]:
    if rng.random() >= share:
        return ()
    return tuple(
        WarpSpec(
            amplitude=strength * log_uniform(rng, (0.01, 0.07)),
            wavelength=float(rng.uniform(0.5, 2.0)),
            period=float(rng.choice([-1, 1]) * rng.uniform(6, 40)),
            angle=float(rng.uniform(0, np.pi)),
        )
        for _ in range(int(rng.integers(1, 3)))
    )
