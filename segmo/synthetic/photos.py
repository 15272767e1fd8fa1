"""Textures cut from the photographs that come with scikit-image, for training; scikit-image is not needed at run time."""

from __future__ import annotations

import functools
import importlib.util
from pathlib import Path

import cv2
import numpy as np

from segmo.errors import SettingsError
from segmo.types import UInt8

_PHOTOS = (
    "astronaut.png",
    "brick.png",
    "camera.png",
    "chelsea.png",
    "coffee.png",
    "coins.png",
    "grass.png",
    "gravel.png",
    "hubble_deep_field.jpg",
    "ihc.png",
    "moon.png",
    "motorcycle_left.png",
    "retina.jpg",
    "rocket.jpg",
)


def photo(rng: np.random.Generator, hw: tuple[int, int], zoom: float, angle: float) -> UInt8:
    """RGB (H, W, 3) cut from a random photograph at a random place, turned, scaled by `zoom`, and strongly recoloured.

    Raises:
        SettingsError: scikit-image is not installed.
    """
    image = _load(_PHOTOS[rng.integers(len(_PHOTOS))])
    h, w = image.shape[:2]
    turn = cv2.getRotationMatrix2D((rng.uniform(0, w), rng.uniform(0, h)), np.degrees(angle), zoom)
    turn[:, 2] += (hw[1] / 2 - rng.uniform(0, w), hw[0] / 2 - rng.uniform(0, h))
    cut = cv2.warpAffine(image, turn, (hw[1], hw[0]), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    mixing = np.eye(3)[rng.permutation(3)] * rng.uniform(0.6, 1.3, 3) + rng.uniform(-0.15, 0.15, (3, 3))
    if rng.random() < 0.15:
        mixing = np.full((3, 3), 1 / 3)
    shifted = cv2.transform(cut, np.concatenate([mixing, rng.uniform(-40, 40, (3, 1))], axis=1))
    return np.asarray(255 - shifted if rng.random() < 0.1 else shifted, np.uint8)


@functools.lru_cache(maxsize=len(_PHOTOS))
def _load(name: str) -> UInt8:
    spec = importlib.util.find_spec("skimage")
    if spec is None or spec.origin is None:
        raise SettingsError(
            "Photographs as textures need scikit-image, which is not installed. Run `pip install scikit-image` or set photos to 0."
        )
    image = cv2.imread(str(Path(spec.origin).parent / "data" / name), cv2.IMREAD_COLOR)
    if image is None:
        raise SettingsError(f"This scikit-image has no {name}. Install version 0.24 to 0.26 or set photos to 0.")
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)
