"""The pictures of a clip as the models of `lite` look at them, made once for all that ask."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from segmo.geometry import grid_size
from segmo.lite.flow import grey_grid, picture_grid
from segmo.lite.once import once
from segmo.lite.refinement import lab_grid
from segmo.types import Clip


def pictures(clip: Clip) -> npt.NDArray[np.uint8]:
    """(T, h, w, 3) on the flow grid, from which all smaller ones are made: bringing a frame there takes longer than most that follows."""
    return once(clip, "pictures", lambda: picture_grid(clip.frames, grid_size(clip.hw)))


def grey(clip: Clip) -> npt.NDArray[np.uint8]:
    """(T, h, w) grey levels on the flow grid."""
    return once(clip, "grey", lambda: grey_grid(pictures(clip)))


def by_index(clip: Clip) -> Mapping[int, npt.NDArray[np.uint8]]:
    """Grey pictures of the sampled frames and of those between, by their index in the source."""
    indices = [*clip.source_indices.tolist(), *clip.between_indices.tolist()]
    return dict(zip(indices, [*grey(clip), *clip.between], strict=True))


def pictures_around(clip: Clip) -> Callable[[int, int], npt.NDArray[np.uint8]]:
    """Gives the grey picture so many steps, of the source where the sampled frames lie farther apart, from a sampled frame."""
    if not len(clip.between):
        sampled = grey(clip)
        return lambda t, gap: sampled[t + gap]
    frames, indices = by_index(clip), clip.source_indices.tolist()
    return lambda t, gap: frames[indices[t] + gap * clip.step]


def lab(clip: Clip, hw: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """(T, h, w, 3) CIE L*a*b* on a grid of `hw`."""
    return once(clip, ("lab", hw), lambda: lab_grid(pictures(clip), hw))
