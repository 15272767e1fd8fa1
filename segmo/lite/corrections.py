"""What a viewer says about single points of a clip, "this moves too" and "this does not", turned into evidence for the masks.

A click is a place on one frame. What it means there, a patch of one colour or the whole object under it, is carried to the other frames
along the flow up to a cut, and raises or lowers the log odds of moving so far that nothing else overrules it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from segmo.lite.company import Labels
from segmo.lite.cues import Field
from segmo.lite.refinement import FlowLinks, warp
from segmo.settings import Correction

CERTAIN = 8.0  # log odds: beyond any evidence of motion, colour and place together
COLOUR_TOLERANCE = 14  # levels of 8-bit L*a*b* by which neighbours in a patch may differ from the clicked place
LARGEST_PATCH = 0.12  # share of the shorter side that a patch reaches from the click where nothing separates it from its surroundings
SMALLEST_PATCH, FEWEST_PX = 0.025, 1.5  # share of the shorter side, and map pixels, that it reaches at least: ground may have many colours
NEAR_PX = 4.0  # map pixels by which a click may miss what it means: outlines are drawn on a finer grid than the map
LOST = 0.4  # trust below which flow leads to something else: it is below 0.36 at cuts, and in the median frame of real clips above 0.8
ALIKE = 0.3  # share of a carried patch that must still have its colour
OVERLAP = 0.5  # share of a piece of foreground that must be covered for a carried object to be that piece

Region = npt.NDArray[np.bool_]
Place = tuple[int, int]
Settle = Callable[[Region, Field, int], Region]
"""What a region, carried to a frame with this (h, w) trust in the flow, is there."""
Put = Callable[[int, Region], None]


@dataclass(frozen=True, eq=False)
class Corrected:
    """What is known of a clip after the corrections."""

    logits: Field
    """(T, h, w) log odds of moving."""
    added: Labels
    """(T, h, w) number from 1 of the click that has added a pixel, 0 where none has."""

    def put(self, value: float, number: int) -> Put:
        """A function that gives regions of a frame these log odds and this number."""

        def put(t: int, region: Region) -> None:
            self.logits[t][region], self.added[t][region] = value, number

        return put


def apply_corrections(
    logits: Field, lab: npt.NDArray[np.uint8], links: FlowLinks, corrections: Sequence[Correction], objects: npt.NDArray[np.integer[Any]]
) -> Corrected:
    """Log odds of moving after the corrections, in order; later ones win where they meet.

    Args:
        logits: (T, h, w) before them.
        lab: (T, h, w, 3) CIE L*a*b* on the same grid.
        links: flow to the neighbouring frames on the same grid.
        corrections: clicks whose `frame` is an index in [0, T); others are left out.
        objects: (T, h, w) ids of the objects in the foreground before them, so that one of two that touch can be dropped.
    """
    corrected = Corrected(logits.copy(), np.zeros(logits.shape, np.int32))
    for number, correction in enumerate(corrections, start=1):
        t, place = correction.frame, _place(correction, logits.shape[1:])
        if not 0 <= t < len(logits):
            continue
        if correction.moves:
            patch = _patch(lab[t], place)
            _carry(patch, t, links, _keep_patch(lab, lab[t][patch].mean(axis=0)), corrected.put(CERTAIN, number))
        else:
            _drop(corrected, t, place, links, objects)
    return corrected


def claim_added(painted: Labels, added: Labels, corrections: Sequence[Correction]) -> tuple[Labels, list[int]]:
    """(T, h, w) objects with all that clicks have added among them, and the ids of those at the clicked places.

    Somebody has said that it moves, so it is an object however small or brief it is.
    """
    painted, ids = painted.copy(), list[int]()
    for correction in corrections:
        at = (correction.frame, *_place(correction, painted.shape[1:]))
        if not correction.moves or not 0 <= correction.frame < len(painted) or not added[at]:
            continue
        region = added == added[at]
        others = painted[region & (painted > 0)]
        own = int(painted[at]) or (int(np.bincount(others).argmax()) if len(others) else int(painted.max()) + 1)
        painted[region & (painted == 0)] = own
        ids.append(own)
    return painted, ids


def _place(correction: Correction, hw: tuple[int, ...]) -> Place:
    """Row and column of a click on a grid of `hw`."""
    return min(int(correction.y * hw[0]), hw[0] - 1), min(int(correction.x * hw[1]), hw[1] - 1)


def _drop(corrected: Corrected, t: int, place: Place, links: FlowLinks, objects: npt.NDArray[np.integer[Any]]) -> None:
    """Take away the object at a place or near it, in all frames, or what clicks have added there; and what hangs on it and is nobody's."""
    moving = corrected.logits > 0
    found = _nearest(moving[t] & ((objects[t] > 0) | (corrected.added[t] > 0)), place)
    if found is None:
        return
    own, put = objects[t][found], corrected.put(-CERTAIN, 0)
    whole = moving & (objects == own)
    if not own:
        whole &= corrected.added == corrected.added[t][found]
    foreground = moving & ((objects == own) | (objects == 0))
    for s in range(len(whole)):
        put(s, whole[s])
    _carry(_piece(foreground[t], found), t, links, _keep_pieces(foreground), put)


