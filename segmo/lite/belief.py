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
MEAN = np.array([1.266, 0.166, 3.200, 0.727, -6.895, 0.463, 0.674, 0.664])
SPREAD = np.array([1.195, 0.290, 1.121, 0.169, 2.436, 0.423, 0.116, 0.634])
BIAS = -0.639
LINEAR = np.array([0.076, 0.110, 0.305, 0.676, 0.197, -0.183, 0.095, 0.178])
QUADRATIC = np.array([
    -0.110, -0.059, -0.010, 0.158, 0.141, -0.042, 0.123, -0.177,
    -0.087, -0.003, 0.009, 0.069, 0.022, -0.098, -0.024,
    -0.102, 0.085, 0.280, -0.171, -0.047, -0.024,
    -0.051, 0.040, -0.081, 0.088, -0.075,
    0.307, -0.205, 0.075, -0.037,
    -0.336, -0.057, 0.058,
    0.163, 0.142,
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
