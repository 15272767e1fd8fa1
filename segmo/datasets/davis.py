"""DAVIS 2016, 2017 and their subsets: `Annotations/480p/<sequence>/<frame>.png`, one image of object ids a frame.

DAVIS 2016 has one id, 255; DAVIS 2017 counts from 1, and in `Annotations_unsupervised` 255 marks pixels that do not count. Pictures
are in `JPEGImages/480p`, lists of sequences in `ImageSets`. https://davischallenge.org
"""

from __future__ import annotations

from pathlib import Path

from segmo.datasets.annotations import AnnotatedFrame, AnnotatedSequence, first_with_sequences, image_files, mask_files, subfolders
from segmo.datasets.clips import Expected, SequenceClip, sequence_clips
from segmo.errors import DataError

VOID_ID = 255
"""Id of pixels that do not count in the unsupervised annotations of DAVIS 2017."""
PLACES = ("Annotations/480p", "Annotations_unsupervised/480p", "480p", "")
"""Where annotations lie below a folder that the user names."""

EXPECTED = Expected(
    "DAVIS 2016 and 2017",
    """SRC/JPEGImages/480p/<sequence>/00000.jpg
SRC/Annotations/480p/<sequence>/00000.png            (or Annotations_unsupervised/480p)""",
    "https://davischallenge.org (TrainVal, 480p)",
)


def annotation_root(root: Path, *, unsupervised: bool = False) -> Path:
    """The folder that holds a folder a sequence: `root` itself or its place in a DAVIS tree.

    Raises:
        DataError: no sequence is found.
    """
    return first_with_sequences(root, sorted(PLACES, key=lambda place: unsupervised and "unsupervised" not in place))


def sequence_names(annotations: Path) -> tuple[str, ...]:
    """All sequences, by name."""
    return tuple(path.name for path in subfolders(annotations) if mask_files(path))


def open_sequence(annotations: Path, name: str, images: Path | None = None) -> AnnotatedSequence:
    """The annotated frames of a sequence, with void pixels where the annotations are the unsupervised ones.

    Args:
        annotations: what `annotation_root` found.
        name: the sequence.
        images: folder of picture folders, where it is not beside the annotations.

    Raises:
        DataError: the sequence is missing or empty.
    """
    files = mask_files(annotations / name)
    if not files:
        raise DataError(f"There are no annotations of sequence {name!r} in {annotations / name}. Add them or take it off the list.")
    frames = tuple(AnnotatedFrame(stem, (path,)) for stem, path in files.items())
    beside = annotations.parent.parent / "JPEGImages" / annotations.name
    # Only its own name tells: in DAVIS 2016 a 255 is the object, and folders further up may be called anything.
    void = VOID_ID if any("unsupervised" in part for part in annotations.absolute().parts[-2:]) else None
    return AnnotatedSequence(name, frames, image_files([images / name] if images else [beside / name]), void_id=void)


def clips(root: Path) -> tuple[SequenceClip, ...]:
    """All sequences, by name, with all annotated objects taken for moving; void pixels of the unsupervised annotations are not.

    Raises:
        DataError: there is none, or one lacks its pictures.
    """
    return sequence_clips(root, EXPECTED, annotation_root, sequence_names, open_sequence)
