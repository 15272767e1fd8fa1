"""Separate objects, with ids that last, from a foreground and the points that travel on it.

Two pieces of foreground belong to one object if the points on them mostly share a connected component, or are on components that touch,
while both are seen, and do not come apart where they meet: parts of a body stay together, two people who cross do not. An object
that was out of sight is found again (`reappearing.py`).
"""

from __future__ import annotations

from math import ceil
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import scipy

from segmo.geometry import rescale_points
from segmo.lite.adoption import adopt
from segmo.lite.company import FEWEST_POINTS, Field, Indices, Labels, group_points
from segmo.lite.flow import GAPS
from segmo.lite.reappearing import rejoin
from segmo.lite.seams import join_seamless, seams, touching
from segmo.lite.shots import resume, shots_of
from segmo.lite.trajectories import chain
from segmo.parallel import parallel_map
from segmo.types import finish

SEED_STRIDE = 3  # frames between those on which points are set out
LONG_CLIP = 250  # frames beyond which it grows with the clip
POINTS_PER_COMPONENT = 40
JOIN_PX = 1  # components that are at most twice this far apart count as one: masks fray
CRUMB_JOIN_PX, CRUMB_PX = 2, 24  # the same for components of fewer pixels: a paw on a thin leg
PART_SHARE, PART_SHOWN = 0.15, 0.5  # of the area, and of the frames, of what it always touches, up to which something is a part of it
SMALLEST_PX = 6  # foreground pixels of the map grid below which a component is noise
COLOUR_PX = 0.4  # map pixels that one unit of colour difference is worth where two objects share a component
NEIGHBOURS, BACKING = 4, 2  # of the points nearest in place and colour so many must have the same owner, else a point has strayed


def connected_components(foreground: npt.NDArray[np.bool_], seam: npt.NDArray[np.bool_] | None = None) -> tuple[Labels, int]:
    """(T, h, w) ids of the components of every frame, distinct over the whole clip, 0 = background; and the number of ids used.

    Args:
        foreground: (T, h, w).
        seam: (T, h, w) where two things meet: a component that it cuts is two, and each takes the nearer half of it.
    """
    labels = np.zeros(foreground.shape, np.int32)
    used = 0
    for t, (found, count) in enumerate(
        parallel_map(lambda t: _of_frame(foreground[t], None if seam is None else seam[t]), range(len(labels)))
    ):
        labels[t] = np.where(found, found + used, 0)
        used += count
    return labels, used


def _of_frame(frame: npt.NDArray[np.bool_], seam: npt.NDArray[np.bool_] | None) -> tuple[Labels, int]:
    """(h, w) ids of the components of one frame from 1, and their number."""
    if seam is None or not (frame & seam).any():
        return _large(_with_crumbs(_joined(frame, JOIN_PX, seam), _joined(frame, CRUMB_JOIN_PX, seam)))
    cut = frame & ~seam
    labels, count = _large(_with_crumbs(_joined(cut, JOIN_PX, seam), _joined(cut, CRUMB_JOIN_PX, seam)))
    whole = cv2.connectedComponents(frame.astype(np.uint8), connectivity=8, ltype=cv2.CV_32S)[1]
    _share_out(labels, frame & seam, whole)
    more, added = _large(np.where(np.isin(whole, whole[labels > 0]), 0, whole))  # is all seam
    return np.where(more > 0, more + count, labels), count + added


def _large(components: Labels) -> tuple[Labels, int]:
    """The components of (h, w) ids that are no noise, numbered from 1, and how many they are."""
    area = np.bincount(components.ravel())
    large = np.flatnonzero(area[1:] >= SMALLEST_PX) + 1
    renumbered = np.zeros(len(area), np.int32)
    renumbered[large] = 1 + np.arange(len(large))
    labels: Labels = renumbered[components]
    return labels, len(large)


