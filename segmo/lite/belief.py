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
MEAN = np.array([1.324, 0.175, 3.473, 0.543, -6.935, 0.527, 0.862, 0.442])
SPREAD = np.array([1.088, 0.295, 0.938, 0.292, 2.501, 0.426, 0.121, 0.412])
BIAS = -0.591
LINEAR = np.array([0.207, 0.119, 0.344, 0.58, 0.093, -0.127, 0.456, 0.304])
QUADRATIC = np.array([
    -0.018, 0.015, -0.038, 0.211, 0.045, -0.061, 0.039, -0.009,
    -0.049, 0.125, 0.08, 0.065, -0.094, -0.065, -0.064,
    -0.072, 0.132, 0.118, -0.075, -0.022, -0.016,
    -0.041, 0.113, -0.108, 0.194, -0.104,
    0.254, -0.087, 0.077, -0.074,
    -0.169, -0.02, -0.008,
    0.112, 0.078,
    -0.08,
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
