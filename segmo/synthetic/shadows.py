"""Soft shadows and mirror images on whatever lies behind an object."""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np

from segmo.synthetic.layers import Field
from segmo.synthetic.spec import Array, RippleSpec

Ripples = Callable[[Array, Array], Array]
_SHRINK = 4
"""Shadows are soft: they are computed this much smaller."""
_WAVES = 5
_SIDEWAYS = 0.25
"""Waves that run towards the camera bend what is above more than what is beside."""


def reflect(rgb: Field, rgba: Field, window: tuple[slice, slice], foot_y: float, strength: float, ripples: Ripples | None = None) -> None:
    """Paint in place, over `rgb` (H, W, 3), the mirror image below its foot of an object's premultiplied colour (h, w, 4) in its window.

    Args:
        ripples: displacement (h, w, 2) of the image at columns (w,) and rows (h,) of the frame.
    """
    first = max(math.ceil(foot_y), 0)
    count = min(int(foot_y) - window[0].start, rgb.shape[0] - first)
    if count < 2:
        return
    rows = 2 * foot_y - np.arange(first, first + count) - window[0].start
    if ripples is None:
        image = rgba[np.clip(np.rint(rows), 0, rgba.shape[0] - 1).astype(int)]
    else:
        bent = ripples(np.arange(window[1].start, window[1].stop), np.arange(first, first + count))
        bent += np.stack(np.meshgrid(np.arange(rgba.shape[1]), rows), axis=-1)
        image = cv2.remap(rgba, bent.astype(np.float32), None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    fading = np.float32(strength) * np.linspace(1, 0.4, count, dtype=np.float32)[:, None, None]
    image = cv2.GaussianBlur(image, (0, 0), 0.6 + 0.01 * count) * fading
    below = rgb[first : first + count, window[1]]
    below *= 1 - image[..., 3:] / 255
    below += image[..., :3]


def rippling(spec: RippleSpec, foot_xy: tuple[float, float], path_xy: tuple[float, float], time: float) -> Ripples:
    """Waves on water at a time in frames, for `reflect`: seen at a low angle, they are much longer across than down the picture.

    Args:
        foot_xy: of the object, in pixels of the frame.
        path_xy: how far it has travelled over the water, in pixels.
    """
    rng = np.random.default_rng([spec.seed, 0x91])
    down = spec.wavelength * rng.uniform(0.5, 1.6, _WAVES)
    across = down * rng.uniform(2.5, 10, _WAVES) * rng.choice([-1, 1], _WAVES)
    pace, phases = 2 * np.pi / spec.period * np.sqrt(spec.wavelength / down), rng.uniform(0, 2 * np.pi, _WAVES)

    def displacement(columns: Array, rows: Array) -> Array:
        below = rows - foot_xy[1]
        x, y = (columns - foot_xy[0] + path_xy[0])[None, :, None], (below + path_xy[1])[:, None, None]
        waves = np.cos(2 * np.pi * (x / across + y / down) - pace * time + phases) * math.sqrt(2 / _WAVES)
        height = spec.strength * np.maximum(below, 0)[:, None] * waves.sum(axis=-1)
        return np.stack([_SIDEWAYS * height, height], axis=-1)

    return displacement


def cast_shadow(
    rgb: Field, alpha: Field, window: tuple[slice, slice], foot_xy: tuple[float, float], light_angle: float, strength: float
) -> None:
    """Darken `rgb` (H, W, 3) in place by the shadow of an object.

    The object's coverage (h, w; 0..255) in its window is laid down on the ground: squashed and sheared about its foot, away
    from the light, and blurred.
    """
    height = alpha.shape[0]
    squash, shear = 0.28, -0.8 * math.cos(light_angle)
    reach = int(abs(shear) * height) + 12
    left, right = max(window[1].start - reach, 0), min(window[1].stop + reach, rgb.shape[1])
    top, bottom = max(int(foot_xy[1] - 0.1 * height) - 12, 0), min(int(foot_xy[1] + squash * height) + 12, rgb.shape[0])
    if right <= left or bottom <= top:
        return
    # alpha pixel (u, v) of the window, seen from its foot: x = u + shear * (foot - v), y = foot + squash * (foot - v)
    foot_y = foot_xy[1] - window[0].start
    lay = np.array([[1, -shear, shear * foot_y + window[1].start], [0, -squash, foot_xy[1] + squash * foot_y], [0, 0, 1]])
    shrink = np.array([[1 / _SHRINK, 0, -left / _SHRINK], [0, 1 / _SHRINK, -top / _SHRINK], [0, 0, 1]])
    size = ((right - left) // _SHRINK + 2, (bottom - top) // _SHRINK + 2)
    laid = cv2.warpAffine(alpha, (shrink @ lay)[:2], size, flags=cv2.INTER_LINEAR)
    laid = cv2.GaussianBlur(laid, (0, 0), 0.6 + 0.02 * height / _SHRINK)
    grow = np.array([[1 / _SHRINK, 0, 0], [0, 1 / _SHRINK, 0]])
    shade = cv2.warpAffine(laid, grow, (right - left, bottom - top), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    rgb[top:bottom, left:right] *= 1 - np.float32(strength / 255) * shade[..., None]
