"""Even margins around the picture: the black bars of wide films, of portrait video on a wide page, the white ones of posts with a caption.

They stand still whatever the camera does. Where they take half of the frame they are what most of it agrees on, so that the whole picture
in between would move.
"""

from __future__ import annotations

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


def find_window(frames: UInt8) -> Window | None:
    """Where the picture lies in (T, H, W, 3) frames with even margins; None where it takes the whole frame, or there are no frames."""
    if not len(frames):
        return None
    probes = frames[np.unique(np.linspace(0, len(frames) - 1, PROBES).astype(np.int64))]
    height, width = frames.shape[1:3]
    supposed = _window(probes, (height, width, height, width))
    if supposed is None:
        return None
    top, left, bottom, right = supposed
    return _window(frames, (top, left, height - bottom, width - right))


def _window(frames: UInt8, most: tuple[int, int, int, int]) -> Window | None:
    """The window of frames whose margins have at `most` so many lines at the top, left, bottom and right."""
    height, width = frames.shape[1:3]
    top, bottom = _margin(frames, most[0]), _margin(frames[:, ::-1], most[2])
    if top + bottom >= height:
        return None
    columns = frames[:, top : height - bottom].transpose(0, 2, 1, 3)
    left, right = _margin(columns, most[1]), _margin(columns[:, ::-1], most[3])
    window = top, left, height - bottom, width - right
    inner = (window[2] - window[0]) / height, (window[3] - window[1]) / width
    return window if min(inner) >= SMALLEST_SIDE and inner[0] * inner[1] <= LARGEST_WINDOW else None


def _margin(pictures: UInt8, most: int) -> int:
    """How many lines at the beginning of T pictures (T, lines, n, 3) are a margin, of which there are at `most` so many."""
    lines = pictures.shape[1]
    colour = np.median(np.median(pictures[:, 0], axis=1), axis=0)
    if not most or min(_shares(picture[:1], colour)[0] for picture in pictures) < EVEN:
        return 0
    shares = np.array([_shares(picture[: most + SOFT], colour) for picture in pictures])
    begun = np.flatnonzero(np.median(shares, axis=0) <= 1 - EDGE)
    depth = int(begun[0]) if len(begun) else 0
    even = shares[:, :depth].min(axis=0) >= EVEN
    return depth if depth >= NARROWEST * lines and even.mean() >= EVEN_LINES and even[-SOFT:].any() else 0


def _shares(picture: UInt8, colour: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    """How much of each line of an (n, m, 3) picture has a colour; every second pixel is looked at."""
    low, high = np.clip(colour - SAME, 0, 255), np.clip(colour + SAME, 0, 255)
    seen = picture[:, ::2]
    same: npt.NDArray[np.float32] = ((seen >= low) & (seen <= high)).all(axis=-1).mean(axis=1, dtype=np.float32)
    return same