def _nearest(region: Region, place: Place) -> Place | None:
    """The pixel of an (h, w) region that is nearest to a place; None if none is near."""
    y, x = np.nonzero(region)
    distance = np.hypot(y - place[0], x - place[1])
    if distance.min(initial=np.inf) > NEAR_PX:
        return None
    nearest = distance.argmin()
    return int(y[nearest]), int(x[nearest])


def _carry(region: Region, t: int, links: FlowLinks, settle: Settle, put: Put) -> None:
    """Hand the region of frame t, and what becomes of it in both directions along the flow, to `put`, until it is lost or the scene cut."""
    put(t, region)
    for step, flow, trust in ((1, links.back, links.trust_back), (-1, links.ahead, links.trust_ahead)):
        current, s = region, t + step
        while 0 <= s < len(flow) and current.any() and np.median(trust[s]) >= LOST:
            current = settle(warp(current.astype(np.float32), flow[s]) * (0.5 + 0.5 * trust[s]) > 0.5, trust[s], s)
            put(s, current)
            s += step


def _patch(lab: npt.NDArray[np.uint8], place: Place) -> Region:
    """The connected patch of about the colour at a place, within reach of it; at least a small disc around it."""
    height, width = lab.shape[:2]
    filled = np.zeros((height + 2, width + 2), np.uint8)
    smooth = cv2.medianBlur(np.ascontiguousarray(lab), 3)
    tolerance = (COLOUR_TOLERANCE,) * 3
    flags = 4 | cv2.FLOODFILL_FIXED_RANGE | cv2.FLOODFILL_MASK_ONLY | (1 << 8)
    cv2.floodFill(smooth, filled, place[::-1], (0, 0, 0), tolerance, tolerance, flags)
    within = _disc((height, width), place, LARGEST_PATCH * min(height, width))
    return _at_least(((filled[1:-1, 1:-1] > 0) & within) | _disc((height, width), place, FEWEST_PX), place)


def _disc(hw: tuple[int, int], centre: tuple[float, float], radius: float) -> Region:
    y, x = np.ogrid[: hw[0], : hw[1]]
    return np.asarray(np.hypot(y - centre[0], x - centre[1]) <= radius)


def _at_least(region: Region, centre: tuple[float, float]) -> Region:
    """A patch, with the smallest disc around its centre if it is smaller than that."""
    height, width = region.shape
    radius = max(SMALLEST_PATCH * min(height, width), FEWEST_PX)
    return region | _disc((height, width), centre, radius) if region.sum() < np.pi * radius**2 else region


def _keep_patch(lab: npt.NDArray[np.uint8], colour: Field) -> Settle:
    """Where a carried patch still has its colour; all of it where hardly any has but flow is trusted, as in a change of light."""

    def settle(region: Region, trust: Field, t: int) -> Region:
        alike = region & (np.abs(lab[t] - colour).max(axis=-1) <= 2 * COLOUR_TOLERANCE)
        if not region.any() or (alike.sum() < ALIKE * region.sum() and trust[region].mean() < LOST):
            return np.zeros_like(region)
        kept = alike if alike.sum() >= ALIKE * region.sum() else region
        if region[[0, -1]].any() or region[:, [0, -1]].any():  # on its way out of the picture nothing may hold it back
            return kept
        y, x = np.nonzero(region)
        return _at_least(kept, (float(y.mean()), float(x.mean())))

    return settle


def _piece(foreground: Region, place: Place) -> Region:
    """The connected piece of foreground at a place; empty on the background."""
    _, labels = cv2.connectedComponents(foreground.astype(np.uint8), connectivity=8)
    return (labels == labels[place]) & foreground


def _keep_pieces(foreground: Region) -> Settle:
    """The pieces of foreground that a carried region mostly covers, and what it covers of the others."""

    def settle(region: Region, trust: Field, t: int) -> Region:
        covered = region & foreground[t]
        count, labels = cv2.connectedComponents(foreground[t].astype(np.uint8), connectivity=8)
        area = np.bincount(labels.ravel(), minlength=count)
        whole = np.bincount(labels[covered], minlength=count) >= OVERLAP * np.maximum(area, 1)
        whole[0] = False
        return whole[labels] | covered

    return settle
