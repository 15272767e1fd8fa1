"""Finds the predicted mask of every annotated frame, in our own output folders and in those of others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from segmo.datasets.annotations import AnnotatedFrame, AnnotatedSequence, frame_number, mask_files
from segmo.errors import DataError


def prediction_files(predictions: Path, sequence: AnnotatedSequence) -> tuple[Path, ...]:
    """The predicted mask of each annotated frame of a sequence.

    Masks lie in `<predictions>/<sequence>/masks`, as `python -m segmo run` writes them, or in `<predictions>/<sequence>`. They are
    matched by name; where names differ, through the pictures (masks numbered from 0 belong to the pictures in their order), and
    without pictures by the number in the name.

    Raises:
        DataError: the folder, or the mask of an annotated frame, is missing, or it is unclear which belongs to which.
    """
    places = [predictions / sequence.name / "masks", predictions / sequence.name, predictions / "480p" / sequence.name]
    folder, masks = next(((place, files) for place in places if (files := mask_files(place))), (places[1], {}))
    if not masks:
        raise DataError(f"There are no predicted masks of sequence {sequence.name!r} in {places[1]}. Predict it or take it off the list.")
    keys = _keys(sequence, masks, folder)
    for frame, key in zip(sequence.frames, keys, strict=True):
        if key not in masks:
            raise DataError(
                f"Sequence {sequence.name!r} has no predicted mask for {frame.files[0]} in {folder} (looked for {key or frame.name}.png). "
                "Predict every annotated frame (`python -m segmo run --no-efficiency` leaves none out)."
            )
    return tuple(masks[key] for key in keys)


def _keys(sequence: AnnotatedSequence, masks: dict[str, Path], folder: Path) -> list[str]:
    """Name of the predicted mask of each frame; a name that is not in `masks`, or "", where it is missing."""
    pictures = _picture_indices(sequence)
    if pictures:
        names = [path.stem for path in sequence.images]
        if len(masks) == len(names) and set(masks) != set(names):
            ordered = list(masks)
            return [ordered[index] for index in pictures]
        if any(names[index] in masks for index in pictures):
            return [names[index] for index in pictures]
    if any(frame.name in masks for frame in sequence.frames):
        return [frame.name for frame in sequence.frames]
    return _keys_by_number(sequence.frames, masks, folder)


def _picture_indices(sequence: AnnotatedSequence) -> list[int]:
    """Which picture each annotated frame belongs to; empty if that cannot be told for all of them."""
    stems = {path.stem: index for index, path in enumerate(sequence.images)}
    numbers = {frame_number(path.stem): index for index, path in enumerate(sequence.images)}
    indices = [stems.get(frame.name, numbers.get(frame.number)) for frame in sequence.frames]
    known = [index for index in indices if index is not None]
    return known if len(known) == len(indices) else []


def _keys_by_number(frames: Sequence[AnnotatedFrame], masks: dict[str, Path], folder: Path) -> list[str]:
    numbers = {frame_number(name): name for name in masks}
    if len(numbers) != len(masks) or (0 in numbers and 0 not in {frame.number for frame in frames}):
        raise DataError(
            f"It is unclear which masks of {folder} ({next(iter(masks))}, ...) belong to the annotations {frames[0].files[0].name}, ... "
            "Name masks after the frames, or give the folder of the pictures with --images."
        )
    return [numbers.get(frame.number, "") for frame in frames]
