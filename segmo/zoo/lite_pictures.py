"""The pictures of a clip as the models of `lite` look at them, made once for all that ask; and what lies on them, for all models."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from segmo.geometry import grid_size, sample_map
from segmo.lite.flow import AS_IT_IS, Exposure, grey_grid, picture_grid
from segmo.lite.once import once
from segmo.lite.overlays import Regions, find_overlays, paint_over
from segmo.lite.refinement import lab_grid
from segmo.lite.shots import find_cuts, where_between
from segmo.lite.watermarks import Watermark
from segmo.types import Bool, Clip, Tracks

FLAT, USUAL = 130, 200  # grey levels: where 98 % of a clip's values are within the first, they are spread over the second
LARGEST_GAIN = 4.0  # beyond it, noise is what would be spread


def exposure(clip: Clip) -> Exposure:
    """How the levels of a dark or foggy clip are spread before it is looked at; all others are looked at as they are.

    Networks and tests count in grey levels, and in the dark or in fog a few of them are all there is.
    """
    black, bright = (float(level) for level in np.percentile(clip.frames[:, ::8, ::8], (1, 99)))
    return Exposure(black, min(LARGEST_GAIN, USUAL / max(bright - black, 1.0))) if bright - black < FLAT else AS_IT_IS


def pictures(clip: Clip) -> npt.NDArray[np.uint8]:
    """(T, h, w, 3) on the flow grid, from which all smaller ones are made: bringing a frame there takes longer than most that follows."""

    def made() -> npt.NDArray[np.uint8]:
        shown = picture_grid(clip.frames, grid_size(clip.hw), exposure(clip))
        lying = once(clip, "overlays", lambda: find_overlays(shown, _steps(clip)))
        shown = shown if lying is None else paint_over(shown, lying)
        mark = once(clip, "watermark", lambda: Watermark.of(shown))
        return shown if mark is None else mark.taken_off(shown)

    return once(clip, "pictures", made)


def _steps(clip: Clip) -> float:
    """How far the sampled frames are apart in steps of the source."""
    return float(np.median(np.diff(clip.source_indices))) / clip.step if len(clip) > 1 else 1.0


def overlays(clip: Clip) -> Regions | None:
    """(T, h, w) where something lies on the pictures, which is painted over in all that this module gives; None where nothing does."""
    pictures(clip)
    found: Regions | None = once(clip, "overlays", lambda: None)
    return found


def watermark(clip: Clip) -> Watermark | None:
    """The mark that lies on all pictures, which is taken off in all that this module gives; None where there is none."""
    pictures(clip)
    found: Watermark | None = once(clip, "watermark", lambda: None)
    return found


def on_overlays(clip: Clip, tracks: Tracks) -> Bool:
    """(N,) whether a track is of something that lies on the picture: it is there in more than half of the frames in which it is visible."""
    lying, mark = overlays(clip), watermark(clip)
    if lying is None and mark is None:
        return np.zeros(len(tracks), np.bool_)
    there = np.zeros(tracks.visible.shape, np.bool_)
    regions = np.zeros((len(clip), *grid_size(clip.hw)), np.bool_) if lying is None else lying
    for t, region in enumerate(regions):
        covered = region if mark is None else region | mark.where
        there[:, t] = sample_map(covered.astype(np.float32), tracks.positions_xy[:, t], tracks.frame_hw) > 0.5
    usual: Bool = 2 * (there & tracks.visible).sum(axis=1) > tracks.visible.sum(axis=1)
    return usual


def notes(clip: Clip) -> tuple[str, ...]:
    """What is not looked at, in sentences for the user."""
    lying, mark = overlays(clip), watermark(clip)
    if lying is None and mark is None:
        return ()
    count = len(clip) if lying is None or mark is not None else int(lying.any(axis=(1, 2)).sum())
    return (f"What lies on the picture in {count} of {len(clip)} frames, such as a caption or a mark, is no object.",)


def cuts(clip: Clip) -> tuple[int, ...]:
    """Indices in the source of the first frames of all shots but the first."""

    def made() -> tuple[int, ...]:
        height, width = grid_size(clip.hw)
        found, sampled = find_cuts(lab(clip, (height // 2, width // 2)), grey(clip), _steps(clip)), clip.source_indices
        if not found or not len(clip.between):
            return tuple(sampled[found].tolist())
        frames, indices = by_index(clip), np.sort(np.concatenate([sampled, clip.between_indices]))
        around = [indices[(indices >= sampled[t - 1]) & (indices <= sampled[t])].tolist() for t in found]
        return tuple(near[where_between([frames[index] for index in near])] for near in around)

    return once(clip, "cuts", made)


def grey(clip: Clip) -> npt.NDArray[np.uint8]:
    """(T, h, w) grey levels on the flow grid."""
    return once(clip, "grey", lambda: grey_grid(pictures(clip)))


def by_index(clip: Clip) -> Mapping[int, npt.NDArray[np.uint8]]:
    """Grey pictures of the sampled frames and of those between, by their index in the source."""
    indices = [*clip.source_indices.tolist(), *clip.between_indices.tolist()]
    spread = exposure(clip)
    between = clip.between if spread == AS_IT_IS else spread.apply(clip.between)
    lying = overlays(clip)
    if lying is not None and len(between):
        after = np.searchsorted(clip.source_indices, clip.between_indices).clip(1, len(clip) - 1)
        between = paint_over(between, lying[after - 1] | lying[after])
    mark = watermark(clip)
    between = between if mark is None else mark.taken_off(between)
    return dict(zip(indices, [*grey(clip), *between], strict=True))


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
