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
    "probability",  # mean probability of motion after filtering in time
    "unsteady",  # mean disagreement of long and short flow
)
# fmt: off
MEAN = np.array([1.219, 0.175, 3.194, 0.740, -6.921, 0.469, 0.676, 0.617])
SPREAD = np.array([1.215, 0.303, 1.122, 0.164, 2.474, 0.425, 0.116, 0.602])
BIAS = -0.617
LINEAR = np.array([0.184, 0.298, 0.230, 0.687, 0.269, -0.100, -0.026, 0.071])
QUADRATIC = np.array([
    -0.047, -0.133, 0.051, 0.162, 0.157, -0.087, 0.104, -0.147,
    -0.125, -0.069, -0.002, 0.058, -0.002, -0.095, -0.042,
    -0.052, -0.020, 0.288, -0.098, -0.124, -0.009,
    0.022, 0.101, -0.070, 0.069, 0.048,
    0.192, -0.174, 0.083, -0.050,
    -0.435, -0.145, 0.024,
    0.304, 0.120,
    0.088,
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
