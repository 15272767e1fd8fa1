"""Training samples of the motion network from folders in the published layout: which clip an iteration sees, and how it is read.

Everything random follows from the seed and the position of a sample in the run, so that a run that was stopped goes on as if it had not
been, and two processes see what one of double batch sees.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from segmo.datasets.layout import Scene, open_layout, read_depth, read_features, read_mask, read_tracks
from segmo.errors import DataError
from segmo.networks.motion_net import look_up_frames
from segmo.stages.paper_rules import depth_from_store, feature_cells, normalised_positions, seen_tracks, track_certainty
from segmo.training.arguments import Source
from segmo.types import Bool, Int

Rng = np.random.Generator
HELD_OUT_SEED = 0x7E57


@dataclass(frozen=True, eq=False)
class ClipSample:
    """N tracks of one query frame of a clip of T frames."""

    xy: Tensor
    """(2, N, T) positions as `encode_tracks` takes them."""
    hidden: Tensor
    """(N, T) bool."""
    visibility: Tensor
    """(N, T)"""
    confidence: Tensor
    """(N, T)"""
    depth: Tensor
    """(N, T) looked up at the positions."""
    descriptors: Tensor
    """(N, C)"""
    moving: Tensor
    """(N,) 1 where a track moves, else 0."""

    def to(self, device: torch.device) -> ClipSample:
        """The same elsewhere."""
        return ClipSample(*(value.to(device) for value in vars(self).values()))


@dataclass(frozen=True)
class Usable:
    """A scene with what a sample of it can be drawn from."""

    scene: Scene
    names: tuple[str, ...]
    """Its prepared frames."""
    queries: tuple[str, ...]
    """Those frames from which tracks start and which have a mask."""
    masks: tuple[Path, ...]
    """The masks of the query frames."""


def usable_scenes(source: Source) -> tuple[list[Usable], list[Usable]]:
    """Scenes of a source to train on, and those held out.

    Raises:
        DataError: too few scenes are prepared and have masks.
    """
    found = []
    for scene in open_layout(source.root).scenes():
        masks = scene.masks_by_frame()
        queries = tuple(name for name in scene.query_names() if name in masks)
        if queries:
            found.append(Usable(scene, scene.prepared_names(), queries, tuple(masks[name] for name in queries)))
    count = len(found) - source.held_out_scenes
    if count < 1:
        raise DataError(
            f"{source.root} has {len(found)} scenes with tracks, features, depth and moving masks; {source.held_out_scenes} are held out. "
            "Prepare it by `python -m segmo prepare`, see what is missing by `python -m segmo check`, or hold out fewer."
        )
    return found[:count], found[count:]


def describe(scenes: Sequence[Usable]) -> str:
    """What a data set holds, to be kept with what was trained on it: the number of scenes and query frames, and a digest of their names."""
    names = "\n".join(f"{usable.scene.name} {len(usable.names)} {' '.join(usable.queries)}" for usable in scenes)
    queries = sum(len(usable.queries) for usable in scenes)
    return f"{len(scenes)} scenes, {queries} query frames, SHA-256 of their names {hashlib.sha256(names.encode()).hexdigest()[:16]}"


class Clips:
    """Samples of a mixture of sources; depth is read only where the network looks at it, since that takes longest."""

    def __init__(self, sources: Sequence[Source], *, depth: bool = True) -> None:
        self.sources, self._depth = sources, depth
        parts = [usable_scenes(source) for source in sources]
        self.scenes, self.held_out = [part[0] for part in parts], [part[1] for part in parts]
        shares = np.array([source.share for source in sources], np.float64)
        self._shares = shares / shares.sum()

    def draw(self, seed: int, position: int, mirror: bool) -> ClipSample:
        """The sample at a position of a run: a random source, scene, query frame, number of tracks, and as many random tracks."""
        rng = np.random.default_rng([seed, position, 0xC1])
        number = int(rng.choice(len(self.sources), p=self._shares))
        source, usable = self.sources[number], self.scenes[number][int(rng.integers(len(self.scenes[number])))]
        query = usable.queries[int(rng.integers(len(usable.queries)))]
        sample = read_sample(usable, query, int(rng.integers(source.fewest_tracks, source.most_tracks + 1)), rng, depth=self._depth)
        return _mirrored(sample, rng.random(2) < 0.5) if mirror else sample

    def held_out_sample(self, index: int) -> ClipSample:
        """A held-out scene by its middle query frame; always the same tracks."""
        flat = [(source, usable) for source, part in zip(self.sources, self.held_out, strict=True) for usable in part]
        source, usable = flat[index]
        rng = np.random.default_rng([HELD_OUT_SEED, index])
        query = usable.queries[len(usable.queries) // 2]
        return read_sample(usable, query, source.most_tracks, rng, depth=self._depth)

    @property
    def held_out_count(self) -> int:
        """Number of held-out scenes."""
        return sum(map(len, self.held_out))


def read_sample(usable: Usable, query: str, most_tracks: int, rng: Rng, *, depth: bool = True) -> ClipSample:
    """Random tracks of a query frame, with their inputs and labels; depth is 0 where it is not asked for.

    A track moves if its rounded position on the query frame lies in the moving mask and it is visible there.

    Raises:
        DataError: a file is missing or damaged, or no track is ever visible.
    """
    scene, names = usable.scene, usable.names
    rows = read_tracks(scene, query, names)
    rows = rows[np.sort(rng.choice(len(rows), min(most_tracks, len(rows)), replace=False))]
    certainty = track_certainty(rows[..., 2], rows[..., 3])
    kept, shown = seen_tracks(certainty.visible, certainty.confidence)
    if not len(kept):
        raise DataError(f"No track of {scene.tracks}/{query}_*.npy is ever visible. Remove these files and prepare the scene again.")
    rows, hw, start = rows[kept], scene.image_hw(), names.index(query)
    here = rows[:, start, :2]
    features = read_features(scene.feature_file(query))
    row, column = feature_cells(here, hw, (features.shape[0], features.shape[1]))
    xy = torch.from_numpy(normalised_positions(rows[..., :2], hw)).permute(2, 0, 1)
    moving = _in_mask(here, read_mask(usable.masks[usable.queries.index(query)]), hw) & certainty.visible[kept, start]
    return ClipSample(
        xy.contiguous(),
        torch.from_numpy(~shown),
        torch.from_numpy(certainty.visibility[kept]),
        torch.from_numpy(certainty.confidence[kept]),
        _depth_at(scene, names, xy) if depth else torch.zeros(xy.shape[1:]),
        torch.from_numpy(features[row, column].astype(np.float32)),
        torch.from_numpy(moving.astype(np.float32)),
    )


def _in_mask(xy: npt.NDArray[Any], mask: Bool, hw: tuple[int, int]) -> Bool:
    """(N,) whether rounded (N, 2) positions lie in a mask, which may have another size than the images; outside the picture, none does."""
    cells: Int = np.rint(xy.astype(np.float64) * (mask.shape[1] / hw[1], mask.shape[0] / hw[0])).astype(np.int64)
    inside = (cells >= 0).all(1) & (cells < (mask.shape[1], mask.shape[0])).all(1)
    clipped = cells.clip(0, (mask.shape[1] - 1, mask.shape[0] - 1))
    return np.asarray(inside & mask[clipped[:, 1], clipped[:, 0]])


def _depth_at(scene: Scene, names: Sequence[str], xy: Tensor) -> Tensor:
    """(N, T) depth at (2, N, T) positions."""
    frames = (torch.from_numpy(depth_from_store(read_depth(scene.depth_file(name))[None])[0]) for name in names)
    return look_up_frames(xy, frames)


def _mirrored(sample: ClipSample, sides: npt.NDArray[np.bool_]) -> ClipSample:
    """The sample seen in a mirror, left to right and upside down as `sides` say; depth stays with its track."""
    signs = torch.from_numpy(np.where(sides, -1, 1).astype(np.float32))
    return replace(sample, xy=sample.xy * signs[:, None, None])
