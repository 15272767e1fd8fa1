"""Dense optical flow between frames a few gaps apart, by dense inverse search (DIS, Kroeger et al., ECCV 2016)."""

from __future__ import annotations

import functools
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
DESCENT_STEPS, REFINEMENT_STEPS, PATCH_STRIDE = 16, 1, 5  # instead of the preset's 25, 5 and 3
LARGEST_FLOW = 2000.0  # float16 keeps a quarter of a pixel up to here, and no real displacement on this grid is longer

Image = npt.NDArray[np.uint8]
Field = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Exposure:
    """How grey levels are spread before they are looked at: `gain` times what they exceed `black` by."""

    black: float = 0.0
    gain: float = 1.0

    def apply(self, picture: npt.NDArray[Any]) -> Image:
        """A picture of any shape and type, in bytes."""
        spread = (picture - np.float32(self.black)) * np.float32(self.gain)
        answer: Image = np.rint(np.clip(spread, 0, 255)).astype(np.uint8)
        return answer


AS_IT_IS = Exposure()


def picture_grid(frames: Image, hw: tuple[int, int], exposure: Exposure = AS_IT_IS) -> Image:
    """(T, h, w, 3) pictures of (T, H, W, 3) frames on the flow grid, averaged over the pixels of a cell."""
    if exposure != AS_IT_IS:  # before levels are rounded: such a clip has few
        return np.stack(list(parallel_map(lambda frame: exposure.apply(resize_image(frame.astype(np.float32), hw)), frames)))
    if (frames.shape[1], frames.shape[2]) == hw:
        return frames
    return np.stack(list(parallel_map(lambda frame: resize_image(frame, hw), frames)))


def grey_grid(pictures: Image) -> Image:
    """(T, h, w) grey levels of (T, h, w, 3) pictures."""
    return np.stack([cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in pictures])


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
    """Flow of every frame of (T, h, w) grey images, or of the wanted ones alone, towards its neighbours at `GAPS`.

    The next frame on either side is searched for; those farther away are reached by steps, each from where the last one led. Over four
    frames a search of its own loses every second mover, for twice the time.
    """
    frames = range(len(grey)) if wanted is None else wanted
    height, width = grey.shape[1:]
    flow = np.zeros((len(GAPS), len(grey), height, width, 2), np.float16)
    steps = np.zeros((2, len(grey), height // 2, width // 2, 2), np.float16)
    searches = Searches()

    def search(step: tuple[int, int]) -> None:
        t, side = step
        field = searches.flow(grey[t], grey[t + side])
        flow[GAPS.index(side), t] = field
        steps[int(side > 0), t] = halved(field)

    ways = {(t + side * k, side) for t in frames for side in (-1, 1) for k in range(max(GAPS))}
    needed = sorted((t, side) for t, side in ways if min(t, t + side) >= 0 and max(t, t + side) < len(grey))
    for done, _ in enumerate(parallel_map(search, needed), start=1):
        yield 0.8 * done / len(needed)
    error = np.zeros((len(GAPS), len(grey), height, width), np.uint8)
    valid = np.zeros((len(GAPS), len(grey)), np.bool_)

    def reach(t: int) -> None:
        for g, gap in enumerate(GAPS):
            if 0 <= t + gap < len(grey):
                if abs(gap) > 1:
                    side = gap // abs(gap)
                    flow[g, t] = chained([steps[int(gap > 0), t + side * k] for k in range(abs(gap))])
                error[g, t], valid[g, t] = error_of(grey[t], grey[t + gap], flow[g, t].astype(np.float32)), True

    for done, _ in enumerate(parallel_map(reach, frames), start=1):
        yield 0.8 + 0.2 * done / len(frames)
    if wanted is not None:
        chosen = list(wanted)
        flow, error, valid = flow[:, chosen], error[:, chosen], valid[:, chosen]
    return DenseFlow(flow, error, valid)


class Searches:
    """Searches for flow; threads may share it.

    They search the grid itself, not half of it as the preset does, which halves the error; a patch at every fifth pixel is enough.
    """

    def __init__(self) -> None:
        self._local = threading.local()  # a search keeps buffers, so that each thread needs its own

    def flow(self, here: Image, there: Image) -> Field:
        """(h, w, 2) flow from one (h, w) grey image to another."""
        if not hasattr(self._local, "search"):
            dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
            dis.setFinestScale(0)
            dis.setPatchStride(PATCH_STRIDE)
            dis.setGradientDescentIterations(DESCENT_STEPS)
            dis.setVariationalRefinementIterations(REFINEMENT_STEPS)
            self._local.search = dis
        field: Field = self._local.search.calc(here, there, None)
        cv2.patchNaNs(field, 0.0)
        return np.clip(field, -LARGEST_FLOW, LARGEST_FLOW, out=field)


def halved(flow: Field) -> Field:
    """(h / 2, w / 2, 2) flow on half the grid."""
    answer: Field = cv2.resize(flow, (flow.shape[1] // 2, flow.shape[0] // 2), interpolation=cv2.INTER_AREA) * np.float32(0.5)
    return answer


def chained(steps: Sequence[npt.NDArray[np.float16]]) -> Field:
    """Flow (h, w, 2) over several frames, along (h / 2, w / 2, 2) flow from each of them to the next.

    On half the grid, which is as good and takes a quarter of the time.
    """
    height, width = steps[0].shape[:2]
    grid = _grid(height, width)
    gone = steps[0].astype(np.float32)
    for step in steps[1:]:
        gone += cv2.remap(step.astype(np.float32), grid + gone, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.clip(cv2.resize(gone, (2 * width, 2 * height), interpolation=cv2.INTER_LINEAR) * np.float32(2), -LARGEST_FLOW, LARGEST_FLOW)


def error_of(here: Image, there: Image, flow: Field) -> Image:
    """(h, w) absolute grey difference of an (h, w) image to another warped by (h, w, 2) flow; 255 where that leaves the picture."""
    height, width = here.shape
    target = targets(flow)
    inside = cv2.inRange(target, (-1, -1), (width, height))
    answer: Image = cv2.max(cv2.absdiff(here, warped(there, target)), cv2.bitwise_not(inside))
    return answer


def targets(flow: Field) -> Field:
    """(h, w, 2) x and y of where (h, w, 2) flow leads from each pixel."""
    return _grid(*flow.shape[:2]) + flow


def warped(there: Image, target: Field) -> Image:
    """(h, w) what an image shows at the (h, w, 2) targets of flow towards it."""
    answer: Image = cv2.remap(there, target, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return answer


@functools.lru_cache(4)
def _grid(height: int, width: int) -> npt.NDArray[np.float32]:
    """(h, w, 2) x and y of each pixel."""
    return np.dstack(np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)))
