"""The masks stage for models that are prompted with points: from labelled tracks to numbered objects."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from segmo.geometry import ids_in
from segmo.settings import Correction, MaskSettings
from segmo.stages.masks import MaskInputs, no_objects
from segmo.stages.paper_rules import confident_visibility
from segmo.stages.prompting import (
    Click,
    ObjectTrack,
    PointSegmenter,
    clicked_objects,
    find_objects,
    follow_objects,
    is_denied,
    label_frames,
    merged_groups,
    same_objects,
)
from segmo.types import Bool, ObjectMasks, Steps, Tracks, within

FINDING = 0.2
"""Share of the stage that the search for objects takes."""
NONE_FOUND = "Some points move, but no object that is large enough was found around them."


def segment_by_points(inputs: MaskInputs, settings: MaskSettings, segmenter: PointSegmenter) -> Steps[ObjectMasks]:
    """Masks of everything that moves, as a segmenter sees it that is told where the moving tracks are.

    Args:
        inputs: of which clip, tracks and labels are used.
        settings: the frames of its corrections are those of the clip.
        segmenter: sees the frames of the clip.
    """
    yield 0.0
    hw = inputs.clip.hw
    moving = np.flatnonzero(inputs.labels.moving)
    positions, visible = inputs.tracks.positions_xy[moving], prompt_visibility(inputs.tracks, inputs.labels.moving)
    clicks = clicks_in_pixels(settings.corrections, hw)
    found = yield from within(find_objects(positions, visible, segmenter), 0, FINDING)
    found += clicked_objects(clicks)
    tracks = yield from within(follow_objects(found, positions, visible, segmenter, hw, clicks), FINDING, 1)
    kept = [(each, track) for each, track in zip(found, tracks, strict=True) if not is_denied(each, track, clicks, hw)]
    probability = inputs.labels.evidence.track_probability[moving]
    scores = [1.0 if each.click is not None else float(probability[each.tracks].mean()) for each, _ in kept]
    masks = number_objects([track for _, track in kept], scores, hw, settings)
    return masks or dataclasses.replace(no_objects(inputs.clip), notes=(NONE_FOUND,))


def prompt_visibility(tracks: Tracks, moving: Bool) -> Bool:
    """(N, T) where the moving tracks are seen well enough to be prompts; where none ever is, wherever they are seen at all."""
    visible = tracks.visible[moving]
    confident = confident_visibility(visible, tracks.confidence[moving])
    return confident if confident.any() else visible


def clicks_in_pixels(corrections: Sequence[Correction], hw: tuple[int, int]) -> list[Click]:
    """Corrections as positions on frames of a size."""
    return [Click(each.frame, (each.x * hw[1] - 0.5, each.y * hw[0] - 0.5), each.moves) for each in corrections]


def number_objects(
    tracks: Sequence[ObjectTrack], scores: Sequence[float], hw: tuple[int, int], settings: MaskSettings
) -> ObjectMasks | None:
    """Merge what is one object, leave out what is too small, and number the rest; None where nothing is left.

    Where objects overlap, the lower number is seen.

    Args:
        tracks: masks as the segmenter gave them.
        scores: probability that each moves.
        hw: size of the masks.
        settings: how small, and how many.
    """
    groups = worth_keeping(tracks, merged_groups(same_objects(tracks)), hw, settings)
    if not groups:
        return None
    labels = label_frames(tracks, groups, hw)
    seen = np.array(sorted(set().union(*map(ids_in, labels)) - {0}), np.int64)  # one may be hidden behind others throughout
    numbers = np.zeros(256, np.uint8)
    numbers[seen] = np.arange(1, len(seen) + 1)
    merged = [max(scores[index] for index in groups[number - 1]) for number in seen]
    return ObjectMasks(numbers[labels], np.arange(1, len(seen) + 1), np.array(merged, np.float32))


def worth_keeping(
    tracks: Sequence[ObjectTrack], groups: Sequence[list[int]], hw: tuple[int, int], settings: MaskSettings
) -> list[list[int]]:
    """The groups of tracks that are large enough on the frames that show them, at most as many as wanted, in their order."""
    total = []
    for group in groups:
        areas = np.bitwise_count(np.bitwise_or.reduce([tracks[index].packed for index in group])).sum(axis=(1, 2), dtype=np.int64)
        enough = areas.any() and areas.sum() >= settings.min_area * hw[0] * hw[1] * np.count_nonzero(areas)
        total.append(int(areas.sum()) if enough else 0)
    largest = sorted(np.flatnonzero(total).tolist(), key=lambda number: -total[number])[: settings.max_objects]
    return [groups[number] for number in sorted(largest)]
