"""Sheets, the still surfaces with relief that backgrounds are made of, and the maps between them and the frames."""

from __future__ import annotations

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
_ITERATIONS = 12


def sample(image: npt.NDArray[np.generic], xy: Field, interpolation: int = cv2.INTER_LINEAR, border: int = cv2.BORDER_REPLICATE) -> Field:
    """Values (..., C) of an image at positions (h, w, 2), as float32."""
    return cv2.remap(image, xy[..., 0], xy[..., 1], interpolation, borderMode=border).astype(np.float32, copy=False)


def coarse_grid(hw: tuple[int, int]) -> Field:
    """Positions (h, w, 2) every `_CELL` pixels that cover a frame."""
    ys, xs = np.mgrid[0 : hw[0] + _CELL : _CELL, 0 : hw[1] + _CELL : _CELL]
    return np.stack([xs, ys], axis=-1).astype(np.float32)


def refine(coarse: npt.NDArray[np.floating], hw: tuple[int, int]) -> Field:
    """Values at every pixel from those of `coarse_grid`."""
    zoom = np.array([[1 / _CELL, 0, 0], [0, 1 / _CELL, 0]])
    return cv2.warpAffine(
        coarse.astype(np.float32), zoom, (hw[1], hw[0]), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE
    )


def transform(matrix: Array, xy: Array) -> Array:
    """Points (..., 2) mapped by a (3, 3) homography."""
    mapped = xy @ matrix[:, :2].T + matrix[:, 2]
    return mapped[..., :2] / mapped[..., 2:]


@dataclass(frozen=True, eq=False)
class DepthField:
    """Inverse depth over the reference frame and around it, bilinear between points `step` pixels apart."""

    values: Field
    """(h, w)."""
    origin: tuple[float, float]
    """Position of values[0, 0] in the reference frame."""
    step: float

    def __call__(self, xy: npt.NDArray[np.floating]) -> Field:
        """Inverse depth (h, w) at positions (h, w, 2) of the reference frame."""
        at = ((xy - np.asarray(self.origin)) / self.step).astype(np.float32)
        return sample(self.values, at)


@dataclass(frozen=True, eq=False)
class Sheet:
    """A painted surface with relief that stands still: backgrounds and silhouettes. Its coordinates are those of the reference frame."""

    texture: UInt8
    """(H, W, 4) premultiplied colour and coverage."""
    origin: tuple[float, float]
    """Position of texture[0, 0] in the reference frame."""
    depth: DepthField
    order: float
    """Inverse depth by which layers are sorted."""
    endless: bool = False
    """Whether the texture goes on, mirrored, beyond its border."""

    def to_frame(self, xy: Array, pose: Pose) -> tuple[Array, Array]:
        """Pixels (n, 2) and inverse depth (n,) of own points (n, 2) as seen by a camera."""
        return pose.project(xy, self.depth(xy[None])[0].astype(np.float64))

    def from_frame(self, xy: npt.NDArray[np.floating], pose: Pose) -> Array:
        """Own points (h, w, 2) seen at pixels (h, w, 2), by fixed-point iteration; relief is made flat enough for it to converge."""
        ray = transform(np.linalg.inv(pose.turn), xy.astype(np.float64))
        own = ray
        for _ in range(_ITERATIONS):
            depth = self.depth(own)[..., None].astype(np.float64)
            own = ray * (1 - depth * pose.shift[2]) + depth * pose.shift[:2]
        return own

    def colour(self, own_xy: Field) -> Field:
        """(h, w, 4) premultiplied colour at own points."""
        at = own_xy - np.asarray(self.origin, np.float32)
        return sample(self.texture, at, border=cv2.BORDER_REFLECT_101 if self.endless else cv2.BORDER_REPLICATE)
