"""The packets of a video stream: what can be told about its frames without decoding any."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt

from segmo.errors import VideoError

logger = logging.getLogger(__name__)

_UNKNOWN_RATE = Fraction(25)
"""Frames a second of a stream that says nothing about time, as ffmpeg assumes."""
_JOIN_S = 0.1
"""Decoding times that jump back by more start again, as ffmpeg has it."""


@dataclass(frozen=True)
class PacketIndex:
    """The packets of a video stream, found by demultiplexing alone."""

    pts: npt.NDArray[np.int64]
    """Presentation time of each packet in units of the stream, or where frames are `counted` its place in the count."""
    keys: npt.NDArray[np.int64]
    """Numbers of the packets at which decoding can start."""
    frames: npt.NDArray[np.int64]
    """Number of the packet that holds each frame, in presentation order."""
    counted: bool
    """Whether frames are told apart by counting because the container has no presentation times."""
    slots: int
    """Frames that the stream has a place for: AVI stands still by leaving places empty."""
    merged: int
    """Packets without a frame of their own because they share the time of another."""
    joined: bool
    """Whether timestamps start again in the file, because recordings were put one behind the other."""
    start_s: float
    """Time of the first frame on the clock of the file."""
    timestamps_s: npt.NDArray[np.float64]
    """Presentation time of each frame from the first."""
    duration_s: float

    @property
    def intra_only(self) -> bool:
        """Whether each packet can be decoded on its own."""
        return len(self.keys) == len(self.pts)


def scan_packets(container: Any, stream: Any) -> PacketIndex:
    """Read all packets, without decoding them.

    Raises:
        VideoError: there is no complete frame.
    """
    pts: list[int | None] = []
    dts: list[int | None] = []
    keys: list[int] = []
    shown: list[int] = []
    last_duration = 0
    clock = Clock(container, stream)
    for packet in read_packets(container, stream, clock):
        if packet.is_keyframe:
            keys.append(len(pts))
        if not packet.is_discard:
            shown.append(len(pts))
        pts.append(packet.pts)
        dts.append(packet.dts)
        last_duration = packet.duration or last_duration
    is_avi = container.format.name == "avi"
    times, counted = _places(pts, dts, is_avi)
    start = keys[0] if keys else 0
    frames = np.array([number for number in shown if number >= start and times[number] >= times[start]], np.int64)
    distinct = frames[np.unique(times[frames], return_index=True)[1]]  # two fields of one frame may share a time
    if not len(distinct):
        raise VideoError(f"{Path(container.name).name} holds no complete frame. Copy or download it again.")
    unit, frame_s = Fraction(stream.time_base), 1 / _rate(stream)
    start_s = float(((dts if counted else pts)[distinct[0]] or 0) * unit)
    last_s = last_duration * unit or frame_s
    if counted and not is_avi:
        unit = last_s = frame_s
    elapsed = times[distinct] - times[distinct[0]]
    return PacketIndex(
        pts=times,
        keys=np.array(keys or [0], np.int64),
        frames=distinct,
        counted=counted,
        slots=max(len(pts), int(times[-1]) + 1) if is_avi else len(pts),
        merged=len(frames) - len(distinct),
        joined=clock.joined,
        start_s=start_s,
        timestamps_s=elapsed * float(unit),
        duration_s=float(int(elapsed[-1]) * unit + last_s),
    )


def read_packets(container: Any, stream: Any, clock: Clock) -> Iterator[Any]:
    """All packets up to the end, or to the point where the file is cut or damaged beyond reading."""
    try:
        for packet in container.demux(stream):
            if packet.size and clock.follows(packet):
                yield packet
    except av.error.FFmpegError as error:
        logger.info("%s: reading stopped early (%s)", container.name, error)


class Clock:
    """Lets the presentation times of recordings put one behind the other go on where they start again, as ffmpeg does."""

    def __init__(self, container: Any, stream: Any) -> None:
        self.joined = False
        self._may_join = bool(container.format.flags & av.format.Flags.ts_discont.value)
        self._jump = _JOIN_S / stream.time_base
        self._frame = max(round(1 / _rate(stream) / stream.time_base), 1)
        # two, and more than one packet behind them, so that a single wrong time is not taken for another recording
        self._recent: deque[int] = deque(maxlen=2)
        self._behind = self._shift = self._end = 0
        self._start: int | None = None

    def follows(self, packet: Any) -> bool:
        """Correct the presentation time of the next packet; False where it cannot be shown and must be left out.

        Those are the packets around the first key frame of a later recording that need pictures from before it.
        """
        if packet.dts is not None:
            back = self._behind > 1 or (bool(self._recent) and packet.dts < min(self._recent) - self._jump)
            if back and packet.is_keyframe:
                self.joined = True
                self._recent.clear()
                self._start = self._end
                self._shift = self._end - (packet.dts if packet.pts is None else packet.pts)
            elif back and self._may_join:  # in other containers decoding times may be guessed, and only key frames are beyond doubt
                self._behind += 1
                return False
            self._behind = 0
            self._recent.append(packet.dts)
        if packet.pts is None:
            return True
        packet.pts += self._shift
        self._end = max(self._end, packet.pts + (packet.duration or self._frame))
        return self._start is None or packet.pts >= self._start


def _places(pts: list[int | None], dts: list[int | None], is_avi: bool) -> tuple[npt.NDArray[np.int64], bool]:
    """(packets,) times or places by which to tell frames apart, and whether frames must be counted to do so."""
    if is_avi and None not in dts and (np.diff(slots := np.array(dts, np.int64)) > 0).all():
        # AVI stores no presentation times; those that ffmpeg derives are right only where it sees that no frame is reordered.
        return slots, pts != dts
    counted = is_avi or None in pts
    return np.arange(len(pts)) if counted else np.array(pts, np.int64), counted


def _rate(stream: Any) -> Fraction:
    """Frames a second as far as the container or the codec tells."""
    return Fraction(stream.average_rate or stream.guessed_rate or _UNKNOWN_RATE)
