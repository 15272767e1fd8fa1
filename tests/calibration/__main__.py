"""`python -m tests.calibration`: fits the coefficients of `segmo/stages/independence.py`, and says how well they tell movers."""

from __future__ import annotations

import sys

import numpy as np
from scipy.optimize import minimize

from segmo.stages import independence

from .groups import groups_of

FIT, HELD_OUT = range(150), range(1000, 1075)
"""Seeds of scenes."""
SHRINKAGE = 1e-3


def measured(seeds: range) -> tuple[np.ndarray, np.ndarray]:
    """(M,) whether groups move, and (M, 3) the two excesses and 1."""
    moves, rows = [], []
    for seed in seeds:
        for label, tracks, group in groups_of(seed):
            excess = independence.camera_excess(tracks.positions_xy.astype(np.float64), tracks.visible, group, tracks.frame_hw)
            if excess is not None:
                moves.append(label)
                rows.append((*excess, 1.0))
    return np.array(moves), np.array(rows)


def main() -> None:
    moves, rows = measured(FIT)
    weight, sign = np.where(moves, 0.5 / moves.mean(), 0.5 / (1 - moves.mean())), np.where(moves, 1, -1)

    def loss(coefficients: np.ndarray) -> float:
        return float((weight * np.logaddexp(0, -sign * (rows @ coefficients))).mean() + SHRINKAGE * (coefficients**2).sum())

    fitted = minimize(loss, np.zeros(3)).x
    sys.stdout.write(f"{len(moves)} groups, {moves.sum()} of them movers; coefficients {np.round(fitted, 2).tolist()}\n")
    moves, rows = measured(HELD_OUT)
    odds = np.clip(rows @ np.array(independence.COEFFICIENTS), -independence.BOUND, independence.BOUND)
    sys.stdout.write(
        f"held out: {(odds > 0)[moves].mean():.3f} of {moves.sum()} movers and {(odds < 0)[~moves].mean():.3f} of {(~moves).sum()} static "
        f"groups are told; at the bound against the truth: {(odds[moves] <= -2.9).mean():.3f} and {(odds[~moves] >= 2.9).mean():.3f}\n"
    )


if __name__ == "__main__":
    main()
