"""One frame's flow towards its neighbours and what the camera has to do with it, computed once for all who ask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import numpy.typing as npt

from segmo.lite.camera import Field, fit_homography, homography_flow
from segmo.lite.flow import GAPS
from segmo.lite.parallax import EgoMotion, epipolar_parts, estimate_ego_motion


@dataclass(frozen=True, eq=False)
class View:
    """Flow towards one other frame, on the map grid, which is half the flow grid."""

    flow: Field
    """(h, w, 2) mean flow of each cell in pixels of the flow grid."""
    camera: Field
    """(h, w, 2) the part of it that a homography explains."""

    @cached_property
    def residual(self) -> Field:
        """(h, w, 2) flow that the homography leaves."""
        return self.flow - self.camera

    @cached_property
    def in_map_pixels(self) -> Field:
        """(h, w, 2) flow in pixels of the map grid."""
        return self.flow * np.float32(0.5)

    @cached_property
    def ego(self) -> EgoMotion:
        """Motion of the camera in space, in map pixels."""
        return estimate_ego_motion(self.in_map_pixels)

    @cached_property
    def epipolar_parts(self) -> tuple[Field, Field]:
        """(h, w) parallax along and motion across the epipolar lines, in map pixels."""
        return epipolar_parts(self.in_map_pixels, self.ego)


class FrameViews:
    """The views of one frame, made when first asked for. Not to be shared between threads."""

    def __init__(self, flow: npt.NDArray[np.float16], valid: npt.NDArray[np.bool_], known: Mapping[int, EgoMotion] | None = None) -> None:
        """Take the frame's (G, h, w, 2) flow at `GAPS`, which of them exist, and by gap what is known of the camera's motion in space."""
        self.valid = valid
        self.map_hw = (flow.shape[1] // 2, flow.shape[2] // 2)
        self._flow, self._known = flow, known or {}
        self._made: dict[tuple[int, int], View] = {}

    @property
    def gaps(self) -> list[int]:
        """The gaps that exist."""
        return [gap for gap, exists in zip(GAPS, self.valid, strict=True) if exists]

    def towards(self, gap: int, frames: int = 0) -> View:
        """The view towards `gap`, stretched to as many `frames` where only a shorter gap is at hand (0: as it is)."""
        frames = frames or abs(gap)
        if (gap, frames) not in self._made:
            field = self._flow[GAPS.index(gap)].astype(np.float32) * np.float32(frames / abs(gap))
            camera = homography_flow(fit_homography(field)[0], self.map_hw, cell=2)
            small = cv2.resize(field, (self.map_hw[1], self.map_hw[0]), interpolation=cv2.INTER_AREA)
            view = self._made[gap, frames] = View(small, camera)
            if abs(gap) == frames and gap in self._known:
                vars(view)["ego"] = self._known[gap]  # where the cached property keeps its value
        return self._made[gap, frames]
