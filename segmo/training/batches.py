"""Batches of rendered scenes: which samples an iteration sees, and what is done to them.

Everything random follows from the seed and the number of the iteration, so that a run that was stopped goes on as if it had not been.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from segmo.errors import DataError
from segmo.lite.flow import GAPS
from segmo.lite.inputs import CLIP, FLOOR_PX, PLANES, SCALES, STORED_PLANES, beside_camera
from segmo.training.arguments import Augmentation
from segmo.training.shards import record_dtype

Array = npt.NDArray[Any]
COUNT = len(GAPS)
LONG, SHORT = (0, 3), (1, 2)  # positions of the gaps of four frames and of one
SMALL_SHARE, LARGEST_WEIGHT, OUTLINE_PX = 0.03, 4.0, 3  # of the weights of small objects


@dataclass(frozen=True, eq=False)
class Batch:
    """B samples."""

    planes: Tensor
    """(B, PLANES, h, w)"""
    error: Tensor
    """(B, G, h, w) grey levels."""
    scales: Tensor
    """(B, SCALES)"""
    moving: Tensor
    """(B, h, w) share of each pixel that moves."""
    weight: Tensor
    """(B, h, w) of each pixel in the loss."""
    seam: Tensor | None = None
    """(B, h, w) 1 where two movers meet, 0 elsewhere; for the second network."""


@dataclass(eq=False)
class Sample:
    """One sample, taken apart so that it can be changed."""

    flow: Array
    """(2, G, 2, h, w) residual flow and flow minus its median."""
    parallax: Array
    """(2, 2, h, w) for each long gap, along and across epipolar lines."""
    error: Array
    """(G, h, w)"""
    flow_scales: Array
    """(2, G)"""
    parallax_scales: Array
    """(2, 2)"""
    median: Array
    """(G, 2)"""
    moving: Array
    """(h, w)"""
    weight: Array
    """(h, w)"""


class Records(ABC):
    """Samples in shards on disk, which are read without loading them."""

    def __init__(self, paths: Sequence[Path], count: int) -> None:
        """Open the shards.

        Raises:
            DataError: one is damaged, or its records are not those of this version.
        """
        self._shards = [self._opened(path) for path in paths]
        self._ends = np.cumsum([len(shard) for shard in self._shards])
        self.count = min(count, int(self._ends[-1]))

    def record(self, index: int) -> Any:
        """One record as it is on disk."""
        number = int(np.searchsorted(self._ends, index, side="right"))
        return self._shards[number][index - self._ends[number]]

    def _opened(self, path: Path) -> Array:
        try:
            shard: Array = np.load(path, mmap_mode="r")
            if shard.dtype != self.layout(shard.dtype["moving"].shape):
                raise ValueError("another version of segmo wrote it")
        except Exception as error:  # a damaged file makes numpy raise almost anything
            raise DataError(f"The scenes in {path} cannot be used: {error}. Remove it, and train again: it is rendered anew.") from error
        return shard

    @staticmethod
    @abstractmethod
    def layout(hw: tuple[int, ...]) -> np.dtype[Any]:
        """Layout of a record whose maps are of size `hw`."""

    @abstractmethod
    def batch(self, numbers: Sequence[int]) -> Batch:
        """A copy of some samples."""

    def in_order(self, size: int) -> Iterator[Batch]:
        """All samples as they are, in batches."""
        for start in range(0, self.count, size):
            yield self.batch(range(start, min(start + size, self.count)))


class Scenes(Records):
    """Samples of the first network."""

    @staticmethod
    def layout(hw: tuple[int, ...]) -> np.dtype[Any]:
        """See `Records`."""
        return record_dtype((2 * hw[0], 2 * hw[1]))

    def sample(self, index: int) -> Sample:
        """A copy of one sample."""
        record = self.record(index)
        planes = record["planes"].astype(np.float32)
        scales = record["scales"].copy()
        return Sample(
            planes[: 4 * COUNT].reshape(2, COUNT, 2, *planes.shape[1:]),
            planes[4 * COUNT :].reshape(2, 2, *planes.shape[1:]),
            record["error"].astype(np.float32),
            scales[: 2 * COUNT].reshape(2, COUNT),
            scales[2 * COUNT :].reshape(2, 2),
            record["median"].copy(),
            record["moving"].astype(np.float32) / 255,
            small_counts_more(record["ids"]),
        )

    def batch(self, numbers: Sequence[int]) -> Batch:
        """A copy of some samples."""
        return collate([self.sample(index) for index in numbers])


def small_counts_more(ids: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """(h, w) weights from (h, w) ids of objects: that of a small object and its outline is up to `LARGEST_WEIGHT`, of all else 1.

    It is the root of what the object's area is short of `SMALL_SHARE` of the picture: small objects are as many as large ones, but have
    next to no say in a mean over pixels.
    """
    weight = np.ones(ids.shape, np.float32)
    for k in np.unique(ids[ids > 0]):
        inside = (ids == k).astype(np.uint8)
        own = min(LARGEST_WEIGHT, float(np.sqrt(SMALL_SHARE * ids.size / inside.sum())))
        if own > 1:
            near = cv2.dilate(inside, np.ones((2 * OUTLINE_PX + 1, 2 * OUTLINE_PX + 1), np.uint8)) > 0
            weight[near] = np.maximum(weight[near], np.float32(own))
    return weight


def indices(seed: int, iteration: int, size: int, count: int) -> list[int]:
    """Samples of an iteration: every pass over the `count` samples has an order of its own."""
    orders: dict[int, Array] = {}
    answer = []
    for position in range(iteration * size, (iteration + 1) * size):
        turn, place = divmod(position, count)
        if turn not in orders:
            orders[turn] = np.random.default_rng([seed, turn, 0x0D]).permutation(count)
        answer.append(int(orders[turn][place]))
    return answer


def make_batch(scenes: Scenes, seed: int, iteration: int, size: int, augmentation: Augmentation) -> Batch:
    """The batch of an iteration."""
    rng = np.random.default_rng([seed, iteration, 0xA6])
    samples = [
        augmented(scenes.sample(index), rng, augmentation, lambda: scenes.sample(int(rng.integers(scenes.count))))
        for index in indices(seed, iteration, size, scenes.count)
    ]
    return _resized(collate(samples), rng, augmentation)


def collate(samples: Sequence[Sample]) -> Batch:
    """Samples as one batch."""
    size, hw = len(samples), samples[0].moving.shape
    planes, scales = np.empty((size, PLANES, *hw), np.float32), np.empty((size, SCALES), np.float32)
    error, moving, weight = (np.empty((size, *shape), np.float32) for shape in ((COUNT, *hw), hw, hw))
    for b, sample in enumerate(samples):
        planes[b, : 4 * COUNT].reshape(sample.flow.shape)[:] = sample.flow  # views: the only copy of what was turned around
        planes[b, 4 * COUNT : STORED_PLANES].reshape(sample.parallax.shape)[:] = sample.parallax
        planes[b, STORED_PLANES:] = beside_camera(planes[b, : 4 * COUNT], sample.flow_scales, sample.median)
        scales[b] = np.concatenate([sample.flow_scales.ravel(), sample.parallax_scales.ravel()])
        error[b], moving[b], weight[b] = sample.error, sample.moving, sample.weight
    return Batch(*(torch.from_numpy(array) for array in (planes, error, scales, moving, weight)))


def augmented(sample: Sample, rng: np.random.Generator, chance: Augmentation, another: Any) -> Sample:
    """Change a sample at random, in ways that do not change what moves; `another` gives a different sample."""
    if rng.random() < chance.broken:
        _copy_gaps(sample, another(), [(g, g) for g in LONG if rng.random() < 0.7])
    if rng.random() < chance.extrapolated:
        _extrapolate(sample)
        if rng.random() < 0.5:
            _forget_parallax(sample, (0, 1))
    if rng.random() < chance.missing_gap:
        g = int(rng.integers(COUNT))
        _copy_gaps(sample, sample, [(COUNT - 1 - g, g)])
    if rng.random() < chance.no_parallax:
        _forget_parallax(sample, ((0,), (1,), (0, 1))[rng.integers(3)])
    if rng.random() < chance.flip:
        _mirror(sample, 0)
    if rng.random() < chance.flip:
        _mirror(sample, 1)
    if rng.random() < chance.flip:
        sample.flow = np.negative(sample.flow, out=sample.flow)[:, ::-1]
        sample.flow_scales, sample.median = sample.flow_scales[:, ::-1], -sample.median[::-1]
        sample.error, sample.parallax, sample.parallax_scales = sample.error[::-1], sample.parallax[::-1], sample.parallax_scales[::-1]
    return sample


def _copy_gaps(sample: Sample, source: Sample, pairs: Sequence[tuple[int, int]]) -> None:
    """Let gaps show what other gaps of a sample show; each pair is (from, to)."""
    for origin, target in pairs:
        sample.flow[:, target], sample.flow_scales[:, target] = source.flow[:, origin], source.flow_scales[:, origin]
        sample.error[target], sample.median[target] = source.error[origin], source.median[origin]
        if origin in LONG:
            a, b = LONG.index(origin), LONG.index(target)
            sample.parallax[b], sample.parallax_scales[b] = source.parallax[a], source.parallax_scales[a]


def _extrapolate(sample: Sample) -> None:
    for short, long in zip(SHORT, LONG, strict=True):
        usual = np.exp(2 * sample.flow_scales[:, short])
        longer = 4 * (usual - FLOOR_PX) + FLOOR_PX
        sample.flow[:, long] = np.clip(sample.flow[:, short] * (4 * usual / longer)[:, None, None, None], -CLIP, CLIP)
        sample.flow_scales[:, long], sample.median[long] = 0.5 * np.log(longer), 4 * sample.median[short]


def _forget_parallax(sample: Sample, which: Sequence[int]) -> None:
    sample.parallax[list(which)], sample.parallax_scales[list(which)] = 0, 0


def _mirror(sample: Sample, direction: int) -> None:
    """Mirror left to right (0) or upside down (1)."""
    axis = -1 - direction
    sample.flow, sample.parallax = np.flip(sample.flow, axis), np.flip(sample.parallax, axis)
    sample.error, sample.moving = np.flip(sample.error, axis), np.flip(sample.moving, axis)
    sample.weight = np.flip(sample.weight, axis)
    sample.flow[:, :, direction] *= -1
    sample.median[:, direction] *= -1


def _resized(batch: Batch, rng: np.random.Generator, chance: Augmentation) -> Batch:
    height, width = batch.moving.shape[1:]
    small = (height * 3 // 4, width * 3 // 4)
    draw = rng.random()
    if draw < chance.smaller:
        maps = (batch.planes, batch.error, batch.moving[:, None], batch.weight[:, None])
        planes, error, moving, weight = (F.interpolate(x, small, mode="area") for x in maps)
        return Batch(planes, error, batch.scales, moving[:, 0], weight[:, 0])
    if draw < chance.smaller + chance.cropped:
        y, x = int(rng.integers(height - small[0] + 1)), int(rng.integers(width - small[1] + 1))
        window = np.s_[..., y : y + small[0], x : x + small[1]]
        return Batch(batch.planes[window], batch.error[window], batch.scales, batch.moving[window], batch.weight[window])
    return batch
