"""From noisy probabilities on a coarse grid to masks that hold together in time, follow the colours and end at edges.

Everything works on logits (natural log odds, clipped), which add up as independent evidence does.
"""

from __future__ import annotations

import copy
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import scipy

from segmo.geometry import resize_image
from segmo.lite.cues import Field, logit, sigmoid
from segmo.parallel import parallel_map

TEMPORAL_WEIGHT = 0.9  # share of the neighbouring frame's logit where the flow is trusted
PHOTOMETRIC_SCALE = 25.0  # grey levels at which that trust has fallen to 1/e
BLOCK = 12  # frames that share a colour model, which also looks at as many on either side
LAB_BINS = (16, 32, 32)
MOTION_WEIGHT, COLOUR_WEIGHT, PLACE_WEIGHT = 0.7, 0.9, 0.8
RGB_BINS = 48  # a side: fine enough to part an object from ground of nearly its colour
OUTLINE_MOTION_WEIGHT, OUTLINE_COLOUR_WEIGHT = 1.2, 0.6
UNSURE = 2.5  # logit beyond which motion and place are not overruled by colour
COLOUR_LIMIT = 3.0  # largest say of colour alone, in log odds
SPECK = 150  # voxels (pixels of the map grid times frames) up to which a region gets no larger say than its size


