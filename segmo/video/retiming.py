"""Giving the frames of an encoded video times of their own: moviepy's writer knows only constant rates."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from segmo.errors import OutputError
from segmo.types import Float

_NOTICEABLE_S = 0.05
"""Sound and picture further apart are noticed. Frames sampled from a constant rate, such as 100 of 289, are mostly closer to another."""
_TICK = Fraction(1, 90_000)


def is_uneven(timestamps_s: Float, fps: float) -> bool:
    """Whether frames at the constant rate `fps` are shown noticeably before or after their times, of which only distances count."""
    if len(timestamps_s) < 3:
        return False
    error_s = (timestamps_s - timestamps_s[0]) - np.arange(len(timestamps_s)) / fps
    return bool(np.abs(error_s).max() > min(_NOTICEABLE_S, 1 / fps))


def retime(path: Path, target: Path, fps: float, timestamps_s: Float) -> float:
    """Copy a video of constant rate, with frame i at `timestamps_s[i] - timestamps_s[0]`; the last one stays as long as the one before.

    Returns:
        The length of the copy in seconds.

    Raises:
        OutputError: it cannot be written.
    """
    elapsed = np.round((timestamps_s - timestamps_s[0]) / float(_TICK)).astype(np.int64)
    order = np.arange(len(elapsed))
    ticks = np.maximum.accumulate(elapsed - order) + order  # no two at one tick
    steps = np.diff(ticks)
    lead, last = int(steps.min()), int(steps[-1])

    def moment(place: int) -> int:
        """Ticks of a frame; also of those before the first, at which the decoding of reordered frames starts, and after the last."""
        if place < 0:
            return place * lead
        return int(ticks[place]) if place < len(ticks) else int(ticks[-1]) + (place - len(ticks) + 1) * last

    try:
        with av.open(str(path)) as source, av.open(str(target), "w", options=_options(target)) as output:
            stream = source.streams.video[0]
            copy = output.add_stream_from_template(stream)
            copy.time_base = _TICK
            copy.metadata.update(stream.metadata)  # tells players that a WebM is transparent
            for packet in source.demux(stream):
                if packet.pts is None or packet.dts is None:  # marks the end
                    continue
                shown, decoded = (round(float(time * packet.time_base) * fps) for time in (packet.pts, packet.dts))
                packet.pts, packet.dts, packet.duration = moment(shown), moment(decoded), moment(shown + 1) - moment(shown)
                packet.time_base, packet.stream = _TICK, copy
                output.mux(packet)
    except av.error.FFmpegError as error:
        raise OutputError(f"{target.name} cannot be written ({error}). Check the folder and the free space.") from error
    return float(moment(len(ticks)) * _TICK)


def _options(target: Path) -> dict[str, str]:
    return {"movflags": "+faststart"} if target.suffix == ".mp4" else {}
