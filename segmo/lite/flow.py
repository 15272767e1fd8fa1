"""Dense optical flow between frames a few gaps apart, by dense inverse search (DIS, Kroeger et al., ECCV 2016)."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from segmo.geometry import resize_image
from segmo.parallel import parallel_map
from segmo.types import Steps

GAPS = (-4, -1, 1, 4)
GRID_SIDE = 448  # longer side of the flow grid in pixels; the networks are trained on it, and twice that takes twice the time
DESCENT_STEPS = 16  # the preset has 25, which move flow by 0.02 pixels
LARGEST_FLOW = 2000.0  # float16 keeps a quarter of a pixel up to here, and no real displacement on this grid is longer

Image = npt.NDArray[np.uint8]
Field = npt.NDArray[np.floating[Any]]


def grid_size(hw: tuple[int, int]) -> tuple[int, int]:
    """Height and width of the flow grid for frames of `hw`; sides are multiples of 4, never larger than the frame needs."""
    scale = min(1.0, GRID_SIDE / max(hw))
    height, width = (max(16, round(side * scale / 4) * 4) for side in hw)
    return height, width


def picture_grid(frames: Image, hw: tuple[int, int]) -> Image:
    """(T, h, w, 3) pictures of (T, H, W, 3) frames on the flow grid, averaged over the pixels of a cell."""
    if (frames.shape[1], frames.shape[2]) == hw:
        return frames
    return np.stack(list(parallel_map(lambda frame: resize_image(frame, hw), frames)))


def grey_grid(pictures: Image) -> Image:
    """(T, h, w) grey levels of (T, h, w, 3) pictures."""
    return np.stack([cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in pictures])


@dataclass(frozen=True)
class Search:
    """How closely one gap is searched; patches are 8 pixels wide."""

    halvings: int
    """How often the grid is halved for the finest search: 0 searches on the grid itself, for four times the time of 1."""
    stride: int
    """Pixels from one patch to the next."""
    refinements: int
    """Variational refinements of what the patches say."""

    def create(self) -> cv2.DISOpticalFlow:
        """A search by one thread at a time: it keeps buffers."""
        dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        dis.setFinestScale(self.halvings)
        dis.setPatchStride(self.stride)
        dis.setVariationalRefinementIterations(self.refinements)
        dis.setGradientDescentIterations(DESCENT_STEPS)
        return dis


# Flow to the next frame stands in, four times as long, for long flow that fails, so that its errors count most: half of them for 1.8 times
# the time, since the wider stride pays for most of the finer grid. Over four frames that gains next to nothing.
NEXT, FAR = Search(halvings=0, stride=5, refinements=1), Search(halvings=1, stride=3, refinements=3)


@dataclass(frozen=True, eq=False)
class DenseFlow:
    """Flow of T frames towards each gap."""

    flow: npt.NDArray[np.float16]
    """(G, T, h, w, 2) displacement in grid pixels; zero where the other frame does not exist."""
    error: Image
    """(G, T, h, w) absolute grey difference to the warped other frame; 255 where the flow leaves the picture."""
    valid: npt.NDArray[np.bool_]
    """(G, T)"""


def dense_flow(grey: Image, wanted: Sequence[int] | None = None) -> Steps[DenseFlow]:
    """Flow of every frame of (T, h, w) grey images, or of the wanted ones alone, towards its neighbours at `GAPS`."""
    local = threading.local()
    height, width = grey.shape[1:]
    grid = np.dstack(np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)))
    frames = range(len(grey)) if wanted is None else wanted
    flow = np.zeros((len(GAPS), len(frames), height, width, 2), np.float16)
    error = np.zeros((len(GAPS), len(frames), height, width), np.uint8)
    valid = np.zeros((len(GAPS), len(frames)), np.bool_)

    def one_frame(i: int) -> None:
        if not hasattr(local, "searches"):
            local.searches = {search: search.create() for search in (NEXT, FAR)}
        t = frames[i]
        for g, gap in enumerate(GAPS):
            if not 0 <= t + gap < len(grey):
                continue
            field = local.searches[NEXT if abs(gap) == 1 else FAR].calc(grey[t], grey[t + gap], None)
            cv2.patchNaNs(field, 0.0)
            np.clip(field, -LARGEST_FLOW, LARGEST_FLOW, out=field)
            target = grid + field
            warped = cv2.remap(grey[t + gap], target, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            inside = cv2.inRange(target, (-1, -1), (width, height))
            cv2.max(cv2.absdiff(grey[t], warped), cv2.bitwise_not(inside), dst=error[g, i])
            flow[g, i], valid[g, i] = field, True

    for done, _ in enumerate(parallel_map(one_frame, range(len(frames))), start=1):
        yield done / len(frames)
    return DenseFlow(flow, error, valid)
