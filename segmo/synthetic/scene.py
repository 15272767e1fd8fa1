"""A rendered scene with its ground truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from segmo.errors import ProductError
from segmo.synthetic.spec import Array
from segmo.types import Bool, Int, Tracks, UInt8


class Geometry(Protocol):
    """Where the surfaces of a scene are at any time."""

    def surface_to_frame(self, surface: int, xy: Array, time: float) -> Array:
        """Pixels (n, 2) in a frame of points (n, 2) fixed to a surface."""

    def surface_from_frame(self, surface: int, xy: Array, time: float) -> Array:
        """Points (n, 2) fixed to a surface that are seen at pixels (n, 2) of a frame."""


@dataclass(frozen=True, eq=False)
class RenderedScene:
    """T frames of H x W pixels with K objects, moving and still, and exact ground truth. Raises ProductError if fields disagree."""

    frames: UInt8
    """(T, H, W, 3) RGB."""
    times: npt.NDArray[np.float64]
    """(T,) in frames of the scene's own time."""
    labels: UInt8
    """(T, H, W) 0 = background, otherwise the id of the object seen, moving or not."""
    object_ids: Int
    """(K,) 1..K."""
    moving: Bool
    """(K,) whether each object moves by itself at any time of the scene."""
    inverse_depth: npt.NDArray[np.float32]
    """(T, H, W) of what is seen, from the camera of its frame; relative, 0 is infinity."""
    surfaces: npt.NDArray[np.uint16]
    """(T, H, W) index of the rigid surface seen: sheets of the background first, then the parts of the objects, then thick smoke."""
    geometry: Geometry

    def __post_init__(self) -> None:
        t, h, w = self.frames.shape[:3]
        k = len(self.object_ids)
        self._check("frames", np.uint8, (t, h, w, 3))
        self._check("times", np.float64, (t,))
        self._check("labels", np.uint8, (t, h, w))
        self._check("object_ids", np.int64, (k,))
        self._check("moving", np.bool_, (k,))
        self._check("inverse_depth", np.float32, (t, h, w))
        self._check("surfaces", np.uint16, (t, h, w))
        if self.labels.max(initial=0) > k:
            raise ProductError(f"RenderedScene.labels go up to {self.labels.max()} with {k} objects. Give every label an object id.")

    def _check(self, field: str, dtype: Any, shape: tuple[int, ...]) -> None:
        value = getattr(self, field)
        if value.dtype != np.dtype(dtype) or value.shape != shape:
            wanted = f"{np.dtype(dtype)} {shape}"
            raise ProductError(f"RenderedScene.{field} must be {wanted}, not {value.dtype} {value.shape}. Build it that way.")
        view = value.view()
        view.flags.writeable = False
        object.__setattr__(self, field, view)

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def moving_labels(self) -> UInt8:
        """(T, H, W) labels of the moving objects alone; ids are kept."""
        keep = np.concatenate([[0], np.where(self.moving, self.object_ids, 0)]).astype(np.uint8)
        return keep[self.labels]

    def tracks(self, query_frames: Int, query_xy: npt.NDArray[np.floating]) -> Tracks:
        """Exact trajectories of the points seen at pixels `query_xy` (N, 2) of frames `query_frames` (N,).

        A point counts as visible where the surface it is fixed to is the one seen at its pixel. Points of dynamic textures (water,
        foliage, smoke) follow the still surface that carries them; that of thick smoke is a plane of its own, which hides what is behind.
        """
        n, t = len(query_frames), len(self)
        h, w = self.frames.shape[1:3]
        rounded = np.rint(query_xy).astype(int)
        if n and ((rounded < 0).any() or (rounded >= (w, h)).any() or query_frames.min() < 0 or query_frames.max() >= t):
            raise ProductError(f"Track queries must lie within {t} frames of {w}x{h} pixels. Ask for points inside the picture.")
        found = self.surfaces[query_frames, rounded[:, 1], rounded[:, 0]]
        positions = np.zeros((n, t, 2))
        visible = np.zeros((n, t), bool)
        for query, surface in sorted(set(zip(query_frames.tolist(), found.tolist(), strict=True))):
            chosen = (query_frames == query) & (found == surface)
            own = self.geometry.surface_from_frame(surface, np.asarray(query_xy[chosen], np.float64), float(self.times[query]))
            for frame, time in enumerate(self.times.tolist()):
                xy = self.geometry.surface_to_frame(surface, own, time)
                positions[chosen, frame] = xy
                visible[chosen, frame] = self._sees(frame, surface, xy)
        shown = visible.astype(np.float32)
        return Tracks(positions.astype(np.float32), shown, np.ones_like(shown), np.asarray(query_frames, np.int64), (h, w))

    def _sees(self, frame: int, surface: int, xy: Array) -> Bool:
        h, w = self.frames.shape[1:3]
        column, row = np.rint(np.clip(xy, -1e6, 1e6)).astype(int).T
        inside = (column >= 0) & (column < w) & (row >= 0) & (row < h)
        seen = self.surfaces[frame, row.clip(0, h - 1), column.clip(0, w - 1)]
        return np.asarray(inside & (seen == surface))
