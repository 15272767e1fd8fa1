"""Mask PNGs and videos: each frame is drawn once, in a small pool of threads, and streamed to all writers that show it."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from PIL import Image

from segmo import render
from segmo.errors import OutputError
from segmo.export.folder import NO_SOUND, OUTPUTS
from segmo.export.rle import encode_objects
from segmo.geometry import resize_labels
from segmo.parallel import core_count
from segmo.types import Clip, ObjectMasks, Steps, UInt8
from segmo.video import write_alpha_webm, write_mp4

_AHEAD = 4  # frames drawn before the writers ask for them
_QUEUE = 2  # frames that wait for each writer; both bound the memory

_Drawn = tuple[dict[str, UInt8], dict[int, dict[str, Any]]]
"""The picture of each video, and the encoded objects."""


class _Pipe:
    """Hands frames to a writer that runs in a thread of its own, a few at a time."""

    def __init__(self, write: Callable[[Iterator[UInt8]], None]) -> None:
        self._queue: queue.Queue[UInt8 | None] = queue.Queue(_QUEUE)
        self._error: BaseException | None = None
        self._stopped = False
        self._thread = threading.Thread(target=self._run, args=(write,), daemon=True)
        self._thread.start()

    def _run(self, write: Callable[[Iterator[UInt8]], None]) -> None:
        try:
            write(self._frames())
        except BaseException as error:  # raised in the thread that feeds the pipe
            self._error = error

    def _frames(self) -> Iterator[UInt8]:
        while (frame := self._queue.get()) is not None:
            yield frame
        if self._stopped:
            raise OutputError("Writing was stopped. Start it again.")

    def put(self, frame: UInt8 | None) -> None:
        """Pass on a frame, or None for the end; raises the writer's error."""
        while self._error is None:
            with contextlib.suppress(queue.Full):
                return self._queue.put(frame, timeout=0.1)
        raise self._error

    def finish(self) -> None:
        """Wait until the file is complete; raises the writer's error."""
        self.put(None)
        self._thread.join()
        if self._error is not None:
            raise self._error

    def stop(self) -> None:
        """Make the writer give up, unless it is done, and wait for it."""
        self._stopped = True
        while self._thread.is_alive():
            with contextlib.suppress(queue.Full):
                self._queue.put_nowait(None)
            self._thread.join(0.05)


def _open_pipes(staging: Path, clip: Clip, source: Path, wanted: AbstractSet[str], warnings: list[str]) -> dict[str, _Pipe]:
    times = clip.timestamps_s

    def overlay(frames: Iterator[UInt8]) -> None:
        sound, start_s = source if source.is_file() else None, float(times[0])
        if not write_mp4(staging / OUTPUTS["overlay"], frames, clip.fps, timestamps_s=times, audio_from=sound, audio_start_s=start_s):
            warnings.append(NO_SOUND)

    def side_by_side(frames: Iterator[UInt8]) -> None:
        pairs = map(render.side_by_side, clip.frames, frames)
        write_mp4(staging / OUTPUTS["side_by_side"], pairs, clip.fps, timestamps_s=times, quick=True)

    def alpha(frames: Iterator[UInt8]) -> None:
        write_alpha_webm(staging / OUTPUTS["alpha"], frames, clip.fps, timestamps_s=times)

    return {write.__name__: _Pipe(write) for write in (overlay, side_by_side, alpha) if write.__name__ in wanted}


def _draw(staging: Path, clip: Clip, masks: ObjectMasks, t: int, wanted: AbstractSet[str]) -> _Drawn:
    """Write the mask of frame t and draw what the videos show of it."""
    frame, labels = clip.frames[t], masks.labels[t]
    pictures = {}
    if wanted & {"overlay", "side_by_side"}:
        pictures["overlay"] = pictures["side_by_side"] = render.overlay(frame, labels, tags=len(masks.object_ids) > 1)
    if "alpha" in wanted:
        pictures["alpha"] = render.cut_out(frame, labels)
    if not wanted & {"masks", "objects"}:
        return pictures, {}
    full = resize_labels(masks.labels[t : t + 1], clip.source_hw)[0]
    if "masks" in wanted:
        image = Image.fromarray(full)
        image.putpalette(render.PALETTE.tobytes())
        image.save(staging / OUTPUTS["masks"] / f"{clip.names[t]}.png", compress_level=3)
    return pictures, encode_objects(full)


def write_frames(
    staging: Path, clip: Clip, masks: ObjectMasks, source: Path, wanted: AbstractSet[str]
) -> Steps[tuple[list[dict[int, dict[str, Any]]], list[str]]]:
    """Write the wanted mask PNGs and videos into `staging`.

    Returns what `encode_objects` says of each frame at the source's size, and warnings for the user.
    """
    (staging / OUTPUTS["masks"]).mkdir()
    objects = []
    warnings: list[str] = []
    drawn: deque[Future[_Drawn]] = deque()
    pipes = _open_pipes(staging, clip, source, wanted, warnings)
    try:
        with ThreadPoolExecutor(min(4, core_count())) as pool:
            for t in range(len(clip) + _AHEAD):
                if t < len(clip):
                    drawn.append(pool.submit(_draw, staging, clip, masks, t, wanted))
                if t < _AHEAD:
                    continue
                pictures, found = drawn.popleft().result()
                objects.append(found)
                for name, pipe in pipes.items():
                    pipe.put(pictures[name])
                yield len(objects) / (len(clip) + 1)
        for pipe in pipes.values():
            pipe.finish()
    finally:
        for pipe in pipes.values():
            pipe.stop()
    return objects, warnings
