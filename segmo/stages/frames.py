"""Which frames of a source are used, and at what size.

Efficiency mode follows the paper's code: at most 100 frames, at most 1000 pixels on the longer side, area interpolation. The
published code takes every `total // 100`-th frame and stops after 100, which loses the end of the clip: half of it at 199 frames. Here
frame i of n is `i * total // n`, the same wherever n divides the total, and evenly over the whole clip everywhere else.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from segmo.errors import VideoError
from segmo.geometry import fit_side, grid_size, resize_image
from segmo.settings import FrameSettings
from segmo.stages.margins import find_window
from segmo.types import Clip, Float, Int, Steps, UInt8, Window, steps_apart
from segmo.video import Source, VideoInfo, open_source
from segmo.video.source import SMALL_SIDE

VERSION = 4

EFFICIENT_FRAMES = 100
EFFICIENT_SIDE = 1000
STEPS_AROUND = 4
"""Steps of the source around each sampled frame in which its motion shows, as `lite` looks at it."""
AHEAD = 4
"""Decoded frames that may wait to be shrunk."""
MAX_CLIP_BYTES = 4 << 30
"""Sampled frames are held in memory, and the stages need several times as much again."""


@dataclass(frozen=True)
class FramePlan:
    """What sampling will use, known before anything is decoded."""

    frame_count: int
    """Frames that will be used."""
    source_frame_count: int
    """Frames there are between start and end of the wanted part."""
    hw: tuple[int, int]
    """Height and width the frames will have, in pixels."""
    source_hw: tuple[int, int]
    """Height and width of the source as displayed."""
    between_count: int = 0
    """Frames besides in which it is looked at how those move."""

    @property
    def memory_bytes(self) -> int:
        """Memory that the sampled frames take."""
        return self.frame_count * self.hw[0] * self.hw[1] * 3

    @property
    def notes(self) -> tuple[str, ...]:
        """What is left out, in sentences for the user."""
        notes = []
        if self.frame_count < self.source_frame_count:
            notes.append(f"Used {self.frame_count} of {self.source_frame_count} frames, evenly spread.")
        if self.hw != self.source_hw:
            notes.append(f"Frames were shrunk from {self.source_hw[1]}x{self.source_hw[0]} to {self.hw[1]}x{self.hw[0]}.")
        return tuple(notes)


def sampled_indices(total: int, settings: FrameSettings) -> Int:
    """(n,) indices of the frames used of `total`: all of them, or as many as the settings allow, evenly over the whole clip."""
    limits = [limit for limit in (EFFICIENT_FRAMES if settings.efficiency else 0, settings.max_frames) if limit]
    used = min([total, *limits])
    return np.arange(used, dtype=np.int64) * total // max(used, 1)


def working_hw(hw: tuple[int, int], settings: FrameSettings) -> tuple[int, int]:
    """Height and width at which frames of a source of size `hw` are used."""
    return fit_side(fit_side(hw, EFFICIENT_SIDE if settings.efficiency else 0), settings.max_side)


def plan(info: VideoInfo, settings: FrameSettings) -> FramePlan:
    """What `sample_frames` will use, as far as it can be told without the timestamps of the source (exact at a constant rate)."""
    timestamps = np.arange(info.frame_count, dtype=np.float64) * (info.duration_s / info.frame_count)
    part = _wanted_part(timestamps, settings)
    indices = part[sampled_indices(len(part), settings)]
    return FramePlan(len(indices), len(part), working_hw(info.hw, settings), info.hw, len(_around(indices, part, info.fps)))


def sample_frames(source: Path, settings: FrameSettings) -> Steps[Clip]:
    """Read the sampled frames of a video file or image folder.

    Raises:
        VideoError: the source cannot be decoded, or gives fewer than the two frames that motion needs.
    """
    opened = open_source(source)
    part = _wanted_part(opened.timestamps_s, settings)
    indices = part[sampled_indices(len(part), settings)]
    planned = FramePlan(len(indices), len(part), working_hw(opened.info.hw, settings), opened.info.hw)
    _check_usable(opened, len(part), planned, settings)
    around = _around(indices, part, opened.info.fps)
    frames = np.empty((len(indices), *planned.hw, 3), np.uint8)
    between = np.empty((len(around), 0, 0), np.uint8)
    chosen = frozenset(indices.tolist())
    kept: list[int] = []
    seen: list[int] = []
    with ThreadPoolExecutor(1) as pool:  # shrinks a frame while the next is decoded
        waiting: deque[Future[None]] = deque()
        small = frozenset(around.tolist())
        wanted = np.sort(np.concatenate([indices, around])).tolist()
        for index, frame in opened.read(wanted, small):
            if index in chosen:
                waiting.append(pool.submit(_fill, frames[len(kept)], frame))
                kept.append(index)
            else:
                if not between.size:
                    for shrunk in waiting:
                        shrunk.result()
                    between = np.empty((len(around), *_whole_grid(planned.hw, find_window(frames[: len(kept)]))), np.uint8)
                waiting.append(pool.submit(_fill_grey, between[len(seen)], frame))
                seen.append(index)
            if len(waiting) > AHEAD:
                waiting.popleft().result()
            yield (len(kept) + len(seen)) / len(wanted)
        for shrunk in waiting:
            shrunk.result()
    notes = _part_notes(opened, part, settings)
    if len(kept) < len(indices):
        notes.append(f"{len(indices) - len(kept)} of the {len(indices)} frames could not be decoded and were left out.")
    if opened.damaged:
        notes.append(f"{opened.damaged} of the frames used are damaged in the file and may show errors.")
    if len(kept) < 2:
        raise VideoError(f"Only {len(kept)} frame of {source} could be decoded, and motion needs at least 2. Copy or export it again.")
    window = find_window(frames[: len(kept)])
    return Clip(
        frames=frames[: len(kept)],
        timestamps_s=opened.timestamps_s[kept],
        source_indices=np.array(kept, np.int64),
        names=tuple(opened.names[index] for index in kept),
        source_hw=opened.info.hw,
        source_frame_count=len(part),
        source_fps=opened.info.fps,
        notes=(*opened.info.notes, *planned.notes, *_window_notes(window, planned.hw), *notes),
        between=_within(window, planned.hw, between[: len(seen)]),
        between_indices=np.array(seen, np.int64),
        window=window,
    )


def _part_notes(opened: Source, part: Int, settings: FrameSettings) -> list[str]:
    if not (settings.start_s or settings.length_s):
        return []
    start, end = opened.timestamps_s[part[[0, -1]]]
    return [f"Used the part from {start:.2f} s to {end:.2f} s of {opened.info.duration_s:.2f} s."]


def _window_notes(window: Window | None, hw: tuple[int, int]) -> list[str]:
    if window is None:
        return []
    width, height = window[3] - window[1], window[2] - window[0]
    return [f"The picture takes {width}x{height} of {hw[1]}x{hw[0]}; the margins around it were not looked at."]


def _around(indices: Int, part: Int, fps: float) -> Int:
    """Indices of frames of the `part` that show how the sampled frames move: those a few steps around each, if these are farther apart."""
    step = steps_apart(fps)
    if not len(indices) or np.diff(indices, prepend=indices[0]).max() <= step:
        return np.zeros(0, np.int64)
    near = np.unique(indices[:, None] + step * np.arange(-STEPS_AROUND, STEPS_AROUND + 1))
    return np.setdiff1d(np.intersect1d(near, part), indices)


def _whole_grid(hw: tuple[int, int], window: Window | None) -> tuple[int, int]:
    """Size of pictures of whole frames of which the part in the window is as fine as flow is searched for in it, if it was read so fine."""
    if window is None:
        return grid_size(hw)
    part = window[2] - window[0], window[3] - window[1]
    height, width = (round(side * cells / size) for side, cells, size in zip(hw, grid_size(part), part, strict=True))
    return fit_side((height, width), SMALL_SIDE)


def _within(window: Window | None, hw: tuple[int, int], pictures: UInt8) -> UInt8:
    """The part in the window of (M, h, w) pictures of whole frames of `hw`, on its grid."""
    top, left, bottom, right = window or (0, 0, *hw)
    grid = grid_size((bottom - top, right - left))
    if not len(pictures) or pictures.shape[1:] == grid:
        return pictures
    rows, columns = pictures.shape[1] / hw[0], pictures.shape[2] / hw[1]
    part = pictures[:, round(top * rows) : round(bottom * rows), round(left * columns) : round(right * columns)]
    return np.stack([resize_image(picture, grid) for picture in part])


def _fill_grey(place: UInt8, frame: UInt8) -> None:
    place[:] = cv2.cvtColor(resize_image(frame, place.shape), cv2.COLOR_RGB2GRAY)


def _fill(place: UInt8, frame: UInt8) -> None:
    place[:] = resize_image(frame, place.shape[:2])


def _wanted_part(timestamps_s: Float, settings: FrameSettings) -> Int:
    """Indices of the frames between start and start + length."""
    late = timestamps_s >= settings.start_s - 1e-6
    early = timestamps_s < settings.start_s + settings.length_s - 1e-6 if settings.length_s else np.ones_like(late)
    return np.flatnonzero(late & early)


def _check_usable(opened: Source, available: int, planned: FramePlan, settings: FrameSettings) -> None:
    info = opened.info
    if planned.memory_bytes > MAX_CLIP_BYTES:
        raise VideoError(
            f"{planned.frame_count} frames of {planned.hw[1]}x{planned.hw[0]} take {planned.memory_bytes / 2**30:.1f} GiB of memory, "
            f"and {MAX_CLIP_BYTES / 2**30:.0f} GiB is the most. Turn on efficiency mode, or lower maximum frames, maximum side or length."
        )
    if planned.frame_count >= 2:
        return
    if info.frame_count < 2:
        raise VideoError("The source has a single frame, and motion needs at least 2. Give a video or a folder of several images.")
    if available >= 2:
        raise VideoError(f"Maximum frames is {settings.max_frames}, and motion needs at least 2. Raise it, or set it to 0 for no limit.")
    span = f"from {settings.start_s:g} s" + (f" for {settings.length_s:g} s" if settings.length_s else "")
    raise VideoError(
        f"The part {span} holds {available} of the {info.frame_count} frames, and motion needs at least 2. "
        f"Choose start and length within the {info.duration_s:.2f} s of the clip."
    )
