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
MEAN = np.array([1.195, 0.136, 3.3, 0.553, -7.052, 0.467, 0.851, 0.577])
SPREAD = np.array([1.094, 0.265, 0.999, 0.275, 2.488, 0.419, 0.125, 0.59])
BIAS = -1.127
LINEAR = np.array([0.157, 0.171, 0.068, 0.368, 0.148, -0.095, 0.594, -0.052])
QUADRATIC = np.array([
    -0.066, -0.049, 0.072, 0.261, 0.108, 0.005, -0.0, -0.078,
    -0.07, -0.144, 0.058, 0.064, -0.068, 0.13, 0.056,
    -0.044, 0.085, 0.211, -0.163, -0.037, -0.148,
    -0.147, 0.121, -0.094, -0.084, 0.029,
    0.271, -0.072, 0.231, 0.011,
    -0.122, -0.119, 0.02,
    0.227, 0.089,
    0.066,
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
