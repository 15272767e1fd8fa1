"""Where two objects meet, from the probability of it that the second network gives: what comes apart there, and what does not."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import scipy

from segmo.parallel import parallel_map

Labels = npt.NDArray[np.int32]
Field = npt.NDArray[np.floating[Any]]
Contacts = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Field]

SEAM, SURE_SEAM = 0.6, 0.7  # probability above which two movers meet at a pixel, if it is above the second somewhere along the seam
NO_SEAM = 0.2  # probability that all but a tenth of a contact stays below where one object is in two pieces
TOUCH_PX = 2  # map pixels within which two of them touch
FEWEST_CONTACTS = 8  # frames that must show the contact: two that meet in passing are told apart by less than a seam
SHORTEST_PX = 4  # pixels around a contact below which it tells nothing


def seams(probability: Field) -> npt.NDArray[np.bool_]:
    """(T, h, w) where two movers meet, from the (T, h, w) probability of it: whole seams, of which a part is sure."""

    def of_frame(frame: Field) -> npt.NDArray[np.bool_]:
        count, labels = cv2.connectedComponents((frame > SEAM).astype(np.uint8))
        sure = np.zeros(count, np.bool_)
        sure[labels[frame > SURE_SEAM]] = True
        found: npt.NDArray[np.bool_] = sure[labels]
        return found

    return np.stack([of_frame(frame) for frame in probability])


def touching(frame: Labels) -> npt.NDArray[np.int64]:
    """(2, P) pairs of ids that come within TOUCH_PX pixels of each other in one (h, w) frame, each in both orders."""
    reach = range(2 * TOUCH_PX + 1)
    ids = frame.astype(np.float32)
    kernel = np.ones((len(reach), len(reach)), np.uint8)
    highest = cv2.dilate(ids, kernel)
    lowest = cv2.erode(np.where(frame > 0, ids, np.float32(np.inf)), kernel)
    y, x = np.nonzero((frame > 0) & (highest > lowest))  # few: there alone it is looked which ones meet
    padded = np.pad(frame, TOUCH_PX)
    around = np.stack([padded[y + down, x + right] for down in reach for right in reach])
    meet = (around > 0) & (around != frame[y, x])
    count = int(ids.max(initial=0)) + 1
    return np.stack(np.divmod(np.unique((frame[y, x].astype(np.int64) * count + around)[meet]), count))


def join_seamless(painted: Labels, probability: Field) -> Labels:
    """(T, h, w) objects of which those that touch where a seam is never likely are one: a snake winds, but nothing parts it.

    Args:
        painted: (T, h, w) objects, 0 = background.
        probability: (T, h, w) that two movers meet.
    """
    count = int(painted.max(initial=0)) + 1
    frames, length, likely = np.zeros((3, count, count))
    for one, other, (pixels, highest) in parallel_map(lambda t: _contacts(painted[t], probability[t]), range(len(painted))):
        frames[one, other] += 1
        length[one, other] += pixels
        likely[one, other] += pixels * highest
    seamless = (frames >= FEWEST_CONTACTS) & (likely < NO_SEAM * length)
    _, group = scipy.sparse.csgraph.connected_components(seamless, directed=False)
    first = np.full(count, count, np.int32)
    np.minimum.at(first, group, np.arange(count, dtype=np.int32))
    joined: Labels = first[group][painted]
    return joined


def _contacts(frame: Labels, probability: Field) -> Contacts:
    """Ids (P,) of the two objects at each contact in one (h, w) frame, and (2, P) its pixels and how likely a seam is there.

    That is what all but the likeliest tenth of its pixels stay below.
    """
    kernel = np.ones((2 * TOUCH_PX + 1, 2 * TOUCH_PX + 1), np.uint8)
    pairs = touching(frame)
    near = {k: cv2.dilate((frame == k).astype(np.uint8), kernel) > 0 for k in np.unique(pairs)}
    found = []
    for one, other in pairs.T:
        if one < other:
            here = probability[near[one] & near[other] & ((frame == one) | (frame == other))]
            if len(here) >= SHORTEST_PX:
                found.append((one, other, len(here), float(np.quantile(here.astype(np.float32), 0.9))))
    table = np.array(found, np.float64).reshape(-1, 4).T
    return table[0].astype(np.int64), table[1].astype(np.int64), table[2:]
