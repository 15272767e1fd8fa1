"""Dense optical flow between frames a few gaps apart, by dense inverse search (DIS, Kroeger et al., ECCV 2016)."""

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
LARGEST_FLOW = 2000.0  # float16 keeps a quarter of a pixel up to here, and no real displacement on this grid is longer

Image = npt.NDArray[np.uint8]
Field = npt.NDArray[np.floating[Any]]


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

    flow: npt.NDArray[np.float16]
    """(G, h, w, 2) displacement in grid pixels; zero where the other frame does not exist."""
    error: Image
    """(G, h, w) absolute grey difference to the warped other frame; 255 where the flow leaves the picture."""
    valid: npt.NDArray[np.bool_]
    """(G,)"""


def dense_flow(grey: Image, wanted: Sequence[int] | None = None) -> Iterator[FrameFlow]:
    """Flow of every frame of (T, h, w) grey images, or of the wanted ones, towards its neighbours at `GAPS`, frame by frame in order."""
    local = threading.local()  # a DIS object keeps buffers, so each thread needs its own
    height, width = grey.shape[1:]
    grid_x, grid_y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))

    def one_frame(t: int) -> FrameFlow:
        if not hasattr(local, "dis"):
            local.dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
            local.dis.setGradientDescentIterations(DESCENT_STEPS)
            local.dis.setVariationalRefinementIterations(REFINEMENT_STEPS)
        flow = np.zeros((len(GAPS), height, width, 2), np.float16)
        error = np.zeros((len(GAPS), height, width), np.uint8)
        valid = np.zeros(len(GAPS), np.bool_)
        for g, gap in enumerate(GAPS):
            if not 0 <= t + gap < len(grey):
                continue
            field = local.dis.calc(grey[t], grey[t + gap], None)
            cv2.patchNaNs(field, 0.0)
            np.clip(field, -LARGEST_FLOW, LARGEST_FLOW, out=field)
            target_x, target_y = grid_x + field[..., 0], grid_y + field[..., 1]
            warped = cv2.remap(grey[t + gap], target_x, target_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            error[g] = cv2.absdiff(grey[t], warped)
            outside = (target_x < -1) | (target_x > width) | (target_y < -1) | (target_y > height)
            error[g][outside] = 255
            flow[g], valid[g] = field, True
        return FrameFlow(flow, error, valid)

    return parallel_map(one_frame, range(len(grey)) if wanted is None else wanted)
