"""Point trajectories from the query frames through the whole clip.

The grid of query points follows the paper: a spacing of `max(1, int(sqrt(H * W / 9000)))` pixels from (0, 0). The paper tracks every point
of every query frame and then keeps a random share of 1/Q of them, at most 5000. The points that are dropped
influence nothing, so here the draw comes first and only the kept ones are ever tracked: Q times less work for the same result.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from segmo.settings import TrackSettings
from segmo.types import Clip, FlowFields, Int, Steps, Tracks

VERSION = 1


class TrackModel(Protocol):
    """Follows query points through a clip, from the frames, or from their flow where `needs_flow`."""

    identity: str
    needs_flow: bool

    def track(self, clip: Clip, query_points: npt.NDArray[np.float32], flow: FlowFields | None) -> Steps[Tracks]:
        """Tracks of the (N, 3) query points (frame, x, y), in their order."""
        ...


def query_frames(num_frames: int, stride: int) -> Int:
    """(Q,) indices of the query frames: 0, stride, 2 * stride, ..."""
    return np.arange(0, num_frames, stride, dtype=np.int64)


def grid_spacing(hw: tuple[int, int]) -> int:
    """Distance in pixels between neighbouring query points (the paper's rule: about 9000 points a frame)."""
    return max(1, int((hw[0] * hw[1] / 9000) ** 0.5))


def query_points(hw: tuple[int, int], frames: Int, settings: TrackSettings) -> npt.NDArray[np.float32]:
    """(N, 3) query points (frame, x, y): a seeded draw of at most `max_tracks` from the grids, 1/Q from each query frame."""
    step = grid_spacing(hw)
    y, x = np.mgrid[0 : hw[0] : step, 0 : hw[1] : step]
    grid = np.stack([x.ravel(), y.ravel()], axis=1).astype(np.float32)
    random = np.random.default_rng(settings.seed)
    wanted = min(len(grid), settings.max_tracks)
    quota = np.full(len(frames), wanted // len(frames))
    quota[: wanted - quota.sum()] += 1
    chosen = []
    for frame, count in zip(frames, quota, strict=True):
        kept = np.sort(random.choice(len(grid), size=count, replace=False))
        chosen.append(np.column_stack([np.full(count, frame, np.float32), grid[kept]]))
    return np.concatenate(chosen).astype(np.float32)


def track_points(clip: Clip, stride: int, flow: FlowFields | None, settings: TrackSettings, model: TrackModel) -> Steps[Tracks]:
    """Draw query points on the query frames and track them."""
    points = query_points(clip.hw, query_frames(len(clip), stride), settings)
    return (yield from model.track(clip, points, flow))
