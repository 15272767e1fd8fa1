"""The pinhole camera of a scene: homographies of planes, projection of points with inverse depth, and its inverse.

With x a homogeneous pixel of the reference frame and d its inverse depth, frame t sees it at G (x - d k), where
G = K_t R_t inv(K_0) and k = K_0 c for the camera centre c (Hartley and Zisserman, Multiple View Geometry, 2nd ed., eq. 13.2, for planes).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from segmo.synthetic.spec import Array, CameraSpec


@dataclass(frozen=True, eq=False)
class Pose:
    """A camera at one time."""

    turn: Array
    """(3, 3) G: where the camera sees content at infinity; its last row gives the depth factor."""
    shift: Array
    """(3,) k."""

    def homography(self, inverse_depth: float) -> Array:
        """(3, 3) map from the reference frame to this frame of the plane at that inverse depth, parallel to the reference picture."""
        plane = np.eye(3)
        plane[:, 2] -= inverse_depth * self.shift
        return self.turn @ plane

    def project(self, xy: Array, inverse_depth: Array) -> tuple[Array, Array]:
        """Pixels (n, 2) in this frame, and inverse depth (n,) as seen from it, of reference pixels (n, 2) with inverse depth (n,)."""
        homogeneous = np.concatenate([xy, np.ones((len(xy), 1))], axis=1) - inverse_depth[:, None] * self.shift
        seen = homogeneous @ self.turn.T
        depth = np.maximum(seen[:, 2], 1e-6)  # behind the camera: far outside the picture rather than mirrored into it
        return seen[:, :2] / depth[:, None], inverse_depth / depth


class Camera:
    """The camera of a scene at any time."""

    def __init__(self, spec: CameraSpec, hw: tuple[int, int]) -> None:
        self.spec = spec
        self.centre = ((hw[1] - 1) / 2, (hw[0] - 1) / 2)
        self._origin = spec.follow(0.0) if spec.follow else (0.0, 0.0)
        self._poses: dict[float, Pose] = {}

    def pose(self, time: float) -> Pose:
        """Pose at a time in frames."""
        if time not in self._poses:
            self._poses[time] = self._pose(time)
        return self._poses[time]

    def _pose(self, time: float) -> Pose:
        spec = self.spec
        followed = spec.follow(time) if spec.follow else (0.0, 0.0)
        away_x, away_y = followed[0] - self._origin[0], followed[1] - self._origin[1]
        yaw = math.atan((spec.pan(time) + spec.follow_pan * away_x) / spec.focal)
        pitch = math.atan((spec.tilt(time) + spec.follow_pan * away_y) / spec.focal)
        roll = spec.roll(time)
        turn_y = np.array([[math.cos(yaw), 0, -math.sin(yaw)], [0, 1, 0], [math.sin(yaw), 0, math.cos(yaw)]])
        turn_x = np.array([[1, 0, 0], [0, math.cos(pitch), -math.sin(pitch)], [0, math.sin(pitch), math.cos(pitch)]])
        turn_z = np.array([[math.cos(roll), math.sin(roll), 0], [-math.sin(roll), math.cos(roll), 0], [0, 0, 1]])
        centre = np.array(
            [
                (spec.shift_x(time) + spec.follow_shift * away_x) / spec.focal,
                (spec.shift_y(time) + spec.follow_shift * away_y) / spec.focal,
                spec.advance(time),
            ]
        )
        reference = self._intrinsics(1.0)
        now = self._intrinsics(spec.zoom(time))
        return Pose(now @ turn_z @ turn_x @ turn_y @ np.linalg.inv(reference), reference @ centre)

    def _intrinsics(self, zoom: float) -> Array:
        focal = self.spec.focal * zoom
        return np.array([[focal, 0, self.centre[0]], [0, focal, self.centre[1]], [0, 0, 1]])