def _share_out(labels: Labels, where: npt.NDArray[np.bool_], whole: Labels) -> None:
    """Give pixels of (h, w) labels the label of the nearest pixel with one, if both lie in one component of `whole`."""
    if not labels.any():
        return
    _, nearest = cv2.distanceTransformWithLabels((labels == 0).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    owner, home = np.zeros((2, int(nearest.max()) + 1), np.int32)
    owner[nearest[labels > 0]], home[nearest[labels > 0]] = labels[labels > 0], whole[labels > 0]
    chosen = where & (home[nearest] == whole)
    labels[chosen] = owner[nearest[chosen]]


def _joined(frame: npt.NDArray[np.bool_], reach: int, barrier: npt.NDArray[np.bool_] | None) -> Labels:
    """(h, w) ids of components that are more than twice `reach` pixels apart or kept apart by a barrier, 0 = background."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    wide = cv2.dilate(frame.astype(np.uint8), kernel)
    if barrier is not None:
        wide[barrier] = 0
    _, joined = cv2.connectedComponents(wide, connectivity=8, ltype=cv2.CV_32S)
    return np.where(frame, joined, 0)


def _with_crumbs(near: Labels, far: Labels) -> Labels:
    """The components `near` but for the smallest, each of which becomes part of the largest that shares a component of `far` with it."""
    area = np.bincount(near.ravel())
    around = np.zeros(len(area), np.int64)
    around[near.ravel()] = far.ravel()
    largest = np.zeros(int(far.max()) + 1, np.int32)
    by_size = np.argsort(area, kind="stable").astype(np.int32)
    largest[around[by_size]] = by_size
    owner = np.where(area < CRUMB_PX, largest[around], np.arange(len(area), dtype=np.int32))
    owner[0] = 0
    return owner[near].astype(np.int32)


def seed_points(components: Labels) -> npt.NDArray[np.float32]:
    """(N, 3) points (frame, x, y) in map pixels spread evenly over the components of every few frames.

    As many in long clips as in those of LONG_CLIP frames: each is compared with all others over the whole clip, and what shows for
    less than the frames between is foreground that `adopt` gives to what is there before or after.
    """
    points = []
    for t in range(0, len(components), SEED_STRIDE * ceil(len(components) / LONG_CLIP)):
        y, x = np.nonzero(components[t])
        ids = components[t, y, x]
        for component in np.unique(ids):
            inside = np.flatnonzero(ids == component)
            chosen = inside[np.linspace(0, len(inside) - 1, min(POINTS_PER_COMPONENT, len(inside))).astype(int)]
            points.append(np.column_stack([np.full(len(chosen), t), x[chosen], y[chosen]]))
    return np.concatenate(points).astype(np.float32) if points else np.zeros((0, 3), np.float32)


def component_of_points(components: Labels, positions: Field, visible: npt.NDArray[np.bool_]) -> Labels:
    """(N, T) component each visible point lies on, 0 where it is not visible or on the background."""
    frames, height, width = components.shape
    x = np.clip(np.rint(positions[..., 0]).astype(int), 0, width - 1)
    y = np.clip(np.rint(positions[..., 1]).astype(int), 0, height - 1)
    return np.where(visible, components[np.arange(frames)[None], y, x], 0).astype(np.int32)


def paint(components: Labels, objects: list[Indices], positions: Field, on: Labels, lab: npt.NDArray[np.uint8]) -> Labels:
    """(T, h, w) object numbers from 1 for the foreground, 0 = background.

    A component with the points of one object is that object; one shared by several is split by the points nearest in
    place and colour; one without points is left out.
    """
    owner = np.zeros(len(on), np.int32)
    for number, members in enumerate(objects, start=1):
        owner[members] = number
    painted = np.zeros_like(components)
    for t in range(len(components)):
        here = np.flatnonzero((on[:, t] > 0) & (owner > 0))
        for component in np.unique(on[here, t]):
            points = here[on[here, t] == component]
            region = components[t] == component
            owners, votes = np.unique(owner[points], return_counts=True)
            painted[t][region] = owners[votes.argmax()]
            if len(owners) > 1:
                _split_region(painted[t], region, lab[t], positions[points, t], owner[points])
    return painted


def _split_region(painted: Labels, region: npt.NDArray[np.bool_], lab: npt.NDArray[np.uint8], places: Field, owner: Labels) -> None:
    """Give others their share of an (h, w) region that is painted as its main owner, by the (n, 2) places of points and their owners.

    A ball has few points beside the man who juggles it; but they are in one place. Stray points must not tear a piece out of
    somebody else's object, nor what only looks like the ball.
    """
    row, column = (np.clip(np.rint(places[:, axis]).astype(int), 0, lab.shape[1 - axis] - 1) for axis in (1, 0))
    looks = np.column_stack([places, COLOUR_PX * lab[row, column].astype(np.float32)])
    nearest = scipy.spatial.cKDTree(looks).query(looks, k=min(1 + NEIGHBOURS, len(looks)))[1]
    backed = (owner[nearest] == owner[:, None]).sum(axis=1) > BACKING
    owners, votes = np.unique(owner[backed], return_counts=True)
    claims = owners[votes >= FEWEST_POINTS]
    backed &= np.isin(owner, claims)
    if len(claims) < 2:
        return
    y, x = np.nonzero(region)
    main = painted[y[0], x[0]]
    pixels = np.column_stack([x, y, COLOUR_PX * lab[y, x].astype(np.float32)])
    nearest = scipy.spatial.cKDTree(looks[backed]).query(pixels, k=1 + NEIGHBOURS)[1]
    painted[region] = claims[np.stack([(owner[backed][nearest] == claim).sum(axis=-1) for claim in claims]).argmax(axis=0)]
    for claim in claims[claims != main]:
        _, pieces = cv2.connectedComponents((region & (painted == claim)).astype(np.uint8), connectivity=8, ltype=cv2.CV_32S)
        mine = backed & (owner == claim)
        painted[(pieces > 0) & ~np.isin(pieces, pieces[row[mine], column[mine]])] = main


def find_objects(
    foreground: npt.NDArray[np.bool_],
    lab: npt.NDArray[np.uint8],
    flow: npt.NDArray[np.float16],
    error: npt.NDArray[np.uint8],
    valid: npt.NDArray[np.bool_],
    meeting: npt.NDArray[np.floating[Any]] | None = None,
) -> Labels:
    """(T, h, w) object numbers of a (T, h, w) foreground, 0 = background; the same number for the same object in every frame.

    Args:
        foreground: on the map grid.
        lab: (T, h, w, 3) CIE L*a*b* on the same grid.
        flow: (G, T, H, W, 2) on the flow grid, with its (G, T, H, W) photometric `error` and (G, T) `valid`, which tells where shots end.
        meeting: (T, h, w) probability that two objects meet.
    """
    if len(shots := shots_of(valid)) > 1:
        painted = np.zeros(foreground.shape, np.int32)
        for shot in shots:
            meets = None if meeting is None else meeting[shot]
            found = find_objects(foreground[shot], lab[shot], flow[:, shot], error[:, shot], valid[:, shot], meets)
            painted[shot] = np.where(found > 0, found + painted.max(), 0)
        return resume(painted, lab, shots)
    components, count = connected_components(foreground, None if meeting is None else seams(meeting))
    seeds = seed_points(components)
    if not len(seeds):
        return np.zeros_like(components)
    map_hw, flow_hw = (foreground.shape[1], foreground.shape[2]), (flow.shape[2], flow.shape[3])
    on_flow = np.column_stack([seeds[:, :1], rescale_points(seeds[:, 1:], map_hw, flow_hw)])
    chained = finish(chain(flow, error, valid, on_flow))
    positions = rescale_points(chained.positions, flow_hw, map_hw)
    start = seeds[:, 0].astype(np.int64)
    positions[np.arange(len(seeds)), start] = seeds[:, 1:]
    on = component_of_points(components, positions, chained.visibility * chained.confidence > 0.5)
    beside = np.unique(np.concatenate(list(parallel_map(touching, components)), axis=1), axis=1)
    groups = group_points(on, positions, start, count, beside)
    painted = paint(components, rejoin(groups, positions, components, on, lab), positions, on, lab)
    painted = adopt(painted, components, flow[GAPS.index(1)], flow[GAPS.index(-1)])
    return join_parts(painted if meeting is None else join_seamless(painted, meeting))


def join_parts(painted: Labels) -> Labels:
    """(T, h, w) objects, those that are parts of others joined to them.

    A foot that a seam cuts off is small, shows for a while and never away from its leg. A ball or a rider shows as long as whom it is with.
    """
    count = int(painted.max(initial=0)) + 1
    area = np.stack([np.bincount(frame.ravel(), minlength=count) for frame in painted])
    meet = np.zeros((len(painted), count, count), np.bool_)
    for pairs, here in zip(meet, parallel_map(touching, painted), strict=True):
        pairs[tuple(here)] = True
    owner = np.arange(count, dtype=np.int32)
    for part in 1 + area[:, 1:].sum(axis=0).argsort(kind="stable"):
        shown = area[:, part] > 0
        beside = meet[shown, part].all(axis=0) & shown.any()
        small = area[shown, part].sum() <= PART_SHARE * area[shown].sum(axis=0)
        whole = np.flatnonzero(beside & small & (shown.sum() < PART_SHOWN * (area > 0).sum(axis=0)))
        if len(whole):
            largest = whole[area[:, whole].sum(axis=0).argmax()]
            owner[owner == part] = owner[largest]
            area[:, largest] += area[:, part]
    return owner[painted]
