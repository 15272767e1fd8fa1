"""Margins around the picture: the black bars of wide films, of portrait video on a wide page, the white ones of posts with a caption; and
those that are filled with the picture itself, enlarged and blurred.

The first stand still whatever the camera does, and the others move in their own way. Where they take half of the frame they are what most
of it agrees on, so that the whole picture in between would move.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from segmo.types import UInt8, Window

PROBES = 5  # frames that show whether it is worth looking at all
SAME = 14  # grey levels: what compression makes of one colour
EVEN = 0.995  # of a line that has the colour of the margin: it belongs to it
EVEN_LINES = 0.4  # of the lines of a margin; captions may stand on the others
EDGE = 0.5  # of the first line of a picture that has other colours in most frames
NARROWEST = 0.03  # of a side; narrower ones do no harm
LARGEST_WINDOW, SMALLEST_SIDE = 0.9, 0.2  # of a frame, and of its sides: what a window worth the trouble has
SOFT = 4  # lines within which an even margin has become that: pictures begin at once, what is lit at night does not
STEP, SHARPER, CHANGE, CHANGING = 5.0, 2.5, 6, 0.35
"""At the edge of blurred margins: how many times the usual step from pixel to pixel is taken, how many times as much detail follows (and
what share of the step, at most, its own are), and by how many grey levels what share of the pixels change."""
UNEQUAL = 0.01  # of a side, by which two blurred margins may differ


def find_window(frames: UInt8) -> Window | None:
    """Where the picture lies in (T, H, W, 3) frames with margins; None where it takes the whole frame, or there are no frames."""
    if not len(frames):
        return None
    probes = frames[np.unique(np.linspace(0, len(frames) - 1, PROBES).astype(np.int64))]
    height, width = frames.shape[1:3]
    supposed = _window(probes, (height, width, 0, 0))
    return _blurred_window(probes) if supposed is None else _window(frames, supposed)


def _window(frames: UInt8, smallest: Window) -> Window | None:
    """The window of frames with even margins, which go no deeper than the `smallest` window."""
    height, width = frames.shape[1:3]
    top, left, bottom, right = 0, 0, height, width
    for _ in range(2):  # lines that go through margins at their ends, too, count once those are gone
        part = frames[:, top:bottom, left:right]
        above, below = _margin(part, smallest[0] - top), _margin(part[:, ::-1], bottom - smallest[2])
        if above + below >= len(part[0]):
            return None
        top, bottom = top + above, bottom - below
        part = frames[:, top:bottom, left:right].transpose(0, 2, 1, 3)
        before, after = _margin(part, smallest[1] - left), _margin(part[:, ::-1], right - smallest[3])
        left, right = left + before, right - after
    inner = (bottom - top) / height, (right - left) / width
    return (top, left, bottom, right) if min(inner) >= SMALLEST_SIDE and inner[0] * inner[1] <= LARGEST_WINDOW else None


def _margin(pictures: UInt8, most: int) -> int:
    """How many lines at the beginning of T pictures (T, lines, n, 3) are a margin, of which there are at `most` so many."""
    lines = pictures.shape[1]
    colour = np.median(np.median(pictures[:, 0], axis=1), axis=0)
    if most <= 0 or min(_shares(picture[:1], colour)[0] for picture in pictures) < EVEN:
        return 0
    shares = np.array([_shares(picture[: most + SOFT], colour) for picture in pictures])
    usual = np.median(shares, axis=0)
    begun = np.flatnonzero(usual <= 1 - EDGE)
    depth = int(begun[0]) if len(begun) else 0
    even, sudden = shares[:, :depth].min(axis=0) >= EVEN, usual[max(0, depth - SOFT) : depth] >= EVEN
    return depth if depth >= NARROWEST * lines and even.mean() >= EVEN_LINES and sudden.any() else 0


def _shares(picture: UInt8, colour: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    """How much of each line of an (n, m, 3) picture has a colour; every second pixel is looked at."""
    low, high = np.clip(colour - SAME, 0, 255), np.clip(colour + SAME, 0, 255)
    seen = picture[:, ::2]
    same: npt.NDArray[np.float32] = ((seen >= low) & (seen <= high)).all(axis=-1).mean(axis=1, dtype=np.float32)
    return same


def _blurred_window(probes: UInt8) -> Window | None:
    """The window of n probes between two blurred margins of one width."""
    grey = np.stack([cv2.cvtColor(probe, cv2.COLOR_RGB2GRAY) for probe in probes]).astype(np.float32)
    height, width = grey.shape[1:]
    if at_sides := _blurred_margins(grey):
        return 0, at_sides[0], height, width - at_sides[1]
    if above_and_below := _blurred_margins(grey.transpose(0, 2, 1)):
        return above_and_below[0], 0, height - above_and_below[1], width
    return None


def _blurred_margins(grey: npt.NDArray[np.float32]) -> tuple[int, int] | None:
    """How many columns of (n, h, w) grey pictures are blurred margins on the left and on the right."""
    width = grey.shape[2]
    steps, detail = np.abs(np.diff(grey, axis=2)), np.abs(np.diff(grey, axis=1)).mean(axis=(0, 1))
    left, right = (_blurred_margin(steps[..., ::side], detail[::side]) for side in (1, -1))
    return (left, right) if left and right and abs(left - right) <= 1 + UNEQUAL * width else None


def _blurred_margin(steps: npt.NDArray[np.float32], detail: npt.NDArray[np.float32]) -> int:
    """How many columns at the beginning are blurred, by (n, h, w - 1) steps to the next column and (w,) steps within each."""
    width = len(detail)
    usual = steps.mean(axis=(0, 1))
    first, last = 4 + int(NARROWEST * width), int((1 - SMALLEST_SIDE) / 2 * width)
    edge = first + int(np.argmax(usual[first:last])) if last > first else 0
    if not edge or usual[edge] < STEP * max(np.median(usual[: edge - 2]), 0.1) or (steps[..., edge] > CHANGE).mean() < CHANGING:
        return 0
    beyond = slice(edge + SOFT, edge + SOFT + max(2, width // 50))
    alone = usual[edge] >= SHARPER * usual[beyond].mean()  # where focus begins, steps go on as large
    return edge + 2 if alone and detail[beyond].mean() >= SHARPER * detail[: edge - 2].mean() else 0
