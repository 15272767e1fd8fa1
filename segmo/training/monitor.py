"""What a run shows while it trains: losses, scores and curves in TensorBoard, and in Weights & Biases where it is installed."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from segmo.errors import OutputError
from segmo.evaluation.metrics import Values
from segmo.evaluation.track_scores import Curve
from segmo.files import write_bytes
from segmo.training.task import Judgement
from segmo.types import UInt8

if TYPE_CHECKING:
    from accelerate import Accelerator

CURVES = "curves"
"""Folder of the curves of every check, in the run's folder; TensorBoard's is beside it."""
POINTS = 512
PICTURE = 256


class Monitor:
    """Writes what a run has to show; in other processes than the first it does nothing."""

    def __init__(self, accelerator: Accelerator, directory: Path, notes: dict[str, str], iteration: int) -> None:
        """Start the logs of a run.

        Args:
            accelerator: says which process this is.
            directory: the run's folder.
            notes: texts to show, such as the configuration.
            iteration: where the run goes on; what the logs have beyond it is hidden.
        """
        self._accelerator, self._directory = accelerator, directory
        try:
            accelerator.init_trackers("segmo", init_kwargs={"tensorboard": {"purge_step": iteration + 1}, "wandb": {"dir": str(directory)}})
        except OSError as error:
            raise OutputError(f"{directory} cannot be written: {error}. Check the folder and the free space.") from error
        accelerator.log({name: f"```\n{text}\n```" for name, text in notes.items()}, step=iteration)

    def step(self, iteration: int, loss: float, rate: float) -> None:
        """Show an iteration."""
        self._accelerator.log({"train/loss": loss, "train/learning_rate": rate}, step=iteration)

    def scores(self, iteration: int, judgement: Judgement) -> None:
        """Show scores and curves, and write the curves."""
        values = {f"held_out/{name}": value for name, value in dataclasses.asdict(judgement.scores).items() if not math.isnan(value)}
        self._accelerator.log(values, step=iteration)
        for name, curve in judgement.curves.items():
            x, y, thresholds = thinned(curve)
            lines = "".join(f"{a:.6g},{b:.6g},{c:.6g}\n" for a, b, c in zip(x, y, thresholds, strict=True))
            write_bytes(self._directory / CURVES / f"{name}_{iteration:07d}.csv", f"x,y,threshold\n{lines}".encode())
            picture = curve_picture(curve)[None]
            for tracker in self._accelerator.trackers:
                more = {"dataformats": "NHWC"} if tracker.name == "tensorboard" else {}
                tracker.log_images({f"held_out/{name}": picture}, step=iteration, **more)


def thinned(curve: Curve) -> tuple[Values, Values, Values]:
    """x, y and thresholds of at most `POINTS` points."""
    kept = np.unique(np.linspace(0, len(curve.x) - 1, POINTS).round().astype(int)) if len(curve.x) else np.zeros(0, int)
    return curve.x[kept], curve.y[kept], curve.thresholds[kept]


def curve_picture(curve: Curve) -> UInt8:
    """(256, 256, 3) a curve in the unit square, black on white."""
    picture = np.full((PICTURE, PICTURE, 3), 255, np.uint8)
    x, y, _ = thinned(curve)
    points = np.column_stack([x, 1 - y])[np.isfinite(x) & np.isfinite(y)]
    cv2.polylines(picture, [np.rint(points * (PICTURE - 1)).astype(np.int32)[:, None]], False, (0, 0, 0), 1, cv2.LINE_AA)
    return picture
