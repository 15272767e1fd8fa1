"""Marks that shine through: the translucent name across a preview, the mark of a channel.

From frame to frame such a mark changes with what is behind it, so that it is not told by standing still (`overlays`). But where the camera
moves, the mean of all frames has nothing in it that is sharp except what lies on them all. There each pixel is given the mean and the
spread that those around the mark have, which takes the mark off and leaves what shone through.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from segmo.lite.overlays import Image, dense, outlined, slopes

Mark = npt.NDArray[np.bool_]
Slope = npt.NDArray[np.float32]

FEWEST = 24  # frames whose mean is without the scene
EDGE = 5.0  # grey levels from a pixel to the next, in the mean of all frames
COHERENT = 0.5  # of what such a step is in single frames: there it is always the same one
DISAGREEING = 0.35  # of that step, by which it may differ between the halves of the clip
COARSE, SHARPER = 2.0, 1.6  # pixels, and how many times as steep it is as when blurred by them: what the camera follows sways by more
BLURRED, BLURRED_AROUND = 0.25, 0.4
"""How coherent half of the edges elsewhere, and around it, may be: elsewhere the camera has moved on."""
AROUND, MARGIN = 41, 7  # pixels across: what counts as around it, and what may be of the mark itself
FAINT, NEAR = 0.5, 61
"""How much less will do in a square of so many pixels around what is clear: of a mark, some always lies before what is as bright as it."""
SMALLEST = 120  # pixels of edges
LARGEST_GAIN = 3.0  # of contrast; beyond it nothing shines through
GREY = np.array([0.299, 0.587, 0.114], np.float32)  # of red, green and blue


@dataclass(frozen=True, eq=False)
class Watermark:
    """A mark of n pixels that lies on all pictures of a clip."""

    where: Mark
    """(h, w)"""
    mean: npt.NDArray[np.float32]
    """(n, 3) RGB of all frames with the mark."""
    wanted: npt.NDArray[np.float32]
    """(n, 3) what it would be without."""
    gain: npt.NDArray[np.float32]
    """(n, 3) how much more contrast there would be."""

    @classmethod
    def of(cls, pictures: Image) -> Watermark | None:
        """The mark on (T, h, w, 3) RGB pictures; None where there is none, and where the camera stands still."""
        where = find_watermark(pictures)
        if where is None:
            return None
        squares = sum(cv2.multiply(picture, picture, dtype=cv2.CV_32F) for picture in pictures) / len(pictures)
        mean = pictures.mean(axis=0, dtype=np.float32)
        spread = np.sqrt(np.maximum(squares - mean * mean, 0))
        gain = np.clip(_around(spread, where) / np.maximum(spread[where], 1), 1, LARGEST_GAIN)
        return cls(where, mean[where], _around(mean, where), gain)

    def taken_off(self, pictures: Image) -> Image:
        """(T, h, w, 3) RGB or (T, h, w) grey pictures without the mark."""
        mean, wanted, gain = self.mean, self.wanted, self.gain
        if pictures.ndim == 3:
            mean, wanted, gain = mean @ GREY, wanted @ GREY, gain @ GREY
        without = pictures.copy()
        for picture in without:
            picture[self.where] = np.clip(np.rint(wanted + (picture[self.where] - mean) * gain), 0, 255).astype(np.uint8)
        return without


def find_watermark(pictures: Image) -> Mark | None:
    """(h, w) where a mark lies on all of (T, h, w, 3) RGB pictures; None where none does, and where the camera stands still."""
    if len(pictures) < FEWEST:
        return None
    mean, usual, apart = _mean_slopes(pictures)
    step, coarse = cv2.magnitude(*mean), cv2.magnitude(*(cv2.GaussianBlur(slope, (0, 0), COARSE) for slope in mean))
    coherent = step / (usual + 1e-3)
    lasting = (apart < DISAGREEING * step) & (step > FAINT * EDGE) & (coherent > FAINT * COHERENT)
    clear = lasting & (step > EDGE) & (coherent > COHERENT) & (step > SHARPER * coarse)
    strokes = dense(clear)
    if np.count_nonzero(strokes) < SMALLEST:
        return None

    def blurred(region: Mark, usually: float) -> bool:
        edges = coherent[region & (usual > EDGE)]
        return not edges.size or bool(np.median(edges) <= usually)

    def likely(part: Image) -> bool:
        ring = (cv2.dilate(part, np.ones((AROUND, AROUND), np.uint8)) & ~cv2.dilate(part, np.ones((MARGIN, MARGIN), np.uint8))) > 0
        return blurred(ring, BLURRED_AROUND)

    core = outlined(strokes, clear, mean, likely)
    if not core.any() or not blurred(~core, BLURRED):
        return None
    faint = lasting & (cv2.dilate(core.view(np.uint8), np.ones((NEAR, NEAR), np.uint8)) > 0)
    return core | outlined(dense(faint), faint, mean, likely)


def _mean_slopes(pictures: Image) -> tuple[tuple[Slope, Slope], Slope, Slope]:
    """(h, w) slopes across and down of the mean of (T, h, w, 3) pictures, how steep they usually are, and how far its halves differ."""
    middle = len(pictures) // 2
    total = np.zeros((2, 2, *pictures.shape[1:3]), np.float32)
    usual = np.zeros(pictures.shape[1:3], np.float32)
    for t, picture in enumerate(pictures):
        across, down = (slope.astype(np.float32) for slope in slopes(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)))
        total[int(t >= middle)] += across, down
        usual += cv2.magnitude(across, down)
    first, second = total[0] / np.float32(middle), total[1] / np.float32(len(pictures) - middle)
    across, down = total.sum(axis=0) / np.float32(len(pictures))
    return (across, down), usual / np.float32(len(pictures)), cv2.magnitude(*(first - second)).astype(np.float32)


def _around(values: npt.NDArray[np.float32], mark: Mark) -> npt.NDArray[np.float32]:
    """(n, 3) what (h, w, 3) values around a mark make of it."""
    painted = cv2.inpaint(np.clip(np.rint(values), 0, 255).astype(np.uint8), mark.view(np.uint8), 3, cv2.INPAINT_TELEA)
    return painted[mark].astype(np.float32)
