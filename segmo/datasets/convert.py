"""Turns published data sets into the folder layout of training: pictures as PNG, and what moves as masks.

The source is only read. A frame is done when its mask is there, which is written after its picture; so a conversion that was stopped
goes on where it was. A clip that is incomplete does not stop the others.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from segmo.datasets import layout
from segmo.datasets.catalogue import DataSet
from segmo.datasets.clips import LabelledClip
from segmo.errors import DataError, InputError, SettingsError
from segmo.types import Steps


@dataclass(frozen=True)
class Conversion:
    """What a conversion did."""

    clips: int
    """Clips that are complete now."""
    frames_written: int
    """In this run."""
    failures: tuple[str, ...]
    """A message for each clip that could not be converted, by name."""


def convert(data_set: DataSet, source: Path, target: Path, workers: int = 2) -> Steps[Conversion]:
    """Write all clips of a data set below `target`.

    Args:
        workers: threads, a clip each.

    Raises:
        DataError: the source is not that data set.
        SettingsError: the target lies in the source.
        OutputError: a file cannot be written.
    """
    if target.resolve().is_relative_to(source.resolve()):
        raise SettingsError(f"{target} lies in {source}, which is left as it is. Choose a folder outside it.")
    if workers < 1:
        raise SettingsError(f"The number of workers is {workers}. Give at least 1.")
    clips = data_set.clips(source)
    place = data_set.layout(target)
    stop = threading.Event()
    written, failures = 0, []
    pool = ThreadPoolExecutor(workers)
    try:
        running = {pool.submit(_convert_clip, clip, place.scene(clip.name), stop): clip for clip in clips}
        for done, future in enumerate(as_completed(running), start=1):
            try:
                written += future.result()
            except InputError as error:
                failures.append(f"{running[future].name}: {error}")
            yield done / len(clips)
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)
    return Conversion(len(clips) - len(failures), written, tuple(sorted(failures)))


def _convert_clip(clip: LabelledClip, scene: layout.Scene, stop: threading.Event) -> int:
    """Write the frames of a clip that are not there yet; returns how many.

    Raises:
        DataError: the clip has no frames, or its files are wrong.
    """
    names = clip.frame_names()
    if not names:
        raise DataError(f"{clip.name} has no frames. Download or unpack it again.")
    missing = [name for name in names if not _is_done(scene, name)]
    if not missing:
        return 0
    written = 0
    for frame in clip.read(missing):
        if stop.is_set():
            break
        layout.write_image(scene.images / f"{frame.name}.png", frame.image)
        layout.write_mask(scene.mask_file(frame.name), frame.moving)
        written += 1
    return written


def _is_done(scene: layout.Scene, name: str) -> bool:
    return scene.mask_file(name).exists() and (scene.images / f"{name}.png").exists()
