"""What is easily taken for a mover although it is none: clouds that movers raise, their mirror images in water,
posts that rush by, and screens with moving pictures."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from segmo.synthetic.curves import Curve, log_uniform
from segmo.synthetic.figures import line
from segmo.synthetic.materials import Surfaces, random_texture
from segmo.synthetic.spec import BackgroundSpec, DynamicSpec, ObjectSpec, PartSpec, RippleSpec

Rng = np.random.Generator
Hw = tuple[int, int]
_POST_LENGTH = 3.0
"""In heights of the picture, so that most posts are cut off by both borders."""


def random_cloud(rng: Rng, mover: ObjectSpec) -> tuple[DynamicSpec, ...]:
    """Smoke, dust or spray as thick as a wall that a mover leaves behind: bright billows with darker ones among them.

    It lies just behind the mover, just in front of it, or on both sides. The place where it rises travels along; its billows hardly do.
    """
    wide, high = log_uniform(rng, (0.8, 4.0)) * mover.size, log_uniform(rng, (0.5, 2.0)) * mover.size
    backwards = -math.copysign(1.0, mover.path.x.velocity)
    x = mover.anchor_xy[0] + backwards * float(rng.uniform(0.0, 0.6)) * wide
    y = mover.anchor_xy[1] - float(rng.uniform(-0.1, 0.35)) * high
    share = float(rng.uniform(0.0, 0.6))  # of the mover's speed that the billows have
    drift = (share * mover.path.x.velocity + float(rng.normal(0, 0.8)), share * mover.path.y.velocity - float(rng.uniform(0, 1.5)))
    side = str(rng.choice(["behind", "in front", "both"], p=[0.45, 0.2, 0.35]))
    clouds = []
    for nearness in {"behind": (0.97,), "in front": (1.03,), "both": (0.97, 1.03)}[side]:
        cloud = DynamicSpec(
            kind="cloud",
            seed=int(rng.integers(2**31)),
            strength=float(rng.uniform(0.7, 1.0)),
            wavelength=float(rng.uniform(0.2, 0.7)) * mover.size,
            period=log_uniform(rng, (5, 25)),
            region=(x - wide / 2, y - high / 2, x + wide / 2, y + high / 2),
            drift_xy=drift,
            layer=-2,
            inverse_depth=nearness * mover.inverse_depth,
            follow=mover.path,
        )
        darker = dataclasses.replace(cloud, kind="smoke", seed=cloud.seed ^ 1, strength=0.35, wavelength=0.6 * cloud.wavelength)
        clouds += [cloud, darker]
    return tuple(clouds)


def random_water(rng: Rng, hw: Hw, background: BackgroundSpec, mover: ObjectSpec) -> tuple[ObjectSpec, tuple[DynamicSpec, ...]]:
    """The mover afloat on rippling water that mirrors it, and that water, which covers the ground."""
    h, w = hw
    unit = w / 448
    wavelength, period = log_uniform(rng, (4, 30)) * unit, log_uniform(rng, (6, 40))
    ripples = RippleSpec(int(rng.integers(2**31)), log_uniform(rng, (0.01, 0.25)), wavelength, period)
    water = DynamicSpec(
        kind="water",
        seed=int(rng.integers(2**31)),
        strength=float(rng.uniform(0.5, 4.0)) * unit,
        wavelength=log_uniform(rng, (14, 90)) * unit,
        period=period,
        region=(-w, max(background.horizon, -0.3 * h) + 2, 2.0 * w, 1.4 * h),
        drift_xy=(float(rng.normal(0, 1)) * unit, 0.0) if rng.random() < 0.3 else (0.0, 0.0),
        perspective=background.horizon > 0,
    )
    first = max(background.horizon, 0.25 * h)
    foot = float(rng.uniform(first + 0.1 * (h - first), 0.9 * h))
    afloat = dataclasses.replace(
        mover,
        anchor_xy=(mover.anchor_xy[0], foot - mover.rows[1]),
        inverse_depth=float(np.clip((foot - background.horizon) * background.ground_slope, background.far_inverse_depth + 0.02, 1.2)),
        reflection=float(rng.uniform(0.35, 0.95)),
        ripples=ripples,
        shadow=0.0,
    )
    return afloat, (water,)


def random_posts(rng: Rng, hw: Hw, surfaces: Surfaces, movers: Sequence[ObjectSpec]) -> tuple[ObjectSpec, ...]:
    """One to four posts, poles or stems near the camera, mostly cut off by the upper and the lower border."""
    h, w = hw
    nearest = max((mover.inverse_depth for mover in movers), default=0.6)
    posts = []
    for _ in range(int(rng.integers(1, 5))):
        thickness = log_uniform(rng, (0.01, 0.09)) * w / (_POST_LENGTH * h)
        top = float(rng.uniform(-1.0, 0.0) if rng.random() < 0.75 else rng.uniform(0.1, 0.6)) * h
        posts.append(
            ObjectSpec(
                kind="post",
                parts=(PartSpec((line([(0.0, 0.0), (float(rng.normal(0, 0.01)), 0.5), (0.0, 1.0)], thickness),)),),
                materials=(random_texture(rng, 0.1 * w, surfaces, soft=0.3),),
                anchor_xy=(float(rng.uniform(-0.6, 1.6)) * w, top),
                size=_POST_LENGTH * h,
                inverse_depth=min(nearest * log_uniform(rng, (0.9, 2.5)), 2.0),
                moving=False,
                spin=Curve(float(rng.normal(0, 0.05))),
                shading=float(rng.uniform(0, 0.6)),
            )
        )
    return tuple(posts)


def random_screen(rng: Rng, hw: Hw) -> DynamicSpec:
    """A bright screen on the far plane whose picture pans."""
    h, w = hw
    wide = log_uniform(rng, (0.1, 0.4)) * w
    high = wide * float(rng.uniform(0.5, 0.8))
    x, y = float(rng.uniform(0.05, 0.95)) * w, float(rng.uniform(0.05, 0.6)) * h
    pace = log_uniform(rng, (0.3, 6.0)) * w / 448 * float(rng.choice([-1, 1]))
    return DynamicSpec(
        kind="screen",
        seed=int(rng.integers(2**31)),
        strength=float(rng.uniform(-0.3, 0.6)),
        wavelength=wide,
        period=log_uniform(rng, (10, 60)),
        region=(x - wide / 2, y - high / 2, x + wide / 2, y + high / 2),
        drift_xy=(pace, float(rng.normal(0, 0.2)) * pace),
    )
