"""Small clips for the tests: four coloured quadrants, of which the lower right one tells the number of the frame by its brightness."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

OPTIONS = {
    "libx265": {"x265-params": "log-level=none"},
    "libsvtav1": {"svtav1-params": "enable-stat-report=0", "preset": "12"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8"},
}


def quadrants(number: int, hw: tuple[int, int] = (64, 96)) -> np.ndarray:
    """Red, green, blue, and grey of brightness 6 * number."""
    height, width = hw
    image = np.empty((height, width, 3), np.uint8)
    image[: height // 2, : width // 2] = (200, 0, 0)
    image[: height // 2, width // 2 :] = (0, 200, 0)
    image[height // 2 :, : width // 2] = (0, 0, 200)
    image[height // 2 :, width // 2 :] = 6 * number
    return image


def middles(image: np.ndarray) -> np.ndarray:
    """(2, 2, 3) colours in the middle of the quadrants."""
    height, width = image.shape[:2]
    return image[height // 4 :: height // 2, width // 4 :: width // 2][:2, :2].astype(int)


def numbers(images: Sequence[np.ndarray]) -> list[int]:
    """Frame numbers read back from the brightness of upright frames."""
    return [round(float(middles(image)[1, 1].mean()) / 6) for image in images]


def make_clip(
    path: Path,
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    *,
    images: Sequence[np.ndarray] | None = None,
    count: int = 12,
    rate: int = 25,
    times: Sequence[int] | None = None,
    time_base: Fraction | None = None,
    gop: int = 250,
    rotation: int | None = None,
    mirrored: bool = False,
    aspect: Fraction | None = None,
    options: dict[str, str] | None = None,
    index_first: bool = False,
    container: str | None = None,
    audio_s: float = 0.0,
    audio_start_s: float = 0.0,
) -> Path:
    """Encode images (by default `count` numbered quadrants) with PyAV; `times` are in units of `time_base`."""
    if codec not in av.codecs_available:
        pytest.skip(f"this PyAV cannot encode {codec}")
    images = [quadrants(number) for number in range(count)] if images is None else images
    with av.open(str(path), "w", format=container, options={"movflags": "+faststart"} if index_first else {}) as output:
        stream = output.add_stream(codec, rate=rate, options={**OPTIONS.get(codec, {}), **(options or {})})
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = pixel_format
        stream.codec_context.gop_size = gop
        stream.codec_context.time_base = time_base or Fraction(1, rate)
        if not codec.startswith("libx26"):  # those aim at quality on their own
            stream.bit_rate = 4_000_000
        if aspect:
            stream.codec_context.sample_aspect_ratio = aspect
        if rotation is not None:
            stream.set_display_rotation(rotation, hflip=mirrored)
        sound = output.add_stream("aac", rate=44100, layout="mono") if audio_s else None
        for number, image in enumerate(images):
            layout = {1: "gray16le" if image.dtype == np.uint16 else "gray", 3: "rgb24", 4: "rgba"}[
                1 if image.ndim == 2 else image.shape[2]
            ]
            frame = av.VideoFrame.from_ndarray(image, format=layout).reformat(format=pixel_format)
            frame.pts = times[number] if times else number
            frame.time_base = time_base or Fraction(1, rate)
            output.mux(stream.encode(frame))
        output.mux(stream.encode())
        if sound:
            _add_tone(output, sound, audio_s, audio_start_s)
    return path


def _add_tone(output: Any, stream: Any, seconds: float, start_s: float = 0.0) -> None:
    wave = (0.2 * np.sin(np.arange(int(44100 * seconds)) * 0.06)).astype(np.float32)
    for start in range(0, len(wave), 1024):
        frame = av.AudioFrame.from_ndarray(wave[None, start : start + 1024], format="fltp", layout="mono")
        frame.rate, frame.pts, frame.time_base = 44100, start + round(44100 * start_s), Fraction(1, 44100)
        output.mux(stream.encode(frame))
    output.mux(stream.encode())


def make_sound(path: Path, seconds: float = 0.5) -> Path:
    """An audio file without picture."""
    with av.open(str(path), "w") as output:
        _add_tone(output, output.add_stream("aac", rate=44100, layout="mono"), seconds)
    return path


def spoil_packet(path: Path, *numbers: int, kind: str = "video") -> Path:
    """Overwrite the packets of a stream that have these numbers, or all of them, with zeros, in place."""
    data = path.read_bytes()
    with av.open(str(path)) as container:
        packets = [bytes(packet) for packet in container.demux(getattr(container.streams, kind)[0]) if packet.size]
    for number in numbers or range(len(packets)):
        assert data.count(packets[number]) == 1
        data = data.replace(packets[number], bytes(len(packets[number])))
    path.write_bytes(data)
    return path
