"""Finds what is missing, truncated or inconsistent in a prepared data folder, scene by scene and file by file."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from segmo.datasets.annotations import mask_files, read_rgb
from segmo.datasets.layout import Layout, Scene, read_depth, read_features, read_mask, read_track_file
from segmo.datasets.prepare import PARTS, read_plan
from segmo.errors import DataError, InputError
from segmo.types import Steps
from segmo.video.images import list_images, shown_hw

MASK_PART = "masks"
Content = TypeVar("Content")


@dataclass(frozen=True)
class Fault:
    """Something wrong with a scene."""

    scene: str
    path: Path
    """The file, or the folder where all of it is missing."""
    problem: str


def check(layout: Layout, parts: Collection[str] = tuple(PARTS), workers: int = 2) -> Steps[tuple[Fault, ...]]:
    """Read everything once; returns all faults, by scene and part.

    Args:
        parts: of `prepare.PARTS`, what the scenes should have. Masks are expected wherever any scene has them.
        workers: threads, a scene each.
    """
    scenes = layout.scenes()
    wanted = set(parts) | ({MASK_PART} if any(scene.masks.is_dir() for scene in scenes) else set())
    faults: list[Fault] = []
    with ThreadPoolExecutor(workers) as pool:
        for done, found in enumerate(pool.map(lambda scene: tuple(check_scene(scene, wanted)), scenes), start=1):
            faults += found
            yield done / len(scenes)
    return tuple(faults)


def check_scene(scene: Scene, parts: Collection[str]) -> Iterator[Fault]:
    """The faults of one scene."""
    try:
        plan = read_plan(scene)
    except DataError as error:
        yield Fault(scene.name, scene.record, str(error))
        plan = None
    names = scene.frame_names()
    frames = plan.frames if plan else names
    queries = plan.queries if plan else _found_queries(scene, frames)
    hw: list[tuple[int, int]] = []
    yield from _check_images(scene, names, frames, hw)
    size = hw[0] if hw else None
    if "depths" in parts:
        files = {name: scene.depth_file(name) for name in frames}
        yield from _check_files(scene, scene.depth, files, lambda path: _sized(read_depth(path), size))
        yield from (Fault(scene.name, path, "belongs to no image") for stem, path in mask_files(scene.depth).items() if stem not in names)
    if "features" in parts:
        grids: dict[tuple[int, ...], Path] = {}
        files = {name: scene.feature_file(name) for name in queries}
        yield from _check_files(scene, scene.features, files, lambda path: _alike(read_features(path), path, grids))
    if "tracks" in parts:
        yield from _check_tracks(scene, queries, frames)
    if MASK_PART in parts:
        masks = scene.masks_by_frame()
        files = {name: masks.get(name, scene.mask_file(name)) for name in names}
        yield from _check_files(scene, scene.masks, files, lambda path: _sized(read_mask(path), size))


def _found_queries(scene: Scene, frames: tuple[str, ...]) -> tuple[str, ...]:
    """Query frames of a scene without a record: as far apart as those that have features or tracks."""
    found = [t for t, name in enumerate(frames) if scene.feature_file(name).exists() or scene.track_file(name, frames[0]).exists()]
    step = int(np.gcd.reduce(found)) if found else 0
    return frames[::step] if step else tuple(frames[t] for t in found)


def _check_images(scene: Scene, names: tuple[str, ...], frames: tuple[str, ...], hw: list[tuple[int, int]]) -> Iterator[Fault]:
    """Also tells the size that the images have, in `hw`."""
    for name in frames:
        if name not in names:
            yield Fault(scene.name, scene.images / name, "is missing: the scene was prepared with it")
    for path in list_images(scene.images):
        try:
            read_rgb(path)
            seen = shown_hw(path)
        except InputError:
            yield Fault(scene.name, path, "is truncated or no image")
            continue
        if not hw:
            hw.append(seen)
        elif seen != hw[0]:
            yield Fault(scene.name, path, f"is {seen[1]}x{seen[0]}, the first image {hw[0][1]}x{hw[0][0]}")


def _check_files(scene: Scene, folder: Path, files: dict[str, Path], inspect: Callable[[Path], str]) -> Iterator[Fault]:
    """Faults of a kind of file; `inspect` reads one and tells what is wrong with it, or nothing."""
    if not files or not any(path.exists() for path in files.values()):
        yield Fault(scene.name, folder, "is missing, or holds nothing of this scene")
        return
    for path in files.values():
        if not path.exists():
            yield Fault(scene.name, path, "is missing")
            continue
        try:
            problem = inspect(path)
        except DataError as error:
            problem = f"is truncated or damaged ({error.__cause__ or error})"
        if problem:
            yield Fault(scene.name, path, problem)


def _check_tracks(scene: Scene, queries: tuple[str, ...], frames: tuple[str, ...]) -> Iterator[Fault]:
    files = {f"{query}_{target}": scene.track_file(query, target) for query in queries for target in frames}
    if not any(path.exists() for path in files.values()):
        yield Fault(scene.name, scene.tracks, "is missing, or holds nothing of this scene")
        return
    for query in queries:
        lengths: dict[tuple[int, ...], Path] = {}

        def inspect(path: Path, lengths: dict[tuple[int, ...], Path] = lengths) -> str:
            return _alike(read_track_file(path), path, lengths)

        yield from _check_files(scene, scene.tracks, {target: scene.track_file(query, target) for target in frames}, inspect)


def _sized(content: npt.NDArray[Any], hw: tuple[int, int] | None) -> str:
    if hw is None or content.shape == hw:
        return ""
    return f"is {content.shape[1]}x{content.shape[0]}, the images {hw[1]}x{hw[0]}"


def _alike(content: npt.NDArray[Any], path: Path, shapes: dict[tuple[int, ...], Path]) -> str:
    """Whether a file has the shape of the first one of its kind."""
    if not shapes or content.shape in shapes:
        shapes.setdefault(content.shape, path)
        return ""
    (shape, first), *_ = shapes.items()
    return f"has shape {content.shape}, {first.name} {shape}"
