"""Rendered scenes as inputs of the motion network, in files ("shards") of a few hundred megabytes that are read without loading them.

A scene is rendered, spoiled by the simulated sensor and codec, and its flow is computed as for any clip, so that the network meets
the errors that real flow has. Scene `i` of a seed is the same whatever else is rendered.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from segmo.device import begin_worker
from segmo.errors import SettingsError
from segmo.files import replacing
from segmo.geometry import grid_size
from segmo.lite.flow import GAPS, DenseFlow, dense_flow, grey_grid, picture_grid
from segmo.lite.inputs import SCALES, STORED_PLANES, network_input
from segmo.lite.views import FrameViews
from segmo.synthetic import SceneConfig, dataset, render, sample_scene
from segmo.synthetic.dataset import sample_seed
from segmo.types import Steps, finish

log = logging.getLogger(__name__)

SHARD_SCENES = 50
LONGEST = max(GAPS)
TIMES = tuple(float(t) for t in range(-LONGEST, LONGEST + 1))
"""Of the frames of a scene, of which the middle one is the sample."""
Array = npt.NDArray[Any]


@dataclass(frozen=True)
class SceneKind:
    """One kind of scenes and how often it comes."""

    share: float
    settings: dict[str, Any]
    """Fields of `SceneConfig` that differ from their defaults."""

    @property
    def config(self) -> SceneConfig:
        """The distribution of these scenes."""
        settings: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in self.settings.items()}
        return SceneConfig(**settings)

    @classmethod
    def from_config(cls, content: Any, where: str) -> SceneKind:
        """From a mapping of a configuration.

        Raises:
            SettingsError: it has no share, or fields that `SceneConfig` lacks.
        """
        if not isinstance(content, dict) or not isinstance(content.get("share"), int | float):
            raise SettingsError(f"{where} has {content!r}. Give each kind a share and fields of SceneConfig.")
        kind = cls(float(content["share"]), {name: value for name, value in content.items() if name != "share"})
        try:
            _ = kind.config
        except TypeError as error:
            raise SettingsError(f"{where} has an unknown field: {error}. Give fields of segmo.synthetic.SceneConfig.") from error
        return kind

    def to_config(self) -> dict[str, Any]:
        """The mapping that `from_config` reads."""
        return {"share": self.share, **self.settings}


def record_dtype(hw: tuple[int, int]) -> np.dtype[Any]:
    """Layout of one sample on a flow grid of `hw`: inputs, the share of each pixel that moves, in 255ths, and
    the id of the moving object at its centre, 0 for none."""
    h, w = hw[0] // 2, hw[1] // 2
    return np.dtype(
        [
            ("planes", np.float16, (STORED_PLANES, h, w)),
            ("error", np.uint8, (len(GAPS), h, w)),
            ("scales", np.float32, (SCALES,)),
            ("median", np.float32, (len(GAPS), 2)),
            ("moving", np.uint8, (h, w)),
            ("ids", np.uint8, (h, w)),
        ]
    )


def middle_flow(frames: npt.NDArray[np.uint8]) -> DenseFlow:
    """Flow of the middle one of nine (9, H, W, 3) frames."""
    grey = grey_grid(picture_grid(frames, grid_size((frames.shape[1], frames.shape[2]))))
    return finish(dense_flow(grey, wanted=(LONGEST,)))


def pick(kinds: tuple[SceneKind, ...], seed: int) -> SceneConfig:
    """The distribution that the scene of a seed comes from."""
    shares = np.array([kind.share for kind in kinds])
    return kinds[np.random.default_rng([seed, 0x4B]).choice(len(kinds), p=shares / shares.sum())].config


MakeSamples = Callable[[int, int, tuple[SceneKind, ...]], Array]
"""Records of the scene at an index of the data set of a seed."""


def make_sample(seed: int, index: int, kinds: tuple[SceneKind, ...]) -> Array:
    """Sample `index` of a data set: a record of `record_dtype`."""
    own = sample_seed(seed, index)
    config = pick(kinds, own)
    scene = render(sample_scene(own, replace(config, times=TIMES)), TIMES)
    flow = middle_flow(scene.frames)
    inputs = network_input(FrameViews(flow.flow[:, 0], flow.valid[:, 0]), flow.error[:, 0], both_ways=True)
    ids = scene.moving_labels[LONGEST]
    hw = (flow.flow.shape[2], flow.flow.shape[3])
    record, size = np.zeros((), record_dtype(hw)), (hw[1] // 2, hw[0] // 2)
    record["planes"], record["error"] = inputs.planes[:STORED_PLANES], inputs.error
    record["scales"], record["median"] = inputs.scales, inputs.median
    record["moving"] = cv2.resize((ids > 0).astype(np.uint8) * np.uint8(255), size, interpolation=cv2.INTER_AREA)
    record["ids"] = cv2.resize(ids, size, interpolation=cv2.INTER_NEAREST)
    return record


def shard_path(directory: Path, number: int) -> Path:
    """File of a shard."""
    return directory / f"shard_{number:05d}.npy"


def shard_paths(directory: Path, scenes: int) -> list[Path]:
    """Files of a data set."""
    return [shard_path(directory, number) for number in range(-(-scenes // SHARD_SCENES))]


def render_shards(
    directory: Path, seed: int, scenes: int, kinds: tuple[SceneKind, ...], workers: int, make: MakeSamples = make_sample, after: str = ""
) -> Steps[list[Path]]:
    """Render those shards of a data set that are not there yet, and return all.

    Args:
        make: what makes the records of a scene, one or several.
        after: what else the records depend on.

    Raises:
        DataError: the folder holds another data set, or a shard cannot be written.
    """
    recipe: dict[str, Any] = {"seed": seed, "kinds": [{"share": kind.share, **kind.settings} for kind in kinds]}
    claim(directory, json.dumps(recipe | ({"after": after} if after else {})))
    paths = shard_paths(directory, scenes)
    missing = [number for number, path in enumerate(paths) if not path.exists()]
    for done, _ in enumerate(on_all(_write_shard, [(directory, seed, number, kinds, make) for number in missing], workers), start=1):
        yield done / len(missing)
    return paths


def claim(directory: Path, description: str) -> None:
    """Remember in the folder of data that a configuration names what it holds. Raises as `segmo.synthetic.dataset.claim`."""
    dataset.claim(directory, description, "Choose another folder in the configuration.")


def _write_shard(job: tuple[Path, int, int, tuple[SceneKind, ...], MakeSamples]) -> None:
    directory, seed, number, kinds, make = job
    first = number * SHARD_SCENES
    records = np.concatenate([np.atleast_1d(make(seed, index, kinds)) for index in range(first, first + SHARD_SCENES)])
    with replacing(shard_path(directory, number)) as temporary, temporary.open("wb") as file:
        np.save(file, records)


def on_all(work: Any, jobs: list[Any], workers: int) -> Iterator[None]:
    """Do all jobs in several processes, or in this one where there are none."""
    if workers <= 0:
        yield from map(work, jobs)
        return
    with ProcessPoolExecutor(workers, get_context("spawn"), begin_worker) as pool:
        yield from pool.map(work, jobs)
