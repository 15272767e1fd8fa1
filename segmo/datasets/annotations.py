"""What the readers of annotated videos share: sequences of annotated frames, and mask images in their many formats."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from segmo.errors import DataError
from segmo.types import Bool, UInt8

MASK_SUFFIXES = (".png", ".bmp", ".ppm", ".pgm")
"""Formats of masks; of two files for the same frame the earlier format is taken. JPEG is lossy and never a mask."""
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".ppm", ".pgm")


@dataclass(frozen=True)
class AnnotatedFrame:
    """One frame that somebody drew masks for."""

    name: str
    """Name of its file without ending and without the "_gt" of some data sets."""
    files: tuple[Path, ...]
    """Its mask image, or one mask image an object."""

    @property
    def number(self) -> int | None:
        """The number in its name."""
        return frame_number(self.name)


@dataclass(frozen=True)
class AnnotatedSequence:
    """The annotated frames of one video, in order of time, and its pictures where they were found."""

    name: str
    frames: tuple[AnnotatedFrame, ...]
    images: tuple[Path, ...] = ()
    """All frames of the video, annotated or not; empty if not at hand."""
    background_by_colour: bool = False
    """Whether the background is told by colour: black where black occurs in the sequence, else white (FBMS-59)."""
    void_id: int | None = None
    """Id of pixels that do not count, neither as object nor as background; none where all count."""

    def inner(self) -> AnnotatedSequence:
        """The sequence without its first and last annotated frame.

        Raises:
            DataError: nothing is left.
        """
        if len(self.frames) < 3:
            raise DataError(f"Sequence {self.name!r} has {len(self.frames)} annotated frames, none of them inner. Evaluate all frames.")
        return replace(self, frames=self.frames[1:-1])

    def read_ids(self) -> UInt8:
        """(T, H, W) object ids, 0 = background, and `void_id`, of a sequence with one image of ids a frame.

        Raises:
            DataError: a file cannot be read, holds colours instead of ids, or differs in size.
        """
        return _stack([frame.files[0] for frame in self.frames], read_ids)

    def read_foreground(self) -> Bool:
        """(T, H, W) all objects joined, without void pixels.

        Raises:
            DataError: a file cannot be read, or differs in size.
        """
        if self.void_id is not None:
            ids = self.read_ids()
            return np.asarray((ids > 0) & (ids != self.void_id))
        if self.background_by_colour:
            colours = _stack([frame.files[0] for frame in self.frames], read_rgb)
            black = ~colours.any(axis=-1)
            # 250: what the published evaluation takes for white
            return np.asarray(~black if black.any() else ~(colours > 250).all(axis=-1))
        masks = _stack([path for frame in self.frames for path in frame.files], read_foreground)
        return np.asarray(masks.reshape(len(self.frames), -1, *masks.shape[1:]).any(axis=1))

    def read_void(self) -> Bool | None:
        """(T, H, W) pixels that do not count; None where all count. Raises DataError as `read_ids`."""
        return None if self.void_id is None else np.asarray(self.read_ids() == self.void_id)


def frame_number(name: str) -> int | None:
    """The last number in a name, if it has one."""
    digits = re.findall(r"\d+", name)
    return int(digits[-1]) if digits else None


def mask_files(folder: Path, suffixes: Sequence[str] = MASK_SUFFIXES) -> dict[str, Path]:
    """The mask images of a folder by name without ending, ordered by number and name; empty if there is no such folder."""
    files: dict[str, Path] = {}
    for path in sorted(_listing(folder), key=lambda path: path.name):
        suffix = path.suffix.lower()
        if suffix in suffixes and not path.name.startswith("."):
            known = files.get(path.stem)
            if known is None or suffixes.index(suffix) < suffixes.index(known.suffix.lower()):
                files[path.stem] = path
    return dict(sorted(files.items(), key=lambda item: (frame_number(item[0]) or 0, item[0])))


def image_files(folders: Iterable[Path]) -> tuple[Path, ...]:
    """The pictures of the first of these folders that holds any."""
    for folder in folders:
        if files := mask_files(folder, IMAGE_SUFFIXES):
            return tuple(files.values())
    return ()


def subfolders(folder: Path) -> list[Path]:
    """The folders in a folder, by name, hidden ones left out; none if there is no such folder."""
    return sorted(path for path in _listing(folder) if path.is_dir() and not path.name.startswith("."))


def first_with_sequences(root: Path, places: Sequence[str]) -> Path:
    """The first of some places below `root` that holds at least one folder with a mask image in it, or in a folder of it.

    Raises:
        DataError: there is none.
    """
    for place in places:
        if any(mask_files(path) for folder in subfolders(root / place) for path in (folder, *subfolders(folder))):
            return root / place
    looked = ", ".join(str(root / place) for place in places)
    raise DataError(f"No folder of a sequence with mask images was found in {looked}. Give the folder that holds a folder a sequence.")


def read_ids(path: Path) -> UInt8:
    """(H, W) object ids of a palette or grey image.

    Raises:
        DataError: it cannot be read or holds colours instead of ids.
    """
    pixels = read_pixels(path)
    if pixels.ndim != 2 or pixels.max(initial=0) > 255:
        raise DataError(
            f"{path} is no image of object ids but {pixels.dtype} of shape {pixels.shape}. Save ids as a palette or 8-bit grey PNG."
        )
    return pixels.astype(np.uint8)


def read_foreground(path: Path) -> Bool:
    """(H, W) where any object is: an id, a grey value or a colour above 0.

    Raises:
        DataError: it cannot be read.
    """
    pixels = read_pixels(path)
    return pixels > 0 if pixels.ndim == 2 else np.asarray((pixels[..., :3] > 0).any(axis=-1))


def read_pixels(path: Path) -> npt.NDArray[Any]:
    """The stored numbers of a mask: palette indices, grey values, or (H, W, 3 or 4) colours.

    Raises:
        DataError: it cannot be read.
    """
    with _opened(path) as image:
        return np.asarray(image if image.mode in ("P", "L", "1", "I", "I;16", "RGB", "RGBA") else image.convert("RGB"))


def read_rgb(path: Path) -> UInt8:
    """(H, W, 3) RGB of a picture or a mask in colours.

    Raises:
        DataError: it cannot be read.
    """
    with _opened(path) as image:
        return np.asarray(image.convert("RGB"))


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    try:
        with Image.open(path) as image:
            yield image
    except FileNotFoundError as error:
        raise DataError(f"There is no file {path}. Restore it or take its sequence off the list.") from error
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {error}. Copy or compute it again.") from error


def _stack(files: Sequence[Path], read: Callable[[Path], npt.NDArray[Any]]) -> npt.NDArray[Any]:
    masks = [read(path) for path in files]
    for path, mask in zip(files, masks, strict=True):
        if mask.shape != masks[0].shape:
            raise DataError(f"{path} is {size_text(mask)} but {files[0]} is {size_text(masks[0])}. Masks of a sequence share one size.")
    return np.stack(masks)


def size_text(mask: npt.NDArray[Any]) -> str:
    """Width x height of an (H, W, ...) array, for people."""
    return f"{mask.shape[1]}x{mask.shape[0]}"


def _listing(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise DataError(f"The folder {folder} cannot be read: {error.strerror}. Change its permissions.") from error
