"""FBMS-59: `Testset/<sequence>/*.jpg` and, for some of the frames, masks in `Testset/<sequence>/GroundTruth`.

Masks are bitmaps (`_gt.ppm` with white background, `.pgm` or `.bmp` with black background) or, in cleaned copies, palette PNGs; copies
also use the layout of DAVIS, with all pictures under `JPEGImages`. Names differ from those of the frames, numbers do not.
P. Ochs, J. Malik, T. Brox, "Segmentation of Moving Objects by Long Term Video Analysis", PAMI 2014.
"""

from __future__ import annotations

from pathlib import Path

from segmo.datasets.annotations import (
    MASK_SUFFIXES,
    AnnotatedFrame,
    AnnotatedSequence,
    first_with_sequences,
    image_files,
    mask_files,
    subfolders,
)
from segmo.datasets.clips import Expected, SequenceClip, sequence_clips
from segmo.errors import DataError

MASKS = "GroundTruth"
_PLACES = ("Testset", "Annotations", "")
EXPECTED = Expected(
    "FBMS-59",
    """SRC/Testset/<sequence>/<sequence>_0001.jpg
SRC/Testset/<sequence>/GroundTruth/<sequence>_0001_gt.ppm        (or .pgm, .bmp, .png, of some frames)""",
    "https://lmb.informatik.uni-freiburg.de/resources/datasets/moseg.en.html",
)


def annotation_root(root: Path) -> Path:
    """The folder that holds a folder a sequence: `root`, its `Testset` or its `Annotations`.

    Raises:
        DataError: no sequence is found.
    """
    return first_with_sequences(root, _PLACES)


def sequence_names(annotations: Path) -> tuple[str, ...]:
    """All sequences, by name."""
    return tuple(path.name for path in subfolders(annotations) if mask_files(path / MASKS) or mask_files(path))


def open_sequence(annotations: Path, name: str, images: Path | None = None) -> AnnotatedSequence:
    """The annotated frames of a sequence; `images` is the folder of picture folders, where it is not found by itself.

    Raises:
        DataError: the sequence is missing or empty, or a mask has no number.
    """
    own = annotations / name
    folder = own / MASKS if (own / MASKS).is_dir() else own
    frames: dict[int, AnnotatedFrame] = {}
    for stem, path in sorted(mask_files(folder).items(), key=lambda item: MASK_SUFFIXES.index(item[1].suffix.lower())):
        frame = AnnotatedFrame(stem.removesuffix("_gt"), (path,))
        if "PROB" in stem:  # soft maps that lie beside the masks of some sequences
            continue
        if frame.number is None:
            raise DataError(f"The mask {path} has no frame number in its name. Name it after the frame it belongs to.")
        frames.setdefault(frame.number, frame)
    if not frames:
        raise DataError(f"There are no annotations of sequence {name!r} in {folder}. Add them or take it off the list.")
    beside = [own, annotations.parent / "JPEGImages" / name] if folder != own else [annotations.parent / "JPEGImages" / name]
    pictures = image_files([images / name] if images else beside)
    return AnnotatedSequence(name, tuple(frames[number] for number in sorted(frames)), pictures, background_by_colour=True)


def clips(root: Path) -> tuple[SequenceClip, ...]:
    """All sequences, by name, with their annotated frames.

    Raises:
        DataError: there is none, or one lacks its pictures.
    """
    return sequence_clips(root, EXPECTED, annotation_root, sequence_names, open_sequence)
