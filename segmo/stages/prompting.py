"""From moving tracks to masks of objects, by asking a segmenter about points.

The two-step prompting of "Segment Any Motion in Videos" (arXiv 2503.22268): tracks are grouped into objects by what the segmenter says
about one point of each, then each object is prompted again on several frames and followed through the clip. Masks that turn out to be
one object are merged.

Where the published code fails, this does not: chains of merges are followed to their end, an object without tracks is no object, and the
search ends where no track is visible any more or a mask claims nothing. Everything else agrees call for call, object by object; all objects
are followed through the clip together, so that a segmenter looks at each frame once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import cv2
import numpy as np
import numpy.typing as npt
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import cdist

from segmo.types import Bool, Int, Steps, UInt8

PROMPT_EVERY = 16
"""Frames between prompts of an object."""
FEWEST_ROUNDS, MOST_ROUNDS = 5, 10
MANY = 6
"""Tracks that a mask must claim to be an object's, unless there were fewer from the start."""
BUSIEST_SHARE = 0.2
"""Share of the frames, those with most visible tracks, of which the middle one is looked at."""
DILATION, DILATIONS = 6, 3
COVERED_SHARE = 0.7
"""Share of an object's points that a mask must cover, or it is prompted with more points."""
SAME_IOU, CONTAINED_SHARE, SAME_FRAMES_PERCENT = 0.9, 0.9, 30

Points = npt.NDArray[np.float32]
NO_POINTS: Points = np.zeros((0, 2), np.float32)
CHUNK = 1024
"""Points whose distances to all others are in memory at a time."""


class PointSegmenter(Protocol):
    """A video segmenter that is asked about points. What it is told of one object never changes its answers about another."""

    def reset(self) -> None:
        """Forget all points."""
        ...

    def add_points(self, frame: int, object_id: int, points_xy: Points, outside_xy: Points = NO_POINTS) -> Bool:
        """Replace the points of an object on a frame, and return the object's (H, W) mask there.

        Args:
            frame: a frame of the clip.
            object_id: new, or known from an earlier call.
            points_xy: (K, 2) positions in pixels that lie on the object.
            outside_xy: (L, 2) positions that do not.
        """
        ...

    def propagate(self, object_ids: Sequence[int], *, reverse: bool) -> Iterable[tuple[int, Mapping[int, Bool]]]:
        """Follow objects, each from its own first prompted frame to the end of the clip, or back to its start.

        Gives every frame that any of them reaches, in order, with the (H, W) masks of those that do.
        """
        ...


@dataclass(frozen=True)
class Click:
    """What a viewer says about one point of a frame."""

    frame: int
    xy: tuple[float, float]
    """In pixels."""
    moves: bool


@dataclass(frozen=True)
class FoundObject:
    """Tracks that the segmenter takes for one object, or what a viewer clicked on."""

    frame: int
    """Where it was found."""
    tracks: Int
    """Indices of its tracks."""
    click: int | None = None
    """Index of the click that it comes from; such an object has no tracks."""


@dataclass(frozen=True)
class ObjectTrack:
    """The mask of an object in every frame, eight pixels a byte."""

    packed: UInt8
    """(T, H, ceil(W / 8)) as `numpy.packbits` makes them."""
    present: Bool
    """(T,) frames for which the segmenter gave a mask."""
    prompted: tuple[int, ...]
    """Frames on which points were given."""

    def mask(self, frame: int, width: int) -> Bool:
        """(H, width) mask on a frame."""
        return np.unpackbits(self.packed[frame], axis=-1, count=width).astype(bool)


def find_objects(positions_xy: Points, visible: Bool, segmenter: PointSegmenter) -> Steps[list[FoundObject]]:
    """Group tracks into objects.

    Args:
        positions_xy: (N, T, 2) moving tracks in pixels.
        visible: (N, T).
        segmenter: asked about one point a round.
    """
    frame_count = visible.shape[1]
    rounds = min(max(len(range(0, frame_count, PROMPT_EVERY)), FEWEST_ROUNDS), MOST_ROUNDS)
    left = np.arange(len(visible))
    few = len(left) < MANY
    found: list[FoundObject] = []
    for number in range(rounds):
        if not visible[left].any():
            break
        frame = busy_frame(visible[left].sum(axis=0))
        here = left[visible[left, frame]]
        points = positions_xy[here, frame]
        segmenter.reset()
        mask = segmenter.add_points(frame, 1, points[[densest_point(points)]])
        claimed = points_in_mask(points, dilate(mask))
        inside = here[points_in_mask(points, mask)]
        if len(inside) and (few or claimed.sum() >= MANY):
            found.append(FoundObject(frame, inside))
        left = np.setdiff1d(left, here[claimed])
        yield (number + 1) / rounds
        if len(left) < MANY or not claimed.any():
            break
    return found


