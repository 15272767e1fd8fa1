"""Training of the second network of the lite preset, on what all judges say of frames of rendered clips.

A clip is rendered, spoiled, and goes through flow, the first network and all else that precedes the second, as any clip does; a few of its
frames are drawn as samples. The first network is the shipped one, or another that never saw these scenes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from segmo.errors import SettingsError
from segmo.lite.fusion import COLOUR, COLOURED, ERRORS, JOINT, PICTURE_PLANES, PLANES, SCALAR_PLANES, SCALES, VECTORS, FusionInputs
from segmo.synthetic import render, sample_scene
from segmo.synthetic.dataset import sample_seed
from segmo.training.arguments import FusionArguments, FusionAugmentation
from segmo.training.batches import Batch, Records, indices, small_counts_more
from segmo.training.flow_task import LiteTask
from segmo.training.shards import SceneKind, pick, render_shards
from segmo.types import Clip, Steps, finish
from segmo.zoo.lite_models import LiteFlow, LiteMotion
from segmo.zoo.lite_motion import FUSION_WIDTHS_NOTE, WIDTHS_NOTE
from segmo.zoo.registry import LITE_MOTION
from segmo.zoo.trained import TrainedWeights

Array = npt.NDArray[Any]
FRAMES, DRIVE_FRAMES = 16, 9
"""Of a clip; fewer where the camera drives, since what it drives through fills many times the frame."""
SAMPLES = 5
"""Frames of a clip that are samples."""
FPS = 24.0
COLOUR_DOUBT = 0.4
"""Standard deviation, in units of the planes, of what patches add to what the clip's colours say."""
SEAM_WEIGHT, SEAM_SHARE = 6.0, 0.3
"""Of a pixel where two movers meet, beside others, and of that part of the loss."""


def record_dtype(hw: tuple[int, int]) -> np.dtype[Any]:
    """Layout of one sample on a map grid of `hw`, as in `shards.record_dtype`."""
    return np.dtype(
        [
            ("planes", np.float16, (PLANES, *hw)),
            ("error", np.uint8, (ERRORS, *hw)),
            ("scales", np.float32, (SCALES,)),
            ("moving", np.uint8, hw),
            ("ids", np.uint8, hw),
        ]
    )


