"""Folders of images and animated WebP."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, TiffImagePlugin

from segmo.errors import VideoError
from segmo.parallel import parallel_map
from segmo.types import UInt8
from segmo.video.source import VideoInfo, check_size, over_black, reading, turned

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})
FOLDER_FPS = 24.0
"""Frame rate given to image folders, which have none: that of DAVIS and of cinema."""
_REPLACE = "Replace or remove this image."

_UPRIGHT = ((1, 0), (0, 1))
_EXIF_TURNS = {
    2: ((-1, 0), (0, 1)),
    3: ((-1, 0), (0, -1)),
    4: ((1, 0), (0, -1)),
    5: ((0, 1), (1, 0)),
    6: ((0, -1), (1, 0)),
    7: ((0, -1), (-1, 0)),
    8: ((0, 1), (-1, 0)),
}
"""EXIF orientation to the matrix of `turned`."""


def list_images(folder: Path) -> list[Path]:
    """Images of a folder in natural order: frame2 before frame10."""

    def natural(path: Path) -> tuple[list[tuple[int, int, str]], str]:
        parts = re.split(r"(\d+)", path.name.lower())
        return [(1, int(part), part) if part.isdecimal() else (0, 0, part) for part in parts], path.name

    with reading(folder):
        return sorted(
            (file for file in folder.iterdir() if file.suffix.lower() in IMAGE_SUFFIXES and file.name[0] != "." and file.is_file()),
            key=natural,
        )


class ImageFolder:
    """A folder of images of one size, which play at `FOLDER_FPS`."""

    stream_index: int | None = None
    start_s = sound_start_s = 0.0
    joined, damaged = False, 0

    def __init__(self, folder: Path) -> None:
        self._files = list_images(folder)
        if not self._files:
            raise VideoError(f"There is no image in {folder}. Give a folder of {', '.join(sorted(IMAGE_SUFFIXES))} files.")
        seen: dict[str, Path] = {}
        for file in self._files:
            if (other := seen.setdefault(file.stem, file)) is not file:
                raise VideoError(f"{other.name} and {file.name} differ only in their ending. Keep one of each pair of images.")
        self._turns, first = [], (0, 0)
        for file in self._files:
            with reading(file, _REPLACE), Image.open(file) as image:
                hw, turn = _shown(image)
            self._turns.append(turn)
            first = first if any(first) else hw
            if hw != first:
                size, rest = f"{hw[1]}x{hw[0]}", f"{self._files[0].name} is {first[1]}x{first[0]}"
                raise VideoError(f"{file.name} is {size} but {rest}. Put images of one size in a folder.")
        count = len(self._files)
        self.timestamps_s = np.arange(count) / FOLDER_FPS
        self.names = tuple(file.stem for file in self._files)
        codec = self._files[0].suffix.lower()[1:]
        self.info = VideoInfo(first, count, FOLDER_FPS, count / FOLDER_FPS, codec, 0, False, True)

    def read(self, indices: Sequence[int], small: Collection[int] = ()) -> Iterator[tuple[int, UInt8]]:
        """See `Source.read`; an image that cannot be decoded is an error that names it."""

        def decoded(index: int) -> tuple[int, UInt8]:
            with reading(file := self._files[index], _REPLACE):
                image = cv2.imdecode(np.fromfile(file, np.uint8), cv2.IMREAD_UNCHANGED)
                if image is None:
                    raise ValueError("the image is damaged")
            return int(index), turned(_bgr_to_rgb(image), self._turns[index])

        return parallel_map(decoded, indices)


def shown_hw(path: Path) -> tuple[int, int]:
    """Height and width of an image as displayed, which reading it gives; only its header is read.

    Raises:
        VideoError: it is missing or no image.
    """
    with reading(path, _REPLACE), Image.open(path) as image:
        return _shown(image)[0]


def _shown(image: Image.Image) -> tuple[tuple[int, int], npt.NDArray[np.int64]]:
    """Height and width of an opened image as displayed, and how `turned` gets there from what cv2 decodes."""
    orientation = image.getexif().get(0x0112, 1)
    (width, height), turn = image.size, _EXIF_TURNS.get(orientation, _UPRIGHT)
    if isinstance(image, TiffImagePlugin.TiffImageFile):  # cv2 turns these itself, and newer versions of Pillow give their size as turned
        (width, height), turn = (image.tag_v2[256], image.tag_v2[257]), _UPRIGHT
    return (width, height) if orientation in (5, 6, 7, 8) else (height, width), np.array(turn, np.int64)


def _bgr_to_rgb(image: npt.NDArray[Any]) -> UInt8:
    """A grey, BGR or BGRA image of 8 or 16 bits as cv2 decodes it, in RGB of 8 bits."""
    if image.dtype != np.uint8:
        image = np.rint(image / (65535 if image.dtype == np.uint16 else 1.0) * 255).clip(0, 255).astype(np.uint8)
    if image.ndim == 2:
        return cv2.cvtColor(image, cv2.COLOR_GRAY2RGB)
    if image.shape[2] == 4:
        return over_black(cv2.cvtColor(image, cv2.COLOR_BGRA2RGBA))
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


class AnimatedImage:
    """A WebP file, whose animations ffmpeg does not decode."""

    stream_index: int | None = None
    start_s = sound_start_s = 0.0
    joined, damaged = False, 0

    def __init__(self, path: Path) -> None:
        self._path = path
        with reading(path), Image.open(path) as image:
            check_size(path.name, *image.size[::-1])
            count, alpha = getattr(image, "n_frames", 1), "A" in image.mode
            durations = []
            for index in range(count):
                image.seek(index)
                image.load()
                durations.append(max(image.info.get("duration", 0), 10) / 1000)
            hw = image.size[::-1]
        ends = np.cumsum(durations)
        self.timestamps_s = np.concatenate([[0.0], ends[:-1]])
        self.names = tuple(f"{index:05d}" for index in range(count))
        kind = "rgba" if alpha else "rgb24"
        self.info = VideoInfo(hw, count, count / float(ends[-1]), float(ends[-1]), "webp", 0, False, False, kind)

    def read(self, indices: Sequence[int], small: Collection[int] = ()) -> Iterator[tuple[int, UInt8]]:
        """See `Source.read`."""
        with reading(self._path), Image.open(self._path) as image:
            for index in indices:
                image.seek(int(index))
                yield int(index), over_black(np.asarray(image.convert("RGBA")))
