"""Dense optical flow between frames a few gaps apart, by dense inverse search (DIS, Kroeger et al., ECCV 2016).

Over four frames what moves fast outruns the search. Flow between neighbours does not lose it, so that, chained, it is taken wherever it
explains the picture better.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from segmo.lite.parallel import parallel_map

GAPS = (-4, -1, 1, 4)
GRID_SIDE = 448  # longer side of the flow grid in pixels: twice that gains 3 points of J and costs three times the time
DESCENT_STEPS, REFINEMENT_STEPS = 16, 3  # the preset has 25 and 5, which move flow by 0.02 pixels and cost a fifth more time
BETTER_BY, AROUND_PX = 1, 9  # grey levels of mean error, in a square of so many pixels, by which chained flow must be better
LARGEST_FLOW = 2000.0  # float16 keeps a quarter of a pixel up to here, and no real displacement on this grid is longer

Image = npt.NDArray[np.uint8]
Field = npt.NDArray[np.floating[Any]]
Halves = npt.NDArray[np.float16]
_searches = threading.local()  # a search keeps buffers, so each thread needs its own


def grid_size(hw: tuple[int, int]) -> tuple[int, int]:
    """Height and width of the flow grid for frames of `hw`; sides are multiples of 4, never larger than the frame needs."""
    scale = min(1.0, GRID_SIDE / max(hw))
    height, width = (max(16, round(side * scale / 4) * 4) for side in hw)
    return height, width


def grey_grid(frames: npt.NDArray[np.uint8], hw: tuple[int, int]) -> Image:
    """(T, h, w) grey levels of (T, H, W, 3) frames on the flow grid, averaged over the pixels of a cell."""

    def shrink(frame: npt.NDArray[np.uint8]) -> Image:
        small = cv2.resize(frame, (hw[1], hw[0]), interpolation=cv2.INTER_AREA)
        return cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)

    return np.stack(list(parallel_map(shrink, frames)))


@dataclass(frozen=True, eq=False)
class FrameFlow:
    """Flow of one frame towards each gap."""

    flow: Halves
    """(G, h, w, 2) displacement in grid pixels; zero where the other frame does not exist."""
    error: Image
    """(G, h, w) absolute grey difference to the warped other frame; 255 where the flow leaves the picture."""
    valid: npt.NDArray[np.bool_]
    """(G,)"""


def search(here: Image, there: Image) -> Field:
    """Flow (h, w, 2) from one (h, w) grey image to another."""
    if not hasattr(_searches, "dis"):
        _searches.dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        _searches.dis.setGradientDescentIterations(DESCENT_STEPS)
        _searches.dis.setVariationalRefinementIterations(REFINEMENT_STEPS)
    field: Field = _searches.dis.calc(here, there, None)
    cv2.patchNaNs(field, 0.0)
    return np.clip(field, -LARGEST_FLOW, LARGEST_FLOW, out=field)


def short_flow(grey: Image) -> Iterator[Halves]:
    """(2, h, w, 2) flow of each of (T, h, w) grey images towards the one before and the one after; zero where there is none."""

    def one_frame(t: int) -> Halves:
        flow = np.zeros((2, *grey.shape[1:], 2), np.float16)
        for side, other in enumerate((t - 1, t + 1)):
            if 0 <= other < len(grey):
                flow[side] = search(grey[t], grey[other])
        return flow

    return parallel_map(one_frame, range(len(grey)))


def dense_flow(grey: Image, short: Halves, wanted: Sequence[int] | None = None) -> Iterator[FrameFlow]:
    """Flow of every frame of (T, h, w) grey images, or of the wanted ones, towards its neighbours at `GAPS`, frame by frame in order.

    Args:
        grey: the images.
        short: (2, T, h, w, 2) flow towards the frame before and the frame after; see `short_flow`. Wanted frames need that of the
            frames around them.
        wanted: indices of frames.
    """
    height, width = grey.shape[1:]
    grid, steps = _grid(height, width), halved(short)

    def one_frame(t: int) -> FrameFlow:
        flow = np.zeros((len(GAPS), height, width, 2), np.float16)
        error = np.zeros((len(GAPS), height, width), np.uint8)
        valid = np.zeros(len(GAPS), np.bool_)
        for g, gap in enumerate(GAPS):
            if not 0 <= t + gap < len(grey):
                continue
            if abs(gap) == 1:
                field = short[int(gap > 0), t].astype(np.float32)
                error[g] = _error(grey[t], grey[t + gap], field, grid)
            else:
                field, error[g] = _far(grey[t], grey[t + gap], chained(steps[int(gap > 0)], t, gap), grid)
            flow[g], valid[g] = field, True
        return FrameFlow(flow, error, valid)

    return parallel_map(one_frame, range(len(grey)) if wanted is None else wanted)


def halved(flow: Halves) -> Halves:
    """(..., h / 2, w / 2, 2) flow on half the grid, in its pixels: fine where the search fails, and chained in a quarter of the time."""
    size = (flow.shape[-2] // 2, flow.shape[-3] // 2)
    small = np.empty((*flow.shape[:-3], size[1], size[0], 2), np.float16)
    for index in np.ndindex(flow.shape[:-3]):
        small[index] = cv2.resize(flow[index].astype(np.float32), size, interpolation=cv2.INTER_AREA) * np.float32(0.5)
    return small


def chained(steps: Halves, t: int, gap: int) -> Field:
    """Flow (h, w, 2) from frame t over `gap` frames, along (T, h / 2, w / 2, 2) flow towards the next frame on that side."""
    height, width = steps.shape[1:3]
    x, y = _grid(height, width)
    gone = steps[t].astype(np.float32)
    side = gap // abs(gap)
    for step in range(t + side, t + gap, side):
        target_x, target_y = x + gone[..., 0], y + gone[..., 1]
        gone += cv2.remap(steps[step].astype(np.float32), target_x, target_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return cv2.resize(gone, (2 * width, 2 * height), interpolation=cv2.INTER_LINEAR) * np.float32(2)


def _grid(height: int, width: int) -> Sequence[Field]:
    """x and y, each (h, w)."""
    return np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))


def _far(here: Image, there: Image, along: Field, grid: Sequence[Field]) -> tuple[Field, Image]:
    """Flow (h, w, 2) from one (h, w) image to another, and its error: what the search finds, or the chained flow where that is better."""
    field = search(here, there)
    errors = [_error(here, there, candidate, grid) for candidate in (field, along)]
    around = [cv2.blur(error, (AROUND_PX, AROUND_PX)) for error in errors]
    better = cv2.subtract(around[0], around[1]) > BETTER_BY
    field[better] = along[better]
    np.copyto(errors[0], errors[1], where=better)
    return field, errors[0]


def _error(here: Image, there: Image, flow: Field, grid: Sequence[Field]) -> Image:
    """(h, w) absolute grey difference of an (h, w) image to another warped by (h, w, 2) flow; 255 where that leaves the picture."""
    x, y = grid[0] + flow[..., 0], grid[1] + flow[..., 1]
    error: Image = cv2.absdiff(here, cv2.remap(there, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))
    error[(x < -1) | (x > here.shape[1]) | (y < -1) | (y > here.shape[0])] = 255
    return error
