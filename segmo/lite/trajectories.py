"""Point trajectories chained from dense flow over several gaps, and what dense maps say along them.

Each step of a trajectory may come from the frame before or from four frames before, whichever adds less uncertainty, so
that a point survives an occlusion of up to three frames (the idea of MFT, Neoral et al., WACV 2024). A step is trusted
by its forward-backward and photometric errors.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from segmo.geometry import sample_map
from segmo.lite.flow import GAPS
from segmo.types import Steps

Field = npt.NDArray[np.floating[Any]]

OCCLUSION_PENALTY = 64.0  # variance in square grid pixels a step through an occlusion adds: such a track stays unsure
CONFIDENCE_SCALE = 16.0  # variance in square grid pixels at which confidence is one half
PHOTOMETRIC_SCALE = 60.0  # grey levels


def sample(field: npt.NDArray[Any], xy: Field) -> Field:
    """Bilinear values of an (h, w[, C]) field at (N, 2) positions in its own pixels, those outside taken from the border."""
    return sample_map(field, xy, (field.shape[0], field.shape[1]))


@dataclass(frozen=True, eq=False)
class Trajectories:
    """Chained points, in pixels of the flow grid."""

    positions: Field
    """(N, T, 2)"""
    visibility: Field
    """(N, T) in [0, 1]"""
    confidence: Field
    """(N, T) in [0, 1]"""


@dataclass(eq=False)
class _State:
    """Where every point is on every frame so far."""

    positions: Field  # (N, T, 2)
    variance: Field  # (N, T) grows along the chain; infinite where not reached yet
    visibility: Field  # (N, T)


def chain(flow: npt.NDArray[np.float16], error: npt.NDArray[np.uint8], valid: npt.NDArray[np.bool_], points: Field) -> Steps[Trajectories]:
    """Chain (N, 3) query points (frame, x, y) in grid pixels through the clip in both directions.

    Args:
        flow: (G, T, h, w, 2) displacement for the gaps `GAPS`.
        error: (G, T, h, w) photometric error of it.
        valid: (G, T)

    Yields:
        the share of the steps done.
    """
    count, frames = len(points), flow.shape[1]
    state = _State(
        np.zeros((count, frames, 2), np.float32), np.full((count, frames), np.inf, np.float32), np.zeros((count, frames), np.float32)
    )
    query = points[:, 0].astype(np.int64)
    everyone = np.arange(count)
    state.positions[everyone, query] = points[:, 1:]
    state.variance[everyone, query] = 0
    state.visibility[everyone, query] = 1
    done = 0
    for direction, order in ((1, range(1, frames)), (-1, range(frames - 2, -1, -1))):
        for t in order:
            active = everyone[query < t] if direction == 1 else everyone[query > t]
            for gap in (direction, 4 * direction):
                started = active[(t - gap - query[active]) * direction >= 0]
                if len(started) and 0 <= t - gap < frames:
                    _step(state, started, t, gap, flow, error, valid)
            done += 1
            yield done / (2 * (frames - 1))
    height, width = flow.shape[2:4]
    x, y = state.positions[..., 0], state.positions[..., 1]
    inside = (x >= -0.5) & (x <= width - 0.5) & (y >= -0.5) & (y <= height - 0.5)
    confidence = (1 / (1 + state.variance / CONFIDENCE_SCALE)).astype(np.float32)
    return Trajectories(state.positions, state.visibility * inside, confidence)


def _step(
    state: _State,
    who: npt.NDArray[np.int64],
    t: int,
    gap: int,
    flow: npt.NDArray[np.float16],
    error: npt.NDArray[np.uint8],
    valid: npt.NDArray[np.bool_],
) -> None:
    """Offer the points `who` a step from frame t - gap to frame t; those for whom it is the surest so far take it."""
    forward, backward, source = GAPS.index(gap), GAPS.index(-gap), t - gap
    if not (valid[forward, source] and valid[backward, t]):
        return
    at = state.positions[who, source]
    moved = sample(flow[forward, source], at)
    target = at + moved
    returned = moved + sample(flow[backward, t], target)
    length = np.linalg.norm(moved, axis=1)
    inconsistency = np.linalg.norm(returned, axis=1)
    tolerance = 0.75 * abs(gap) ** 0.5 + 0.05 * length  # flow gets less exact with distance
    photometric = sample(error[forward, source], at)
    visible = np.exp(-((inconsistency / (2 * tolerance)) ** 2) - photometric / PHOTOMETRIC_SCALE)
    added = 0.02 * abs(gap) + (0.5 * inconsistency) ** 2 + OCCLUSION_PENALTY * (visible < 0.5)
    variance = state.variance[who, source] + added
    better = variance < state.variance[who, t]
    chosen = who[better]
    state.positions[chosen, t] = target[better]
    state.variance[chosen, t] = variance[better]
    state.visibility[chosen, t] = visible[better]


def pool(maps: npt.NDArray[np.floating], positions: Field, weights: Field) -> Field:
    """(N,) weighted mean of (T, h, w) maps along (N, T, 2) positions in map pixels; 0 where all weights are."""
    total = np.zeros(len(positions), np.float32)
    for t, frame in enumerate(maps):
        total += weights[:, t] * sample(frame, np.ascontiguousarray(positions[:, t]))
    mass = weights.sum(axis=1)
    return np.where(mass > 0, total / np.maximum(mass, 1e-6), 0).astype(np.float32)
