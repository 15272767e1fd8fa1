"""Video files, through PyAV: an index of the packets first, then only the packets that the wanted frames need."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt

from segmo.errors import VideoError
from segmo.geometry import resize_image
from segmo.types import UInt8
from segmo.video.source import VideoInfo, over_black, reading, turned

logger = logging.getLogger(__name__)

_PLAYLISTS = frozenset({"hls", "dash", "concat", "sdp", "rtsp", "imf"})
"""Formats that name other files or addresses; an upload must not make us open those."""
_UNKNOWN_RATE = Fraction(25)
"""Frames a second of a stream that says nothing about time, as ffmpeg assumes."""


@dataclass(frozen=True)
class _Index:
    """The packets of a video stream, found by demultiplexing alone."""

    pts: npt.NDArray[np.int64]
    """Presentation order of each packet, in units of the stream or, where the container has no timestamps, a running number."""
    keys: npt.NDArray[np.int64]
    """Numbers of the packets at which decoding can start."""
    frames: npt.NDArray[np.int64]
    """Number of the packet that holds each frame, in presentation order."""
    last_duration: int
    counted: bool
    """Whether frames are told apart by counting because the container has no timestamps."""


def _scan(container: Any, stream: Any) -> _Index:
    """Read all packets, without decoding them."""
    pts: list[int | None] = []
    keys: list[int] = []
    shown: list[int] = []
    last = 0
    for packet in _packets(container, stream):
        if packet.is_keyframe:
            keys.append(len(pts))
        if not packet.is_discard:
            shown.append(len(pts))
        pts.append(packet.pts)
        last = packet.duration or last
    # AVI stores no presentation times; those that ffmpeg derives are wrong where frames are reordered.
    counted = container.format.name == "avi" or None in pts
    times = np.arange(len(pts)) if counted else np.array(pts, np.int64)
    first = keys[0] if keys else 0
    frames = np.array([number for number in shown if number >= first and times[number] >= times[first]], np.int64)
    _, unique = np.unique(times[frames], return_index=True)  # two fields of one frame may share a time
    return _Index(times, np.array(keys or [0], np.int64), frames[unique], last, counted)


def _packets(container: Any, stream: Any) -> Iterator[Any]:
    """All packets up to the end, or to the point where the file is cut or damaged beyond reading."""
    try:
        for packet in container.demux(stream):
            if packet.size:
                yield packet
    except av.error.FFmpegError as error:
        logger.info("%s: reading stopped early (%s)", container.name, error)


class VideoFile:
    """A file that ffmpeg decodes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        notes: list[str] = []
        with self._opened() as (container, stream):
            self._index = index = _scan(container, stream)
            codec, rate = stream.codec_context.codec.canonical_name, stream.average_rate or stream.guessed_rate or _UNKNOWN_RATE
            aspect, unit, promised = stream.sample_aspect_ratio, stream.time_base, stream.frames
            has_audio = bool(container.streams.audio)
        count = len(index.frames)
        first = next(self._decode(range(count)), None)
        if first is None:
            raise VideoError(f"No frame of {path.name} ({codec}) can be decoded. Copy it again, or convert it to MP4 (H.264).")
        if promised > len(index.pts):
            notes.append(f"The file is cut off: only {len(index.pts)} of its {promised} frames are there.")
        if _has_alpha(first[1]):
            notes.append("Transparent parts are shown in black.")
        self._aspect = float(aspect) if aspect and 0.25 <= aspect <= 4 else 1.0
        self._turn = _display_matrix(first[1])
        self._hw: tuple[int, int] | None = None
        self._hw = self._to_rgb(first[1]).shape[:2]
        tick = 1 / rate if index.counted else unit
        shown = index.pts[index.frames]
        self.timestamps_s = (shown - shown[0]) * float(tick)
        last = float(tick * index.last_duration) if index.last_duration and not index.counted else float(1 / rate)
        duration = float(self.timestamps_s[-1]) + last
        self.names = tuple(f"{number:05d}" for number in range(count))
        self.info = VideoInfo(self._hw, count, count / duration, duration, codec, _angle(self._turn), has_audio, False, tuple(notes))

    def read(self, indices: Sequence[int]) -> Iterator[tuple[int, UInt8]]:
        """See `Source.read`."""
        for index, frame in self._decode(indices):
            yield index, self._to_rgb(frame)

    @contextlib.contextmanager
    def _opened(self) -> Iterator[tuple[Any, Any]]:
        with reading(self._path), av.open(str(self._path), options={"fflags": "+genpts"}) as container:
            if container.format.name.split(",")[0] in _PLAYLISTS:
                raise VideoError(f"{self._path.name} is a playlist ({container.format.name}), not a video. Give the video itself.")
            hidden = av.stream.Disposition.attached_pic | av.stream.Disposition.timed_thumbnails
            streams = [stream for stream in container.streams.video if not stream.disposition & hidden]
            if not streams:
                what = "only sound" if container.streams.audio else "no video"
                raise VideoError(f"{self._path.name} holds {what}. Give a file with a picture track.")
            stream = max(streams, key=lambda stream: (stream.width or 0) * (stream.height or 0))
            if stream.codec_context is None:
                raise VideoError(f"{self._path.name} uses a codec that ffmpeg does not know. Convert it to MP4 (H.264).")
            stream.thread_type = "AUTO"
            yield container, stream

    def _needed(self, numbers: Iterable[Any]) -> npt.NDArray[np.bool_]:
        """Which packets must be decoded to see the given ones: each from the last key frame that is shown before it."""
        index = self._index
        needed = np.zeros(len(index.pts), np.bool_)
        for number in numbers:
            start = int(np.searchsorted(index.keys, number, side="right")) - 1
            while start > 0 and index.pts[index.keys[start]] > index.pts[number]:
                start -= 1
            needed[index.keys[max(start, 0)] : number + 1] = True
        if index.counted and len(index.keys) < len(index.pts):
            needed[: needed.nonzero()[0].max(initial=0) + 1] = True  # only an unbroken count tells which frame is which
        return needed

    def _decode(self, indices: Sequence[int]) -> Iterator[tuple[int, Any]]:
        """(index, decoded frame) of the frames wanted; packets that they do not need are never decoded."""
        index = self._index
        wanted = {int(index.pts[index.frames[i]]): int(i) for i in indices}
        needed = self._needed(index.frames[i] for i in indices)
        intra = len(index.keys) == len(index.pts)
        fed: list[int] = []
        with self._opened() as (container, stream):
            context = stream.codec_context

            def decode(packet: Any) -> Iterator[tuple[int, Any]]:
                try:
                    frames = context.decode(packet)
                except av.error.FFmpegError as error:
                    logger.info("%s: a packet could not be decoded (%s)", self._path.name, error)
                    return
                for frame in frames:
                    found = wanted.pop(fed.pop(0) if index.counted and fed else frame.pts, None)
                    if found is not None:
                        yield found, frame

            for number, packet in enumerate(_packets(container, stream)):
                if not wanted or number >= len(needed):
                    break
                if needed[number]:
                    fed.append(number)
                    yield from decode(packet)
                elif number and needed[number - 1] and not intra:
                    yield from decode(None)
                    context.flush_buffers()
            if wanted:
                yield from decode(None)

    def _to_rgb(self, frame: Any) -> UInt8:
        image = over_black(frame.to_ndarray(format="rgba")) if _has_alpha(frame) else frame.to_ndarray(format="rgb24")
        height, width = image.shape[:2]
        if self._aspect > 1:
            image = resize_image(image, (height, round(width * self._aspect)))
        elif self._aspect < 1:
            image = resize_image(image, (round(height / self._aspect), width))
        image = turned(image, self._turn)
        return resize_image(image, self._hw) if self._hw else image  # the size may change in mid-stream


def _has_alpha(frame: Any) -> bool:
    return any(component.is_alpha for component in frame.format.components)


def _display_matrix(frame: Any) -> npt.NDArray[np.int64]:
    """(2, 2) matrix from stored to displayed (x, y) directions, rounded to quarter turns and mirrors."""
    for side_data in frame.side_data:
        if side_data.type.name == "DISPLAYMATRIX":
            a, b, _, c, d = np.frombuffer(bytes(side_data), np.int32)[:5]
            straight = abs(int(a)) >= abs(int(b))
            return np.array([[np.sign(a), 0], [0, np.sign(d)]] if straight else [[0, np.sign(c)], [np.sign(b), 0]], np.int64)
    return np.eye(2, dtype=np.int64)


def _angle(turn: npt.NDArray[np.int64]) -> int:
    return round(float(np.degrees(np.arctan2(turn[1, 0], turn[0, 0])))) % 360
