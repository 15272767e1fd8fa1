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
MEAN = np.array([1.22, 0.148, 3.285, 0.553, -7.031, 0.465, 0.867, 0.7])
SPREAD = np.array([1.123, 0.27, 1.034, 0.272, 2.53, 0.412, 0.119, 0.644])
BIAS = -0.863
LINEAR = np.array([0.206, 0.072, 0.023, 0.371, 0.491, -0.164, 0.339, -0.155])
QUADRATIC = np.array([
    -0.01, 0.119, -0.029, 0.216, 0.191, 0.105, -0.155, -0.292,
    -0.054, -0.112, -0.023, 0.107, -0.107, 0.046, -0.052,
    -0.057, 0.088, 0.326, -0.092, -0.116, -0.117,
    0.064, 0.085, 0.026, -0.056, 0.272,
    0.233, -0.133, 0.116, 0.04,
    -0.244, -0.197, -0.067,
    0.075, 0.012,
    0.132,
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
