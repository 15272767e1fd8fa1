"""What every kind of source has in common: its description, its contract, its errors, and the turning of pictures."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import av
import numpy as np
import numpy.typing as npt
from PIL import Image

from segmo.errors import VideoError
from segmo.geometry import GRID_SIDE
from segmo.types import UInt8

SMALL_SIDE = 2 * GRID_SIDE
"""Pixels of the longer side below which no frame is shrunk while it is read: what is made of it then is averaged at least once more."""
MAX_PIXELS = 100_000_000
"""Most that a picture may have: three times 8K. A file of a few megabytes may promise so many that decoding one fills the memory."""


@dataclass(frozen=True)
class VideoInfo:
    """What is known about a source without decoding more than its first frame."""

    hw: tuple[int, int]
    """Height and width in pixels as displayed: after rotation, with square pixels."""
    frame_count: int
    fps: float
    """Mean rate in frames a second."""
    duration_s: float
    codec: str
    rotation: int
    """Degrees, clockwise, by which the stored picture is turned for display: 0, 90, 180 or 270."""
    has_audio: bool
    is_folder: bool
    pixel_format: str = "rgb24"
    """Of the stored frames, in ffmpeg's terms."""
    audio_codec: str = ""
    """Empty without sound."""
    notes: tuple[str, ...] = ()
    """What could not be read, in sentences for the user."""

    @property
    def has_alpha(self) -> bool:
        """Whether frames are partly transparent; they are read as if over black."""
        return any(component.is_alpha for component in av.VideoFormat(self.pixel_format).components)


class Source(Protocol):
    """An opened video or image folder."""

    info: VideoInfo
    timestamps_s: npt.NDArray[np.float64]
    """(frame_count,) seconds from the first frame, strictly increasing."""
    names: tuple[str, ...]
    """frame_count distinct names."""
    start_s: float
    """Time of the first frame on the clock that the file's picture and sound share."""
    sound_start_s: float
    """Time at which the sound begins, on the same clock."""
    joined: bool
    """Whether that clock starts again in the file, because recordings were put one behind the other."""
    stream_index: int | None
    """Which stream of the file holds the picture, for ffmpeg; None where ffmpeg cannot read the source."""
    damaged: int
    """Frames that `read` has handed out so far although the decoder found errors in them."""

    def read(self, indices: Sequence[int], small: Collection[int] = ()) -> Iterator[tuple[int, UInt8]]:
        """(index, RGB (H, W, 3)) of the frames at increasing indices, in order; those that cannot be decoded are left out.

        Those in `small` may come smaller, with a longer side of at least `SMALL_SIDE` pixels where the source has as many.
        """
        ...


@contextlib.contextmanager
def reading(path: Path, remedy: str = "Copy or download it again, or convert it to MP4 (H.264).") -> Iterator[None]:
    """Turn the errors of the system, of ffmpeg and of Pillow into VideoError; `remedy` says what to do about a damaged file."""
    try:
        yield
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        raise VideoError(f"There is no file {path}. Check the spelling of the path.") from error
    except PermissionError as error:
        raise VideoError(f"{path} may not be read ({error.strerror}). Change its permissions.") from error
    except (av.error.FFmpegError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        reason = getattr(error, "strerror", None) or error
        raise VideoError(f"{path.name} cannot be decoded ({reason}). {remedy}") from error


def check_size(name: str, height: int, width: int) -> None:
    """Raise VideoError where pictures of a size are too large to decode."""
    if height * width > MAX_PIXELS:
        most = f"{MAX_PIXELS / 1e6:g} megapixels are the most"
        raise VideoError(f"{name} has pictures of {width}x{height}, and {most}. Shrink it to 8K or less first.")


def over_black(rgba: UInt8) -> UInt8:
    """(H, W, 3) RGB of an RGBA image laid over black."""
    alpha = rgba[..., 3:].astype(np.uint16)
    return ((rgba[..., :3] * alpha + 127) // 255).astype(np.uint8)


def turned(image: UInt8, turn: npt.NDArray[np.int64]) -> UInt8:
    """An image as displayed under a matrix of quarter turns and mirrors."""
    if turn[0, 0] == 0:
        image = image.swapaxes(0, 1)
    if turn[0].sum() < 0:
        image = image[:, ::-1]
    if turn[1].sum() < 0:
        image = image[::-1]
    return np.ascontiguousarray(image)
