"""The contract of all readers: clips whose every frame comes with a mask of what moves.

A reader is a function `clips(root)` that lists the clips of a data set without decoding anything. Where the folder is wrong or
incomplete, it or the clip raises a DataError with the expected tree and the place to get the data. `catalogue.py` lists the readers.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from segmo.datasets.annotations import AnnotatedSequence, frame_number, read_rgb
from segmo.errors import DataError
from segmo.types import Bool, UInt8


@dataclass(frozen=True, eq=False)
class LabelledFrame:
    """A picture and what moves in it."""

    name: str
    image: UInt8
    """(H, W, 3) RGB."""
    moving: Bool
    """(H, W)."""


class LabelledClip(Protocol):
    """A video with ground truth."""

    @property
    def name(self) -> str:
        """Unique in its data set, and fit for a folder."""
        ...

    def frame_names(self) -> tuple[str, ...]:
        """Distinct names of the frames that have a mask, in order of time."""
        ...

    def read(self, names: Collection[str] | None = None) -> Iterator[LabelledFrame]:
        """All frames, or those of these names, in order of time.

        Raises:
            DataError: a file is missing or damaged.
        """
        ...


@dataclass(frozen=True)
class Expected:
    """What a data set looks like on disk, for error messages."""

    title: str
    tree: str
    source: str
    """Where to get it, as a phrase that ends a sentence."""

    def error(self, what: str) -> DataError:
        """An error that tells what was found, what was expected, and where to get it."""
        return DataError(f"{what} Expected for {self.title} is\n{self.tree}\nGet it from {self.source}.")


@dataclass(frozen=True)
class SequenceClip:
    """A clip of a data set that publishes masks of what moves as they are."""

    sequence: AnnotatedSequence
    expected: Expected

    @property
    def name(self) -> str:
        """See `LabelledClip`."""
        return self.sequence.name

    def frame_names(self) -> tuple[str, ...]:
        """See `LabelledClip`."""
        return tuple(frame.name for frame in self.sequence.frames)

    def read(self, names: Collection[str] | None = None) -> Iterator[LabelledFrame]:
        """See `LabelledClip`."""
        pictures = {path.stem: path for path in self.sequence.images}
        numbered = self._pictures_by_number()
        moving = self.sequence.read_foreground()
        for frame, mask in zip(self.sequence.frames, moving, strict=True):
            if names is not None and frame.name not in names:
                continue
            path = pictures.get(frame.name) or numbered.get(frame.number)
            if path is None:
                raise self.expected.error(f"Frame {frame.name} of {self.name} has a mask but no picture.")
            yield labelled_frame(frame.name, path, mask, self.expected)

    def _pictures_by_number(self) -> dict[int | None, Path]:
        """Pictures by the last number in their name; none if two pictures or two masks share one: that of `000_0` tells no frame."""
        pictures = [(number, path) for path in self.sequence.images if (number := frame_number(path.stem)) is not None]
        masks = [frame.number for frame in self.sequence.frames if frame.number is not None]
        alone = len({number for number, _ in pictures}) == len(pictures) and len(set(masks)) == len(masks)
        return dict(pictures) if alone else {}


def labelled_frame(name: str, picture: Path, moving: Bool, expected: Expected) -> LabelledFrame:
    """Read a picture for its mask.

    Raises:
        DataError: it cannot be read or has another size than the mask.
    """
    return checked_frame(name, read_rgb(picture), moving, picture, expected)


def checked_frame(name: str, image: UInt8, moving: Bool, source: Path, expected: Expected) -> LabelledFrame:
    """A frame whose picture and mask agree in size.

    Raises:
        DataError: they do not.
    """
    if image.shape[:2] != moving.shape:
        seen = f"{image.shape[1]}x{image.shape[0]}, its mask {moving.shape[1]}x{moving.shape[0]}"
        raise expected.error(f"Frame {name} from {source} is {seen}.")
    return LabelledFrame(name, image, moving)


def sequence_clips(
    root: Path,
    expected: Expected,
    annotation_root: Callable[[Path], Path],
    sequence_names: Callable[[Path], Sequence[str]],
    open_sequence: Callable[[Path, str], AnnotatedSequence],
) -> tuple[SequenceClip, ...]:
    """The clips of a data set that the evaluation reads as sequences of masks.

    Raises:
        DataError: there is none, or one lacks its pictures.
    """
    try:
        annotations = annotation_root(root)
        sequences = [open_sequence(annotations, name) for name in sequence_names(annotations)]
    except DataError as error:
        raise expected.error(str(error)) from error
    for sequence in sequences:
        if not sequence.images:
            raise expected.error(f"There are no pictures of sequence {sequence.name!r} below {root}.")
    return tuple(SequenceClip(sequence, expected) for sequence in sequences)
