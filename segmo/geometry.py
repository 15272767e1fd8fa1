"""Resizing, sampling and coordinate conventions, shared by stages and networks.

Pixel (x, y) of an image has its *centre* at (x, y), so an image of width W covers the interval [-0.5, W - 0.5]. A grid
that covers the same picture with other sizes is aligned at these borders, not at the outer pixel centres: that is what cv2.resize does
and what torch calls `align_corners=False`.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from segmo.types import Float, UInt8

FEW_IDS = 24
"""Up to so many ids it is faster to look for each of them than to count them all."""

GRID_SIDE = 448  # longer side of the flow grid in pixels; the networks of `lite` are trained on it, and twice that takes twice the time


def fit_side(hw: tuple[int, int], max_side: int) -> tuple[int, int]:
    """Height and width (pixels) shrunk so that the longer side is `max_side`; unchanged where it is not longer, or `max_side` is 0.

    Both sides are multiplied and truncated as in the paper's code, but in integers: the longer side is `max_side` exactly.
    """
    longer = max(hw)
    if max_side <= 0 or longer <= max_side:
        return hw
    return max(1, hw[0] * max_side // longer), max(1, hw[1] * max_side // longer)


def grid_size(hw: tuple[int, int]) -> tuple[int, int]:
    """Height and width of the grid on which flow is searched for, for frames of `hw`: multiples of 4, never larger than the frame needs."""
    scale = min(1.0, GRID_SIDE / max(hw))
    height, width = (max(16, round(side * scale / 4) * 4) for side in hw)
    return height, width


def resize_image(image: npt.NDArray[Any], hw: tuple[int, int]) -> npt.NDArray[Any]:
    """An (H, W) or (H, W, C) image of uint8, uint16 or float32 at another size; the input itself where the size is the same.

    Area interpolation where sides shrink and none grows (no aliasing), bilinear where they grow. OpenCV is bilinear, too, where one side
    shrinks and the other grows: nobody asks for that by more than the rounding of a size.
    """
    if image.shape[:2] == hw:
        return image
    shrinks = hw[0] < image.shape[0] or hw[1] < image.shape[1]
    resized: npt.NDArray[Any] = cv2.resize(image, (hw[1], hw[0]), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return resized.reshape(*hw, *image.shape[2:])


def resize_picture(image: UInt8, hw: tuple[int, int]) -> UInt8:
    """An (H, W) or (H, W, C) image at another size, to be looked at: `resize_image`, but bilinear where sides shrink to more than half.

    Area interpolation takes five times as long there, for differences that nobody sees.
    """
    if image.shape[:2] == hw or 2 * min(hw[0] / image.shape[0], hw[1] / image.shape[1]) <= 1:
        return resize_image(image, hw)
    resized: UInt8 = cv2.resize(image, (hw[1], hw[0]), interpolation=cv2.INTER_LINEAR)
    return resized


def resample_image(image: UInt8, hw: tuple[int, int], kernel: str) -> UInt8:
    """An (H, W, 3) image at another size as Pillow makes it, which is how the published models saw their frames.

    Args:
        kernel: `bicubic` or `lanczos`; widened where a side shrinks (no aliasing), and rounded to whole grey levels after each axis.
    """
    from PIL import Image

    if image.shape[:2] == hw:
        return image
    return np.asarray(Image.fromarray(image).resize((hw[1], hw[0]), Image.Resampling[kernel.upper()]))


def resize_map(values: Float, hw: tuple[int, int]) -> npt.NDArray[np.float32]:
    """An (h, w) or (h, w, C) map of any float type at another size, as float32; interpolated like `resize_image`."""
    return resize_image(np.ascontiguousarray(values, np.float32), hw)


def resize_logits(logits: npt.NDArray[np.float32], hw: tuple[int, int]) -> npt.NDArray[np.float32]:
    """(h, w) logits of a mask at another size, bilinearly in both directions, as the published segmenters enlarge theirs."""
    resized: npt.NDArray[np.float32] = cv2.resize(logits, (hw[1], hw[0]), interpolation=cv2.INTER_LINEAR)
    return resized


def resize_labels(labels: UInt8, hw: tuple[int, int]) -> UInt8:
    """(T, H, W) images of object ids at another size, with smooth outlines instead of a staircase of enlarged pixels.

    Each object's share of a pixel is interpolated on its own; the largest share, background included, wins the pixel, the lower id on
    a tie. Works frame by frame, so memory beyond the result does not grow with frames or objects.
    """
    if labels.shape[1:] == hw:
        return labels
    resized = np.zeros((len(labels), *hw), np.uint8)
    for source, target in zip(labels, resized, strict=True):
        first, *others = ids_in(source)
        target[:] = first
        shares = [_resized_share(source, label, hw) for label in others]
        best = np.full(hw, 255, np.uint8)  # what the others leave is the share of the first
        for share in shares:
            cv2.subtract(best, share, dst=best)
        cv2.add(best, 1, dst=best)  # a half, 127.5, was rounded up in the others: it is a tie
        for label, share in zip(others, shares, strict=True):
            np.copyto(target, label, where=share > best)
            np.maximum(best, share, out=best)
    return resized


def ids_in(labels: UInt8) -> list[int]:
    """Ids that occur in an (H, W) image of object ids, background included."""
    highest = int(labels.max(initial=0))
    if highest < FEW_IDS:
        return [label for label in range(highest + 1) if (labels == label).any()]
    return np.flatnonzero(np.bincount(labels.ravel())).tolist()


def _resized_share(labels: UInt8, label: int, hw: tuple[int, int]) -> UInt8:
    """How much of each pixel of the other size belongs to a label, 0 to 255."""
    share: UInt8 = cv2.compare(labels, label, cv2.CMP_EQ)
    if hw[0] < labels.shape[0] or hw[1] < labels.shape[1]:
        return resize_picture(share, hw)
    # Plain bilinear enlargement of a mask by two, cut at one half, is the staircase again. A blur of 0.7 px and cubic weights came closest
    # to the true outline of disks, slopes, stars, thin bars and specks, and is the widest blur that does not eat the specks.
    share = cv2.GaussianBlur(share, (0, 0), 0.7)
    smooth: UInt8 = cv2.resize(share, (hw[1], hw[0]), interpolation=cv2.INTER_CUBIC)
    return smooth


def rescale_points(xy: Float, from_hw: tuple[int, int], to_hw: tuple[int, int]) -> npt.NDArray[np.float32]:
    """(..., 2) positions (x, y) on one pixel grid as positions on another grid that covers the same picture."""
    scale = np.array([to_hw[1] / from_hw[1], to_hw[0] / from_hw[0]], np.float32)
    return ((np.asarray(xy, np.float32) + 0.5) * scale - 0.5).astype(np.float32)


def sample_map(values: Float, xy: Float, frame_hw: tuple[int, int]) -> npt.NDArray[np.float32]:
    """Bilinear values of an (h, w) or (h, w, C) map that covers a frame at (N, 2) positions (x, y) in pixels of that frame.

    Positions outside the picture take the value at its border. Returns (N,) or (N, C) float32.
    """
    height, width = values.shape[:2]
    points = rescale_points(xy, frame_hw, (height, width))
    x, y = np.clip(points[:, 0], 0, width - 1), np.clip(points[:, 1], 0, height - 1)
    left, top = x.astype(np.int64), y.astype(np.int64)
    right, bottom = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
    shape = (len(points),) + (1,) * (values.ndim - 2)
    u, v = (x - left).reshape(shape).astype(np.float32), (y - top).reshape(shape).astype(np.float32)

    flat = values.reshape(height * width, *values.shape[2:])

    def corner(rows: npt.NDArray[np.int64], columns: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        return flat.take(rows * width + columns, axis=0).astype(np.float32)  # converts the few values that are read, not the whole map

    upper = corner(top, left) * (1 - u) + corner(top, right) * u
    lower = corner(bottom, left) * (1 - u) + corner(bottom, right) * u
    return np.asarray(upper * (1 - v) + lower * v, np.float32)


def lengths(vectors: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.floating[Any]]:
    """(...) lengths of (..., 2) vectors; `np.linalg.norm` takes seven times as long."""
    return np.sqrt(vectors[..., 0] * vectors[..., 0] + vectors[..., 1] * vectors[..., 1])
