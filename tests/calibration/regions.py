"""`python -m tests.calibration.regions`: fits the numbers of `segmo/lite/belief.py` to rendered clips, and prints them.

Takes a quarter of an hour on two cores. Held-out clips for counting how often motion is found are others: see the README.
"""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import cv2
import numpy as np
from scipy import ndimage
from scipy.optimize import minimize

from segmo.geometry import resize_labels
from segmo.lite import belief, verification
from segmo.synthetic import SceneConfig, render, sample_scene
from segmo.synthetic.dataset import sample_seed
from segmo.synthetic.sampling import EVERYDAY
from segmo.types import Clip, finish
from segmo.zoo.lite_models import LiteFlow, LiteMotion, Observation

FRAMES = 16
NOTHING, SOMETHING = (1.0,), (0.0, 0.55, 0.3, 0.15)
SETS: tuple[tuple[int, int, dict[str, Any]], ...] = (
    (6101, 150, {**EVERYDAY, "mover_shares": NOTHING}),
    (6102, 150, {**EVERYDAY, "mover_shares": SOMETHING}),
    (6103, 80, {"mover_shares": NOTHING}),
    (6104, 80, {"mover_shares": SOMETHING}),
)
"""Seed, number of clips, and fields of SceneConfig."""
MOVES = 0.3  # share of a region on a mover from which it counts as one
SHRINKAGE = np.r_[
    0.0, np.full(8, 5.0), np.full(36, 50.0)
]  # precision of the prior on bias, linear and quadratic coefficients, of standardised terms


def measured(seen: Observation, moving: np.ndarray) -> Iterator[tuple[bool, np.ndarray]]:
    """Whether regions move, and their (8,) measures, by (T, h, w) `moving` on the map grid."""
    regions, _ = ndimage.label(seen.probability > 0.5)
    for region in verification.measure_regions(regions, seen.probability, seen.opinion, seen.tests):
        yield bool(moving[regions == region.label].mean() > MOVES), region.measures


def regions_of(job: tuple[int, int, dict[str, Any]]) -> list[tuple[bool, np.ndarray]]:
    """The regions of one clip."""
    seed, index, fields = job
    cv2.setNumThreads(1)
    times = tuple(float(t - FRAMES // 2) for t in range(FRAMES))
    config = SceneConfig(times=times, **fields)
    scene = render(sample_scene(sample_seed(seed, index), config), times)
    steps = np.arange(FRAMES)
    clip = Clip(scene.frames, steps / 24.0, steps, tuple(f"{t:05d}" for t in steps), config.hw, FRAMES, 24.0)
    seen = finish(LiteMotion().observe(clip, finish(LiteFlow().flow(clip))))
    height, width = seen.probability.shape[1:]
    moving = resize_labels(scene.moving_labels, (height, width)) > 0
    return list(measured(seen, moving))


def fit(moves: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean and spread of (M, 8) measures, and the bias with the linear and quadratic coefficients (1 + 8 + 36,)."""
    mean, spread = rows.mean(axis=0), rows.std(axis=0)
    z = (rows - mean) / spread
    terms = np.column_stack([z, belief.products(z)])
    scale = terms.std(axis=0)
    design = np.column_stack([np.ones(len(rows)), terms / scale])
    sign = np.where(moves, 1, -1)

    def loss(coefficients: np.ndarray) -> tuple[float, np.ndarray]:
        margin = sign * (design @ coefficients)
        prior = SHRINKAGE * coefficients
        value = np.logaddexp(0, -margin).sum() + 0.5 * prior @ coefficients
        return float(value), -design.T @ (sign / (1 + np.exp(margin))) + prior

    fitted = minimize(loss, np.zeros(design.shape[1]), jac=True, method="L-BFGS-B").x
    return mean, spread, fitted / np.r_[1.0, scale]


def main() -> None:
    jobs = [(seed, index, fields) for seed, count, fields in SETS for index in range(count)]
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        found = [region for clip in pool.map(regions_of, jobs) for region in clip]
    report(found)


def report(found: list[tuple[bool, np.ndarray]]) -> None:
    """Print what was fitted to."""
    moves, rows = np.array([moving for moving, _ in found]), np.array([measures for _, measures in found])
    mean, spread, fitted = fit(moves, rows)
    sys.stdout.write(f"{len(moves)} regions of {sum(count for _, count, _ in SETS)} clips, {moves.sum()} of them movers\n")
    for name, values in (("MEAN", mean), ("SPREAD", spread), ("BIAS", fitted[:1]), ("LINEAR", fitted[1:9]), ("QUADRATIC", fitted[9:])):
        sys.stdout.write(f"{name} = {np.round(values, 3).tolist()}\n")


if __name__ == "__main__":
    main()