def warp(field: Field, flow: Field) -> Field:
    """An (h, w[, C]) field of another frame seen from this one, through (h, w, 2) flow towards the other."""
    height, width = flow.shape[:2]
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    return cv2.remap(field, x + flow[..., 0], y + flow[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def wide_blur(image: Field, sigma: float) -> Field:
    """Gaussian blur of an (h, w) image; where it is wide it is done on a coarser grid, which shows no difference and takes no time."""
    factor = max(1, int(sigma // 4))
    height, width = image.shape
    small = cv2.resize(image, (-(-width // factor), -(-height // factor)), interpolation=cv2.INTER_AREA) if factor > 1 else image
    blurred = cv2.GaussianBlur(small, (0, 0), sigma / factor)
    return cv2.resize(blurred, (width, height), interpolation=cv2.INTER_LINEAR) if factor > 1 else blurred


class FlowLinks:
    """Flow to both neighbours on the grid of the maps, and how far to trust it: what temporal filtering needs."""

    def __init__(self, ahead: npt.NDArray[np.float16], back: npt.NDArray[np.float16], errors: npt.NDArray[np.uint8], hw: tuple[int, int]):
        """Bring (T, h, w, 2) flow by +1 and -1 and its (2, T, h, w) photometric errors (of +1, then -1) to a grid of `hw`."""
        scale = np.array([hw[1] / ahead.shape[2], hw[0] / ahead.shape[1]], np.float32)

        def shrink_flow(field: npt.NDArray[np.float16]) -> Field:
            return cv2.resize(field.astype(np.float32), (hw[1], hw[0]), interpolation=cv2.INTER_AREA) * scale

        def shrink_trust(error: npt.NDArray[np.uint8]) -> Field:
            small = cv2.resize(error, (hw[1], hw[0]), interpolation=cv2.INTER_AREA)
            return np.exp(-small.astype(np.float32) / PHOTOMETRIC_SCALE)

        self.ahead = np.stack(list(parallel_map(shrink_flow, ahead)))
        self.back = np.stack(list(parallel_map(shrink_flow, back)))
        self.trust_ahead = np.stack(list(parallel_map(shrink_trust, errors[0])))
        self.trust_back = np.stack(list(parallel_map(shrink_trust, errors[1])))

    def part(self, frames: slice) -> FlowLinks:
        """Those of some frames that follow each other."""
        part = copy.copy(self)
        for name, links in vars(self).items():
            setattr(part, name, links[frames])
        return part

    def smooth(self, logits: Field, weight: float = TEMPORAL_WEIGHT) -> Field:
        """(T, h, w[, C]) logits after a forward and a backward recursive filter along the flow; the mean of both."""

        def run(backwards: bool) -> Field:
            flow, trust = (self.ahead, self.trust_ahead) if backwards else (self.back, self.trust_back)
            order = range(len(logits) - 2, -1, -1) if backwards else range(1, len(logits))
            out = logits.copy()
            for t in order:
                share = weight * trust[t].reshape(trust[t].shape + (1,) * (logits.ndim - 3))
                out[t] += share * (warp(out[t + 1 if backwards else t - 1], flow[t]) - out[t])
            return out

        forward, backward = parallel_map(run, (False, True))
        return (forward + backward) / 2

    def strongest(self, values: Field, decay: float) -> Field:
        """(T, h, w) largest of (T, h, w) values, at least 0, along the flow, where each frame away leaves `decay` of them."""

        def run(backwards: bool) -> Field:
            flow, trust = (self.ahead, self.trust_ahead) if backwards else (self.back, self.trust_back)
            order = range(len(values) - 2, -1, -1) if backwards else range(1, len(values))
            out = np.maximum(values, 0)
            for t in order:
                np.maximum(out[t], decay * trust[t] * warp(out[t + 1 if backwards else t - 1], flow[t]), out=out[t])
            return out

        return np.maximum(*parallel_map(run, (False, True)))


def lab_grid(frames: npt.NDArray[np.uint8], hw: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """(T, h, w, 3) CIE L*a*b* of (T, H, W, 3) RGB frames, averaged over the cells of the grid."""

    def convert(frame: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        return cv2.cvtColor(resize_image(frame, hw), cv2.COLOR_RGB2LAB)

    return np.stack(list(parallel_map(convert, frames)))


def _colour_bins(lab: npt.NDArray[np.uint8]) -> npt.NDArray[np.int32]:
    scaled = [lab[..., c].astype(np.int32) * bins // 256 for c, bins in enumerate(LAB_BINS)]
    return (scaled[0] * LAB_BINS[1] + scaled[1]) * LAB_BINS[2] + scaled[2]


def _counts(bins: npt.NDArray[np.integer[Any]], inside: Field, outside: Field, shape: tuple[int, int, int]) -> npt.NDArray[np.float64]:
    """(2, *shape) how often each bin comes inside and outside, from soft counts; a pixel is inside, outside or neither."""
    size = int(np.prod(shape))
    counts = np.bincount((bins + size * (outside > 0)).ravel(), (inside + outside).ravel(), 2 * size)
    return np.asarray(counts, np.float64).reshape(2, *shape)


def _log_likelihood_ratio(counts: npt.NDArray[np.float64], sigma: float, rare: float) -> Field:
    """Per bin of (2, *shape) counts inside and outside, log of how much more frequent a colour is inside than outside.

    Counts are blurred by `sigma` bins; `rare` is the frequency that an unseen colour is granted.
    """
    shares = []
    for side in counts.astype(np.float32):
        smooth = _blurred(side, sigma)
        shares.append(smooth / max(smooth.sum(), 1e-9) + rare)
    return np.clip(np.log(shares[0] / shares[1]), -COLOUR_LIMIT, COLOUR_LIMIT).astype(np.float32).ravel()


def _blurred(counts: Field, sigma: float) -> Field:
    """A histogram of three axes blurred by a Gaussian of two standard deviations either way."""
    reach = int(2 * sigma + 0.5)
    kernel = cv2.getGaussianKernel(2 * reach + 1, sigma, cv2.CV_32F)
    along_first = cv2.sepFilter2D(counts.reshape(len(counts), -1), -1, np.ones(1, np.float32), kernel, borderType=cv2.BORDER_REFLECT)
    planes = along_first.reshape(counts.shape)
    return np.stack([cv2.sepFilter2D(plane, -1, kernel, kernel, borderType=cv2.BORDER_REFLECT) for plane in planes])


def colour_and_place(motion: Field, lab: npt.NDArray[np.uint8], links: FlowLinks, rounds: int = 2) -> tuple[Field, Field]:
    """(T, h, w) logits that join motion with the clip's own colours and with where the object is, and what colours alone say.

    Each round learns a colour model inside and outside the present mask (outside: near it counts most) for blocks of frames,
    then adds motion, colour and the blurred mask as evidence and filters in time.
    """
    bins = _colour_bins(lab)
    logits, width = motion, motion.shape[2]
    near, nearer = width / 11.2, width / 20.4  # standard deviations of 20 and 11 pixels on a grid 224 wide
    for _ in range(rounds):
        probability = sigmoid(logits)
        surroundings = np.stack(list(parallel_map(lambda p: wide_blur(p, near), probability)))
        inside = by_root_of_size(np.clip(2 * probability - 1, 0, 1))
        outside = np.clip(1 - 2 * probability, 0, 1) * (0.2 + surroundings)
        colour = _block_colours(bins, inside, outside)
        place = np.stack(list(parallel_map(lambda p: logit(wide_blur(p, nearer)), probability)))
        logits = links.smooth(MOTION_WEIGHT * motion + COLOUR_WEIGHT * colour + PLACE_WEIGHT * place, weight=0.4)
    return logits, colour


def by_root_of_size(inside: Field) -> Field:
    """(T, h, w) shares of an inside in [0, 1], such that regions of the clip weigh by the root of their size, the largest by its size.

    Else the colours of a small object would count as rare, since next to no pixel inside has them.
    """
    regions, count = scipy.ndimage.label(inside > 0)
    if count < 2:
        return inside
    mass = np.bincount(regions.ravel(), inside.ravel(), count + 1)
    weight = np.where(mass > SPECK, np.sqrt(mass[1:].max() / np.maximum(mass, 1)), 1).astype(np.float32)
    weight[0] = 0
    return inside * weight[regions]


def _block_colours(bins: npt.NDArray[np.int32], inside: Field, outside: Field) -> Field:
    """(T, h, w) log likelihood ratio of every pixel's colour under the model of its block of frames."""

    blocks = [slice(start, start + BLOCK) for start in range(0, len(bins), BLOCK)]
    counts = list(parallel_map(lambda block: _counts(bins[block], inside[block], outside[block], LAB_BINS), blocks))

    def one(number: int) -> Field:
        around = np.sum(counts[max(0, number - 1) : number + 2], axis=0)
        return _log_likelihood_ratio(around, 0.9, 2e-5)[bins[blocks[number]]]

    return np.concatenate(list(parallel_map(one, range(len(blocks)))))


def guided_filter(values: Field, guide: Field, radius: int, epsilon: float) -> Field:
    """(h, w) values that follow the edges of an (h, w) guide in [0, 1] (He et al., TPAMI 2013)."""
    size = (2 * radius + 1, 2 * radius + 1)

    def mean(image: Field) -> Field:
        return cv2.blur(image, size, borderType=cv2.BORDER_REFLECT)

    mean_g, mean_v = mean(guide), mean(values)
    slope = (mean(guide * values) - mean_g * mean_v) / (mean(guide * guide) - mean_g * mean_g + epsilon)
    return mean(slope) * guide + mean(mean_v - slope * mean_g)


def full_size(logits: Field, numbers: npt.NDArray[np.uint8], picture: npt.NDArray[np.uint8], hw: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """Object ids of a frame of `hw`, from (h, w) logits of the foreground and object numbers on the map grid, and an RGB picture of it.

    On twice the map grid the colours of this frame alone decide where motion is unsure of itself, which is along the outline.
    """
    present = np.flatnonzero(np.bincount(numbers.ravel())).astype(np.uint8)
    present = present[present > 0]
    if not len(present):
        return np.zeros(hw, np.uint8)
    height, width = 2 * logits.shape[0], 2 * logits.shape[1]
    # what moves and was not kept is no part of the foreground: unsure of it, colours would give it to what was
    foreground = np.where(numbers > 0, np.maximum(logits, 0.02), np.minimum(-np.abs(logits), -0.02)).astype(np.float32)
    foreground = cv2.resize(foreground, (width, height), interpolation=cv2.INTER_LINEAR)
    picture = resize_image(picture, (height, width))
    outline = OUTLINE_COLOUR_WEIGHT * _frame_colours(picture, foreground) * np.exp(-((foreground / UNSURE) ** 2))
    guide = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    soft = guided_filter(np.tanh((OUTLINE_MOTION_WEIGHT * foreground + outline) / 2), guide, radius=1, epsilon=1e-3)
    inside = cv2.resize(soft, (hw[1], hw[0]), interpolation=cv2.INTER_LINEAR) > 0
    shares = np.stack([cv2.resize(cv2.GaussianBlur((numbers == k).astype(np.float32), (0, 0), 2), (hw[1], hw[0])) for k in present])
    return inside * np.where(shares.max(axis=0) > 0, present[shares.argmax(axis=0)], 0).astype(np.uint8)


def _frame_colours(picture: npt.NDArray[np.uint8], logits: Field) -> Field:
    """(h, w) log likelihood ratio of each pixel's colour inside and near the present foreground of an (h, w, 3) picture."""
    levels = cv2.LUT(picture, np.arange(256, dtype=np.float32) * RGB_BINS // 256)
    bins = cv2.transform(levels, np.array([[RGB_BINS**2, RGB_BINS, 1]], np.float32)).astype(np.int64)  # exact: below 2^24
    probability = sigmoid(logits)
    outside = np.clip(1 - 2 * probability, 0, 1) * (0.05 + wide_blur(probability, picture.shape[1] / 12))
    shape = (RGB_BINS, RGB_BINS, RGB_BINS)
    return _log_likelihood_ratio(_counts(bins, np.clip(2 * probability - 1, 0, 1), outside, shape), 0.7, 1e-4)[bins]
