"""What a viewer says about single points of a clip, "this moves too" and "this does not", turned into evidence for the masks.

A click is a place on one frame. What it means there, a patch of one colour or the whole object under it, is carried to the other frames
along the flow, and raises or lowers the log odds of moving so far that nothing else overrules it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from segmo.lite.cues import Field
from segmo.lite.refinement import FlowLinks, warp
from segmo.settings import Correction

CERTAIN = 8.0  # log odds: beyond any evidence of motion, colour and place together
COLOUR_TOLERANCE = 14  # levels of 8-bit L*a*b* by which neighbours in a patch may differ from the clicked place
LARGEST_PATCH = 0.12  # share of the shorter side that a patch reaches from the click where nothing separates it from its surroundings
FADES_BELOW = 0.3  # weight under which a carried patch is lost
OVERLAP = 0.5  # share of a piece of foreground that must be covered for a carried object to be that piece

Region = npt.NDArray[np.bool_]
Settle = Callable[[Field, int], Region]
"""What a region, carried to a frame as (h, w) weights in [0, 1], is there."""


def apply_corrections(
    logits: Field, lab: npt.NDArray[np.uint8], links: FlowLinks, corrections: Sequence[Correction], objects: npt.NDArray[np.integer[Any]]
) -> Field:
    """(T, h, w) log odds of moving after the corrections, in order; later ones win where they meet.

    Args:
        logits: (T, h, w) before them.
        lab: (T, h, w, 3) CIE L*a*b* on the same grid.
        links: flow to the neighbouring frames on the same grid.
        corrections: clicks whose `frame` is an index in [0, T); others are left out.
        objects: (T, h, w) ids of the objects in the foreground before them, so that one of two that touch can be dropped.
    """
    corrected = logits.copy()
    for correction in corrections:
        t = correction.frame
        if not 0 <= t < len(logits):
            continue
        height, width = logits.shape[1:]
        place = min(int(correction.y * height), height - 1), min(int(correction.x * width), width - 1)
        if correction.moves:
            patch = _patch(lab[t], place)
            _carry(patch, t, links, _keep_colour(lab, lab[t][patch].mean(axis=0)), _set(corrected, CERTAIN))
        else:
            object_ = (corrected > 0) & (objects == objects[t][place])
            _carry(_piece(object_[t], place), t, links, _keep_pieces(object_), _set(corrected, -CERTAIN))
    return corrected


def _set(logits: Field, value: float) -> Callable[[int, Region], None]:
    def put(t: int, region: Region) -> None:
        logits[t][region] = value

    return put


def _carry(region: Region, t: int, links: FlowLinks, settle: Settle, put: Callable[[int, Region], None]) -> None:
    """Hand the region of frame t, and what becomes of it in both directions along the flow, to `put`, until it is lost."""
    put(t, region)
    for step, flow, trust in ((1, links.back, links.trust_back), (-1, links.ahead, links.trust_ahead)):
        current, s = region, t + step
        while 0 <= s < len(flow) and current.any():
            weight = warp(current.astype(np.float32), flow[s]) * (0.5 + 0.5 * trust[s])
            current = settle(np.where(weight > FADES_BELOW, weight, 0).astype(np.float32), s)
            put(s, current)
            s += step


def _patch(lab: npt.NDArray[np.uint8], place: tuple[int, int]) -> Region:
    """The connected patch of about the colour at a place, within reach of it; at least the nine pixels around."""
    height, width = lab.shape[:2]
    filled = np.zeros((height + 2, width + 2), np.uint8)
    smooth = cv2.medianBlur(np.ascontiguousarray(lab), 3)
    tolerance = (COLOUR_TOLERANCE,) * 3
    flags = 4 | cv2.FLOODFILL_FIXED_RANGE | cv2.FLOODFILL_MASK_ONLY | (1 << 8)
    cv2.floodFill(smooth, filled, place[::-1], (0, 0, 0), tolerance, tolerance, flags)
    y, x = np.mgrid[:height, :width]
    distance = np.hypot(y - place[0], x - place[1])
    return ((filled[1:-1, 1:-1] > 0) & (distance <= LARGEST_PATCH * min(height, width))) | (distance < 1.5)


def _keep_colour(lab: npt.NDArray[np.uint8], colour: Field) -> Settle:
    """Where a carried patch still has its colour; all of it where hardly any has, as in a sudden change of light."""

    def settle(weight: Field, t: int) -> Region:
        region = weight > 0.5
        alike = region & (np.abs(lab[t] - colour).max(axis=-1) <= 2 * COLOUR_TOLERANCE)
        return alike if alike.sum() >= 0.3 * region.sum() else region

    return settle


def _piece(foreground: Region, place: tuple[int, int]) -> Region:
    """The connected piece of foreground at a place; empty on the background."""
    _, labels = cv2.connectedComponents(foreground.astype(np.uint8), connectivity=8)
    return (labels == labels[place]) & foreground


def _keep_pieces(foreground: Region) -> Settle:
    """The pieces of foreground that a carried region mostly covers, and what it covers of the others."""

    def settle(weight: Field, t: int) -> Region:
        covered = (weight > 0.5) & foreground[t]
        count, labels = cv2.connectedComponents(foreground[t].astype(np.uint8), connectivity=8)
        area = np.bincount(labels.ravel(), minlength=count)
        whole = np.bincount(labels[covered], minlength=count) >= OVERLAP * np.maximum(area, 1)
        whole[0] = False
        return whole[labels] | covered

    return settle
