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
MEAN = np.array([1.182, 0.154, 3.324, 0.55, -6.931, 0.452, 0.866, 0.61])
SPREAD = np.array([1.093, 0.275, 0.996, 0.275, 2.548, 0.412, 0.121, 0.598])
BIAS = -0.929
LINEAR = np.array([-0.044, 0.089, 0.057, 0.447, 0.342, -0.096, 0.52, -0.153])
QUADRATIC = np.array([
    -0.06, 0.071, 0.045, 0.044, 0.291, 0.091, 0.114, -0.134,
    -0.084, -0.054, -0.024, 0.106, -0.015, 0.122, -0.031,
    -0.08, 0.07, 0.287, -0.131, -0.057, -0.101,
    -0.003, 0.059, -0.063, 0.1, 0.228,
    0.313, -0.106, -0.024, 0.003,
    -0.151, -0.207, 0.003,
    0.081, 0.103,
    0.029,
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
