"""The description of a scene: frozen, cheap to make, and all that a renderer needs.

Units: pixels of the reference frame (the camera at time 0 sees the reference frame exactly), frames for time, radians for angles.
Inverse depth is relative: 1 is the nearest content a scene usually has, 0 is infinity; a camera that translates by n pixels moves
content of inverse depth d by n d pixels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from segmo.errors import SettingsError
from segmo.synthetic.curves import Curve, Path

Rgb = tuple[int, int, int]
Array = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class TextureSpec:
    """A procedural surface: a scalar field of some kind, coloured by a palette, with fine grain."""

    kind: str
    """One of `textures.KINDS`."""
    palette: tuple[Rgb, ...]
    """Colours that the field runs through, from 0 to 1."""
    seed: int = 0
    scale: float = 24.0
    """Typical size of a feature in pixels."""
    grain: float = 0.04
    """Amplitude of fine brightness noise."""
    angle: float = 0.0
    """Orientation of directed kinds (stripes, wood, fur)."""
    roughness: float = 0.0
    """Amplitude of brightness noise from 3 to 24 pixels whose octaves are equally strong, as real surfaces have it."""


@dataclass(frozen=True, eq=False)
class Stroke:
    """A painted area of a part: a filled polygon, or a line with round ends if it has a width."""

    points: Array
    """(n, 2) vertices in units of the object."""
    material: int = 0
    """Index into the materials of the object."""
    width: float = 0.0
    """Width of the line in units of the object; 0 fills the polygon."""


@dataclass(frozen=True, eq=False)
class PartSpec:
    """A rigid piece of an object, which may turn about a joint."""

    strokes: tuple[Stroke, ...]
    pivot: tuple[float, float] = (0.0, 0.0)
    """The joint, in units of the object, in its rest pose."""
    angle: Curve = field(default_factory=Curve)
    """Rotation about the joint over the object's own time."""
    parent: int = -1
    """Index of the part whose motion it inherits; -1 for the object itself."""


@dataclass(frozen=True)
class WarpSpec:
    """A travelling wave that bends an object: a swimming fish, a flag, jelly."""

    amplitude: float
    """In units of the object."""
    wavelength: float
    """In units of the object."""
    period: float
    """In frames."""
    angle: float = 0.0
    """Direction in which the wave travels; the displacement is across it."""


@dataclass(frozen=True)
class RippleSpec:
    """Waves on the water that an object floats on, which bend its mirror image."""

    seed: int
    strength: float
    """Deviation of the displacement, as a share of the distance from the object's foot."""
    wavelength: float
    """From crest to crest, down the picture, in pixels."""
    period: float
    """In frames."""


@dataclass(frozen=True, eq=False)
class ObjectSpec:
    """A cut-out that faces the camera: one or more parts, painted in order, with one pose in the scene."""

    kind: str
    parts: tuple[PartSpec, ...]
    """In the order in which they are painted."""
    materials: tuple[TextureSpec, ...]
    anchor_xy: tuple[float, float]
    """Where the object's origin lies in the reference frame when its path is at zero."""
    size: float
    """Pixels of the reference frame to a unit of the object."""
    inverse_depth: float
    moving: bool
    path: Path = field(default_factory=Path)
    """Displacement in pixels of the reference frame, at the object's own depth."""
    approach: Curve = field(default_factory=lambda: Curve(offset=1.0))
    """Factor on the inverse depth (and therefore on the size) over the object's own time."""
    growth: Curve = field(default_factory=lambda: Curve(offset=1.0))
    """Factor on the size alone over the object's own time."""
    spin: Curve = field(default_factory=Curve)
    """Rotation of the whole object over its own time."""
    width: Curve = field(default_factory=lambda: Curve(offset=1.0))
    """Factor on the width alone over the object's own time: a thing that turns away from the camera."""
    mirrored: bool = False
    warps: tuple[WarpSpec, ...] = ()
    """Applied in order, after the parts' turns."""
    shading: float = 0.35
    """Strength of the rounded shading of its parts."""
    shadow: float = 0.0
    """Darkness of the soft shadow it casts, in [0, 1]."""
    reflection: float = 0.0
    """Strength of its mirror image in water or on a polished floor below it, in [0, 1]."""
    ripples: RippleSpec | None = None
    """What bends that image."""

    @property
    def rows(self) -> tuple[float, float]:
        """First and last row at rest, in pixels from the anchor."""
        points = self.size * np.concatenate([stroke.points for part in self.parts for stroke in part.strokes])
        tilt = self.spin.offset
        rows = points @ (math.sin(tilt) * (-1 if self.mirrored else 1), math.cos(tilt))
        return float(rows.min()), float(rows.max())


@dataclass(frozen=True)
class CameraSpec:
    """A pinhole camera; all curves are zero (zoom: one) at time 0 up to shake."""

    focal: float
    """In pixels."""
    pan: Curve = field(default_factory=Curve)
    """Rotation to the right, as the displacement in pixels at the centre of the picture."""
    tilt: Curve = field(default_factory=Curve)
    """Rotation downwards, as the displacement in pixels at the centre of the picture."""
    roll: Curve = field(default_factory=Curve)
    zoom: Curve = field(default_factory=lambda: Curve(offset=1.0))
    """Factor on the focal length."""
    shift_x: Curve = field(default_factory=Curve)
    """Translation to the right, as the displacement in pixels of content of inverse depth 1."""
    shift_y: Curve = field(default_factory=Curve)
    """Translation downwards, likewise."""
    advance: Curve = field(default_factory=Curve)
    """Translation forwards, as a share of the distance of content of inverse depth 1."""
    follow: Path | None = None
    """A path to follow, weighted by the two fields below."""
    follow_pan: float = 0.0
    """Pixels of pan per pixel of the path."""
    follow_shift: float = 0.0
    """Pixels of translation per pixel of the path."""


