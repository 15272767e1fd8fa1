"""Many random scenes: a stream of samples for training, and a data set on disk.

The data set has the layout of DAVIS, so that every command that reads DAVIS reads it:

    OUT/JPEGImages/480p/<scene>/<frame>.png     frames, lossless
    OUT/Annotations/480p/<scene>/<frame>.png    palette PNG of the ids of moving objects, 0 = background
    OUT/truth/<scene>.npz                       labels of all objects, moving, inverse depth, times: arrays of `RenderedScene`
    OUT/preview/<scene>.mp4                     frames, moving objects and inverse depth side by side, if asked for
    OUT/recipe.txt                              seed and `SceneConfig` of all random scenes in it, as JSON
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import io
import itertools
import json
import multiprocessing
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image

from segmo import render as drawing
from segmo import video
from segmo.device import begin_worker
from segmo.errors import DataError, OutputError, SettingsError
from segmo.files import write_bytes, write_text
from segmo.synthetic.renderer import render
from segmo.synthetic.sampling import SceneConfig, sample_scene
from segmo.synthetic.scenarios import FPS
from segmo.synthetic.scene import RenderedScene
from segmo.types import Steps, UInt8

RECIPE = "recipe.txt"
Result = TypeVar("Result")


@dataclasses.dataclass(frozen=True, eq=False)
class Sample:
    """What training needs of a scene; plain arrays, so that it travels between processes."""

    seed: int
    frames: UInt8
    """(T, H, W, 3) RGB."""
    moving_labels: UInt8
    """(T, H, W) ids of moving objects, 0 elsewhere."""


def sample_seed(seed: int, index: int) -> int:
    """Seed of the scene at an index of a data set; different data sets share no scenes in practice."""
    return int(np.random.SeedSequence([seed, index]).generate_state(1, np.uint64)[0] >> np.uint64(1))


def samples(seed: int, count: int, config: SceneConfig | None = None, workers: int = 0, first: int = 0) -> Iterator[Sample]:
    """Random scenes `first` to `first + count - 1` of a data set, in order; the same whatever the number of processes.

    Args:
        workers: processes that render; 0 renders in this one.
    """
    config = config or SceneConfig()
    return _in_order(_sample, [(sample_seed(seed, index), config) for index in range(first, first + count)], workers)


def write_dataset(
    directory: Path, seed: int, count: int, config: SceneConfig | None = None, *, preview: bool = False, workers: int = 0
) -> Steps[list[str]]:
    """Write a data set of `count` random scenes, and return their names. Scenes that are already there are kept.

    Raises:
        SettingsError: `count` is not positive.
        DataError: the folder holds scenes of another seed or configuration, or of none that is known.
        OutputError: a file cannot be written.
    """
    if count < 1:
        raise SettingsError(f"The number of scenes is {count}. Give at least 1.")
    config = config or SceneConfig()
    _claim_dataset(directory, seed, config)
    jobs = [(directory, f"scene_{index:06d}", sample_seed(seed, index), config, preview) for index in range(count)]
    names = []
    for done, name in enumerate(_in_order(_write_scene, jobs, workers), start=1):
        names.append(name)
        yield done / count
    return names


def claim(directory: Path, recipe: str, advice: str) -> None:
    """Remember in a data set's folder what it holds, so that two recipes never mix.

    Args:
        recipe: a JSON object of all that the scenes depend on; not their number, so that there can be more of them later.
        advice: what to do about a folder that cannot be used, as a sentence.

    Raises:
        DataError: the folder holds scenes of another recipe, or cannot be used.
    """
    note = directory / RECIPE
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if not note.exists():
            write_text(note, recipe)
        found = note.read_text(encoding="utf-8", errors="replace")
    except (OSError, OutputError) as error:
        raise DataError(f"{directory} cannot be used for rendered scenes: {error}. {advice}") from error
    if found != recipe:
        raise DataError(f"{directory} holds scenes of another recipe ({_difference(found, recipe)}). {advice}")


def _difference(found: str, recipe: str) -> str:
    """In what two recipes differ, for people."""
    wanted = json.loads(recipe)
    try:
        known = dict(json.loads(found))
    except (ValueError, TypeError):
        return f"{RECIPE} is damaged"
    return "other " + ", ".join(sorted(name for name in known | wanted if name not in known or known[name] != wanted.get(name)))


def _claim_dataset(directory: Path, seed: int, config: SceneConfig) -> None:
    advice = "Choose another folder, or delete this one."
    if not (directory / RECIPE).exists() and any(directory.glob("JPEGImages/480p/scene_*")):
        raise DataError(f"{directory} holds scenes, and no {RECIPE} that tells their seed and configuration. {advice}")
    claim(directory, json.dumps({"seed": seed, **dataclasses.asdict(config)}), advice)


def write_scene(directory: Path, name: str, scene: RenderedScene, *, preview: bool = False) -> None:
    """Write one scene into a data set; its truth file is written last and marks it complete."""
    moving = scene.moving_labels
    for index in range(len(scene)):
        write_bytes(directory / "JPEGImages" / "480p" / name / f"{index:05d}.png", _png(Image.fromarray(scene.frames[index])))
        mask = Image.fromarray(moving[index])
        mask.putpalette(drawing.PALETTE.tobytes())
        write_bytes(directory / "Annotations" / "480p" / name / f"{index:05d}.png", _png(mask))
    if preview:
        video.write_mp4(directory / "preview" / f"{name}.mp4", preview_frames(scene), FPS)
    buffer = io.BytesIO()
    largest = np.finfo(np.float16).max  # what a camera all but touches is nearer than half precision can say
    near = np.clip(scene.inverse_depth, -largest, largest).astype(np.float16)
    np.savez_compressed(buffer, labels=scene.labels, moving=scene.moving, inverse_depth=near, times=scene.times)
    write_bytes(directory / "truth" / f"{name}.npz", buffer.getvalue())


def preview_frames(scene: RenderedScene) -> Iterator[UInt8]:
    """(H, 3 W + 8, 3) a frame: the picture, its moving objects, and its inverse depth."""
    nearest = max(float(scene.inverse_depth.max()), 1e-6)
    moving = scene.moving_labels
    for index, frame in enumerate(scene.frames):
        depth = drawing.depth_colours(scene.inverse_depth[index] / nearest, frame.shape[:2])
        pictures = drawing.side_by_side(frame, drawing.overlay(frame, moving[index], tags=True))
        yield np.concatenate([pictures, drawing.side_by_side(frame, depth)[:, frame.shape[1] :]], axis=1)


def _sample(job: tuple[int, SceneConfig]) -> Sample:
    seed, config = job
    scene = render(sample_scene(seed, config), config.times)
    return Sample(seed, scene.frames, scene.moving_labels)


def _write_scene(job: tuple[Path, str, int, SceneConfig, bool]) -> str:
    directory, name, seed, config, preview = job
    complete = (directory / "truth" / f"{name}.npz").exists() and (not preview or (directory / "preview" / f"{name}.mp4").exists())
    if not complete:
        write_scene(directory, name, render(sample_scene(seed, config), config.times), preview=preview)
    return name


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()


Job = TypeVar("Job")


def _in_order(work: Callable[[Job], Result], jobs: list[Job], workers: int) -> Iterator[Result]:
    """Results in the order of their jobs; at most a few jobs run ahead of what was taken, so that memory stays bounded."""
    if workers <= 0:
        yield from map(work, jobs)
        return
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(workers, context, begin_worker) as pool:
        remaining = iter(jobs)
        running = deque(pool.submit(work, job) for job in itertools.islice(remaining, 3 * workers))
        try:
            while running:
                result = running.popleft().result()
                running.extend(pool.submit(work, job) for job in itertools.islice(remaining, 1))
                yield result
        finally:
            for future in running:
                future.cancel()
