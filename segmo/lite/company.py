"""Groups of points by the company they keep: which travel on the same pieces of foreground, and hang together.

Two groups belong to one object if they mostly share a connected component while both are seen, or are on components that touch, and do
not come apart where they meet: a leg swings, but stays at the hip; two people who cross come apart everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy

from segmo.parallel import parallel_map

Field = npt.NDArray[np.floating[Any]]
Labels = npt.NDArray[np.int32]
Indices = npt.NDArray[np.int64]
Complex = npt.NDArray[np.complexfloating[Any, Any]]

SAME_OBJECT = 0.5  # affinity above which two groups are one object
TOUCHING = 0.25  # what a frame counts in which two groups are on components that touch; 1 where they share a component
DRIFT_LIMIT = 0.4  # sizes that points of one component may drift apart before they are two groups: limbs swing by less
APART_LIMIT = 1.2  # how far two groups may come apart, in geometric means of their size and of how far their own points stray
FIRMEST_PX = 3.0  # map pixels by which points stray at least, for the noise of flow
FIRM_APART_PX, FIRM_RATIO = 5.0, 4.0  # map pixels, and multiples of their own, by which two firm things come apart
FEWEST_FRAMES = 3  # frames two groups must be seen in at the same time before that share counts
FEWEST_POINTS = 3
SAMPLE = 24  # points of a group that stand for all
CONTACT_FRAMES, CONTACTS = 8, 24  # in how many frames places are looked for where two groups meet, and how many
CONTACT_REACH = 4.0  # map pixels by which points may be farther apart there than the closest two


@dataclass(frozen=True, eq=False)
class _Sums:
    """What the T frames and C components say of a group, as sums over its points: those of two groups together are added up.

    Places are x + i y; in `moved` they are of points that are visible in the next frame, too.
    """

    points: int
    on: npt.NDArray[np.int64]
    """(C + 1,) visible points on each component."""
    count: npt.NDArray[np.int64]
    """(T,) visible points."""
    places: Complex
    """(T,)"""
    squares: Field
    """(T,) of their distances from the origin."""
    moved: Complex
    """(4, T - 1): how many, here, in the next frame, and the products of the latter with the conjugates of the former."""

    def __add__(self, other: _Sums) -> _Sums:
        return _Sums(*(getattr(self, spec.name) + getattr(other, spec.name) for spec in fields(self)))

    @classmethod
    def of(cls, on: Labels, at: Complex, components: int) -> _Sums:
        """Of (n, T) points at `at`, on components `on`, 0 where not visible."""
        visible = on > 0
        both = visible[:, :-1] & visible[:, 1:]
        here, there = (np.where(both, side, 0) for side in (at[:, :-1], at[:, 1:]))
        moved = np.stack([part.sum(axis=0) for part in (both.astype(np.complex128), here, there, there * np.conj(here))])
        seen = np.where(visible, at, 0)
        counts = np.bincount(on.ravel(), minlength=components + 1)
        return cls(len(on), counts, visible.sum(axis=0), seen.sum(axis=0), (seen.real**2 + seen.imag**2).sum(axis=0), moved)

    @property
    def size(self) -> float:
        """How far the points spread in the frame that shows most of them."""
        frame = int(self.count.argmax())
        mean = self.places[frame] / self.count[frame]
        return 2 * float(np.sqrt(max(self.squares[frame] / self.count[frame] - abs(mean) ** 2, 0))) + 2

    @property
    def motion(self) -> tuple[Complex, Field]:
        """(T,) mean displacement to the next frame of points that are visible in both, and the angle they turn by; 0 without any."""
        count, (centre, next_centre) = np.maximum(self.moved[0].real, 1), self.moved[1:3] / np.maximum(self.moved[0].real, 1)
        turned = np.where(self.moved[0].real > 1, self.moved[3] - count * next_centre * np.conj(centre), 0)
        return np.append(next_centre - centre, 0).astype(np.complex64), np.append(np.angle(turned), 0).astype(np.float32)


class Company:
    """Groups of points, the components their points lie on, and how they travel; a group that was merged into another stays as it was.

    A row of `shares` holds, for every component of the clip, the share of the group's visible points of that frame that lie
    on it; `seen` tells in which frames enough of its points are visible, `places` where they are in the mean, `steps` by how much
    they move to the next frame and `turns` by what angle they turn, `size` how far they spread, and `loose` how far they stray from
    where that motion carries them. Places and steps are x + i y.
    """

    def __init__(self, members: list[Indices], on: Labels, positions: Field, component_count: int, touching: Indices):
        self._on, self._at, self._components, self._touching = on, _as_complex(positions), component_count, touching
        self._frame_of = np.zeros(component_count + 1, np.int64)
        for t, components in enumerate(on.T):
            self._frame_of[components] = t
        self.members = members
        self._sums = [_Sums.of(on[group], self._at[group].astype(np.complex128), component_count) for group in members]
        rows = [self._row(sums) for sums in self._sums]
        self.shares, self.seen, self.places, self.steps, self.turns = (np.stack([row[i] for row in rows]) for i in range(5))
        self.size = np.array([row[5] for row in rows])
        self._samples = [self._sample(group) for group in members]
        self.loose = np.array([self._looseness(group) for group in range(len(members))])

    def _row(self, sums: _Sums) -> tuple[Field, npt.NDArray[np.bool_], Complex, Complex, Field, float]:
        seen = sums.count >= min(FEWEST_POINTS, sums.points)
        weights = np.where(seen, 1 / np.maximum(sums.count, 1), 0)
        shares = (sums.on * weights[self._frame_of]).astype(np.float32)
        shares[0] = 0
        places = (sums.places / np.maximum(sums.count, 1)).astype(np.complex64)
        return shares, seen, places, *sums.motion, sums.size

    def _sample(self, group: Indices) -> Complex:
        """(n, T) places of a few points of a group, NaN where they are not visible."""
        chosen = group[np.linspace(0, len(group) - 1, min(SAMPLE, len(group))).astype(int)]
        return np.where(self._on[chosen] > 0, self._at[chosen], np.complex64(np.nan))

    def _looseness(self, group: int) -> float:
        """Median over its points of how far one strays from where the group carries it, in map pixels."""
        at, seen = self._samples[group], self.seen[group]
        visible = seen & ~np.isnan(at)
        when = visible.argmax(axis=1)
        carried = self._carried(group, seen, when, at[np.arange(len(at)), when])
        return float(np.median(_seen_spread(at - carried, visible)))

    def affinity(self, group: int, others: Indices) -> tuple[Field, npt.NDArray[np.bool_]]:
        """(M,) in [0, 1] how much speaks for `group` and each of M others being one object; 0 where too few frames tell.

        The share of the time they are on one component, or less so on components that touch, less how far they come apart. Where the
        (M,) second answer says so, that is what it is at most: how far they come apart where they meet is left for `hold` to tell.
        """
        both = self.seen[others] & self.seen[group]
        frames = both.sum(axis=1)
        here, there = self._touching
        beside = np.minimum(np.bincount(there, self.shares[group, here], self._components + 1), 1)
        together, near = (self._in_common(others, share) for share in (self.shares[group], beside))
        together = np.minimum((together + TOUCHING * near) / np.maximum(frames, 1), 1)
        apart = self._apart(group, others) / self._unit(group, others)
        told = (frames >= FEWEST_FRAMES) & (together > SAME_OBJECT)
        return np.where(told, together * _left(np.minimum(apart, 0.5)), 0), told & (apart > 0.5)

    def _in_common(self, others: Indices, share: Field) -> Field:
        """(M,) sums over the components of what each of M groups and a (C + 1,) share have in common; most components have neither."""
        some = np.flatnonzero(share)
        return np.asarray(np.minimum(self.shares[np.ix_(others, some)], share[some]).sum(axis=1))

    def hold(self, one: int, other: int) -> float:
        """In [0, 1] what is left of the affinity of two groups if it is asked, too, how far they come apart where they meet."""
        apart = min(float(self._apart(one, np.array([other]))[0]), self._apart_where_they_meet(one, other))
        return float(_left(apart / self._unit(one, np.array([other]))[0]))

    def _unit(self, group: int, others: Indices) -> Field:
        """(M,) map pixels by which a group and each of M others may come apart."""
        loose = np.maximum(np.maximum(self.loose[others], self.loose[group]), FIRMEST_PX)
        return APART_LIMIT * np.sqrt(loose * (self.size[others] + self.size[group]))

    def _apart(self, group: int, others: Indices) -> Field:
        """(M,) how far the motion of a group and that of each of M others come apart, in map pixels, over frames that show both."""
        both = self.seen[others] & self.seen[group]
        return _spread(np.where(both, self.steps[others] - self.steps[group], 0).cumsum(axis=1))

    def _apart_where_they_meet(self, one: int, other: int) -> float:
        """How far two groups come apart where they meet, in map pixels, over frames that show both.

        That is how far what is carried by either comes from what is carried by the other, if both start at a place between
        the two groups, at the place where it is least.
        """
        both = self.seen[one] & self.seen[other]
        when, where = self._contacts(one, other, np.flatnonzero(both))
        first, second = (self._carried(group, both, when, where) for group in (one, other))
        return float(_spread((first - second)[:, both]).min())

    def _contacts(self, one: int, other: int, frames: Indices) -> tuple[Indices, Complex]:
        """Frames (n,) among some, and places (n,) of these frames midway between points of two groups that come closest."""
        frames = frames[np.linspace(0, len(frames) - 1, min(CONTACT_FRAMES, len(frames))).astype(int)]
        mine, theirs = (self._samples[group][:, frames] for group in (one, other))
        gap = np.abs(mine[:, None] - theirs[None])
        gap[np.isnan(gap)] = np.inf
        closest = np.argpartition(gap, min(CONTACTS, gap.size - 1), axis=None)[:CONTACTS]
        i, j, k = np.unravel_index(closest, gap.shape)
        near = gap[i, j, k] <= gap.min() + CONTACT_REACH
        i, j, k = i[near], j[near], k[near]
        return frames[k], (mine[i, k] + theirs[j, k]) / 2

    def _carried(self, group: int, seen: npt.NDArray[np.bool_], when: Indices, where: Complex) -> Complex:
        """(n, T) places to which a group carries places (n,) of frames `when`; in frames that are not seen it stands still."""
        moved, turned = (_before(np.where(seen, change[group], 0)) for change in (self.steps, self.turns))
        direction, fixed = np.exp(1j * turned).astype(np.complex64), self.places[group, when] - moved[when]
        arm = (where - self.places[group, when]) * np.conj(direction[when])
        return (fixed[:, None] + moved) + arm[:, None] * direction

    def merge(self, keep: int, gone: int) -> None:
        """Make one group of two; it takes the place of `keep`."""
        self.members[keep] = np.concatenate([self.members[keep], self.members[gone]])
        self._sums[keep] += self._sums[gone]
        names = ("shares", "seen", "places", "steps", "turns", "size")
        for name, value in zip(names, self._row(self._sums[keep]), strict=True):
            getattr(self, name)[keep] = value
        self._samples[keep] = self._sample(self.members[keep])
        self.loose[keep] = self._looseness(keep)


def _left(apart: Any) -> Any:
    """What coming apart, in units of what may, leaves of an affinity."""
    return np.clip(1.5 - apart, 0, 1)


def _as_complex(positions: Field) -> Complex:
    """x + i y of (..., 2) positions."""
    return (positions[..., 0] + 1j * positions[..., 1]).astype(np.complex64)


def _spread(offset: Complex) -> Field:
    """(...,) diagonal of the box around what is on the last axis."""
    return np.hypot(np.ptp(offset.real, axis=-1), np.ptp(offset.imag, axis=-1))


def _before(steps: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """(T,) sums of (T,) steps before each."""
    return np.concatenate([np.zeros(1, steps.dtype), np.cumsum(steps)[:-1]])


def _seen_spread(offset: Complex, seen: npt.NDArray[np.bool_]) -> Field:
    """(M,) diagonal of the box around what is seen of (M, T) offsets; 0 where nothing is."""
    x, y = (np.where(seen, part, -np.inf).max(axis=-1) - np.where(seen, part, np.inf).min(axis=-1) for part in (offset.real, offset.imag))
    return np.where(seen.any(axis=-1), np.hypot(x, y), 0)


def _common_turn(offset: Complex, both: npt.NDArray[np.bool_]) -> Field:
    """(T,) angle by which most of (P, T) offsets between pairs of points have turned since the frame that shows most of them."""
    first = int(both.sum(axis=0).argmax())
    since = offset * np.conj(offset[:, first : first + 1])
    told = both & both[:, first : first + 1] & (np.abs(since) > 1)  # points in one place tell nothing
    mean = np.angle(np.where(told, since / np.maximum(np.abs(since), 1), 0).sum(axis=0))
    around = np.angle(since * np.exp(-1j * mean))
    count = told.sum(axis=0)
    ordered = np.sort(np.where(told, around, np.inf).T, axis=1)
    low, high = (ordered[np.arange(len(count)), middle] for middle in (np.maximum(count - 1, 0) // 2, count // 2))
    return np.where(count > 0, mean + (low + high) / 2, 0)


def _split_by_company(members: Indices, on: Labels, positions: Field) -> list[Indices]:
    """Split points that started together into those that mostly stay together and travel alike."""
    if len(members) < 2 * FEWEST_POINTS:
        return [members]
    mine, at = on[members], _as_complex(positions[members])
    visible = mine > 0
    one, other = np.triu_indices(len(members), 1)  # all pairs, in the order of `squareform`
    both = visible[one] & visible[other]
    frames = both.sum(axis=1)
    same = ((mine[one] == mine[other]) & both).sum(axis=1)
    offset = at[one] - at[other]
    turned = offset * np.exp(-1j * _common_turn(offset, both)).astype(np.complex64)
    size = 2 * at[np.arange(len(members)), visible.argmax(axis=1)].std() + 2
    drift = np.minimum(_seen_spread(offset, both), _seen_spread(turned, both))
    apart = np.minimum(drift / (2 * DRIFT_LIMIT * size), 1)
    distance = np.where(frames >= FEWEST_FRAMES, np.maximum(1 - same / np.maximum(frames, 1), apart), 0.5)
    groups = _clusters(distance, 0.5, "distance")
    drift[frames < FEWEST_FRAMES] = np.nan
    between = scipy.spatial.distance.squareform(drift, checks=False)
    parts = [part for g in np.unique(groups) for part in _firm_parts(np.flatnonzero(groups == g), between)]
    return [members[part] for part in parts if len(part) >= FEWEST_POINTS] or [members]


def _clusters(distance: Field, limit: float, criterion: str) -> Labels:
    """(N,) cluster of each point by average linkage, from the distances of all pairs; `limit` and `criterion` as scipy takes them."""
    hierarchy = scipy.cluster.hierarchy
    clusters: Labels = hierarchy.fcluster(hierarchy.linkage(distance, "average"), limit, criterion=criterion)
    return clusters


def _firm_parts(points: Indices, drift: Field) -> list[Indices]:
    """Split points into two or more firm things, if they are, by the (N, N) drift between all points, NaN where too few frames tell.

    Two firm things come much farther apart than the points of either; what bends or swings has points with any drift between.
    """
    among = drift[np.ix_(points, points)]
    known = np.flatnonzero(np.isfinite(among).mean(axis=1) > 0.5)
    if len(known) < 2 * FEWEST_POINTS:
        return [points]
    among, points_known = among[np.ix_(known, known)], points[known]
    distance = np.where(np.isnan(among), np.nanmedian(among), among)
    np.fill_diagonal(distance, 0)
    halves = _clusters(scipy.spatial.distance.squareform(distance, checks=False), 2, "maxclust") == 1
    if halves.all():  # all are equally far apart
        return [points]
    if min(halves.sum(), (~halves).sum()) < FEWEST_POINTS:  # stray points
        inner = _firm_parts(points_known[halves == (halves.mean() > 0.5)], drift)
        return inner if len(inner) > 1 else [points]
    between = np.median(distance[halves][:, ~halves])
    within = max(np.median(distance[half][:, half][np.triu_indices(half.sum(), 1)]) for half in (halves, ~halves))
    if between < FIRM_APART_PX or between < FIRM_RATIO * max(within, FIRMEST_PX):
        return [points]
    return [part for half in (halves, ~halves) for part in _firm_parts(points_known[half], drift)]


def group_points(on: Labels, positions: Field, start: Indices, component_count: int, touching: Indices) -> list[Indices]:
    """Group points by the company they keep; returns the members of every group.

    Args:
        on: (N, T) component of each point and frame, 0 = none.
        positions: (N, T, 2) in map pixels.
        start: (N,) frame each point was set out on; on that frame it lies on a component.
        component_count: largest component id.
        touching: (2, P) pairs of components of one frame that touch, each in both orders.
    """
    origin = on[np.arange(len(on)), start]
    together = [np.flatnonzero(origin == component) for component in np.unique(origin[origin > 0])]
    parts = [part for split in parallel_map(lambda members: _split_by_company(members, on, positions), together) for part in split]
    company = Company(parts, on, positions, component_count, touching)
    affinity, at_most = np.zeros((len(parts), len(parts))), np.zeros((len(parts), len(parts)), np.bool_)

    def ask(group: int, others: Indices) -> None:
        rows = company.affinity(group, others)
        affinity[group, others], at_most[group, others] = rows
        affinity[others, group], at_most[others, group] = rows

    for group in range(len(parts)):
        ask(group, np.arange(group))
    alive = np.ones(len(parts), np.bool_)
    while len(affinity):
        keep, gone = sorted(divmod(int(affinity.argmax()), len(affinity)))
        if affinity[keep, gone] <= SAME_OBJECT:
            break
        if at_most[keep, gone]:  # most pairs have long been merged before they would have to be looked at so closely
            affinity[keep, gone] = affinity[gone, keep] = affinity[keep, gone] * company.hold(keep, gone)
            at_most[keep, gone] = at_most[gone, keep] = False
            continue
        company.merge(keep, gone)
        affinity[gone] = affinity[:, gone] = 0
        alive[gone] = alive[keep] = False
        ask(keep, np.flatnonzero(alive))
        alive[keep] = True
    return [company.members[group] for group in np.flatnonzero(alive)]
