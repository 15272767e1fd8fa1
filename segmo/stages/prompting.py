"""From moving tracks to masks of objects, by asking a segmenter about points.

The two-step prompting of "Segment Any Motion in Videos" (arXiv 2503.22268): tracks are grouped into objects by what the segmenter says
about one point of each, then each object is prompted again on several frames and followed through the clip. Masks that turn out to be
one object are merged.

Where the published code fails, this does not: chains of merges are followed to their end, an object without tracks is no object, and the
search ends where no track is visible any more or a mask claims nothing. Everything else agrees call for call.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
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


class PointSegmenter(Protocol):
    """A video segmenter that is asked about points, all of which lie on the object; one object is asked about between resets."""

    def reset(self) -> None:
        """Forget all points."""
        ...

    def add_points(self, frame: int, object_id: int, points_xy: Points) -> Bool:
        """Replace the points of an object on a frame by (K, 2) positions in pixels, and return the object's (H, W) mask there."""
        ...

    def propagate(self, object_id: int, *, reverse: bool) -> Iterable[tuple[int, Bool]]:
        """Follow an object from its first prompted frame to the end, or back to the start; gives frame numbers and (H, W) masks."""
        ...


@dataclass(frozen=True)
class FoundObject:
    """Tracks that the segmenter takes for one object."""

    frame: int
    """Where it was found."""
    tracks: Int
    """Indices of its tracks."""


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
    return int(cdist(exact, exact).sum(axis=1).argmin())


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


def follow_object(
    number: int, found: FoundObject, positions_xy: Points, visible: Bool, segmenter: PointSegmenter, hw: tuple[int, int]
) -> Steps[ObjectTrack]:
    """Prompt one object on several frames and follow it through the clip.

    Args:
        number: the object's id.
        found: its tracks, and where it was found.
        positions_xy: (N, T, 2) all moving tracks.
        visible: (N, T).
        segmenter: forgets what it was asked before.
        hw: size of the frames.
    """
    frame_count = visible.shape[1]
    packed = np.zeros((frame_count, hw[0], -(-hw[1] // 8)), np.uint8)
    present = np.zeros(frame_count, bool)
    segmenter.reset()
    prompted = []
    for frame in [found.frame, *(frame for frame in range(0, frame_count, PROMPT_EVERY) if frame != found.frame)]:
        points = positions_xy[found.tracks[visible[found.tracks, frame]], frame]
        if not len(points):
            continue
        mask = segmenter.add_points(frame, number, points[[densest_point(points)]])
        if points_in_mask(points, mask).mean() < COVERED_SHARE:
            segmenter.add_points(frame, number, spread_points(points))
        prompted.append(frame)
    for reverse in (False, True)[: 1 if 0 in prompted else 2]:
        for frame, mask in segmenter.propagate(number, reverse=reverse):
            packed[frame] |= np.packbits(mask, axis=-1)
            present[frame] = True
            yield present.mean()
    return ObjectTrack(packed, present, tuple(prompted))


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
