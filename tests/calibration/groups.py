"""Groups of tracks in rendered scenes that are known to move or to stand still, with the noise of a tracker."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np

from segmo.settings import TrackSettings
from segmo.stages.tracks import query_frames, query_points
from segmo.synthetic.renderer import render_clip
from segmo.synthetic.sampling import sample_scene
from segmo.synthetic.scene import RenderedScene
from segmo.types import Tracks

FRAMES, TRACKS = 24, 2000
JITTER, DRIFT = 0.4, 0.1
"""Deviation of a position, and of its change a frame, in pixels where the longer side has 256: a little worse than TAPIR reports."""
LOST, LOST_STEP = 0.03, 6.0
"""Share of tracks that wander off, and their step in pixels."""
FEWEST = 10


def noisy_tracks(scene: RenderedScene, random: np.random.Generator) -> Tracks:
    """Tracks of a scene as a tracker would give them."""
    hw = scene.frames.shape[1:3]
    points = query_points(hw, query_frames(len(scene), 10), TrackSettings(max_tracks=TRACKS))
    tracks = scene.tracks(points[:, 0].astype(np.int64), points[:, 1:])
    shape, unit = tracks.positions_xy.shape, max(hw) / 256
    noise = random.normal(0, JITTER * unit, shape) + random.normal(0, DRIFT * unit, shape).cumsum(axis=1)
    lost = random.random(shape[0]) < LOST
    noise[lost] += random.normal(0, LOST_STEP, noise[lost].shape).cumsum(axis=1)
    return dataclasses.replace(tracks, positions_xy=(tracks.positions_xy + noise).astype(np.float32))


def groups_of(seed: int) -> Iterator[tuple[bool, Tracks, np.ndarray]]:
    """Whether a group moves, the tracks it is among, and the group.

    Each mover and all of them; and, with all movers left out, each static object, a patch of the background, and tracks from anywhere.
    """
    scene = render_clip(sample_scene(seed), FRAMES)
    random = np.random.default_rng(seed)
    tracks = noisy_tracks(scene, random)
    exact = query_points(tracks.frame_hw, query_frames(len(scene), 10), TrackSettings(max_tracks=TRACKS))
    frames, (x, y) = exact[:, 0].astype(int), exact[:, 1:].astype(int).T
    mover, thing = scene.moving_labels[frames, y, x], scene.labels[frames, y, x]
    for group in (*(mover == label for label in np.unique(mover[mover > 0])), mover > 0):
        if group.sum() >= FEWEST:
            yield True, tracks, group
    static = np.flatnonzero(mover == 0)
    if len(static) < 100:
        return
    rest = _some(tracks, static)
    near = np.argsort(np.linalg.norm(exact[static, 1:] - exact[random.choice(static), 1:], axis=1))[:25]
    anywhere = random.choice(len(static), 20, replace=False)
    things = (np.flatnonzero(thing[static] == label) for label in np.unique(thing[static]) if label)
    for members in (*things, near, anywhere):
        if len(members) >= FEWEST:
            yield False, rest, np.isin(np.arange(len(static)), members)


def _some(tracks: Tracks, chosen: np.ndarray) -> Tracks:
    kept = {name: getattr(tracks, name)[chosen] for name in ("positions_xy", "visibility", "confidence", "query_frames")}
    return dataclasses.replace(tracks, **kept)
