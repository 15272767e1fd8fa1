"""Saves disk space in a prepared data folder: features as compressed HDF5, and no remains of writers that were stopped.

Nothing else is ever removed: images, masks, depth and tracks stay. A plain file of features goes only after its compressed copy was read
back and found equal; one that is damaged, or would not come back equal, stays.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from segmo.datasets.layout import Layout, Scene, read_features, write_features
from segmo.errors import DataError, OutputError
from segmo.files import name_to_replace
from segmo.types import Steps

REMAINS_AGE_S = 3600.0
"""Remains younger than this may belong to a writer that is still at work."""
_ENDINGS = (".png", ".npy", ".h5", ".json")  # of the files of the layout


@dataclass(frozen=True)
class Cleaning:
    """What was done, or would be."""

    compressed: tuple[Path, ...]
    """Plain files of features that became HDF5."""
    removed: tuple[Path, ...]
    """Remains of writers that were stopped."""
    kept: tuple[str, ...]
    """Why plain features were kept, a message a file."""
    bytes_before: int
    """Of the files of `compressed` and `removed`."""
    bytes_after: int
    """Of what replaced them; equal to `bytes_before` in a dry run, which does not compress."""


def clean(layout: Layout, *, dry_run: bool = False, workers: int = 2) -> Steps[Cleaning]:
    """Compress features and remove remains, or only tell what would be done.

    Raises:
        OutputError: a file cannot be written or removed.
    """
    scenes = layout.scenes()
    plain = [path for scene in scenes for path in sorted(scene.features.glob("*.npy"))]
    remains = list(_remains(scenes))
    before = sum(path.stat().st_size for path in (*plain, *remains))
    if dry_run:
        yield 1.0
        return Cleaning(tuple(plain), tuple(remains), (), before, before)
    compressed: list[Path] = []
    kept: list[str] = []
    after = 0
    with ThreadPoolExecutor(workers) as pool:
        for done, (path, problem) in enumerate(zip(plain, pool.map(_compress, plain), strict=True), start=1):
            if problem:
                kept.append(problem)
                before -= path.stat().st_size
            else:
                compressed.append(path)
                after += path.with_suffix(".h5").stat().st_size
            yield done / (len(plain) + 1)
    for path in remains:
        _remove(path)
    return Cleaning(tuple(compressed), tuple(remains), tuple(kept), before, after)


def _remains(scenes: Sequence[Scene]) -> Iterator[Path]:
    """Temporary files of `layout` that nobody moved in place."""
    latest = time.time() - REMAINS_AGE_S
    places = ((s.images, s.depth, s.tracks, s.features, s.masks, s.record.parent) for s in scenes)
    for folder in dict.fromkeys(itertools.chain.from_iterable(places)):  # scenes may share the folder of their records
        for path in sorted(folder.glob(".*")):
            if name_to_replace(path.name).endswith(_ENDINGS) and path.is_file() and path.stat().st_mtime < latest:
                yield path


def _compress(path: Path) -> str:
    """Replace plain features by compressed ones; returns why not, or nothing."""
    target = path.with_suffix(".h5")
    try:
        halves, features = read_features(path), np.load(path, allow_pickle=False)
        if not np.array_equal(halves, features):
            return f"{path} was kept: float16 does not hold its {features.dtype} exactly."
        if not target.exists():
            write_features(target, features)
        if not np.array_equal(read_features(target), features):
            return f"{path} was kept: {target.name} beside it holds something else. Remove the wrong one of the two."
    except (DataError, OSError, ValueError) as error:
        return f"{path} was kept: it cannot be compressed ({error})."
    _remove(path)
    return ""


def _remove(path: Path) -> None:
    try:
        path.unlink()
    except OSError as error:
        raise OutputError(f"{path} cannot be removed: {error}. Check the permissions of its folder.") from error
