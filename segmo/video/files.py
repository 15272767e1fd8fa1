"""Video files, through PyAV: an index of the packets first, then only the packets that the wanted frames need."""

from __future__ import annotations

import contextlib
import itertools
import logging
from collections.abc import Collection, Generator, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt

from segmo.errors import VideoError
from segmo.geometry import fit_side, resize_image
from segmo.types import UInt8
from segmo.video.packets import Clock, read_packets, scan_packets
from segmo.video.source import SMALL_SIDE, VideoInfo, check_size, over_black, reading, turned

logger = logging.getLogger(__name__)

_PLAYLISTS = frozenset({"hls", "dash", "concat", "sdp", "rtsp", "imf"})
"""Formats that name other files or addresses; an upload must not make us open those."""


class VideoFile:
    """A file that ffmpeg decodes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.damaged = 0
        with self._opened() as (container, stream):
            self._index = scan_packets(container, stream)
            self.stream_index: int | None = stream.index
            codec, promised, aspect = stream.codec_context.codec.canonical_name, stream.frames, stream.sample_aspect_ratio
            audio = [sound.codec_context.codec.canonical_name for sound in container.streams.audio if sound.codec_context]
            self.sound_start_s = next((float((sound.start_time or 0) * sound.time_base) for sound in container.streams.audio), 0.0)
        count = len(self._index.frames)
        _, first = next(itertools.chain(self._decode([0]), self._decode(range(count))), (0, None))
        if first is None:
            raise VideoError(f"No frame of {path.name} ({codec}) can be decoded. Copy it again, or convert it to MP4 (H.264).")
        self._aspect = float(aspect) if aspect and 0.25 <= aspect <= 4 else 1.0
        self._turn = _display_matrix(first)
        self.timestamps_s, self.start_s, self.joined = self._index.timestamps_s, self._index.start_s, self._index.joined
        self.names = tuple(f"{number:05d}" for number in range(count))
        notes = []
        if promised > self._index.slots:
            notes.append(f"The file is cut off: only {len(self._index.pts)} of its {promised} frames are there.")
        if (merged := self._index.merged) and not first.interlaced_frame:  # the packets of two fields make one frame
            notes.append(f"{merged} of its {count + merged} frames share their time with another and were left out.")
        self.info = VideoInfo(
            hw=self._displayed(first).shape[:2],
            frame_count=count,
            fps=count / self._index.duration_s,
            duration_s=self._index.duration_s,
            codec=codec,
            rotation=round(float(np.degrees(np.arctan2(self._turn[1, 0], self._turn[0, 0])))) % 360,
            has_audio=bool(audio),
            is_folder=False,
            pixel_format=first.format.name,
            audio_codec=audio[0] if audio else "",
            notes=tuple(notes),
        )

    def read(self, indices: Sequence[int], small: Collection[int] = ()) -> Iterator[tuple[int, UInt8]]:
        """See `Source.read`."""
        hw = fit_side(self.info.hw, SMALL_SIDE)
        for index, frame in self._decode(indices):
            self.damaged += bool(frame.is_corrupt)
            if index in small:
                yield index, resize_image(self._displayed(frame, SMALL_SIDE), hw)
            else:
                yield index, resize_image(self._displayed(frame), self.info.hw)  # the size may change in mid-stream

    @contextlib.contextmanager
    def _opened(self) -> Iterator[tuple[Any, Any]]:
        with reading(self._path), av.open(str(self._path), options={"fflags": "+genpts"}) as container:
            if container.format.name.split(",")[0] in _PLAYLISTS:
                raise VideoError(f"{self._path.name} is a playlist ({container.format.name}), not a video. Give the video itself.")
            hidden = av.stream.Disposition.attached_pic | av.stream.Disposition.timed_thumbnails
            streams = [stream for stream in container.streams.video if not stream.disposition & hidden]
            if not streams:
                what = "only sound" if container.streams.audio else "no video"
                raise VideoError(f"{self._path.name} holds {what}. Give a file with a picture track, or copy this one again if it has one.")
            stream = max(streams, key=lambda stream: (stream.width or 0) * (stream.height or 0))
            if stream.codec_context is None:
                raise VideoError(f"{self._path.name} uses a codec that ffmpeg does not know. Convert it to MP4 (H.264).")
            check_size(self._path.name, stream.height or 0, stream.width or 0)
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
        if index.counted and not index.intra_only:
            needed[:] = True  # only an unbroken count tells which frame is which
        return needed

    def _decode(self, indices: Sequence[int]) -> Generator[tuple[int, Any], None, None]:
        """(index, decoded frame) of the frames wanted; packets that they do not need are never decoded."""
        index = self._index
        wanted = {int(index.pts[index.frames[i]]): int(i) for i in indices}
        needed = self._needed(index.frames[i] for i in indices)
        yield from self._feed(wanted, needed)
        if wanted and not needed[: needed.nonzero()[0].max(initial=0)].all():
            # Streams with intra refresh mark frames as keys from which the picture only recovers over time.
            yield from self._feed(wanted, np.ones_like(needed))

    def _feed(self, wanted: dict[int, int], needed: npt.NDArray[np.bool_]) -> Generator[tuple[int, Any], None, None]:
        """Decode the needed packets, and take the frames out of `wanted` (time: index) as they come; stops where one did not come."""
        index = self._index
        fed: list[int] = []
        with self._opened() as (container, stream):
            context = stream.codec_context

            def decode(packet: Any) -> Iterator[tuple[int, Any]]:
                try:
                    frames = context.decode(packet)
                except av.error.FFmpegError as error:
                    logger.info("%s: a packet could not be decoded (%s)", self._path.name, error)
                    del fed[:1]  # frames and errors come in the order of the count, or the next frame would get this one's place
                    return
                for frame in frames:
                    found = wanted.pop(fed.pop(0) if fed else frame.pts, None)
                    if found is not None:
                        yield found, frame

            for number, packet in enumerate(read_packets(container, stream, Clock(container, stream))):
                if not wanted or number >= len(needed):
                    break
                if needed[number]:
                    if index.counted:
                        fed.append(int(index.pts[number]))
                    yield from decode(packet)
                elif number and needed[number - 1] and not index.intra_only:
                    yield from decode(None)
                    context.flush_buffers()
                    if any(index.frames[i] < number for i in wanted.values()):
                        return
            if wanted:
                yield from decode(None)

    def _displayed(self, frame: Any, max_side: int = 0) -> UInt8:
        """A decoded frame as (H, W, 3) RGB, with square pixels and turned upright; no longer side is shrunk below `max_side`, if given."""
        stretch = max(self._aspect, 1 / self._aspect)
        check_size(self._path.name, frame.height, round(frame.width * stretch))  # the size may change in mid-stream
        with reading(self._path):
            height, width = fit_side((frame.height, frame.width), max_side)
            if (height, width) != (frame.height, frame.width):  # by ffmpeg, which need not make colours of all pixels then
                frame = frame.reformat(width, height, interpolation="AREA")
            if any(component.is_alpha for component in frame.format.components):
                image = over_black(frame.to_ndarray(format="rgba"))
            else:
                image = frame.to_ndarray(format="rgb24")
        height, width = image.shape[:2]
        square = (height, round(width * self._aspect)) if self._aspect > 1 else (round(height / self._aspect), width)
        return turned(resize_image(image, square), self._turn)


def _display_matrix(frame: Any) -> npt.NDArray[np.int64]:
    """(2, 2) matrix from stored to displayed (x, y) directions, rounded to quarter turns and mirrors."""
    for side_data in frame.side_data:
        if side_data.type.name == "DISPLAYMATRIX":
            a, b, _, c, d = np.frombuffer(bytes(side_data), np.int32)[:5]
            straight = abs(int(a)) >= abs(int(b))
            return np.array([[np.sign(a), 0], [0, np.sign(d)]] if straight else [[0, np.sign(c)], [np.sign(b), 0]], np.int64)
    return np.eye(2, dtype=np.int64)
