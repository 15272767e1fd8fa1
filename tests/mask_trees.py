"""Small data sets on disk, in the layouts of the published ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fakes
import numpy as np
from PIL import Image

from segmo.types import ObjectMasks

PALETTE = [0, 0, 0, *(1 + k % 255 for k in range(765))]


def moving_square(frames: int = 6, hw: tuple[int, int] = (40, 60), size: int = 12, start: int = 4, step: int = 3) -> np.ndarray:
    """(T, H, W) bool: a square that goes right."""
    masks = np.zeros((frames, *hw), bool)
    for t in range(frames):
        masks[t, 10 : 10 + size, start + step * t : start + step * t + size] = True
    return masks


def write_grey(folder: Path, masks: np.ndarray, names: list[str] | None = None) -> None:
    """0 and 255, as DAVIS 2016."""
    for name, mask in zip(names or numbered(len(masks)), masks, strict=True):
        save(Image.fromarray(mask.astype(np.uint8) * 255), folder / f"{name}.png")


def write_palette(folder: Path, labels: np.ndarray, names: list[str] | None = None) -> None:
    """Object ids, as DAVIS 2017."""
    for name, image in zip(names or numbered(len(labels)), labels, strict=True):
        picture = Image.fromarray(image.astype(np.uint8))  # grey values become indices
        picture.putpalette(PALETTE)
        save(picture, folder / f"{name}.png")


def write_pictures(folder: Path, names: list[str], hw: tuple[int, int] = (40, 60)) -> None:
    for name in names:
        save(Image.new("RGB", hw[::-1], (90, 90, 90)), folder / f"{name}.jpg")


def save(image: Image.Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


def numbered(count: int, first: int = 0) -> list[str]:
    return [f"{index:05d}" for index in range(first, first + count)]


def write_davis(root: Path, names: list[str], frames: int = 6) -> None:
    """Pictures and annotations of a tiny DAVIS in which a square moves."""
    random = np.random.default_rng(0)
    for name in names:
        masks = moving_square(frames, start=0, step=1)
        write_grey(root / "Annotations/480p" / name, masks)
        for frame, mask in zip(numbered(frames), masks, strict=True):
            picture = random.integers(40, 90, (*mask.shape, 3), dtype=np.uint8)
            picture[mask] = (200, 160, 60)
            save(Image.fromarray(picture), root / "JPEGImages/480p" / name / f"{frame}.jpg")


class BrightMasks(fakes.FakeMasks):
    """Finds the square of `write_davis`, a little worse with every frame."""

    def segment(self, inputs: Any, settings: Any) -> Any:
        self.calls["masks"] += 1
        yield 0.5
        bright = inputs.clip.frames[..., 0] > 150
        labels = np.stack([np.roll(mask, t, axis=0) for t, mask in enumerate(bright)]).astype(np.uint8)
        return ObjectMasks(labels, np.array([1]), np.array([0.9], np.float32))
