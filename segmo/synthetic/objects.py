"""Cut-outs: painting the parts of an object, and its pose at any time."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from segmo.synthetic.cameras import Camera
from segmo.synthetic.layers import Field, transform
from segmo.synthetic.spec import Array, ObjectSpec, PartSpec, WarpSpec
from segmo.synthetic.textures import paint
from segmo.types import UInt8

_OVERSAMPLING = 4
"""Outlines are drawn this much larger and averaged, for smooth edges."""
_MARGIN = 2
"""Empty pixels around a sprite."""


@dataclass(frozen=True, eq=False)
class Sprite:
    """A painted rigid part of an object."""

    image: UInt8
    """(h, w, 4) premultiplied colour and coverage."""
    to_object: Array
    """(3, 3) from its pixels to units of the object in rest pose."""

    @property
    def corners(self) -> Array:
        """(4, 2) its outermost pixels."""
        h, w = self.image.shape[:2]
        return np.array([[0, 0], [w - 1, 0], [w - 1, h - 1], [0, h - 1]], np.float64)


class Cutout:
    """An object ready to be drawn."""

    def __init__(self, spec: ObjectSpec, pixels_per_unit: float, light_angle: float) -> None:
        self.spec = spec
        self._joints: dict[float, list[Array]] = {}
        materials = _Materials(spec, pixels_per_unit)
        self.floor_y = max(float(stroke.points[:, 1].max()) for part in spec.parts for stroke in part.strokes)
        """Lowest point in rest pose, in units of the object; on it the shadow begins."""
        self.sprites = tuple(
            _paint_part(part, materials, pixels_per_unit, _own_light(spec, light_angle), spec.shading) for part in spec.parts
        )

    def inverse_depth(self, time: float) -> float:
        """Inverse depth at a time of the scene, before the camera's own motion."""
        return self.spec.inverse_depth * self.spec.approach(self.spec.path.clock(time))

    def pose(self, camera: Camera, time: float) -> Array:
        """(3, 3) from units of the object (after its parts' turns and bends) to pixels of the frame."""
        return camera.pose(time).homography(self.inverse_depth(time)) @ self.placement(time)

    def placement(self, time: float) -> Array:
        """(3, 3) from units of the object to pixels of the reference frame."""
        spec = self.spec
        own = spec.path.clock(time)
        x, y = spec.path(time)
        size = spec.size * spec.approach(own) * spec.growth(own)
        turn = spec.spin(own)
        cos, sin = size * math.cos(turn), size * math.sin(turn)
        flip = spec.width(own) * (-1.0 if spec.mirrored else 1.0)
        return np.array([[cos * flip, -sin, spec.anchor_xy[0] + x], [sin * flip, cos, spec.anchor_xy[1] + y], [0, 0, 1]])

    def joints(self, time: float) -> list[Array]:
        """(3, 3) of each part from its rest pose to the object's units."""
        if time not in self._joints:
            self._joints[time] = self._turned(time)
        return self._joints[time]

    def _turned(self, time: float) -> list[Array]:
        own = self.spec.path.clock(time)
        done: dict[int, Array] = {-1: np.eye(3)}

        def turn(index: int) -> Array:
            if index not in done:
                part = self.spec.parts[index]
                done[index] = turn(part.parent) @ _turn_about(part.pivot, part.angle(own))
            return done[index]

        return [turn(index) for index in range(len(self.spec.parts))]

    def bend(self, xy: npt.NDArray[np.floating], time: float) -> Array:
        """Object points (..., 2) displaced by the object's waves."""
        own = self.spec.path.clock(time)
        for warp in self.spec.warps:
            xy = xy + _wave(warp, xy, own)
        return xy

    def unbend(self, xy: npt.NDArray[np.floating], time: float) -> Array:
        """Inverse of `bend`: exact, since each wave displaces across the direction in which it varies."""
        own = self.spec.path.clock(time)
        for warp in reversed(self.spec.warps):
            xy = xy - _wave(warp, xy, own)
        return xy

    def to_frame(self, part: int, xy: Array, camera: Camera, time: float) -> Array:
        """Pixels (n, 2) of the frame of points (n, 2) of a part's sprite."""
        posed = transform(self.joints(time)[part] @ self.sprites[part].to_object, xy)
        return transform(self.pose(camera, time), self.bend(posed, time))

    def from_frame(self, part: int, xy: npt.NDArray[np.floating], camera: Camera, time: float) -> Array:
        """Points (..., 2) of a part's sprite seen at pixels (..., 2) of the frame."""
        posed = self.unbend(transform(np.linalg.inv(self.pose(camera, time)), xy), time)
        return transform(np.linalg.inv(self.joints(time)[part] @ self.sprites[part].to_object), posed)


def _wave(warp: WarpSpec, xy: npt.NDArray[np.floating], own_time: float) -> Array:
    cos, sin = math.cos(warp.angle), math.sin(warp.angle)
    along = xy[..., 0] * cos + xy[..., 1] * sin
    height = warp.amplitude * np.sin(2 * np.pi * (along / warp.wavelength - own_time / warp.period))
    return np.stack([-sin * height, cos * height], axis=-1)


