"""What lies on the picture instead of in the scene: captions, logos, clocks, channel marks.

Where the camera moves they stand still on the screen, and to all that looks at flow alone they are movers. What gives them away is that
they stand still to the grey level: sharp edges that stay as they are for longer than an object that the camera follows ever does.
They are painted over before anything is looked at, so that what is behind them counts.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from segmo.parallel import parallel_map

Image = npt.NDArray[np.uint8]
Regions = npt.NDArray[np.bool_]

LONGEST, SHORTEST = 16, 12
"""Steps of the source for which an edge must stay as it is; in clips shorter than that, all of them, and never less than the second."""
FEWEST = 4  # frames in which it must, however far apart they are
EDGE = 24  # grey levels from a pixel to the next
NOISE, SHARE_OF_EDGE = 5, 0.12  # grey levels by which a pixel may change, or a share of the steepest edge beside it
STANDING_SHARE = 0.2  # of a frame's edges; where more of them stand still, it is the camera that does
FAR, TRAVELLING_SHARE = 3, 0.6
"""How many times that a pixel must change to have another part of the scene in it, and what share of all other edges must have."""
AROUND = 41  # pixels across: what has to travel around it, too
LARGEST_SHARE = 0.15  # of a frame that may be painted over
SMALLEST_AREA = 60  # pixels
TOUCHING = 0.1  # of what keeps its colour beside such edges that must be edge for it to belong to them: a disc does, a sky does not
GAP = 9  # pixels between the strokes and letters of what is one
MARGIN = 5  # pixels; its shadow and the ringing of compression
LEAST_ACROSS = 0.1
"""How much of their slope letters have across what most of them have; a rail seems to stand still where it runs the way the camera goes."""
LARGEST_FILL = 0.05  # of a frame: what an outline encloses belongs to it, but not what a frame around everything does


def find_overlays(pictures: Image, steps: float = 1.0) -> Regions | None:
    """(T, h, w) where something lies on each picture; None where nothing does, as in all clips whose camera stands still.

    Args:
        pictures: (T, h, w, 3) RGB on the flow grid.
        steps: how far they are apart, in steps of the source (`Clip.step`).
    """
    span = min(max(FEWEST, round(LONGEST / steps)), len(pictures) - 1)
    if span < FEWEST or span * steps < SHORTEST:
        return None
    grey = [cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in pictures]
    strength = [_edge_strength(picture) for picture in grey]
    lasting, half = _lasting(grey, strength, span), span // 2
    regions = np.zeros(lasting.shape, np.bool_)
    for t, edges in enumerate(lasting):
        few = np.count_nonzero(edges) <= STANDING_SHARE * np.count_nonzero(strength[t] > EDGE)
        then = min(t, len(grey) - half - 1)
        if few and edges.any() and (others := _Others.of(lasting[then], grey, strength, then, half)).travel():
            regions[t] = _region(edges, grey[t], functools.partial(_still, pictures, t, half), others)
    frames = np.count_nonzero(regions.any(axis=(1, 2)))
    return regions if frames > half else None  # what passes for one in few of the frames that it stays in is none


def paint_over(pictures: Image, regions: Regions) -> Image:
    """(T, h, w) or (T, h, w, 3) pictures in which (T, h, w) regions show what is around them."""

    def one(t: int) -> Image:
        if not regions[t].any():
            return pictures[t]
        painted: Image = cv2.inpaint(pictures[t], regions[t].view(np.uint8), 3, cv2.INPAINT_TELEA)
        return painted

    return np.stack(list(parallel_map(one, range(len(pictures)))))


def slopes(picture: Image) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.int16]]:
    """(h, w) grey levels from a pixel to the next across and down."""
    across, down = (cv2.Sobel(picture, cv2.CV_16S, *axis, scale=1 / 8) for axis in ((1, 0), (0, 1)))
    return across, down


def _edge_strength(picture: Image) -> Image:
    """(h, w) grey levels from a pixel to the next, where the change is steepest."""
    across, down = slopes(picture)
    steepest: Image = cv2.convertScaleAbs(cv2.max(cv2.absdiff(across, 0), cv2.absdiff(down, 0)))
    return cv2.dilate(steepest, np.ones((3, 3), np.uint8))


@dataclass(frozen=True, eq=False)
class _Others:
    """The edges of a picture that do not last."""

    all: Regions
    """(h, w)"""
    gone: Regions
    """(h, w) those in whose place there is another part of the scene a few frames later."""

    @classmethod
    def of(cls, lasting: Regions, grey: list[Image], strength: list[Image], t: int, half: int) -> _Others:
        """Those of picture t that are not among the (h, w) lasting ones, `half` frames later."""
        change, allowed = _changed(grey, strength, t, half)
        rest = (strength[t] > EDGE) & ~lasting
        return cls(rest, rest & (change > FAR * allowed))

    def travel(self) -> bool:
        """Whether most of them have gone."""
        return bool(np.count_nonzero(self.gone) >= TRAVELLING_SHARE * np.count_nonzero(self.all))

    def travel_around(self, part: Image) -> bool:
        """Whether most of those around an (h, w) part have: where a camera heads for, all is still, and around it nearly so."""
        ring = (cv2.dilate(part, _round(AROUND)) & ~cv2.dilate(part, _round(GAP))) > 0
        return _Others(self.all & ring, self.gone & ring).travel()


def _changed(grey: list[Image], strength: list[Image], t: int, half: int) -> tuple[Image, Image]:
    """(h, w) grey levels by which picture t changes within `half` frames, and by which it may where it is to stay as it is."""
    change = cv2.max(cv2.absdiff(grey[t], grey[t + half]), cv2.absdiff(grey[t], grey[t + half // 2]))
    return change, cv2.max(cv2.convertScaleAbs(strength[t], alpha=SHARE_OF_EDGE), NOISE)


def _lasting(grey: list[Image], strength: list[Image], span: int) -> Regions:
    """(T, h, w) edges that stay as they are for `span` frames, of which this is one."""
    half = span // 2
    stays = np.zeros((len(grey) - half, *grey[0].shape), np.bool_)
    for t in range(len(stays)):
        change, allowed = _changed(grey, strength, t, half)
        stays[t] = (change <= allowed) & (cv2.min(strength[t], strength[t + half]) > EDGE)
    lasting = np.zeros((len(grey), *grey[0].shape), np.bool_)
    for t in range(len(grey) - span):
        lasting[t : t + span + 1] |= stays[t : t + span - half + 1].all(axis=0)
    return lasting


def _still(pictures: Image, t: int, half: int) -> Regions:
    """(h, w) pixels of picture t that keep their colour for `half` frames before or after it."""

    def kept(side: int) -> Regions:
        changes = (cv2.absdiff(pictures[t], pictures[t + side * gap]) for gap in (half // 2, half))
        return functools.reduce(cv2.max, cv2.split(cv2.max(*changes))) <= NOISE

    sides = [kept(side) for side in (-1, 1) if 0 <= t + side * half < len(pictures)]
    return np.logical_or.reduce(sides)


def _region(edges: Regions, grey: Image, still: Callable[[], Regions], others: _Others) -> Regions:
    """(h, w) what (h, w) edges are the outlines of, with what is still beside them."""
    strokes = dense(edges)
    if np.count_nonzero(strokes) < SMALLEST_AREA:
        return np.zeros_like(edges)
    count, numbered, found, _ = cv2.connectedComponentsWithStats((still() | edges).view(np.uint8), connectivity=8)
    touched = np.bincount(numbered[strokes], minlength=count) >= TOUCHING * found[:, cv2.CC_STAT_AREA]
    touched &= found[:, cv2.CC_STAT_AREA] <= LARGEST_FILL * edges.size
    touched[0] = False
    return outlined(strokes | touched[numbered], edges, slopes(grey), others.travel_around)


def dense(edges: Regions) -> Regions:
    """(h, w) edges that have others around them."""
    mask = edges.view(np.uint8)
    return edges & (cv2.boxFilter(mask, cv2.CV_16S, (5, 5), normalize=False) >= 4)


def outlined(
    strokes: Regions,
    edges: Regions,
    across_and_down: tuple[npt.NDArray[Any], npt.NDArray[Any]],
    likely: Callable[[Image], bool] = lambda part: True,
) -> Regions:
    """(h, w) what (h, w) strokes write or draw, filled and with a margin; nothing where that is too large to lie on a picture.

    Args:
        edges: (h, w) the edges among them.
        across_and_down: (h, w) slopes of the picture.
        likely: whether an (h, w) part lies there at all.
    """
    closed = cv2.morphologyEx(strokes.astype(np.uint8), cv2.MORPH_CLOSE, _round(GAP))
    outlines, _ = cv2.findContours(closed, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = np.zeros_like(closed)
    for outline in outlines:
        if SMALLEST_AREA <= cv2.contourArea(outline) <= LARGEST_FILL * edges.size:
            inside = cv2.drawContours(np.zeros_like(closed), [outline], 0, 1, cv2.FILLED)
            if _roundness(*(slope[(inside > 0) & edges] for slope in across_and_down)) >= LEAST_ACROSS and likely(inside):
                filled |= inside
    region = cv2.dilate(filled, _round(MARGIN)).astype(np.bool_)
    return region if region.mean() <= LARGEST_SHARE else np.zeros_like(region)


def _roundness(across: npt.NDArray[Any], down: npt.NDArray[Any]) -> float:
    """In [0, 1]: 0 where all slopes of N pixels have one direction, 1 where none is preferred."""
    both = np.stack([across, down]).astype(np.float64)
    least, most = np.linalg.eigvalsh(both @ both.T)
    return float(least / most) if most > 0 else 0.0


def _round(size: int) -> Image:
    shape: Image = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    return shape