def busy_frame(visible_count: Int) -> int:
    """The middle one, by time, of the frames with most visible tracks; where it shows none, the frame with most."""
    share = int(BUSIEST_SHARE * len(visible_count))
    busiest = np.sort(np.argsort(visible_count, kind="stable")[-share:])  # a share of 0 selects all frames, as published
    middle = int(busiest[len(busiest) // 2])
    return middle if visible_count[middle] else int(visible_count.argmax())


def densest_point(points: Points) -> int:
    """Index of the point with the smallest sum of distances to all of (K, 2) points."""
    exact = points.astype(np.float64)
    sums = [cdist(exact[first : first + CHUNK], exact).sum(axis=1) for first in range(0, len(exact), CHUNK)]
    return int(np.concatenate(sums).argmin())


def spread_points(points: Points) -> Points:
    """Of (K, 2) points the one nearest to their centroid and the two farthest from it; of two both, and a single one twice."""
    distance = np.linalg.norm(points - points.mean(axis=0), axis=1)
    order = np.argsort(distance, kind="stable")
    chosen = [0, 0] if len(points) == 1 else order[[0, 1]] if len(points) == 2 else order[[0, -2, -1]]
    return points[chosen]


def points_in_mask(points: Points, mask: Bool) -> Bool:
    """(K,) whether points lie in an (H, W) mask; those outside the picture count as on its border."""
    x = np.clip(points[:, 0].astype(np.int64), 0, mask.shape[1] - 1)
    y = np.clip(points[:, 1].astype(np.int64), 0, mask.shape[0] - 1)
    return np.asarray(mask[y, x], bool)


def dilate(mask: Bool, size: int = DILATION) -> Bool:
    """An (H, W) mask grown three times by a square; of an even size it grows farther right and down than left and up."""
    grown = cv2.dilate(mask.astype(np.uint8), np.ones((size, size), np.uint8), iterations=DILATIONS)
    return np.asarray(grown, bool)


@dataclass
class _Recording:
    """The masks of one object as they come in."""

    packed: UInt8
    present: Bool
    prompted: list[int] = field(default_factory=list)


def follow_objects(
    found: Sequence[FoundObject],
    positions_xy: Points,
    visible: Bool,
    segmenter: PointSegmenter,
    hw: tuple[int, int],
    clicks: Sequence[Click] = (),
) -> Steps[list[ObjectTrack]]:
    """Prompt every object on several frames, then follow all of them through the clip together.

    Args:
        found: their tracks, and where they were found; the first has id 1.
        positions_xy: (N, T, 2) all moving tracks.
        visible: (N, T).
        segmenter: forgets what it was asked before.
        hw: size of the frames.
        clicks: those on what moves add an object each; those on what does not are given to the objects asked about on their frame.
    """
    frame_count = visible.shape[1]
    segmenter.reset()
    recordings: dict[int, _Recording] = {}
    for number, each in enumerate(found, start=1):
        recording = _Recording(np.zeros((frame_count, hw[0], -(-hw[1] // 8)), np.uint8), np.zeros(frame_count, bool))
        recording.prompted = _prompt_object(number, each, positions_xy, visible, segmenter, clicks)
        recordings[number] = recording
        yield 0.2 * number / len(found)
    asked = [number for number, recording in recordings.items() if recording.prompted]
    late = [number for number in asked if 0 not in recordings[number].prompted]
    for reverse, numbers in ((False, asked), (True, late)):
        for frame, masks in segmenter.propagate(numbers, reverse=reverse) if numbers else ():
            for number, mask in masks.items():
                recordings[number].packed[frame] |= np.packbits(mask, axis=-1)
                recordings[number].present[frame] = True
            share = 1 - frame / frame_count if reverse else (frame + 1) / frame_count
            yield 0.2 + 0.8 * (share if not late else share / 2 + 0.5 * reverse)
    return [ObjectTrack(each.packed, each.present, tuple(each.prompted)) for each in recordings.values()]


def _prompt_object(
    number: int, found: FoundObject, positions_xy: Points, visible: Bool, segmenter: PointSegmenter, clicks: Sequence[Click]
) -> list[int]:
    """Ask about an object on the frame it was found on and on every 16th; returns the frames asked about."""
    if found.click is not None:
        click = clicks[found.click]
        segmenter.add_points(click.frame, number, np.array([click.xy], np.float32), _denied(click.frame, clicks[found.click :]))
        return [click.frame]
    frames = [found.frame, *range(0, visible.shape[1], PROMPT_EVERY), *(click.frame for click in clicks if not click.moves)]
    prompted = []
    for frame in dict.fromkeys(frames):
        points = positions_xy[found.tracks[visible[found.tracks, frame]], frame]
        if not len(points):
            continue
        outside = _denied(frame, clicks)
        mask = segmenter.add_points(frame, number, points[[densest_point(points)]], outside)
        if points_in_mask(points, mask).mean() < COVERED_SHARE:
            segmenter.add_points(frame, number, spread_points(points), outside)
        prompted.append(frame)
    return prompted


def _denied(frame: int, clicks: Sequence[Click]) -> Points:
    """(L, 2) points of a frame that were clicked as not moving."""
    return np.array([click.xy for click in clicks if click.frame == frame and not click.moves], np.float32).reshape(-1, 2)


def clicked_objects(clicks: Sequence[Click]) -> list[FoundObject]:
    """An object for every click on what moves."""
    return [FoundObject(click.frame, np.zeros(0, np.int64), index) for index, click in enumerate(clicks) if click.moves]


def is_denied(found: FoundObject, track: ObjectTrack, clicks: Sequence[Click], hw: tuple[int, int]) -> bool:
    """Whether the masks of an object still cover what was clicked as not moving, after the click that it comes from."""
    first = 0 if found.click is None else found.click
    denials = [click for click in clicks[first:] if not click.moves]
    return any(points_in_mask(np.array([click.xy], np.float32), track.mask(click.frame, hw[1])).all() for click in denials)


def same_objects(tracks: Sequence[ObjectTrack]) -> Bool:
    """(K, K) which objects are one: in enough of all frames their masks nearly agree or one contains the other."""
    count = len(tracks)
    same = np.zeros((count, count), bool)
    areas = [_areas(track.packed) for track in tracks]
    for i in range(count):
        for j in range(i):
            both = _areas(tracks[i].packed & tracks[j].packed)
            smaller = np.minimum(areas[i], areas[j])
            union = areas[i] + areas[j] - both
            alike = (smaller > 0) & ((both > SAME_IOU * union) | (both >= CONTAINED_SHARE * smaller))
            same[i, j] = same[j, i] = 100 * alike.sum() >= SAME_FRAMES_PERCENT * len(alike)
    return same


def _areas(packed: UInt8) -> Int:
    return np.bitwise_count(packed).sum(axis=(1, 2), dtype=np.int64)


def merged_groups(same: Bool) -> list[list[int]]:
    """Indices of objects that are one, following links to their end; objects that were merged come first, then the others."""
    _, group = connected_components(same, directed=False)
    members = [np.flatnonzero(group == number).tolist() for number in dict.fromkeys(group.tolist())]
    return sorted(members, key=lambda indices: len(indices) == 1)


def label_frames(tracks: Sequence[ObjectTrack], groups: Sequence[Sequence[int]], hw: tuple[int, int]) -> UInt8:
    """(T, H, W) images of object ids; group i has id i + 1, and where objects overlap the lower id is seen."""
    labels = np.zeros((len(tracks[0].packed) if tracks else 0, *hw), np.uint8)
    for number in range(len(groups), 0, -1):
        packed = np.bitwise_or.reduce([tracks[index].packed for index in groups[number - 1]])
        for image, bits in zip(labels, packed, strict=True):
            image[np.unpackbits(bits, axis=-1, count=hw[1]).astype(bool)] = number
    return labels