def _turn_about(pivot: tuple[float, float], angle: float) -> Array:
    cos, sin = math.cos(angle), math.sin(angle)
    x, y = pivot
    return np.array([[cos, -sin, x - cos * x + sin * y], [sin, cos, y - sin * x - cos * y], [0, 0, 1]])


def _own_light(spec: ObjectSpec, light_angle: float) -> float:
    return math.pi - light_angle if spec.mirrored else light_angle


class _Materials:
    """The textures of an object, each painted once and cut for every part."""

    def __init__(self, spec: ObjectSpec, pixels_per_unit: float) -> None:
        points = np.concatenate([stroke.points for part in spec.parts for stroke in part.strokes])
        reach = max(stroke.width for part in spec.parts for stroke in part.strokes)
        self.low = points.min(axis=0) - reach
        extent = (points.max(axis=0) + reach - self.low) * pixels_per_unit
        self.hw = (int(extent[1]) + 4 * _MARGIN + 2, int(extent[0]) + 4 * _MARGIN + 2)
        self._textures = spec.materials
        self._painted: dict[int, UInt8] = {}

    def cut(self, material: int, left: int, top: int, hw: tuple[int, int]) -> UInt8:
        """(h, w, 3) of a material."""
        if material not in self._painted:
            self._painted[material] = paint(self._textures[material], self.hw)
        image = self._painted[material]
        rows = np.clip(np.arange(top, top + hw[0]), 0, self.hw[0] - 1)
        columns = np.clip(np.arange(left, left + hw[1]), 0, self.hw[1] - 1)
        return image[rows[:, None], columns]


def _paint_part(part: PartSpec, materials: _Materials, pixels_per_unit: float, light: float, shading: float) -> Sprite:
    low = np.min([stroke.points.min(axis=0) - stroke.width / 2 for stroke in part.strokes], axis=0)
    high = np.max([stroke.points.max(axis=0) + stroke.width / 2 for stroke in part.strokes], axis=0)
    w, h = (np.ceil((high - low) * pixels_per_unit).astype(int) + 2 * _MARGIN).tolist()
    offset = np.round((low - materials.low) * pixels_per_unit).astype(int).tolist()
    colour = np.zeros((h, w, 3), np.float32)
    cover = np.zeros((h, w, 1), np.float32)
    for stroke in part.strokes:
        at = (stroke.points - low) * pixels_per_unit + _MARGIN
        mask = _rasterise(at, stroke.width * pixels_per_unit, (h, w))[..., None]
        colour = colour * (1 - mask) + materials.cut(stroke.material, offset[0], offset[1], (h, w)) * mask
        cover = cover * (1 - mask) + mask
    if shading > 0:
        colour *= _rounded_shading(cover[..., 0], light, shading)[..., None]
    cover *= 255
    image = np.concatenate([np.minimum(colour, cover), cover], axis=-1)  # premultiplied: no colour exceeds its coverage
    to_object = np.array(
        [
            [1 / pixels_per_unit, 0, low[0] - _MARGIN / pixels_per_unit],
            [0, 1 / pixels_per_unit, low[1] - _MARGIN / pixels_per_unit],
            [0, 0, 1],
        ]
    )
    return Sprite(np.round(image).astype(np.uint8), to_object)


def _rasterise(points: Array, width: float, hw: tuple[int, int]) -> Field:
    """(h, w) coverage in [0, 1] of a polygon, or of a line with round ends, given in pixels."""
    # a pixel of the sprite is _OVERSAMPLING fine pixels wide; its centre lies between the middle ones
    fine = np.round((points * _OVERSAMPLING + (_OVERSAMPLING - 1) / 2) * 16).astype(np.int32)
    mask = np.zeros((hw[0] * _OVERSAMPLING, hw[1] * _OVERSAMPLING), np.uint8)
    if width > 0:
        thickness = max(round(width * _OVERSAMPLING), 1)
        cv2.polylines(mask, [fine], False, 255, thickness, cv2.LINE_8, 4)
    else:
        cv2.fillPoly(mask, [fine], 255, cv2.LINE_8, 4)
    return cv2.resize(mask, (hw[1], hw[0]), interpolation=cv2.INTER_AREA).astype(np.float32) / 255


def _rounded_shading(cover: Field, light: float, strength: float) -> Field:
    """(h, w) brightness that makes a flat part look round: its blurred coverage is taken as height and lit from one side."""
    thickness = float(np.sqrt(cover.sum())) / 6 + 1
    height = cv2.GaussianBlur(cover, (0, 0), thickness, borderType=cv2.BORDER_CONSTANT)
    dx, dy = cv2.Sobel(height, cv2.CV_32F, 1, 0, ksize=3), cv2.Sobel(height, cv2.CV_32F, 0, 1, ksize=3)
    slope = -(dx * math.cos(light) + dy * math.sin(light)) * (thickness / 3)
    lit: Field = 1 + np.float32(strength) * np.clip(slope, -1, 1)
    return lit
