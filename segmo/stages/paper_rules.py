"""Decisions that the published models were trained and used with, as plain functions of arrays.

From "Segment Any Motion in Videos" (arXiv 2503.22268) and its code. What other presets share lies with their stage: query frames and grids
in `tracks.py`, sampled frames in `frames.py`, sizes in `segmo/geometry.py`. N tracks, T frames, as everywhere.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from segmo.types import Bool, Float, Int

VISIBLE = 0.5
"""A track is known to be visible, or known to be hidden, where the probability for it exceeds this."""
EXPORTED_CONFIDENCE = 0.9
THRESHOLDS = (0.95, 0.93, 0.90, 0.85, 0.80, 0.75, 0.70)
LONG_THRESHOLDS = (0.99, 0.98, 0.97, 0.96, 0.95)
LONG_CLIP = 300
ENOUGH_TRACKS, FEWEST_TRACKS = 10, 3

Float32 = npt.NDArray[np.float32]


class TrackCertainty(NamedTuple):
    """What the tracker's two logits mean."""

    visibility: Float32
    """(N, T) probability that the point is visible."""
    confidence: Float32
    """(N, T) probability that the position is right; 0 where it is known neither to be visible nor to be hidden."""
    visible: Bool
    """(N, T) known to be visible."""
    hidden: Bool
    """(N, T) known to be hidden."""


def track_certainty(occlusion: Float, distance: Float) -> TrackCertainty:
    """Probabilities from the tracker's (N, T) logits that a point is hidden and that its position is wrong."""
    visibility, confidence = _sigmoid(-np.asarray(occlusion, np.float32)), _sigmoid(-np.asarray(distance, np.float32))
    visible = visibility * confidence > VISIBLE
    hidden = (1 - visibility) * confidence > VISIBLE
    return TrackCertainty(visibility, np.where(visible | hidden, confidence, np.float32(0)), visible, hidden)


def _sigmoid(logits: Float32) -> Float32:
    return np.asarray(0.5 * (1 + np.tanh(0.5 * logits)), np.float32)  # never overflows


def seen_tracks(visible: Bool, confidence: Float32) -> tuple[Int, Bool]:
    """Which tracks are ever visible, and where those are.

    Args:
        visible: (N, T).
        confidence: (N, T), used where a frame shows no track at all: its most confident one is then taken as visible.

    Returns:
        (M,) indices of the tracks that are ever visible, and (M, T) where they count as visible.
    """
    kept = np.flatnonzero(visible.any(axis=1))
    shown = visible[kept]
    empty = np.flatnonzero(~shown.any(axis=0))
    if len(kept):
        shown[confidence[kept][:, empty].argmax(axis=0), empty] = True
    return kept, shown


def confident_visibility(visible: Bool, confidence: Float32) -> Bool:
    """(N, T) where the positions of moving tracks are good enough to prompt the segmenter."""
    return visible & (confidence > EXPORTED_CONFIDENCE)


def published_thresholds(frame_count: int) -> tuple[float, ...]:
    """Probabilities of motion that are tried one after another."""
    return LONG_THRESHOLDS if frame_count > LONG_CLIP else THRESHOLDS


def select_moving(probability: Float32, frame_count: int) -> tuple[Bool, float]:
    """The published decision, which always finds motion: enough tracks above the first threshold that has them, or the most probable few.

    Args:
        probability: (N,) of motion, compared in float32. Fewer than three tracks are all taken, where the published code fails.
        frame_count: frames of the clip.

    Returns:
        (N,) true for the tracks taken, and the threshold that they exceed or, where none had enough, the least probability taken.
    """
    probability = np.asarray(probability, np.float32)
    for threshold in published_thresholds(frame_count):
        moving = probability > np.float32(threshold)
        if moving.sum() >= ENOUGH_TRACKS:
            return moving, threshold
    best = np.argsort(-probability, kind="stable")[:FEWEST_TRACKS]
    moving = np.zeros(len(probability), bool)
    moving[best] = True
    return moving, float(probability[best].min(initial=1))


def network_positions(xy: Float, hw: tuple[int, int], resolution: int) -> Float32:
    """Pixels as positions of the tracker's square frames: the *centres* of the outermost pixels fall on 0 and `resolution - 1`."""
    return np.asarray(np.asarray(xy, np.float64) / _last_pixel(hw) * (resolution - 1), np.float32)


def frame_positions(xy: Float, hw: tuple[int, int], resolution: int) -> Float32:
    """Inverse of `network_positions`."""
    return np.asarray(np.asarray(xy, np.float32) * (_last_pixel(hw) / (resolution - 1)), np.float32)


def _last_pixel(hw: tuple[int, int]) -> npt.NDArray[np.float64]:
    return np.array([max(hw[1] - 1, 1), max(hw[0] - 1, 1)], np.float64)


def normalised_positions(xy: Float, hw: tuple[int, int]) -> Float32:
    """(..., 2) positions in pixels as the motion network takes them: -1 at 0, 1 at the size of the frame, clamped."""
    size = np.array([hw[1], hw[0]], np.float32)
    return np.clip(np.asarray(xy, np.float32) / size * 2 - 1, -1, 1).astype(np.float32)


def feature_cells(xy: Float, hw: tuple[int, int], grid_hw: tuple[int, int]) -> tuple[Int, Int]:
    """Row and column of the cell of features under each of (..., 2) positions in pixels, clamped to the grid."""
    cells = np.trunc(np.asarray(xy, np.float64) * (grid_hw[1], grid_hw[0]) / (hw[1], hw[0])).astype(np.int64)
    return np.clip(cells[..., 1], 0, grid_hw[0] - 1), np.clip(cells[..., 0], 0, grid_hw[1] - 1)


def stored_depth(inverse_depth: Float) -> npt.NDArray[np.uint16]:
    """(T, h, w) depth as the published code stores it: each frame scaled to 0..65535. A frame of one depth becomes 0."""
    return (stretched(np.asarray(inverse_depth, np.float32)) * 65535).astype(np.uint16)


def depth_from_store(stored: npt.NDArray[np.uint16]) -> Float32:
    """(T, h, w) depth in [0, 1] as the published weights know it.

    Quirk: 16 bits are read through a conversion to 8 that clips at 255, so that all but the farthest 0.4 % of the range becomes 1.
    """
    return stretched(np.minimum(stored, 255).astype(np.float32))


def stretched(values: Float32) -> Float32:
    """Each frame from 0 to 1; 0 where it is constant."""
    low, high = values.min(axis=(1, 2), keepdims=True), values.max(axis=(1, 2), keepdims=True)
    return np.asarray((values - low) / np.where(high > low, high - low, 1), np.float32)
