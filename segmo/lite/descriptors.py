"""Compact colour and texture descriptors of a picture on a grid of cells, to tell things apart and to find them again."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Field = npt.NDArray[np.floating[Any]]

CELL = 8  # pixels of the flow grid a cell
ORIENTATIONS = 6
CHANNELS = 6 + ORIENTATIONS + 2  # mean and spread of L*a*b*, oriented edges, two scales of contrast


def cell_grid(hw: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns of cells for a picture of `hw` on the flow grid."""
    return max(1, hw[0] // CELL), max(1, hw[1] // CELL)


def describe(image: npt.NDArray[np.uint8]) -> Field:
    """(gh, gw, CHANNELS) descriptors of an (h, w, 3) RGB picture on the flow grid, every channel roughly within [-1, 1]."""
    lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB).astype(np.float32)
    grid = cell_grid((image.shape[0], image.shape[1]))

    def pooled(field: Field) -> Field:
        # Cells overlap by half: a descriptor should not jump where an edge crosses the border of its cell.
        return cv2.resize(cv2.blur(field, (2 * CELL, 2 * CELL)), (grid[1], grid[0]), interpolation=cv2.INTER_AREA)

    mean = pooled(lab)
    spread = np.sqrt(np.maximum(pooled(lab * lab) - mean * mean, 0))
    dx, dy = cv2.Sobel(lab[..., 0], cv2.CV_32F, 1, 0), cv2.Sobel(lab[..., 0], cv2.CV_32F, 0, 1)
    strength, angle = np.hypot(dx, dy), np.arctan2(dy, dx) % np.pi
    # Soft assignment to the two nearest orientations keeps the histogram continuous under rotation.
    position = angle / np.pi * ORIENTATIONS
    away = [np.abs(position - o) for o in range(ORIENTATIONS)]
    edges = [pooled(strength * np.maximum(0, 1 - np.minimum(turn, ORIENTATIONS - turn))) for turn in away]
    oriented = np.stack(edges, axis=-1) / (np.sum(edges, axis=0)[..., None] + 40)
    contrast = [pooled(np.abs(lab[..., 0] - cv2.GaussianBlur(lab[..., 0], (0, 0), sigma))) / 32 for sigma in (1.0, 4.0)]
    return np.concatenate([(mean - 128) / 128, spread / 64, oriented, np.stack(contrast, axis=-1)], axis=-1).astype(np.float32)
