"""Sheets, the still surfaces with relief that backgrounds are made of, and the maps between them and the frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from segmo.synthetic.cameras import Pose
from segmo.synthetic.spec import Array
from segmo.types import UInt8

Field = npt.NDArray[np.float32]
_CELL = 4
"""Pixels between the points at which maps are solved; in between they are interpolated."""
_ITERATIONS = 20
_PRECISION = 1e-3
"""Pixels; iteration ends when nothing moves further."""


def size_of(window: tuple[slice, slice]) -> tuple[int, int]:
    """Height and width of some rows and columns."""
    return window[0].stop - window[0].start, window[1].stop - window[1].start


def coarse_grid(window: tuple[slice, slice]) -> Array:
    """Positions (h, w, 2) every `_CELL` pixels that cover some rows and columns of a frame."""
    rows, columns = window
    ys, xs = np.mgrid[rows.start : rows.stop + _CELL : _CELL, columns.start : columns.stop + _CELL : _CELL]
    return np.stack([xs, ys], axis=-1).astype(np.float64)


def refine(coarse: Array, window: tuple[slice, slice]) -> Field:
    """Values at every pixel of some rows and columns from those of `coarse_grid`."""
    hw = size_of(window)
    zoom = np.array([[1 / _CELL, 0, 0], [0, 1 / _CELL, 0]])
    return cv2.warpAffine(
        coarse.astype(np.float32), zoom, (hw[1], hw[0]), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE
    )


def bounds(xy: Array, hw: tuple[int, int], margin: float = 1.0) -> tuple[slice, slice] | None:
    """Rows and columns of a frame that enclose points (n, 2) with a margin; None if all lie outside."""
    low, high = np.floor(xy.min(axis=0) - margin), np.ceil(xy.max(axis=0) + margin + 1)
    left, right = int(np.clip(low[0], 0, hw[1])), int(np.clip(high[0], 0, hw[1]))
    top, bottom = int(np.clip(low[1], 0, hw[0])), int(np.clip(high[1], 0, hw[0]))
    return (slice(top, bottom), slice(left, right)) if right > left and bottom > top else None


def transform(matrix: Array, xy: Array) -> Array:
    """Points (..., 2) mapped by a (3, 3) homography."""
    mapped = xy @ matrix[:, :2].T + matrix[:, 2]
    return mapped[..., :2] / mapped[..., 2:]


@dataclass(frozen=True, eq=False)
class DepthField:
    """Inverse depth over the reference frame and around it, bilinear between points `step` pixels apart; one point stands for a plane."""

    values: Field
    """(h, w)."""
    origin: tuple[float, float]
    """Position of values[0, 0] in the reference frame."""
    step: float

    def __call__(self, xy: Array) -> Array:
        """Inverse depth (...) at positions (..., 2) of the reference frame."""
        if self.values.size == 1:
            return np.full(xy.shape[:-1], self.values.item())
        h, w = self.values.shape
        x = np.clip((xy[..., 0] - self.origin[0]) / self.step, 0, w - 1.001)
        y = np.clip((xy[..., 1] - self.origin[1]) / self.step, 0, h - 1.001)
        column, row = x.astype(np.intp), y.astype(np.intp)
        right, down = x - column, y - row
        flat, at = self.values.ravel(), row * w + column
        upper = flat[at] + (flat[at + 1] - flat[at]) * right
        lower = flat[at + w] + (flat[at + w + 1] - flat[at + w]) * right
        return np.asarray(upper + (lower - upper) * down)


@dataclass(frozen=True, eq=False)
class Sheet:
    """A painted surface with relief that stands still: backgrounds and silhouettes. Its coordinates are those of the reference frame."""

    texture: UInt8
    """(H, W, 4) premultiplied colour and coverage."""
    origin: tuple[float, float]
    """Position of texture[0, 0] in the reference frame."""
    depth: DepthField
    order: float
    """Inverse depth by which layers are sorted, and that of the whole sheet if it has no relief."""
    endless: bool = False
    """Whether the texture goes on, mirrored, beyond its border."""

    def window(self, poses: Sequence[Pose], hw: tuple[int, int]) -> tuple[slice, slice] | None:
        """Rows and columns of a frame within which a camera sees the sheet in any of some poses; None if it does not."""
        if self.endless:
            return slice(0, hw[0]), slice(0, hw[1])
        h, w = self.texture.shape[:2]
        corners = np.array([[0, 0], [w, 0], [w, h], [0, h]]) + np.asarray(self.origin)
        return bounds(np.concatenate([transform(pose.homography(self.order), corners) for pose in poses]), hw)

    def to_frame(self, xy: Array, pose: Pose) -> tuple[Array, Array]:
        """Pixels (n, 2) and inverse depth (n,) of own points (n, 2) as seen by a camera."""
        return pose.project(xy, self.depth(xy))

    def from_frame(self, xy: Array, pose: Pose) -> Array:
        """Own points (h, w, 2) seen at pixels (h, w, 2), by fixed-point iteration; relief is made flat enough for it to converge."""
        if self.depth.values.size == 1:
            return transform(np.linalg.inv(pose.homography(self.order)), xy)
        ray = transform(np.linalg.inv(pose.turn), xy)
        own = ray
        if not pose.shift.any():
            return own
        for _ in range(_ITERATIONS):
            depth = self.depth(own)[..., None]
            before, own = own, ray * (1 - depth * pose.shift[2]) + depth * pose.shift[:2]
            if np.abs(own - before).max() < _PRECISION:
                break
        return own

    def colour(self, own_xy: Field) -> UInt8:
        """(h, w, 4) premultiplied colour at own points (h, w, 2)."""
        border = cv2.BORDER_REFLECT_101 if self.endless else cv2.BORDER_REPLICATE
        at = own_xy - np.asarray(self.origin, np.float32)
        return cv2.remap(self.texture, at, None, cv2.INTER_LINEAR, borderMode=border)
