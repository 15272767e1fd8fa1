"""`python -m tests.calibration.flow`: how far flow over four frames is off on rendered clips, searched at once and from chained short flow.

Takes a minute. The truth are the tracks of the renderer; counted are pixels of every eighth row and column that are seen in both frames.
"""

from __future__ import annotations

import sys

import cv2
import numpy as np

from segmo.lite.flow import GAPS, dense_flow, grey_grid, grid_size, search, short_flow
from segmo.synthetic import SceneConfig, render, sample_scene
from segmo.synthetic.dataset import sample_seed
from segmo.synthetic.sampling import EVERYDAY

SEED, CLIPS, START, GAP = 6201, 60, 2, 4
TIMES = tuple(float(t) for t in range(9))
KINDS = "background", "still things", "movers"
WRONG_PX = 3
FAST_PX = 20  # displacement over four frames from which a point counts as fast


def errors_of(index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(P,) what the points of a clip lie on, their displacement, and the (2, P) error of both flows, all in pixels of the frame."""
    config = SceneConfig(times=TIMES, **EVERYDAY)
    scene = render(sample_scene(sample_seed(SEED, index), config), TIMES)
    height, width = scene.frames.shape[1:3]
    grey = grey_grid(scene.frames, grid_size((height, width)))
    short = np.stack(list(short_flow(grey)), axis=1)
    fields = search(grey[START], grey[START + GAP]), next(dense_flow(grey, short, wanted=(START,))).flow[GAPS.index(GAP)]
    y, x = (side.ravel() for side in np.mgrid[4:height:8, 4:width:8])
    tracks = scene.tracks(np.full(len(x), START), np.stack([x, y], axis=1).astype(np.float64))
    there = tracks.positions_xy[:, START + GAP]
    seen = tracks.visible[:, START + GAP] & (there >= 0).all(axis=1) & (there < (width, height)).all(axis=1)
    truth = (there - np.stack([x, y], axis=1))[seen]
    off = np.stack([np.linalg.norm(field[y, x].astype(np.float64)[seen] - truth, axis=1) for field in fields])
    kind = np.where(scene.moving_labels[START] > 0, 2, scene.labels[START] > 0)[y, x][seen]
    return kind, np.linalg.norm(truth, axis=1), off


def main() -> None:
    cv2.setNumThreads(1)
    kind, moved, off = (np.concatenate(parts, axis=-1) for parts in zip(*map(errors_of, range(CLIPS)), strict=True))
    for number, name in enumerate(KINDS):
        for field, how in zip(off, ("at once", "chained"), strict=True):
            own = field[kind == number]
            fast = field[(kind == number) & (moved > FAST_PX)]
            shares = f"{(own > WRONG_PX).mean():6.1%}, of the fast {(fast > WRONG_PX).mean():6.1%}"
            sys.stdout.write(f"{name:12} {how}: median {np.median(own):.3f} px; off by more than {WRONG_PX}: {shares}\n")


if __name__ == "__main__":
    main()
