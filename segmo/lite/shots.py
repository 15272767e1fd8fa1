"""Where a clip is cut: what is seen before a cut does not go on after it.

Flow finds a way from everything to everything; across a cut what it finds is noise, and an object would go on as another. But no
displacement makes a frame look like that of another scene, and their colours differ, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, product

import cv2
import numpy as np
import numpy.typing as npt

from segmo.lite.flow import GAPS, DenseFlow, Field, Image, Searches, targets, warped
from segmo.parallel import parallel_map

NEAR = 2.0  # steps of the source up to which frames are near


@dataclass(frozen=True)
class _Limits:
    """Below both of which two frames are of two scenes.

    Of 110 pairs of scenes of real video the patches correlate by at most .36, and the colours by .46 in the median and at most .82. Of
    frames of one scene it is at least .94 and .99 two steps apart (.84 where fields are interlaced), and at least .30 and .88 if 32 are.
    """

    patches: float
    """Correlation of patches once flow has brought them there."""
    colours: float
    """Bhattacharyya coefficient."""


CLOSE, APART = _Limits(0.7, 0.9), _Limits(0.5, 0.85)
FLASH = 2  # frames that a flash, or a frame that got lost, may take
FADE = 12  # steps of the source on either side of black frames after which a picture has its colours again
PATCH = 16  # pixels across
TEXTURE = 5.0  # grey levels of standard deviation below which a patch tells nothing
FEWEST_PATCHES = 8
COLOUR_BITS = 5, 4, 4  # of lightness and of both colours that are left out


def find_cuts(lab: Image, grey: Image, steps: float = 1.0) -> list[int]:
    """The frames with which another shot begins; the first is not among them.

    Args:
        lab: (T, h, w, 3) CIE L*a*b* in bytes.
        grey: (T, H, W) on the flow grid.
        steps: how far the frames are apart, in steps of the source (`Clip.step`).
    """
    colours = list(parallel_map(_colours, lab))
    shown = [t for t, picture in enumerate(lab) if _textured(picture[..., 0]).sum() >= FEWEST_PATCHES]  # black ones are of the shot before
    searches, cuts, begin = Searches(), list[int](), 0
    for at, (before, after) in enumerate(pairwise(shown), start=1):
        aside = round(FADE / steps) if after - before > 1 else 0
        one, other = shown[max(begin, at - 1 - aside)], shown[min(at + aside, len(shown) - 1)]
        near = (other - one) * steps <= NEAR
        limits = CLOSE if near else APART
        if colours[one] @ colours[other] >= limits.colours:
            continue
        around = product(shown[max(begin, at - 1 - FLASH) : at], shown[at : at + 1 + FLASH]) if near else ()
        pairs = [(one, other), *((here, there) for here, there in around if colours[here] @ colours[there] >= limits.colours)]
        if all(_likeness(grey[here], grey[there], searches) < limits.patches for here, there in pairs):
            cuts.append(after)
            begin = at
    return cuts


def where_between(frames: Sequence[Image]) -> int:
    """Which of several frames, of which the first is before a cut and the last after it, is the first after it."""
    small = [cv2.resize(frame, (PATCH, PATCH), interpolation=cv2.INTER_AREA).astype(np.float32) for frame in frames]
    return 1 + int(np.argmax([np.abs(one - other).mean() for one, other in pairwise(small)]))


def end_at_cuts(found: DenseFlow, here: npt.NDArray[np.int64], there: npt.NDArray[np.int64], cuts: Sequence[int]) -> None:
    """Forget, in place, flow that leads across a cut: it is then as at the ends of a clip.

    Args:
        found: flow of T frames.
        here: (T,) indices of these frames in the source.
        there: (G, T) indices of the frames that flow leads to.
        cuts: indices of the frames with which another shot begins.
    """
    shot_here, shot_there = np.searchsorted(cuts, here, side="right"), np.searchsorted(cuts, there, side="right")
    across = shot_here != shot_there
    found.flow[across], found.error[across], found.valid[across] = 0, 255, False


def shots_of(valid: npt.NDArray[np.bool_]) -> list[slice]:
    """The frames of each shot, by which flow (G, T) exists."""
    frames = valid.shape[1]
    starts = [0, *(1 + np.flatnonzero(~valid[GAPS.index(1), :-1])).tolist(), frames]
    return [slice(first, end) for first, end in pairwise(starts)]


def resume(painted: npt.NDArray[np.int32], lab: Image, shots: Sequence[slice]) -> npt.NDArray[np.int32]:
    """(T, h, w) objects, those joined that a shot shows where an earlier one ended, as where two who talk are filmed in turn.

    Args:
        painted: (T, h, w) objects, 0 = none, distinct over the shots.
        lab: (T, h, w, 3) CIE L*a*b* in bytes.
        shots: the frames of each.
    """
    owner, searches = np.arange(int(painted.max(initial=0)) + 1, dtype=np.int32), Searches()
    firsts, lasts = (
        [(t, lab[t, ..., 0], _colours(lab[t])) for t in ends] for ends in zip(*((s.start, s.stop - 1) for s in shots), strict=True)
    )
    for number, (start, here, colours) in enumerate(firsts):
        for end, there, others in reversed(lasts[: max(0, number - 1)]):
            if colours @ others < CLOSE.colours or _likeness(here, there, searches) < CLOSE.patches:
                continue
            x, y = np.moveaxis(np.rint(targets(searches.flow(here, there))).astype(int), -1, 0)
            before = painted[end][np.clip(y, 0, x.shape[0] - 1), np.clip(x, 0, x.shape[1] - 1)]
            for one, other in _goes_on(painted[start], before):
                owner[one] = owner[other]
            break
    return owner[painted]


def _goes_on(here: npt.NDArray[np.int32], before: npt.NDArray[np.int32]) -> list[tuple[int, int]]:
    """Objects of an (h, w) frame, each with the one of those before that covers more than half of it, and it more than half of that."""
    pairs, counts = np.unique(np.stack([here.ravel(), before.ravel()]), axis=1, return_counts=True)
    areas = (np.bincount(labels.ravel()) for labels in (here, before))
    larger = np.maximum(*(area[side] for area, side in zip(areas, pairs, strict=True)))
    found = pairs[:, (2 * counts > larger) & pairs.all(axis=0)]
    return [(int(one), int(other)) for one, other in found.T]


def _colours(lab: Image) -> npt.NDArray[np.float64]:
    """(2048,) roots of the shares of coarse colours, whose products add up to a Bhattacharyya coefficient."""
    lightness, green, blue = (lab[::2, ::2, channel].ravel().astype(np.int32) >> bits for channel, bits in enumerate(COLOUR_BITS))
    return np.sqrt(np.bincount((lightness << 8) + (green << 4) + blue, minlength=2048) / len(blue))


def _patches(picture: Field) -> Field:
    height, width = picture.shape
    size = (max(1, width // PATCH), max(1, height // PATCH))
    means: Field = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return means


def _textured(levels: Image) -> npt.NDArray[np.bool_]:
    picture = levels.astype(np.float32)
    return np.asarray(_patches(picture * picture) - _patches(picture) ** 2 > TEXTURE**2)


def _likeness(one: Image, other: Image, searches: Searches) -> float:
    """How much flow makes one of two (h, w) pictures look like the other, whichever it succeeds with."""
    return max(_brought(one, other, searches), _brought(other, one, searches))


def _brought(here: Image, there: Image, searches: Searches) -> float:
    """Median correlation of the textured patches of a picture with what flow brings there from another."""
    pulled = warped(there, targets(searches.flow(here, there))).astype(np.float32)
    picture, told = here.astype(np.float32), _textured(here)
    mean, other_mean = _patches(picture), _patches(pulled)
    spread, other_spread = _patches(picture * picture) - mean**2, _patches(pulled * pulled) - other_mean**2
    correlation = (_patches(picture * pulled) - mean * other_mean) / np.sqrt(np.maximum(spread, 9) * np.maximum(other_spread, 9))
    return float(np.median(correlation[told])) if told.any() else 0.0
