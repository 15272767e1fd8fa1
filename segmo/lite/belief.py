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
    "probability",  # mean probability of motion according to all judges
    "unsteady",  # mean disagreement of long and short flow
)
# fmt: off
MEAN = np.array([1.195, 0.136, 3.3, 0.552, -7.052, 0.467, 0.737, 0.577])
SPREAD = np.array([1.094, 0.265, 0.999, 0.275, 2.488, 0.419, 0.126, 0.59])
BIAS = -0.991
LINEAR = np.array([0.097, 0.211, 0.058, 0.241, 0.095, -0.074, 0.589, -0.052])
QUADRATIC = np.array([
    -0.064, -0.075, 0.063, 0.232, 0.058, 0.014, -0.002, -0.053,
    -0.075, -0.158, 0.044, 0.039, -0.076, 0.206, 0.059,
    -0.038, 0.068, 0.242, -0.158, -0.066, -0.157,
    -0.179, 0.0, -0.065, -0.042, 0.022,
    0.245, -0.023, 0.18, 0.009,
    -0.144, -0.169, 0.015,
    0.266, 0.055,
    0.062,
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
