"""Objects that were hidden, or left the picture, found again by their colours, where they were heading and where they come back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from segmo.lite.company import FEWEST_POINTS, Field, Indices, Labels

LONGEST_OVERLAP = 10  # frames for which an object may show on both sides of what hides it
COLOUR_MATCH = 0.55  # Bhattacharyya coefficient above which a reappearing group may be the same object
RETURN_MATCH, RETURN_SCORE = 0.75, 0.2  # the same for what comes back where it left the picture, and the share of that which counts
ENDS = 5  # frames at either end of a stay from which motion is taken


@dataclass(frozen=True, eq=False)
class _Stay:
    """Where an object comes into view and where it goes out of it."""

    first: int
    last: int
    entry: Field
    """(x, y) in map pixels on its first frame, and (vx, vy)."""
    exit: Field
    """The same on its last."""
    entry_side: int
    """Side of the picture that it touches on its first frame: 1 to 4, 0 for none."""
    exit_side: int


class _Look:
    """What a group looks like and how it moves, to find it again."""

    def __init__(self, members: Indices, positions: Field, on: Labels, lab: npt.NDArray[np.uint8], sides: Indices) -> None:
        self._positions, self._on, self._sides = positions[members], on[members], sides
        self._places = dict[int, Field]()
        visible = self._on > 0
        self.seen: npt.NDArray[np.bool_] = visible.sum(axis=0) >= min(FEWEST_POINTS, len(members))
        self.frames = np.flatnonzero(self.seen)
        if not len(self.frames):
            return
        who, when = np.nonzero(visible)
        xy = self._positions[who, when]
        x = np.clip(np.rint(xy[:, 0]).astype(int), 0, lab.shape[2] - 1)
        y = np.clip(np.rint(xy[:, 1]).astype(int), 0, lab.shape[1] - 1)
        colours = lab[when, y, x].astype(int) // np.array([32, 16, 16])
        histogram = np.bincount((colours[:, 0] * 16 + colours[:, 1]) * 16 + colours[:, 2], minlength=8 * 256).astype(np.float64)
        self.colours: Field = histogram / histogram.sum()
        middle = int(self.frames[len(self.frames) // 2])
        self.size = float(2 * self._positions[visible[:, middle], middle].std(axis=0).mean() + 2)

    def stay(self, frames: Indices) -> _Stay:
        """Its stay on some of its frames."""
        first, last = int(frames[0]), int(frames[-1])
        entry = np.concatenate([self._place(first), self._motion(frames[:ENDS])])
        leaving = np.concatenate([self._place(last), self._motion(frames[-ENDS:])])
        return _Stay(first, last, entry, leaving, self._side(first), self._side(last))

    def _place(self, frame: int) -> Field:
        if frame not in self._places:
            self._places[frame] = np.median(self._positions[self._on[:, frame] > 0, frame], axis=0)
        return self._places[frame]

    def _motion(self, frames: Indices) -> Field:
        span = max(1, int(frames[-1] - frames[0]))
        return (self._place(int(frames[-1])) - self._place(int(frames[0]))) / span

    def _side(self, frame: int) -> int:
        components = self._on[:, frame]
        return int(self._sides[np.bincount(components[components > 0]).argmax()])


def _sides(components: Labels) -> Indices:
    """Side of the picture that each component of (T, h, w) ids touches: 1 left, 2 right, 3 top, 4 bottom, 0 none."""
    sides = np.zeros(int(components.max()) + 1, np.int64)
    for side, edge in ((3, components[:, 0]), (4, components[:, -1]), (1, components[:, :, 0]), (2, components[:, :, -1])):
        sides[np.unique(edge)] = side
    sides[0] = 0
    return sides


def _same_again(one: _Look, other: _Look) -> float:
    """Score in [0, 1] that two groups are one object, of which now this and now that is seen; 0 where they cannot be."""
    alone, alone_too = one.frames[~other.seen[one.frames]], other.frames[~one.seen[other.frames]]
    overlap = len(one.frames) - len(alone)
    if overlap > min(LONGEST_OVERLAP, len(alone), len(alone_too)) or not len(alone) or not len(alone_too):
        return 0.0
    match = float(np.sqrt(one.colours * other.colours).sum())
    if match < COLOUR_MATCH:
        return 0.0
    looks, size = (one, other), max(one.size, other.size)
    frames = np.concatenate([alone, alone_too])
    whose = np.repeat([0, 1], [len(alone), len(alone_too)])[frames.argsort()]
    frames = np.sort(frames)
    scores = []
    for change in np.flatnonzero(np.diff(whose)):
        earlier, later = looks[whose[change]], looks[whose[change + 1]]
        before, after = earlier.frames[earlier.frames < frames[change + 1]], later.frames[later.frames > frames[change]]
        scores.append(_goes_on(earlier.stay(before), later.stay(after), match, size))
    return min(scores)


def _goes_on(earlier: _Stay, later: _Stay, match: float, size: float) -> float:
    """Score in [0, 1] that two stays of things with colours as like as `match` and as large as `size` are of one."""
    gap = later.first - earlier.last  # negative where one end shows on the far side of a tree before the other has gone
    reach = 2.0 * size + 1.5 * abs(gap)  # in map pixels
    ahead = earlier.exit[:2] + earlier.exit[2:] * gap
    behind = later.entry[:2] - later.entry[2:] * gap
    miss = min(np.linalg.norm(ahead - later.entry[:2]), np.linalg.norm(behind - earlier.exit[:2]))
    score = match * max(0.0, 1 - float(miss) / (2 * reach)) / (1 + max(gap, 0) / 10)  # the nearest in time comes first
    returns = gap > 0 and earlier.exit_side == later.entry_side > 0 and match > RETURN_MATCH
    if returns and np.linalg.norm(later.entry[:2] - earlier.exit[:2]) < 2 * size:
        return max(score, RETURN_SCORE * match / (1 + gap / 100))
    return score


def rejoin(members: list[Indices], positions: Field, components: Labels, on: Labels, lab: npt.NDArray[np.uint8]) -> list[Indices]:
    """Join groups that are one object before and after it was out of sight; returns the members of every object.

    Args:
        members: points of each group.
        positions: (N, T, 2) of the points in map pixels.
        components: (T, h, w) ids, distinct over the clip.
        on: (N, T) component of each point and frame, 0 = none.
        lab: (T, h, w, 3) CIE L*a*b*.
    """
    sides = _sides(components)
    groups, looks = dict(enumerate(members)), dict[int, _Look]()
    scores = dict[tuple[int, int], float]()

    def add(number: int) -> None:
        look = _Look(groups[number], positions, on, lab, sides)
        if len(look.frames):
            scores.update({(other, number): _same_again(looks[other], look) for other in looks})
            looks[number] = look

    for number in groups:
        add(number)
    while scores:
        pair = max(scores, key=lambda two: scores[two])
        if scores[pair] <= 0:
            break
        merged = max(looks) + 1
        groups[merged] = np.concatenate([groups[number] for number in pair])
        for number in pair:
            del looks[number]
        scores = {two: score for two, score in scores.items() if not {*two} & {*pair}}
        add(merged)
    return [groups[number] for number in looks]