@dataclass(frozen=True)
class DynamicSpec:
    """A patch of the background whose texture moves although it is no object."""

    kind: str
    """water, foliage, smoke, flicker, cloud (smoke as thick as a wall) or screen (one that shows moving pictures)."""
    seed: int
    strength: float
    """Amplitude: pixels of displacement (water, foliage) or share of brightness (all others)."""
    wavelength: float
    """Size of waves, leaves, puffs or lights in pixels."""
    period: float
    """Frames to a cycle."""
    region: tuple[float, float, float, float]
    """left, top, right and bottom in pixels of the reference frame; its border is soft and uneven, that of a screen a dark frame."""
    drift_xy: tuple[float, float] = (0.0, 0.0)
    """Pixels a frame by which the texture streams; its border stretches with time, so it is for short scenes."""
    perspective: bool = False
    """Whether waves shrink towards the horizon of the background."""
    layer: int = 0
    """Which sheet it stirs: 0 is far plane and ground, i the silhouette i - 1; -1 is smoke in front of everything,
    -2 smoke at its own inverse depth."""
    inverse_depth: float = 0.0
    """That of smoke in front of everything or at its own."""
    follow: Path | None = None
    """A path that the region follows, as the smoke or the wake of an object does."""


@dataclass(frozen=True)
class StepSpec:
    """A silhouette behind the objects: hills, skyline, trees or a wall, standing on the ground or hanging free."""

    kind: str
    """One of `background.SILHOUETTES`."""
    texture: TextureSpec
    inverse_depth: float
    top: float
    """Mean row of its upper edge in the reference frame."""
    bottom: float
    """Row at which it ends, for instance where it meets the ground."""
    roughness: float
    """Height of its ups and downs in pixels."""
    seed: int = 0
    left: float = -np.inf
    right: float = np.inf


@dataclass(frozen=True)
class BackgroundSpec:
    """What lies behind: a far plane, a ground plane from a horizon downwards, relief, and silhouettes in between."""

    far: TextureSpec
    patches: TextureSpec | None = None
    """A second material of the far plane, in areas cut out by noise."""
    ground: TextureSpec | None = None
    horizon: float = 0.0
    """Row of the horizon in the reference frame."""
    far_inverse_depth: float = 0.02
    ground_slope: float = 0.0
    """Inverse depth gained per row below the horizon."""
    relief: float = 0.0
    """Spread of the log-normal relief of inverse depth."""
    relief_scale: float = 80.0
    """Size of its bumps in pixels."""
    perspective: bool = True
    """Whether the ground texture is drawn in perspective."""
    defocus: float = 0.0
    """Standard deviation in pixels by which everything but the objects is out of focus."""
    haze: float = 0.0
    """How much distant ground and silhouettes fade towards the far plane's mean colour, in [0, 1]."""
    seed: int = 0
    steps: tuple[StepSpec, ...] = ()
    dynamics: tuple[DynamicSpec, ...] = ()


@dataclass(frozen=True)
class DegradeSpec:
    """What the sensor and the codec do to the picture."""

    seed: int = 0
    noise: float = 0.0
    """Standard deviation of sensor noise in grey levels."""
    blur: float = 0.0
    """Standard deviation of lens blur in pixels."""
    gain: Curve = field(default_factory=lambda: Curve(offset=1.0))
    """Factor on the brightness over time."""
    vignette: float = 0.0
    """Darkening of the corners, in [0, 1]."""
    jpeg_quality: int = 0
    """0 = not compressed."""
    skip_threshold: float = 0.0
    """Blocks that change by less grey levels than this repeat the previous frame, as video codecs do; 0 = off."""


@dataclass(frozen=True, eq=False)
class SceneSpec:
    """A whole scene."""

    name: str
    hw: tuple[int, int]
    camera: CameraSpec
    background: BackgroundSpec
    objects: tuple[ObjectSpec, ...] = ()
    """Object i has id i + 1."""
    span: tuple[float, float] = (-4.0, 4.0)
    """First and last time the scene is meant to be seen at; the background is painted as far as the camera looks in between."""
    exposure: float = 0.0
    """Share of the frame interval during which the shutter is open: motion blur."""
    light_angle: float = -0.9
    """Direction the light comes from: 0 from the right, -pi / 2 from above."""
    degrade: DegradeSpec = field(default_factory=DegradeSpec)

    def __post_init__(self) -> None:
        if min(self.hw) < 16 or len(self.objects) > 255:
            raise SettingsError(
                f"The scene is {self.hw[1]}x{self.hw[0]} with {len(self.objects)} objects. Use at least 16 pixels a side and at most 255."
            )
        if not self.span[0] <= self.span[1]:
            raise SettingsError(f"The scene's span runs from {self.span[0]} to {self.span[1]}. Give the first time first.")
