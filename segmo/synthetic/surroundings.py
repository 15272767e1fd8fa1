"""Random backgrounds and random flaws of the picture."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from segmo.synthetic.background import SILHOUETTES
from segmo.synthetic.curves import Curve
from segmo.synthetic.materials import Surfaces, random_texture
from segmo.synthetic.spec import BackgroundSpec, DegradeSpec, DynamicSpec, ObjectSpec, StepSpec

Rng = np.random.Generator
Hw = tuple[int, int]


def random_background(
    rng: Rng, hw: Hw, surfaces: Surfaces, dynamic_share: float, defocus_share: float = 0.25, hover_share: float = 1.0
) -> BackgroundSpec:
    """A landscape, a view from above, or a wall with relief; `hover_share` of what stands before a wall may end in mid-air."""
    view = rng.choice(["landscape", "from_above", "wall"], p=[0.55, 0.2, 0.25])
    h = hw[0]
    has_ground = view != "wall"
    horizon = float({"landscape": rng.uniform(0.1, 0.65), "from_above": rng.uniform(-1.5, -0.2), "wall": 0.0}[str(view)]) * h
    nearest = float(rng.uniform(0.5, 1.1))
    far = random_texture(rng, h, surfaces, soft=0.25)
    background = BackgroundSpec(
        far=far,
        patches=random_texture(rng, h, surfaces) if rng.random() < 0.3 else None,
        ground=random_texture(rng, 0.6 * h, surfaces, soft=0.15) if has_ground else None,
        horizon=horizon,
        far_inverse_depth=float(rng.uniform(0.0, 0.1) if has_ground else rng.uniform(0.05, 0.45)),
        ground_slope=nearest / (h - horizon) if has_ground else 0.0,
        relief=float(np.exp(rng.uniform(np.log(0.05), np.log(0.8)))) if rng.random() < 0.7 else 0.0,
        relief_scale=float(rng.uniform(0.1, 0.6)) * h,
        perspective=bool(rng.random() < 0.7),
        defocus=float(rng.uniform(0.8, 6.0)) * hw[1] / 448 if rng.random() < defocus_share else 0.0,
        haze=float(rng.uniform(0, 0.7)) if rng.random() < 0.4 else 0.0,
        seed=int(rng.integers(2**31)),
    )
    steps = tuple(_step(rng, hw, background, surfaces, hover_share) for _ in range(int(rng.choice(5, p=[0.3, 0.3, 0.2, 0.12, 0.08]))))
    steps = tuple(sorted(steps, key=lambda step: step.inverse_depth))
    dynamics = (
        tuple(_dynamic(rng, hw, background, len(steps)) for _ in range(int(rng.integers(1, 3)))) if rng.random() < dynamic_share else ()
    )
    return dataclasses.replace(background, steps=steps, dynamics=dynamics)


def _step(rng: Rng, hw: Hw, background: BackgroundSpec, surfaces: Surfaces, hover_share: float) -> StepSpec:
    h, w = hw
    behind = background.far_inverse_depth
    inverse_depth = behind + float(rng.uniform(0.02, 0.5)) * (1 - behind)
    if background.ground is not None:
        bottom = background.horizon + inverse_depth / background.ground_slope
        top = bottom - float(rng.uniform(0.08, 0.6)) * h
    else:
        top = float(rng.uniform(-0.2, 0.8)) * h
        bottom = top + float(rng.uniform(0.15, 1.2)) * h
        if rng.random() >= hover_share:
            bottom = max(bottom, 1.4 * h)
    left, right = -np.inf, np.inf
    if rng.random() < 0.5:  # a wall, pillar or clump that ends on both sides
        left = float(rng.uniform(-0.3, 0.9)) * w
        right = left + float(np.exp(rng.uniform(np.log(0.04), np.log(0.7)))) * w
    return StepSpec(
        kind=str(rng.choice(list(SILHOUETTES))),
        texture=random_texture(rng, 0.5 * h, surfaces),
        inverse_depth=inverse_depth,
        top=top,
        bottom=bottom,
        roughness=float(rng.uniform(0.0, 0.12)) * h,
        seed=int(rng.integers(2**31)),
        left=left,
        right=right,
    )


def _dynamic(rng: Rng, hw: Hw, background: BackgroundSpec, step_count: int) -> DynamicSpec:
    h, w = hw
    unit = w / 448
    kind = str(rng.choice(["water", "foliage", "smoke", "flicker"], p=[0.42, 0.28, 0.15, 0.15]))
    wide, high = float(rng.uniform(0.25, 1.3)) * w, float(rng.uniform(0.2, 1.1)) * h
    x, y = float(rng.uniform(0, 1)) * w, float(rng.uniform(0, 1)) * h
    region = (x - wide / 2, y - high / 2, x + wide / 2, y + high / 2)
    on_ground = kind == "water" and background.ground is not None and background.horizon > 0 and rng.random() < 0.7
    if on_ground:
        region = (region[0] - 0.3 * w, background.horizon + 2, region[2] + 0.3 * w, 1.4 * h)
    streams = rng.random() < {"water": 0.4, "foliage": 0.05, "smoke": 1.0, "flicker": 0.0}[kind]
    drift = rng.normal(0, 2.5 * unit, 2) * (1, 0.4) if streams else np.zeros(2)
    strength = {"water": (0.6, 5.0), "foliage": (0.4, 4.0), "smoke": (0.3, 0.9), "flicker": (0.1, 0.6)}[kind]
    return DynamicSpec(
        kind=kind,
        seed=int(rng.integers(2**31)),
        strength=float(rng.uniform(*strength)) * (unit if kind in ("water", "foliage") else 1),
        wavelength=float(np.exp(rng.uniform(np.log(14), np.log(90)))) * unit,
        period=float(np.exp(rng.uniform(np.log(5), np.log(40)))),
        region=region,
        drift_xy=(float(drift[0]), float(drift[1])),
        perspective=bool(on_ground),
        layer=int(rng.integers(0, step_count + 1)) if kind in ("foliage", "flicker") else 0,
    )


def random_trail(rng: Rng, movers: Sequence[ObjectSpec], share: float) -> tuple[DynamicSpec, ...]:
    """Now and then the wake, dust or smoke that a mover leaves behind; it travels along but is no part of the mover."""
    if not movers or rng.random() >= 0.35 * share:
        return ()
    mover = movers[0]
    kind = str(rng.choice(["water", "smoke"]))
    wide, high = rng.uniform(0.8, 3.0) * mover.size, rng.uniform(0.3, 1.2) * mover.size
    x = mover.anchor_xy[0] - math.copysign(float(rng.uniform(0.2, 1.0)) * wide, mover.path.x.velocity)
    y = mover.anchor_xy[1] - float(rng.uniform(-0.1, 0.3)) * high
    in_front = kind == "smoke" and rng.random() < 0.5
    return (
        DynamicSpec(
            kind=kind,
            seed=int(rng.integers(2**31)),
            strength=float(rng.uniform(0.3, 0.95) if kind == "smoke" else rng.uniform(1.0, 6.0)),
            wavelength=float(rng.uniform(0.15, 0.7)) * mover.size,
            period=float(np.exp(rng.uniform(np.log(5), np.log(25)))),
            region=(x - wide / 2, y - high / 2, x + wide / 2, y + high / 2),
            drift_xy=(float(rng.normal(0, 2)), float(rng.normal(-0.7, 0.7))) if kind == "smoke" else (0.0, 0.0),
            layer=-1 if in_front else 0,
            inverse_depth=mover.inverse_depth,
            follow=mover.path,
        ),
    )


def random_degradation(rng: Rng, seed: int, unit: float, noise: tuple[float, float] = (0.5, 7.0), dark_share: float = 0.1) -> DegradeSpec:
    """Noise (in grey levels), blur, gain and compression from nearly perfect to poor."""
    dark = rng.random() < dark_share
    gain = Curve(
        float(rng.uniform(0.3, 0.6) if dark else rng.uniform(0.8, 1.15)),
        float(rng.normal(0, 0.006)) if rng.random() < 0.4 else 0.0,
        waves=((float(rng.uniform(0.01, 0.06)), float(rng.uniform(2.2, 9)), float(rng.uniform(0, 6))),) if rng.random() < 0.12 else (),
    )
    return DegradeSpec(
        seed=seed,
        noise=float(np.exp(rng.uniform(np.log(noise[0]), np.log(noise[1])))),
        blur=float(rng.uniform(0.3, 1.3)) * unit if rng.random() < 0.5 else 0.0,
        gain=gain,
        vignette=float(rng.uniform(0, 0.5)) if rng.random() < 0.3 else 0.0,
        jpeg_quality=int(rng.integers(50, 96)) if rng.random() < 0.8 else 0,
        skip_threshold=float(rng.uniform(2, 7)) if rng.random() < 0.25 else 0.0,
    )
