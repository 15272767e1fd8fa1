"""Flow where the sampled frames lie farther apart than those of the source: at the source's own rate, and along its frames.

A clip of ten seconds is sampled at every third frame. Over three times the distance flow loses what is fast, parallax is three times as
large, and nothing looks as it did in training; but the frames between are there to be looked at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from segmo.geometry import resize_image
from segmo.lite.flow import GAPS, DenseFlow, Field, Image, Searches, chained, error_of, halved
from segmo.parallel import parallel_map
from segmo.types import Steps

LONGEST = max(GAPS)
SMALLEST = 12  # side in pixels below which nothing can be searched for


class SourceFlow:
    """Flow between frames of the source that are `step` frames apart, searched for when it is first needed."""

    def __init__(self, frames: Mapping[int, Image], sampled: Sequence[int], step: int) -> None:
        """Take (h, w) grey frames by their index in the source, and which of them are sampled."""
        self.frames, self.sampled, self.step = frames, frozenset(sampled), step
        self._searches = Searches()
        self._whole: dict[tuple[int, int], Field] = {}
        """Flow of sampled frames."""
        self._half: dict[tuple[int, int], Field] = {}
        """Flow of all frames on half the grid, and searched for there unless they are sampled; both by index and side, in float16."""

    def needed(self) -> list[tuple[int, int]]:
        """Frames and sides that `path` leads along, for all sampled frames."""
        found = set()
        for index in self.sampled:
            for side in (-1, 1):
                found |= {(at, side) for at in self.path(index, side)}
        return sorted(found)

    def path(self, index: int, side: int) -> list[int]:
        """The frames from which steps lead from a sampled one to that four steps away, or as far as there are frames."""
        path: list[int] = []
        while len(path) < LONGEST and index in self.frames and index + side * self.step in self.frames:
            path.append(index)
            index += side * self.step
        return path

    def search(self, place: tuple[int, int]) -> None:
        """Search for the flow of one of `needed`."""
        index, side = place
        pair = self.frames[index], self.frames[index + side * self.step]
        if index in self.sampled or min(half_of(pair[0])) < SMALLEST:
            field = self._searches.flow(*pair)
            self._whole[place], self._half[place] = field.astype(np.float16), halved(field).astype(np.float16)
        else:  # half the grid is enough on the way to others
            self._half[place] = self._searches.flow(*(resize_image(frame, half_of(frame)) for frame in pair)).astype(np.float16)

    def over(self, index: int, side: int, steps: int) -> Field | None:
        """(h, w, 2) flow of a sampled frame over so many steps; None where a frame is missing."""
        path = self.path(index, side)[:steps]
        if len(path) < steps:
            return None
        return self._whole[index, side] if steps == 1 else chained([self._half[at, side] for at in path])

    def between(self, index: int, other: int) -> Field:
        """(h, w, 2) flow from a sampled frame to another, along the frames between where they are near."""
        steps, rest = divmod(abs(other - index), self.step)
        found = self.over(index, 1 if other > index else -1, steps) if not rest and steps <= LONGEST else None
        return self._searches.flow(self.frames[index], self.frames[other]) if found is None else found


def sampled_flow(frames: Mapping[int, Image], sampled: Sequence[int], step: int) -> Steps[tuple[DenseFlow, DenseFlow]]:
    """Flow of T sampled frames at `GAPS`, counted in sampled frames, and the same counted in steps of the source.

    Args:
        frames: (h, w) grey, by index in the source: the sampled ones and those around them that there are.
        sampled: T indices, rising.
        step: frames of the source that count as one.
    """
    source = SourceFlow(frames, sampled, step)
    needed, count = source.needed(), len(sampled)
    for done, _ in enumerate(parallel_map(source.search, needed), start=1):
        yield 0.7 * done / len(needed)
    apart, at_once = (_empty(frames[sampled[0]].shape, count) for _ in range(2))
    steps = np.zeros((2, count, *half_of(frames[sampled[0]]), 2), np.float16)

    def near(t: int) -> None:
        for gap in GAPS:
            there = sampled[t] + gap * step
            found = source.over(sampled[t], np.sign(gap), abs(gap))
            if found is not None:
                _fill(at_once, gap, t, frames[sampled[t]], frames[there], found)
            if abs(gap) == 1 and 0 <= t + gap < count:
                field = source.between(sampled[t], sampled[t + gap]).astype(np.float32)
                _fill(apart, gap, t, frames[sampled[t]], frames[sampled[t + gap]], field)
                steps[int(gap > 0), t] = halved(field)

    def far(t: int) -> None:
        for gap in (gap for gap in GAPS if abs(gap) > 1 and 0 <= t + gap < count):
            path = [steps[int(gap > 0), t + k] for k in range(0, gap, 1 if gap > 0 else -1)]
            _fill(apart, gap, t, frames[sampled[t]], frames[sampled[t + gap]], chained(path))

    for part, look in enumerate((near, far)):
        for done, _ in enumerate(parallel_map(look, range(count)), start=1):
            yield 0.7 + 0.15 * (part + done / count)
    return apart, at_once


def half_of(frame: Image) -> tuple[int, int]:
    """Height and width of half the grid of an image."""
    return frame.shape[0] // 2, frame.shape[1] // 2


def _empty(hw: tuple[int, ...], count: int) -> DenseFlow:
    shape = (len(GAPS), count, *hw)
    return DenseFlow(np.zeros((*shape, 2), np.float16), np.zeros(shape, np.uint8), np.zeros(shape[:2], np.bool_))


def _fill(place: DenseFlow, gap: int, t: int, here: Image, there: Image, flow: Field) -> None:
    g = GAPS.index(gap)
    place.flow[g, t], place.valid[g, t] = flow, True
    place.error[g, t] = error_of(here, there, place.flow[g, t].astype(np.float32))
