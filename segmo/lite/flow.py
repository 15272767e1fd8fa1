"""Dense optical flow between frames a few gaps apart, by dense inverse search (DIS, Kroeger et al., ECCV 2016).

Over four frames what moves fast outruns the search. So flow between neighbours comes first; chained, it brings the far frame most of the
way, and the search has to find only what is left.
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
EFFORT = (16, 3, 3)
"""Descent steps, refinement steps, and pixels between patches; the preset's 25, 5 and 3 move flow by 0.02 pixels and cost a fifth more."""
EFFORT_LEFT = (6, 2, 4)
"""The same where chained flow has gone most of the way: as good there, in three quarters of the time."""
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


def search(here: Image, there: Image, effort: tuple[int, int, int] = EFFORT) -> Field:
    """Flow (h, w, 2) from one (h, w) grey image to another."""
    if not hasattr(_searches, "by_effort"):
        _searches.by_effort = {}
    if effort not in _searches.by_effort:
        dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        dis.setGradientDescentIterations(effort[0])
        dis.setVariationalRefinementIterations(effort[1])
        dis.setPatchStride(effort[2])
        _searches.by_effort[effort] = dis
    field: Field = _searches.by_effort[effort].calc(here, there, None)
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
            else:
                field = _far(grey[t], grey[t + gap], chained(steps[int(gap > 0)], t, gap), grid)
            warped, outside = _warp(grey[t + gap], field, grid)
            error[g] = cv2.absdiff(grey[t], warped)
            error[g][outside] = 255
            flow[g], valid[g] = field, True
        return FrameFlow(flow, error, valid)

    return parallel_map(one_frame, range(len(grey)) if wanted is None else wanted)


def halved(flow: Halves) -> Halves:
    """(..., h / 2, w / 2, 2) flow on half the grid, in its pixels: fine enough for a start, and chained in a quarter of the time."""
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


def _far(here: Image, there: Image, start: Field, grid: Sequence[Field]) -> Field:
    """Flow (h, w, 2) from one (h, w) image to another, from a start that is nearly right."""
    left = search(here, _warp(there, start, grid)[0], EFFORT_LEFT)
    x, y = grid[0] + left[..., 0], grid[1] + left[..., 1]
    field: Field = left + cv2.remap(start, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.clip(field, -LARGEST_FLOW, LARGEST_FLOW, out=field)


def _warp(image: Image, flow: Field, grid: Sequence[Field]) -> tuple[Image, npt.NDArray[np.bool_]]:
    """What an (h, w) image shows where (h, w, 2) flow leads, and where that leaves the picture."""
    x, y = grid[0] + flow[..., 0], grid[1] + flow[..., 1]
    warped = cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return warped, (x < -1) | (x > image.shape[1]) | (y < -1) | (y > image.shape[0])
