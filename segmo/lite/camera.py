"""What the camera did between two frames: a homography fitted robustly to dense flow, and the flow that is left without it.

A homography explains a rotating or zooming camera exactly and a translating one up to parallax, which is smooth where the scene is; what
moves on its own stands out of the residual. Fitting is MAGSAC++ (Barath et al., CVPR 2020) as OpenCV has it.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from segmo.lite.flow import LARGEST_FLOW

SAMPLE_STEP = 6  # one flow vector in 6 x 6 is plenty for 8 unknowns and keeps a fit near a millisecond
INLIER_PX = 1.0

Field = npt.NDArray[np.floating[Any]]


def sample_points(hw: tuple[int, int], step: int = SAMPLE_STEP) -> Field:
    """(P, 2) pixel positions (x, y) on a regular grid."""
    y, x = np.mgrid[step // 2 : hw[0] : step, step // 2 : hw[1] : step]
    return np.stack([x.ravel(), y.ravel()], axis=1).astype(np.float32)


def fit_homography(flow: Field) -> tuple[npt.NDArray[np.float64], float]:
    """Homography (3, 3) of an (h, w, 2) flow field and the share of sampled vectors that follow it; identity if nothing fits."""
    points = sample_points((flow.shape[0], flow.shape[1]))
    targets = points + flow[points[:, 1].astype(int), points[:, 0].astype(int)]
    matrix, inliers = cv2.findHomography(points, targets, cv2.USAC_MAGSAC, INLIER_PX, maxIters=300, confidence=0.99)
    if matrix is None or not np.isfinite(matrix).all() or abs(np.linalg.det(matrix)) < 1e-6:
        return np.eye(3), 0.0
    return matrix, float(inliers.mean())


def homography_flow(matrix: npt.NDArray[np.float64], hw: tuple[int, int], cell: int = 1) -> Field:
    """Displacement under a homography of the centres of (h, w) cells of `cell` pixels, in pixels: (h, w, 2).

    A homography whose horizon lies in the picture sends what is on it to infinity; no displacement is longer than flow can be.
    """
    offset = (cell - 1) / 2
    y = np.arange(hw[0], dtype=np.float32)[:, None] * cell + np.float32(offset)
    x = np.arange(hw[1], dtype=np.float32)[None] * cell + np.float32(offset)
    m = matrix.astype(np.float32)
    scale = m[2, 0] * x + m[2, 1] * y + m[2, 2]
    scale = 1 / np.where(np.abs(scale) < 1e-6, np.float32(1e-6), scale)
    moved = np.dstack([(m[0, 0] * x + m[0, 1] * y + m[0, 2]) * scale - x, (m[1, 0] * x + m[1, 1] * y + m[1, 2]) * scale - y])
    return np.clip(moved, -LARGEST_FLOW, LARGEST_FLOW, out=moved)
