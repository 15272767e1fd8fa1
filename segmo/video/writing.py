"""Writing videos through moviepy's ffmpeg writer, which streams the frames."""

from __future__ import annotations

import contextlib
import itertools
import os
import tempfile
import uuid
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from segmo.errors import OutputError
from segmo.types import UInt8
from segmo.video.files import VideoFile


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """A new file beside `path` that takes its place at the end, or vanishes on an error."""
    path = path.absolute()
    temporary = path.with_name(f".{path.stem}.{uuid.uuid4().hex[:8]}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise OutputError(f"{path} cannot be written ({error}). Check the folder, its permissions and the free space.") from error
    finally:
        temporary.unlink(missing_ok=True)


def write_mp4(
    path: str | Path, frames: Iterable[UInt8], fps: float, *, audio_from: str | Path | None = None, audio_start_s: float = 0.0
) -> None:
    """Write RGB uint8 (H, W, 3) frames as an MP4 that every browser plays: H.264, yuv420p, BT.709, index first.

    Odd sides gain one row or column that repeats the border, so that nothing is scaled. `audio_from` adds the sound of a source, if it
    has any, from `audio_start_s` and no longer than the picture.

    Raises:
        OutputError: nothing to write, or ffmpeg failed; the message carries its own.
    """
    tags = "scale=out_color_matrix=bt709:out_range=tv,format=yuv420p,setparams=colorspace=bt709:color_primaries=bt709:color_trc=bt709"
    options = ["-map", "0:v:0", "-crf", "20", "-movflags", "+faststart"]
    audio: dict[str, str] = {}
    if audio_from is not None and _has_audio(Path(audio_from)):
        audio = {"audiofile": str(Path(audio_from).absolute()), "audio_codec": "aac"}
        options += ["-map", "1:a:0", "-af", f"atrim=start={audio_start_s:.6f},asetpts=PTS-STARTPTS", "-shortest"]
    padded = (np.pad(frame, ((0, frame.shape[0] % 2), (0, frame.shape[1] % 2), (0, 0)), mode="edge") for frame in frames)
    _encode(Path(path), padded, fps, tags, options, codec="libx264", preset="veryfast", **audio)


def write_alpha_webm(path: str | Path, rgba_frames: Iterable[UInt8], fps: float) -> None:
    """Write RGBA uint8 (H, W, 4) frames with straight alpha as a transparent VP9 WebM; see `write_mp4` for the errors."""
    options = [
        "-pix_fmt",
        "yuva420p",
        "-deadline",
        "realtime",
        "-cpu-used",
        "8",
        "-row-mt",
        "1",
        "-b:v",
        "0",
        "-crf",
        "30",
        "-auto-alt-ref",
        "0",
    ]
    _encode(Path(path), rgba_frames, fps, "format=yuva420p", options, codec="libvpx-vp9", with_mask=True)


def _has_audio(source: Path) -> bool:
    return source.is_file() and VideoFile(source).info.has_audio


def _encode(path: Path, frames: Iterable[UInt8], fps: float, filters: str, options: list[str], **writer_options: Any) -> None:
    """Stream frames through moviepy's ffmpeg writer into a file that appears only when it is complete."""
    from moviepy.video.io.ffmpeg_writer import FFMPEG_VideoWriter  # here because importing moviepy takes a third of a second

    if not (np.isfinite(fps) and fps > 0):
        raise OutputError(f"{path.name} cannot have {fps} frames a second. Give a positive frame rate.")
    # moviepy rounds the rate to two digits; numbering the frames in units of their exact duration keeps sound and picture together
    rate = Fraction(fps).limit_denominator(100_000)
    exact = ["-vf", f"settb={rate.denominator}/{rate.numerator},setpts=N,{filters}", "-r", f"{rate.numerator}/{rate.denominator}"]
    stream = iter(frames)
    first = next(stream, None)
    if first is None:
        raise OutputError(f"There is no frame to write to {path.name}. Give at least one.")
    size = (first.shape[1], first.shape[0])
    with _replacing(path) as temporary, tempfile.TemporaryFile("w+", errors="replace") as log:
        writer = FFMPEG_VideoWriter(
            str(temporary), size, 25, threads=2, logfile=log, ffmpeg_params=["-nostats", *exact, *options], **writer_options
        )
        process, finished = writer.proc, False
        try:
            for frame in itertools.chain([first], stream):
                if frame.dtype != np.uint8 or frame.shape != first.shape:
                    raise OutputError(
                        f"A frame for {path.name} is {frame.dtype} {frame.shape} after uint8 {first.shape}. Give frames of one size."
                    )
                writer.write_frame(frame)
            finished = True
        except OSError:
            pass  # ffmpeg ended early: its exit code and log say why
        finally:
            if not finished:
                process.kill()
            writer.close()
        if process.returncode:
            log.seek(0)
            raise OutputError(f"ffmpeg could not write {path}: {log.read()[-600:].strip()} Check the free space and the folder.")
