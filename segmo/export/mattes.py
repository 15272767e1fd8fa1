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
    directory: Path,
    wanted: Collection[str],
    labels: Iterable[UInt8],
    names: Sequence[str],
    fps: float,
    timestamps_s: Float,
    picture: Sequence[int],
) -> None:
    """Write `matte` and `static`, where they are wanted, from (H, W) uint8 object ids at the size of the source, a frame at a time.

    The matte is an MP4, white where anything moves. Static masks are grey PNGs, 255 where nothing moves and 0 elsewhere, as COLMAP and
    NeRF tools take them; 0 too outside of the `picture` (top, left, bottom, right), whose margins do not stand still with the scene.
    """
    if "static" in wanted:
        (directory / OUTPUTS["static"]).mkdir()

    def frames() -> Iterator[UInt8]:
        for name, ids in zip(names, labels, strict=True):
            if "static" in wanted:
                _write_static_mask(directory / OUTPUTS["static"] / f"{name}.png", ids, picture)
            yield np.repeat(np.where(ids > 0, np.uint8(255), np.uint8(0))[..., None], 3, axis=2)

    if "matte" in wanted:
        write_mp4(directory / OUTPUTS["matte"], frames(), fps, timestamps_s=timestamps_s)
    else:
        deque(frames(), maxlen=0)


def read_labels(directory: Path) -> tuple[Iterator[UInt8], list[str], float, Float, list[int]]:
    """What `write_mattes` takes of an exported folder: object ids from its mask PNGs, names, frame rate, times and where the picture is."""
    record = json.loads((directory / OUTPUTS["run"]).read_text(encoding="utf-8"))
    frames, source = record["frames"], record["source"]
    picture = source.get("picture", [0, 0, source["height"], source["width"]])  # exports were without it once
    names = [str(name) for name in frames["names"]]
    labels = (np.asarray(Image.open(directory / OUTPUTS["masks"] / f"{name}.png")) for name in names)
    return labels, names, float(frames["fps"]), np.array(frames["timestamps_s"], np.float64), picture


def _write_static_mask(path: Path, ids: UInt8, picture: Sequence[int]) -> None:
    radius = max(1, round(MARGIN * max(ids.shape)))
    around = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    static = np.zeros(ids.shape, np.uint8)
    top, left, bottom, right = picture
    static[top:bottom, left:right] = 255
    static[cv2.dilate((ids > 0).astype(np.uint8), around) > 0] = 0
    Image.fromarray(static).save(path, compress_level=3)
