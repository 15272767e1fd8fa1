"""Groups of points by the company they keep: which travel on the same pieces of foreground, and as one thing does.

Two groups belong to one object if they mostly share a connected component while both are seen, and do not drift apart by more than limbs
can: parts of a body stay together, two people who cross do not.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from segmo.lite.parallel import parallel_map

Field = npt.NDArray[np.floating[Any]]
Labels = npt.NDArray[np.int32]
Indices = npt.NDArray[np.int64]
Complex = npt.NDArray[np.complexfloating[Any, Any]]

SAME_OBJECT = 0.5  # affinity above which two groups are one object
DRIFT_LIMIT = 0.6  # sizes two groups may drift apart before that speaks against them: limbs swing by less, people who cross by more
FEWEST_FRAMES = 3  # frames two groups must be seen in at the same time before that share counts
FEWEST_POINTS = 3


class Company:
    """Groups of points, the components their points lie on, and how they travel; matrices that grow smaller as groups are merged.

    A row of `shares` holds, for every component of the clip, the share of the group's visible points of that frame that lie
    on it; `seen` tells in which frames enough of its points are visible, `places` where they are in the mean, `steps` by how much
    they move to the next frame and `turns` by what angle they turn, and `size` how far they spread. Places and steps are x + i y.
    """

    def __init__(self, members: list[Indices], on: Labels, positions: Field, component_count: int):
        self._on, self._positions, self._components = on, positions, component_count
        self.members = members
        rows = [self._row(group) for group in members]
        self.shares, self.seen, self.places, self.steps, self.turns = (np.stack([row[i] for row in rows]) for i in range(5))
        self.size = np.array([row[5] for row in rows])

    def _row(self, group: Indices) -> tuple[Field, npt.NDArray[np.bool_], Complex, Complex, Field, float]:
        mine = self._on[group]
        visible = mine > 0
        count = visible.sum(axis=0)
        seen = count >= min(FEWEST_POINTS, len(group))
        weights = np.where(seen, 1 / np.maximum(count, 1), 0)
        shares = np.bincount(mine.ravel(), np.broadcast_to(weights, mine.shape).ravel(), self._components + 1)
        shares[0] = 0
        at = _as_complex(self._positions[group])
        places = np.where(visible, at, 0).sum(axis=0) / np.maximum(count, 1)
        steps, turns = _mean_motion(at, visible)
        frame = int(count.argmax())
        return shares.astype(np.float32), seen, places, steps, turns, float(2 * at[visible[:, frame], frame].std()) + 2

    def affinity(self, group: int) -> Field:
        """(M,) in [0, 1] how much speaks for `group` and each other group being one object; 0 where too few frames tell, and for itself.

        The share of the time they are on one component, less how far they drift apart in terms of their size. A ball that rolls turns
        its parts around each other, so drift is also measured by somebody who turns as they do.
        """
        both = self.seen & self.seen[group]
        frames = both.sum(axis=1)
        together = np.minimum(self.shares, self.shares[group]).sum(axis=1) / np.maximum(frames, 1)
        first = both.argmax(axis=1)
        offset = self.places[np.arange(len(first)), first] - self.places[group, first]
        offset = offset[:, None] + np.where(both, self.steps - self.steps[group], 0).cumsum(axis=1)
        turned = offset * np.exp(-0.5j * np.where(both, self.turns + self.turns[group], 0).cumsum(axis=1))
        apart = np.minimum(_spread(offset), _spread(turned)) / (self.size + self.size[group])
        affinity = np.where(frames >= FEWEST_FRAMES, together * np.clip(1.5 - apart / DRIFT_LIMIT, 0, 1), 0)
        affinity[group] = 0
        return affinity

    def merge(self, keep: int, gone: int) -> None:
        """Make one group of two; it takes the place of `keep`, and groups behind `gone` move up."""
        self.members[keep] = np.concatenate([self.members[keep], self.members[gone]])
        names = ("shares", "seen", "places", "steps", "turns", "size")
        for name, value in zip(names, self._row(self.members[keep]), strict=True):
            getattr(self, name)[keep] = value
            setattr(self, name, np.delete(getattr(self, name), gone, axis=0))
        del self.members[gone]


def _as_complex(positions: Field) -> Complex:
    """x + i y of (..., 2) positions."""
    return (positions[..., 0] + 1j * positions[..., 1]).astype(np.complex64)


def _spread(offset: Complex) -> Field:
    """(...,) diagonal of the box around what is on the last axis."""
    return np.hypot(np.ptp(offset.real, axis=-1), np.ptp(offset.imag, axis=-1))


def _mean_motion(at: Complex, visible: npt.NDArray[np.bool_]) -> tuple[Complex, Field]:
    """(T,) mean displacement to the next frame of (N, T) points that are visible in both, and the angle they turn by; 0 without any."""
    both = visible[:, :-1] & visible[:, 1:]
    count = np.maximum(both.sum(axis=0), 1)
    here, there = (np.where(both, x, 0) for x in (at[:, :-1], at[:, 1:]))
    centre, next_centre = here.sum(axis=0) / count, there.sum(axis=0) / count
    turned = np.where(both, (there - next_centre) * np.conj(here - centre), 0).sum(axis=0)
    return np.append(next_centre - centre, 0).astype(np.complex64), np.append(np.angle(turned), 0).astype(np.float32)


def _seen_spread(offset: Complex, seen: npt.NDArray[np.bool_]) -> Field:
    """(N, M) diagonal of the box around what is seen of (N, M, T) offsets; 0 where nothing is."""
    x, y = (np.where(seen, part, -np.inf).max(axis=-1) - np.where(seen, part, np.inf).min(axis=-1) for part in (offset.real, offset.imag))
    return np.where(seen.any(axis=-1), np.hypot(x, y), 0)


def _common_turn(offset: Complex, both: npt.NDArray[np.bool_]) -> Field:
    """(T,) angle by which most of the (N, N, T) offsets between points have turned since the frame that shows most of them."""
    first = int(both.sum(axis=(0, 1)).argmax())
    since = offset * np.conj(offset[..., first : first + 1])
    told = both & both[..., first : first + 1] & (np.abs(since) > 1)  # points in one place tell nothing
    mean = np.angle(np.where(told, since / np.maximum(np.abs(since), 1), 0).sum(axis=(0, 1)))
    around = np.angle(since * np.exp(-1j * mean))
    return np.array([mean[t] + np.median(around[told[..., t], t]) if told[..., t].any() else 0.0 for t in range(len(mean))])


def _split_by_company(members: Indices, on: Labels, positions: Field) -> list[Indices]:
    """Split points that started together into those that mostly stay together and travel alike."""
    if len(members) < 2 * FEWEST_POINTS:
        return [members]
    mine, places = on[members], positions[members]
    visible = mine > 0
    both = visible[:, None] & visible[None]
    frames = both.sum(axis=2)
    same = ((mine[:, None] == mine[None]) & both).sum(axis=2)
    at = _as_complex(places)
    offset = at[:, None] - at[None]
    turned = offset * np.exp(-1j * _common_turn(offset, both))
    size = 2 * at[np.arange(len(members)), visible.argmax(axis=1)].std() + 2
    apart = np.minimum(np.minimum(_seen_spread(offset, both), _seen_spread(turned, both)) / (2 * DRIFT_LIMIT * size), 1)
    distance = np.where(frames >= FEWEST_FRAMES, np.maximum(1 - same / np.maximum(frames, 1), apart), 0.5)
    np.fill_diagonal(distance, 0)
    groups = fcluster(linkage(squareform(distance, checks=False), "average"), 0.5, criterion="distance")
    parts = [members[groups == g] for g in np.unique(groups)]
    return [part for part in parts if len(part) >= FEWEST_POINTS] or [members]


def group_points(on: Labels, positions: Field, start: Indices, component_count: int) -> Company:
    """Group points by the company they keep.

    Args:
        on: (N, T) component of each point and frame, 0 = none.
        positions: (N, T, 2) in map pixels.
        start: (N,) frame each point was set out on; on that frame it lies on a component.
        component_count: largest component id.
    """
    origin = on[np.arange(len(on)), start]
    together = [np.flatnonzero(origin == component) for component in np.unique(origin[origin > 0])]
    parts = [part for split in parallel_map(lambda members: _split_by_company(members, on, positions), together) for part in split]
    company = Company(parts, on, positions, component_count)
    closeness = np.stack([company.affinity(group) for group in range(len(parts))])
    while len(closeness) > 1:
        keep, gone = sorted(divmod(int(closeness.argmax()), len(closeness)))
        if closeness[keep, gone] <= SAME_OBJECT:
            break
        company.merge(keep, gone)
        closeness = np.delete(np.delete(closeness, gone, axis=0), gone, axis=1)
        closeness[keep] = closeness[:, keep] = company.affinity(keep)
    return company
