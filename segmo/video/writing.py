"""Writing videos through moviepy's ffmpeg writer, which streams the frames, and its ffmpeg binary."""

from __future__ import annotations

import contextlib
import itertools
import logging
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from segmo.errors import OutputError
from segmo.files import replacing
from segmo.geometry import fit_side, resize_image
from segmo.types import Float, UInt8
from segmo.video.reading import open_source
from segmo.video.retiming import is_uneven, retime
from segmo.video.source import Source

logger = logging.getLogger(__name__)

_QUIET = ["-hide_banner", "-loglevel", "error"]
_H264 = ["-crf", "20", "-movflags", "+faststart"]
_ALPHA_VP9 = [
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
_TIMED = frozenset({".mp4", ".m4v", ".mov", ".mkv"})
"""Files whose packets carry the timestamps that MP4 needs."""
_BROWSER_AUDIO = frozenset({"aac", "mp3"})


def write_mp4(
    path: str | Path,
    frames: Iterable[UInt8],
    fps: float,
    *,
    timestamps_s: Float | None = None,
    audio_from: str | Path | None = None,
    audio_start_s: float = 0.0,
    quick: bool = False,
) -> bool:
    """Write RGB uint8 (H, W, 3) frames as an MP4 that every browser plays: H.264, yuv420p, BT.709, index first.

    Odd sides gain one row or column that repeats the border, so that nothing is scaled. `timestamps_s` are the times of the frames, of
    which only distances count; they are kept where the constant rate `fps` would show a frame noticeably early or late. `audio_from`
    adds the sound of a source, if it has any, from `audio_start_s` after its first frame; where there is none yet or no more, there is
    silence. `quick` takes half the time for twice the bytes.

    Returns:
        False where the source has sound that cannot be used; the video is silent then.

    Raises:
        OutputError: nothing to write, or ffmpeg failed; the message carries its own.
    """
    source = open_source(audio_from) if audio_from is not None else None
    sound = source is not None and source.info.has_audio
    padded = (np.pad(frame, ((0, frame.shape[0] % 2), (0, frame.shape[1] % 2), (0, 0)), mode="edge") for frame in frames)
    with replacing(Path(path), Path(path).suffix) as temporary, tempfile.TemporaryDirectory() as folder:
        picture = Path(folder, "picture.mp4") if sound else temporary
        preset = "ultrafast" if quick else "superfast"
        length_s = _encode_timed(picture, padded, fps, timestamps_s, _bt709("yuv420p"), _H264, codec="libx264", preset=preset)
        if source is None or not sound:
            return True
        # added afterwards because only now it is known how long the picture lasts
        return _add_sound(picture, temporary, Path(str(audio_from)).absolute(), source, audio_start_s, length_s)


def write_alpha_webm(path: str | Path, rgba_frames: Iterable[UInt8], fps: float, *, timestamps_s: Float | None = None) -> None:
    """Write RGBA uint8 (H, W, 4) frames with straight alpha as a transparent VP9 WebM; see `write_mp4` for times and errors."""
    with replacing(Path(path), Path(path).suffix) as temporary:
        _encode_timed(temporary, rgba_frames, fps, timestamps_s, _bt709("yuva420p"), _ALPHA_VP9, codec="libvpx-vp9", with_mask=True)


def normalise(path: str | Path, target: str | Path, *, max_side: int = 0) -> None:
    """Write a version of any source that a browser plays: H.264 MP4 with its rotation, real timestamps and sound.

    A file that already is one is only repackaged. Otherwise it is encoded, with its longer side shrunk to `max_side` pixels unless that
    is 0; odd sides gain a repeated row or column.

    Raises:
        VideoError: the source cannot be decoded.
        OutputError: ffmpeg failed; the message carries its own.
    """
    source = open_source(path)
    info = source.info
    hw = fit_side(info.hw, max_side)
    if source.stream_index is None:
        frames = (resize_image(frame, hw) for _, frame in source.read(range(info.frame_count)))
        write_mp4(target, frames, info.fps, timestamps_s=source.timestamps_s)
        return
    browsers_know = info.codec == "h264" and info.pixel_format in ("yuv420p", "yuvj420p")
    if browsers_know and hw == info.hw and Path(path).suffix.lower() in _TIMED:
        picture = ["-c:v", "copy"]
    else:
        alpha = "format=gbrap,premultiply=inplace=1," if info.has_alpha else ""
        odd = hw[0] % 2, hw[1] % 2
        border = (
            f"format=gbrp,pad={hw[1] + odd[1]}:{hw[0] + odd[0]},fillborders=right={odd[1]}:bottom={odd[0]}:mode=smear," if any(odd) else ""
        )
        shape = f"{alpha}scale={hw[1]}:{hw[0]}:flags=area,setsar=1,{border}"
        encoder = ["-c:v", "libx264", "-preset", "veryfast", "-threads", "2"]
        picture = ["-vf", shape + _bt709("yuv420p"), "-fps_mode", "vfr", "-enc_time_base", "1:90000", *encoder]
    sound = ["-c:a", "copy" if info.audio_codec in _BROWSER_AUDIO else "aac"]
    streams = ["-map", f"0:{source.stream_index}", "-map", "0:a:0?", "-sn", "-dn", "-map_metadata", "-1"]
    with replacing(Path(target), Path(target).suffix) as temporary:
        _run_ffmpeg(["-i", str(Path(path).absolute()), *streams, *picture, *sound, *_H264, "-f", "mp4", str(temporary)])


def _bt709(pixel_format: str) -> str:
    """Filters to a pixel format in the colour space that players assume for video, and tagged as such."""
    tags = "setparams=range=tv:colorspace=bt709:color_primaries=bt709:color_trc=bt709"
    return f"scale=out_color_matrix=bt709:out_range=tv,format={pixel_format},{tags}"


def _add_sound(picture: Path, target: Path, path: Path, source: Source, start_s: float, length_s: float) -> bool:
    """Write a picture of known length together with the first sound track of a file, from `start_s` after the file's first frame.

    Returns False where that track cannot be decoded; the target is the picture alone then.
    """
    # The clock of the file tells how sound and picture lie; where it starts again on the way, only ffmpeg's own goes on, which starts
    # with the sound.
    clock, start = (["-copyts"], source.start_s) if not source.joined else ([], source.start_s - source.sound_start_s)
    start += start_s
    inputs = [*clock, "-i", str(picture), "-i", str(path), "-map", "0:v:0", "-map", "1:a:0", "-c:v", "copy"]
    cut = f"atrim=start={start:.6f},asetpts=PTS-({start:.6f})/TB,aresample=async=1:first_pts=0,aformat=channel_layouts=mono|stereo,apad"
    try:
        _run_ffmpeg([*inputs, "-af", cut, "-t", f"{length_s:.6f}", "-c:a", "aac", "-movflags", "+faststart", str(target)])
    except OutputError as error:
        logger.warning("%s: its sound was left out (%s)", path.name, error)
        shutil.copyfile(picture, target)
        return False
    return True


def _encode_timed(
    path: Path, frames: Iterable[UInt8], fps: float, timestamps_s: Float | None, filters: str, options: list[str], **writer_options: Any
) -> float:
    """Stream frames into a file, at a constant rate unless that is noticeably wrong, and return its length in seconds."""
    if timestamps_s is None or not is_uneven(timestamps_s, fps):
        return _encode(path, frames, fps, filters, options, **writer_options) / fps
    with tempfile.TemporaryDirectory() as folder:
        even = Path(folder, "even" + path.suffix)
        count = _encode(even, frames, fps, filters, options, **writer_options)
        if count != len(timestamps_s):
            raise OutputError(f"There are {count} frames but {len(timestamps_s)} times. Give one time a frame.")
        return retime(even, path, fps, timestamps_s)


def _encode(path: Path, frames: Iterable[UInt8], fps: float, filters: str, options: list[str], **writer_options: Any) -> int:
    """Stream frames through moviepy's ffmpeg writer into a file and return how many there were."""
    from moviepy.video.io.ffmpeg_writer import FFMPEG_VideoWriter  # here because importing moviepy takes a third of a second

    if not (np.isfinite(fps) and fps > 0):
        raise OutputError(f"A video cannot have {fps} frames a second. Give a positive frame rate.")
    # moviepy rounds the rate to two digits; numbering the frames in units of their exact duration keeps sound and picture together
    rate = Fraction(fps).limit_denominator(100_000)
    exact = ["-vf", f"settb={rate.denominator}/{rate.numerator},setpts=N,{filters}", "-r", f"{rate.numerator}/{rate.denominator}"]
    stream = iter(frames)
    first = next(stream, None)
    if first is None:
        raise OutputError("There is no frame to write. Give at least one.")
    size, count = (first.shape[1], first.shape[0]), 0
    with tempfile.TemporaryFile("w+", errors="replace") as log:
        arguments = [*_QUIET, "-nostats", *exact, *options]
        writer = FFMPEG_VideoWriter(str(path), size, max(fps, 0.01), threads=2, logfile=log, ffmpeg_params=arguments, **writer_options)
        process, complete = writer.proc, False
        try:
            for frame in itertools.chain([first], stream):
                if frame.dtype != np.uint8 or frame.shape != first.shape:
                    seen = f"{frame.dtype} {frame.shape} after {first.dtype} {first.shape}"
                    raise OutputError(f"Frame {count} is {seen}. Give uint8 frames of one size.")
                try:
                    writer.write_frame(frame)
                except OSError:
                    break  # ffmpeg ended early: its exit code and log say why
                count += 1
            complete = True
        finally:
            if not complete:
                process.kill()
            with contextlib.suppress(OSError):
                writer.close()
        log.seek(0)
        _check_exit(process.wait(), log.read())
    return count


def _run_ffmpeg(arguments: list[str]) -> None:
    from moviepy.config import FFMPEG_BINARY

    command = [FFMPEG_BINARY, "-nostdin", "-y", *_QUIET, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    _check_exit(done.returncode, done.stderr)


def _check_exit(code: int, log: str) -> None:
    if code:
        raise OutputError(f"ffmpeg could not write the video: {log.strip()[-600:]} Check the folder and the free space.")
