"""SegTrackv2: `GroundTruth/<sequence>/*.png`, or a numbered folder an object, `GroundTruth/<sequence>/<object>/*.png`.

Pictures are in `JPEGImages/<sequence>`. F. Li et al., "Video Segmentation by Tracking Many Figure-Ground Segments", ICCV 2013.
"""

from __future__ import annotations

from pathlib import Path

from segmo.datasets.annotations import AnnotatedFrame, AnnotatedSequence, first_with_sequences, image_files, mask_files, subfolders
from segmo.datasets.clips import Expected, SequenceClip, sequence_clips
from segmo.errors import DataError

_PLACES = ("GroundTruth", "")
EXPECTED = Expected(
    "SegTrackv2",
    """SRC/JPEGImages/<sequence>/<frame>.png
SRC/GroundTruth/<sequence>/<frame>.png                 (or GroundTruth/<sequence>/<object>/<frame>.png)""",
    "https://web.engr.oregonstate.edu/~lif/SegTrack2/dataset.html",
)


def annotation_root(root: Path) -> Path:
    """The folder that holds a folder a sequence: `root` or its `GroundTruth`.

    Raises:
        DataError: no sequence is found.
    """
    return first_with_sequences(root, _PLACES)


def sequence_names(annotations: Path) -> tuple[str, ...]:
    """All sequences, by name."""
    return tuple(path.name for path in subfolders(annotations) if any(map(mask_files, (path, *subfolders(path)))))


def open_sequence(annotations: Path, name: str, images: Path | None = None) -> AnnotatedSequence:
    """The annotated frames of a sequence; `images` is the folder of picture folders, where it is not beside the annotations.

    Raises:
        DataError: the sequence is missing or empty, or its objects are annotated on different frames.
    """
    own = annotations / name
    folders = [own] if mask_files(own) else [path for path in subfolders(own) if mask_files(path)]
    objects = [mask_files(folder) for folder in folders]
    if not objects:
        raise DataError(f"There are no annotations of sequence {name!r} in {own}. Add them or take it off the list.")
    for folder, files in zip(folders, objects, strict=True):
        if list(files) != list(objects[0]):
            odd = min(set(files) ^ set(objects[0]))
            raise DataError(f"Frame {odd!r} is annotated in only one of {folders[0]} and {folder}. Complete the copy of the data set.")
    frames = tuple(AnnotatedFrame(stem, tuple(files[stem] for files in objects)) for stem in objects[0])
    beside = annotations.parent / "JPEGImages" / name
    return AnnotatedSequence(name, frames, image_files([images / name] if images else [beside]))


def clips(root: Path) -> tuple[SequenceClip, ...]:
    """All sequences, by name, with their objects joined.

    Raises:
        DataError: there is none, or one lacks its pictures.
    """
    return sequence_clips(root, EXPECTED, annotation_root, sequence_names, open_sequence)
