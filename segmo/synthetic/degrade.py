"""What sensor and codec do to a picture: lens blur, vignetting, gain drift, noise, and compression."""

from __future__ import annotations

import cv2
import numpy as np

from segmo.synthetic.layers import Field
from segmo.synthetic.spec import DegradeSpec
from segmo.types import UInt8

_POOL = 64
"""The noise of a frame is cut at random from a field this much larger than the frame."""
_BLOCK = 16


class Sensor:
    """Turns drawn frames into recorded ones, in the order of the recording."""

    def __init__(self, spec: DegradeSpec, hw: tuple[int, int]) -> None:
        self.spec = spec
        self._noise: Field | None = None
        self._previous: UInt8 | None = None
        self._vignette: Field | None = None
        if spec.noise > 0:
            rng = np.random.default_rng([spec.seed, 0x20])
            self._noise = rng.standard_normal((hw[0] + _POOL, hw[1] + _POOL, 3), dtype=np.float32) * np.float32(spec.noise)
        if spec.vignette > 0:
            ys, xs = np.linspace(-1, 1, hw[0]), np.linspace(-1, 1, hw[1])
            self._vignette = (1 - spec.vignette * (xs[None] ** 2 + ys[:, None] ** 2) / 2).astype(np.float32)[..., None]

    def expose(self, rgb: Field, time: float) -> UInt8:
        """(H, W, 3) uint8 of a drawn frame (H, W, 3) float32, 0..255."""
        spec = self.spec
        if spec.blur > 0:
            rgb = cv2.GaussianBlur(rgb, (0, 0), spec.blur)
        gain = spec.gain(time)
        if gain != 1:
            rgb = rgb * np.float32(gain)
        if self._vignette is not None:
            rgb = rgb * self._vignette
        if self._noise is not None:
            rng = np.random.default_rng([spec.seed, 0x21, round(time * 1000) % 2**32])
            y, x = rng.integers(0, _POOL, 2)
            rgb = rgb + self._noise[y : y + rgb.shape[0], x : x + rgb.shape[1]] * np.float32(rng.choice([-1, 1]))
        return self._compress(np.clip(np.rint(rgb), 0, 255).astype(np.uint8))

    def _compress(self, image: UInt8) -> UInt8:
        spec = self.spec
        if spec.jpeg_quality > 0:
            packed = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, spec.jpeg_quality])[1]
            image = np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), np.uint8)
        if spec.skip_threshold > 0:
            if self._previous is not None:
                image = _skip_still_blocks(image, self._previous, spec.skip_threshold)
            self._previous = image
        return image


def _skip_still_blocks(image: UInt8, previous: UInt8, threshold: float) -> UInt8:
    """Repeat the previous frame in blocks that hardly changed, as video codecs do."""
    h, w = image.shape[:2]
    change = cv2.absdiff(image, previous).max(axis=2)
    blocks = cv2.resize(change, (max(w // _BLOCK, 1), max(h // _BLOCK, 1)), interpolation=cv2.INTER_AREA)
    still = cv2.resize((blocks < threshold).astype(np.uint8), (w, h), interpolation=cv2.INTER_NEAREST)
    return np.where(still[..., None] > 0, previous, image)
