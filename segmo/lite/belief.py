"""How likely a region of a clip moves on its own, from what was measured of it: a logistic regression on measures and their products.

Products, because measures qualify each other: a small region must be surer than a large one, and how far flow leaves the epipolar lines
means more where it is steady. `python -m tests.calibration.regions` renders the clips, fits the numbers below and prints them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating[Any]]

MEASURES = (
    "violation",  # log of the displacement that no static point could show, in multiples of the noise of the flow
    "backwards",  # share whose parallax would lie behind the camera
    "gain",  # log of the grey levels by which flow explains the picture better than the camera's motion
    "opinion",  # mean probability of motion according to the judge of single frames
    "size",  # log of the share of the clip
    "ahead",  # share that runs ahead of the camera's flow
    "probability",  # probability of motion according to all judges, that of the surest tenth
    "unsteady",  # mean disagreement of long and short flow
)
# fmt: off
MEAN = np.array([1.351, 0.152, 3.389, 0.494, -7.114, 0.518, 0.865, 0.477])
SPREAD = np.array([1.099, 0.275, 0.977, 0.305, 2.483, 0.429, 0.12, 0.444])
BIAS = -1.008
LINEAR = np.array([0.177, 0.122, 0.3, 0.584, -0.034, -0.243, 0.629, 0.012])
QUADRATIC = np.array([
    -0.004, 0.035, -0.005, 0.182, 0.114, -0.054, -0.002, -0.005,
    -0.019, 0.115, 0.182, 0.037, -0.078, -0.092, -0.063,
    -0.084, 0.062, 0.173, -0.133, -0.107, 0.034,
    -0.13, 0.244, -0.151, 0.091, 0.005,
    0.263, -0.047, 0.033, 0.0,
    -0.042, -0.031, -0.062,
    0.163, 0.132,
    0.017,
])
# fmt: on


def log_odds(measures: Array) -> float:
    """Log odds that a region with these (8,) measures moves."""
    z = (measures - MEAN) / SPREAD
    return float(BIAS + LINEAR @ z + QUADRATIC @ products(z))


def products(z: Array) -> Array:
    """(..., 36) products of every two of (..., 8) values, squares included, in the order of the upper triangle."""
    first, second = np.triu_indices(z.shape[-1])
    answer: Array = z[..., first] * z[..., second]
    return answer
