"""Foreground that is nobody's, because no point on it lasts, given to the object that is there in a frame beside it.

Where flow fails for a moment, as on a wing or behind a flash, the points set out before die and those set out then die after: what they
lie on would vanish from the masks, or become an object of a few frames.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from segmo.lite.company import Field, Indices, Labels

SHORTEST_STAY = 5
"""Frames for which an object is seen at least, or a quarter of a shorter clip: what flashes up is noise, or a part of another."""
OVERLAP = 0.3
"""Share of a piece of foreground that an object beside it in time must cover to have it."""

_Piece = tuple[Indices, Indices]
"""Rows and columns of pixels."""


def adopt(painted: Labels, components: Labels, ahead: Field, back: Field) -> Labels:
    """(T, h, w) objects that also have what is no object's, and what makes an object of fewer than `SHORTEST_STAY` frames.

    Args:
        painted: (T, h, w) objects, 0 = none.
        components: (T, h, w) ids of the connected components of the foreground, distinct over the clip.
        ahead: (T, H, W, 2) flow to the next frame, in pixels of its own grid.
        back: the same to the frame before.
    """
    frames, ids = len(painted), int(painted.max()) + 1
    shown = np.stack([np.bincount(frame.ravel(), minlength=ids) > 0 for frame in painted]).sum(axis=0)
    lasting = shown >= min(SHORTEST_STAY, frames / 4)
    lasting[0] = False
    adopted = np.where(lasting[painted], painted, 0)
    waiting = {t: list(_pieces(painted[t], components[t], adopted[t], ids)) for t in range(frames)}

    def settle(t: int) -> bool:
        """Find owners for what waits in a frame; whether any was found."""
        beside = [(t + side, flow[t]) for side, flow in ((-1, back), (1, ahead)) if 0 <= t + side < frames]
        before, waiting[t] = waiting[t], []
        for y, x in before:
            owner = _owner([adopted[other][at] for other, flow in beside for at in ((y, x), _carried(flow, y, x, painted.shape[1:]))])
            adopted[t][y, x] = owner
            if not owner:
                waiting[t].append((y, x))
        return len(waiting[t]) < len(before)

    asked = set(range(frames))
    while asked:  # from frame to frame, as far as it goes: those are asked again beside which something was found
        asked = {t + side for t in sorted(asked) if settle(t) for side in (-1, 1) if 0 <= t + side < frames}
    for t, left in waiting.items():
        for y, x in left:
            adopted[t][y, x] = painted[t][y, x]
    return adopted


def _pieces(painted: Labels, components: Labels, adopted: Labels, ids: int) -> Iterator[_Piece]:
    """What is left of each component of one (h, w) frame once lasting objects have their share, apart by what it was painted as."""
    y, x = np.nonzero((components > 0) & (adopted == 0))
    keys = components[y, x].astype(np.int64) * ids + painted[y, x]
    for key in np.unique(keys):
        yield y[keys == key], x[keys == key]


def _carried(flow: Field, y: Indices, x: Indices, hw: tuple[int, ...]) -> tuple[Indices, Indices]:
    """Rows and columns, within (h, w), to which (H, W, 2) flow carries pixels of that grid."""
    scale = flow.shape[0] / hw[0]
    step = flow[(y * scale).astype(int), (x * scale).astype(int)].astype(np.float32) / scale
    row, column = (np.rint(at + step[:, axis]).astype(np.int64) for at, axis in ((y, 1), (x, 0)))
    return np.clip(row, 0, hw[0] - 1), np.clip(column, 0, hw[1] - 1)


def _owner(covers: list[npt.NDArray[np.int32]]) -> int:
    """The object that covers most of a piece in one of several (n,) answers, if that is enough of it; else 0."""
    best, owner = OVERLAP, 0
    for cover in covers:
        counts = np.bincount(cover)
        counts[0] = 0
        share = float(counts.max() / len(cover))
        if share > best:
            best, owner = share, int(counts.argmax())
    return owner
