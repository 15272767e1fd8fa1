"""What moves, in black and white: a matte for video editors, and masks of what stands still for 3D reconstruction."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from segmo.export.folder import OUTPUTS
from segmo.types import Float, UInt8
from segmo.video import write_mp4

MARGIN = 0.005
"""Share of the longer side by which masks of what stands still keep clear of what moves: features of its outline move with it."""


def write_mattes(
    directory: Path, wanted: Collection[str], labels: Iterable[UInt8], names: Sequence[str], fps: float, timestamps_s: Float
) -> None:
    """Write `matte` and `static`, where they are wanted, from (H, W) uint8 object ids at the size of the source, a frame at a time.

    The matte is an MP4, white where anything moves. Static masks are grey PNGs, 255 where nothing moves and 0 elsewhere, as COLMAP and
    NeRF tools take them.
    """
    if "static" in wanted:
        (directory / OUTPUTS["static"]).mkdir()

    def frames() -> Iterator[UInt8]:
        for name, ids in zip(names, labels, strict=True):
            if "static" in wanted:
                _write_static_mask(directory / OUTPUTS["static"] / f"{name}.png", ids)
            yield np.repeat(np.where(ids > 0, np.uint8(255), np.uint8(0))[..., None], 3, axis=2)

    if "matte" in wanted:
        write_mp4(directory / OUTPUTS["matte"], frames(), fps, timestamps_s=timestamps_s)
    else:
        deque(frames(), maxlen=0)


def read_labels(directory: Path) -> tuple[Iterator[UInt8], list[str], float, Float]:
    """Of an exported folder: object ids (H, W) frame by frame from its mask PNGs, names of the frames, frame rate, times in seconds."""
    frames = json.loads((directory / OUTPUTS["run"]).read_text(encoding="utf-8"))["frames"]
    names = [str(name) for name in frames["names"]]
    labels = (np.asarray(Image.open(directory / OUTPUTS["masks"] / f"{name}.png")) for name in names)
    return labels, names, float(frames["fps"]), np.array(frames["timestamps_s"], np.float64)


def _write_static_mask(path: Path, ids: UInt8) -> None:
    radius = max(1, round(MARGIN * max(ids.shape)))
    around = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    moving = cv2.dilate((ids > 0).astype(np.uint8), around)
    Image.fromarray(255 - 255 * moving).save(path, compress_level=3)
