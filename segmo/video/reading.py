"""Opening whatever the user gives, and hashing it."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from segmo.errors import VideoError
from segmo.types import UInt8
from segmo.video.files import VideoFile
from segmo.video.images import AnimatedImage, ImageFolder, list_images
from segmo.video.source import Source, VideoInfo, reading


def open_source(path: str | Path) -> Source:
    """Open a video file, an animated image or a folder of images.

    Raises:
        VideoError: nothing is there, or it shows no frame.
    """
    path = Path(path).absolute()
    if _is_folder(path):
        return ImageFolder(path)
    with reading(path), open(path, "rb") as file:
        head = file.read(16)
    if not head:
        raise VideoError(f"{path.name} is empty (0 bytes). Copy or download it again.")
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return AnimatedImage(path)
    return VideoFile(path)


def probe(path: str | Path) -> VideoInfo:
    """Size, length, rate and codec of a source; see `open_source` for its errors."""
    return open_source(path).info


def read_frames(path: str | Path, indices: Sequence[int]) -> Iterator[tuple[int, UInt8]]:
    """Stream the frames at increasing indices; see `Source.read`."""
    return open_source(path).read(indices)


def content_hash(path: str | Path) -> str:
    """SHA-256 of the bytes of a file, or of the names and bytes of the images of a folder; path and times do not matter."""
    path = Path(path).absolute()
    folder = _is_folder(path)
    files = list_images(path) if folder else [path]
    total = hashlib.sha256()
    for file in files:
        digest = hashlib.sha256()
        with reading(file), open(file, "rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
        if folder:
            total.update(os.fsencode(file.name) + b"\0" + digest.digest())
    return total.hexdigest() if folder else digest.hexdigest()


def _is_folder(path: Path) -> bool:
    """Whether a source is a folder; VideoError where it is neither that nor a file."""
    with reading(path):
        mode = path.stat().st_mode
    if not (stat.S_ISDIR(mode) or stat.S_ISREG(mode)):
        raise VideoError(f"{path} is a pipe or a device, and a clip is read more than once. Save it as a file first.")
    return stat.S_ISDIR(mode)
