"""From residual flow to the probability that a pixel belongs to something that moves, one frame at a time.

The cue is hole filling: a region whose residual flow differs from everything between it and the border of the picture is enclosed by a
motion boundary, while parallax of a continuous scene slopes up from the border and is filled away. It is the barrier idea of
minimum barrier saliency (Zhang et al., ICCV 2015), computed as a morphological reconstruction of residual flow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import numpy.typing as npt

from segmo.geometry import lengths

if TYPE_CHECKING:
    from segmo.lite.views import FrameViews

Field = npt.NDArray[np.floating[Any]]

Residuals = tuple[Field, Field]

DIRECTIONS = np.array([[1, 0], [0, 1], [0.5**0.5, 0.5**0.5], [0.5**0.5, -(0.5**0.5)]], np.float32)
CUE_CAP = 8.0  # far above any noise: stronger evidence adds nothing and would only drown the slower movers
QUANTA = 400  # steps to a unit of the cue: far finer than flow is accurate, and differences of 80 units fit into 16 bits
SWEEPS = 4  # four sweeps over both axes reconstruct all but spirals
LOGIT_SLOPE = 2.2  # how fast probability rises with the logarithm of the cue


def fill_from_border(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Morphological reconstruction by dilation, seeded at the border, of (h, w, B) values: each of the B images by itself.

    The result is the largest image below `values` whose every pixel is reached from the border without climbing: what
    is enclosed by lower values is cut down to the height of its lowest way out. Sweeping along rows and columns carries
    the flood across the whole picture at once (Vincent, IEEE TIP 1993), over all B images in step.
    """
    filled = np.full_like(values, values.min(initial=0))  # there is none where a clip has one frame
    for border in (np.s_[0], np.s_[-1], np.s_[:, 0], np.s_[:, -1]):
        filled[border] = values[border]
    rows, columns = (list(zip(f, v, strict=True)) for f, v in ((filled, values), (filled.swapaxes(0, 1), values.swapaxes(0, 1))))
    for _ in range(SWEEPS):
        for lines in (columns, columns[::-1], rows, rows[::-1]):
            before = lines[0][0]
            for line, limit in lines[1:]:
                np.maximum(line, before, out=line)
                np.minimum(line, limit, out=line)
                before = line
    return filled


def hole_filling(residuals: Field, noise: Field) -> Field:
    """(B, h, w) how far each pixel's residual flow stands out of its surroundings, in multiples of the noise, at most CUE_CAP.

    Args:
        residuals: (B, h, w, 2) residual flow.
        noise: (B,) displacement in the same pixels that is worth nothing.
    """
    along = residuals @ DIRECTIONS.T / noise[:, None, None, None]
    limit = 16000 / QUANTA
    along = np.rint(np.clip(along, -limit, limit) * np.float32(QUANTA)).astype(np.int16)  # half the bytes in half the time
    along = np.ascontiguousarray(along.transpose(1, 2, 3, 0))
    flat = along.reshape(*residuals.shape[1:3], -1)
    peaks, valleys = (side - fill_from_border(side) for side in (flat, -flat))
    standing_out = np.maximum(peaks, valleys).reshape(along.shape).max(axis=2).astype(np.float32) / np.float32(QUANTA)
    return np.minimum(standing_out, CUE_CAP).transpose(2, 0, 1)


def residual_noise(residual: Field, gap: int) -> float:
    """Displacement worth nothing: a share of what the busiest tenth of the picture shows, and a floor for errors of the flow."""
    busiest = float(np.quantile(lengths(residual), 0.9))
    return 0.12 * busiest + 0.12 + 0.03 * abs(gap)


def otsu_threshold(values: npt.NDArray[np.floating]) -> float:
    """The threshold that best splits values into two groups (Otsu, IEEE SMC 1979); their common value if all are equal."""
    if values.min() == values.max():
        return float(values.flat[0])
    counts, edges = np.histogram(values, 256)
    centres = (edges[1:] + edges[:-1]) / 2
    below = np.cumsum(counts)
    above = below[-1] - below
    moment = np.cumsum(counts * centres)
    mean_below = moment / np.maximum(below, 1)
    mean_above = (moment[-1] - moment) / np.maximum(above, 1)
    between = below * above.astype(np.float64) * (mean_below - mean_above) ** 2
    return float(centres[between >= between.max() * (1 - 1e-9)].mean())  # the middle of the gap between two groups


def cue_probability(cue: Field) -> Field:
    """(T, h, w) probabilities from (T, h, w) cues, split where the clip and the frame itself call for it.

    The threshold of a frame lies between those of the clip and of the frame alone, since objects come closer and go, but a frame without
    a mover has no two groups of its own.
    """
    of_clip = otsu_threshold(cue)
    of_frame = np.array([otsu_threshold(frame) for frame in cue])
    threshold = np.clip(np.sqrt(of_clip * (of_frame + 0.05)), 0.6 * of_clip, 1.8 * of_clip)
    ratio = np.log((cue + 0.1) / (threshold[:, None, None] + 0.1))
    return sigmoid(LOGIT_SLOPE * ratio).astype(np.float32)


def sigmoid(values: Field) -> Field:
    """1 / (1 + exp(-x))."""
    return 1 / (1 + np.exp(-values))


def logit(probability: npt.NDArray[np.floating], limit: float = 0.02) -> Field:
    """log(p / (1 - p)) with p kept within [limit, 1 - limit], in float32."""
    p = np.clip(probability.astype(np.float32), limit, 1 - limit)
    return np.log(p / (1 - p))


def shrink(field: Field, hw: tuple[int, int]) -> Field:
    """A field averaged onto a coarser grid (values are not rescaled)."""
    return cv2.resize(field, (hw[1], hw[0]), interpolation=cv2.INTER_AREA)


def frame_residuals(views: FrameViews) -> Residuals:
    """Residual flow of one frame towards every other frame it has, (B, h / 4, w / 4, 2) in grid pixels, and the noise in it, (B,)."""
    hw, gaps = (views.map_hw[0] // 2, views.map_hw[1] // 2), views.gaps
    residuals, noise = np.zeros((len(gaps), *hw, 2), np.float32), np.zeros(len(gaps), np.float32)
    for b, gap in enumerate(gaps):
        residuals[b] = shrink(views.towards(gap).residual, hw)
        noise[b] = residual_noise(residuals[b], gap)
    return residuals, noise


def motion_cue(residuals: list[Residuals]) -> Field:
    """(T, h, w) hole-filling cue, a mean over the gaps of each frame, from what `frame_residuals` found in T frames."""
    cue = hole_filling(np.concatenate([r for r, _ in residuals]), np.concatenate([n for _, n in residuals]))
    ends = np.cumsum([len(n) for _, n in residuals])
    return np.stack([part.mean(axis=0) if len(part) else np.zeros(cue.shape[1:], np.float32) for part in np.split(cue, ends[:-1])])