def make_samples(seed: int, index: int, kinds: tuple[SceneKind, ...], first: TrainedWeights | None = None) -> Array:
    """(SAMPLES,) records of clip `index` of a data set.

    Args:
        first: weights of the first network; None for those of this repository.

    Raises:
        WeightsError: the file of the weights has changed.
    """
    model = LiteMotion.trained([first.unchanged_path()]) if first else LiteMotion()
    own = sample_seed(seed, index)
    config = pick(kinds, own)
    count = DRIVE_FRAMES if config.drive_share > 0 else FRAMES
    times = tuple(float(t - count // 2) for t in range(count))
    scene = render(sample_scene(own, dataclasses.replace(config, times=times)), times)
    judged = finish(model.judge(clip := as_clip(scene.frames), finish(LiteFlow().flow(clip))))
    hw = judged.judges.network.shape[1:]
    chosen = sorted(np.random.default_rng([own, 5]).choice(count, SAMPLES, replace=False).tolist())
    records = np.zeros(SAMPLES, record_dtype((hw[0], hw[1])))
    inputs = FusionInputs(judged.judges, judged.lab, judged.links)
    for record, t in zip(records, chosen, strict=True):
        seen = inputs.frame(t)
        record["planes"], record["error"], record["scales"] = seen.planes, seen.error, seen.scales
        moving = (scene.moving_labels[t] > 0).astype(np.uint8) * np.uint8(255)
        record["moving"] = cv2.resize(moving, (hw[1], hw[0]), interpolation=cv2.INTER_AREA)
        record["ids"] = cv2.resize(scene.moving_labels[t], (hw[1], hw[0]), interpolation=cv2.INTER_NEAREST)
    return records


def as_clip(frames: npt.NDArray[np.uint8]) -> Clip:
    """(T, H, W, 3) RGB frames as a clip."""
    steps = np.arange(len(frames))
    return Clip(frames, steps / FPS, steps, tuple(f"{t:05d}" for t in steps), (frames.shape[1], frames.shape[2]), len(frames), FPS)


class Samples(Records):
    """Samples of the second network."""

    def __init__(self, paths: Sequence[Path], clips: int) -> None:
        super().__init__(paths, SAMPLES * clips)

    @staticmethod
    def layout(hw: tuple[int, ...]) -> np.dtype[Any]:
        """See `Records`."""
        return record_dtype((hw[0], hw[1]))

    def batch(self, numbers: Sequence[int]) -> Batch:
        """A copy of some samples."""
        records = [self.record(number) for number in numbers]
        planes, error = (np.stack([record[name] for record in records]).astype(np.float32) for name in ("planes", "error"))
        scales, moving = (np.stack([record[name] for record in records]) for name in ("scales", "moving"))
        weight, seam = (np.stack([make(record["ids"]) for record in records]) for make in (small_counts_more, seams))
        return Batch(*(torch.from_numpy(x) for x in (planes, error, scales, moving.astype(np.float32) / 255, weight, seam)))


def seams(ids: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """(h, w) 1 within two pixels of where two objects of (h, w) ids meet, 0 elsewhere."""
    kernel = np.ones((5, 5), np.uint8)
    highest = cv2.dilate(ids, kernel)
    lowest = cv2.erode(np.where(ids > 0, ids, np.uint8(255)), kernel)
    return (highest > lowest).astype(np.float32)


def changed(batch: Batch, rng: np.random.Generator, chance: FusionAugmentation) -> Batch:
    """Change a batch at random, in ways that do not change what moves."""
    assert batch.seam is not None
    maps = [batch.planes, batch.error, batch.moving, batch.weight, batch.seam]
    for axis, probability in enumerate((chance.mirrored, chance.upside_down)):
        if rng.random() < probability:
            maps = [x.flip(-1 - axis) for x in maps]
            maps[0][:, SCALAR_PLANES + axis : SCALAR_PLANES + 2 * VECTORS : 2] *= -1
    for planes in maps[0]:
        _recolour(planes, rng, chance)
    if rng.random() < chance.cropped:
        height, width = batch.moving.shape[1:]
        small = (height * 3 // 4, width * 3 // 4)
        y, x = int(rng.integers(height - small[0] + 1)), int(rng.integers(width - small[1] + 1))
        maps = [m[..., y : y + small[0], x : x + small[1]] for m in maps]
    return Batch(maps[0], maps[1], batch.scales, *maps[2:])


def _recolour(planes: Tensor, rng: np.random.Generator, chance: FusionAugmentation) -> None:
    """Change the picture in the planes of a sample in place, and what the clip's colours say.

    The network would learn what rendered scenes look like: that what moves has one kind of colours, and where colours end, it ends.
    """
    picture = planes[-PICTURE_PLANES:]
    if rng.random() < chance.recoloured:
        picture.copy_(_other_colours(picture, rng, chance))
    if rng.random() < chance.patched:
        coarse = torch.from_numpy(rng.normal(size=(1, 1, *rng.integers(3, 12, 2))).astype(np.float32))
        patch = F.interpolate(coarse, planes.shape[1:], mode="bicubic")[0, 0] > rng.uniform(0, 1)
        picture.copy_(torch.where(patch, _other_colours(picture, rng, chance), picture))
        planes[COLOURED] += patch * rng.normal(0, COLOUR_DOUBT)
        planes[COLOUR] += patch * rng.normal(0, COLOUR_DOUBT)
    if rng.random() < chance.unseen:
        picture.zero_()
    if rng.random() < chance.unmodelled:
        planes[COLOURED], planes[COLOUR] = planes[JOINT], 0


def _other_colours(picture: Tensor, rng: np.random.Generator, chance: FusionAugmentation) -> Tensor:
    turn, strength = rng.uniform(0, 2 * np.pi), rng.uniform(0, 1.5)
    cos, sin = strength * np.cos(turn), strength * np.sin(turn)
    lightness, green, blue = picture
    middle = float(lightness.mean())
    contrast = rng.uniform(0.5, 1.4) * (-1 if rng.random() < chance.negative else 1)
    return torch.stack([contrast * (lightness - middle) + middle + rng.normal(0, 0.3), cos * green - sin * blue, sin * green + cos * blue])


class FusionTask(LiteTask):
    """The second network."""

    sees = PLANES, ERRORS, SCALES
    outputs = 2
    note = FUSION_WIDTHS_NOTE
    arguments: FusionArguments

    def render(self, directory: Path, seed: int, count: int) -> Steps[Any]:
        """A few samples a clip."""
        data, first = self.arguments.data, self.arguments.first_network
        weights = TrainedWeights.of(first) if first else None
        if weights and weights.network != WIDTHS_NOTE:
            raise SettingsError(f"first_network is {first}, which holds another network. Give best.safetensors of a run of lite.yaml.")
        make, after = partial(make_samples, first=weights), weights.sha256 if weights else LITE_MOTION.sha256
        return render_shards(directory, seed, count, data.kinds, data.workers, make, after)

    def opened(self, paths: Sequence[Path], count: int) -> Samples:
        """Samples of clips."""
        return Samples(paths, count)

    def parts(self, turn: int) -> Sequence[Batch]:
        """One batch."""
        arguments = self.arguments
        batch = self._scenes.batch(indices(arguments.seed, turn, arguments.batch, self._scenes.count))
        return [changed(batch, np.random.default_rng([arguments.seed, turn, 0xF5]), arguments.augmentation)]

    def loss(self, logits: Tensor, part: Batch) -> Tensor:
        """That of what moves, and cross entropy of where two movers meet, counted within movers alone."""
        assert part.seam is not None
        seam, near = part.seam.to(self.device), F.max_pool2d(part.moving.to(self.device), 5, 1, 2)
        meeting = F.binary_cross_entropy_with_logits(logits[:, 1], seam, near * (1 + SEAM_WEIGHT * seam), reduction="sum")
        return super().loss(logits, part) + SEAM_SHARE * meeting / near.sum().clamp(min=1)
