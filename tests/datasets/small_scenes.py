"""Small scenes in the folder layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from segmo.datasets import layout
from segmo.settings import Settings

FRAMES, HW = 5, (36, 64)


def make_scene(root: Path, name: str = "fox", frames: int = FRAMES, hw: tuple[int, int] = HW) -> layout.Scene:
    scene = layout.Layout(root).scene(name)
    random = np.random.default_rng(1)
    texture = random.integers(0, 256, (hw[0], hw[1] + frames, 3), dtype=np.uint8)
    for t in range(frames):
        layout.write_image(scene.images / f"{t:05d}.png", texture[:, t : t + hw[1]])
        layout.write_mask(scene.mask_file(f"{t:05d}"), np.indices(hw)[1] > 40)
    return scene


def settings(step: int = 4, *, efficiency: bool = False) -> Settings:
    return Settings.from_dict({**Settings().to_dict(), "query": {"stride": step}, "frames": {"efficiency": efficiency}})
