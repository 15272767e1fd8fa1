"""What the second network sees of a frame: what every judge says there, what they say along the flow in other frames, and colours.

The first network sees one frame's flow alone. What a mover shows in another frame, whether a static scene could look the same, and which
colours move, are known only after it; the second weighs all that against each other. Training and use build its inputs here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from segmo.geometry import lengths
from segmo.lite.cues import logit
from segmo.lite.flow import GAPS
from segmo.lite.refinement import FlowLinks, colour_and_place
from segmo.lite.verification import FrameTest

Field = npt.NDArray[np.floating[Any]]

LOGIT_UNIT, COLOUR_UNIT, GAIN_UNIT, LAB_UNIT = 4.0, 3.0, 16.0, 64.0  # what counts as 1 in a plane
LARGEST_GAIN = 2.0  # in those units
RESIDUAL_UNIT = 0.3  # pixels of the flow grid: about the error of flow
LARGEST_RESIDUAL = 4.0  # in multiples of what is usual
PEAK_DECAY = 0.95  # of what is left a frame later of the largest evidence seen on a point
SCALAR_PLANES, VECTORS, PICTURE_PLANES = 17, 3, 3
PLANES = SCALAR_PLANES + 2 * VECTORS + PICTURE_PLANES
ERRORS = len(GAPS)
SCALES = 5


@dataclass(frozen=True, eq=False)
class Judges:
    """What is known of each of T frames before the second look, on the map grid."""

    network: Field
    """(T, h, w) probability according to the first network."""
    cue: Field
    """(T, h, w) the same according to what stands out."""
    joint: Field
    """(T, h, w) both, and motion against the heading, filtered in time."""
    residual: Field
    """(T, h, w, 2) what the homography leaves of flow over four frames, ahead in time, in pixels of the flow grid."""
    error: npt.NDArray[np.uint8]
    """(T, G, h, w) photometric error of the flow."""
    tests: list[FrameTest | None]


@dataclass(frozen=True, eq=False)
class FusionInput:
    """The input of one frame."""

    planes: npt.NDArray[np.float32]
    """(PLANES, h, w)"""
    error: npt.NDArray[np.uint8]
    """(ERRORS, h, w) photometric error in grey levels."""
    scales: npt.NDArray[np.float32]
    """(SCALES,)"""


def fusion_inputs(
    judges: Judges, lab: npt.NDArray[np.uint8], links: FlowLinks, frames: Sequence[int] | None = None
) -> Iterator[FusionInput]:
    """Inputs of all frames of a clip in order, or of the `frames` asked for.

    Args:
        judges: of T frames.
        lab: (T, h, w, 3) CIE L*a*b* on the same grid.
        links: between neighbouring frames.
    """
    tested = _Tested(judges.tests, judges.network.shape)
    clip = [field.astype(np.float16) for field in _scalars(judges, tested, lab, links)]
    clip += [field.astype(np.float16) for field in _vectors(judges.residual, links)]
    share = (judges.joint > 0.5).mean(axis=(1, 2))
    of_clip = 0.25 * np.log(share.mean() + 1e-3)
    for t in frames if frames is not None else range(len(lab)):
        planes = np.empty((PLANES, *lab.shape[1:3]), np.float32)
        for plane, fields in zip(planes, clip, strict=False):
            plane[:] = fields[t]
        planes[len(clip) :] = (lab[t].transpose(2, 0, 1).astype(np.float32) - 128) / LAB_UNIT
        scales = np.array([*tested.camera(t), 0.25 * np.log(share[t] + 1e-3), of_clip], np.float32)
        yield FusionInput(planes, judges.error[t], scales)


def _scalars(judges: Judges, tested: _Tested, lab: npt.NDArray[np.uint8], links: FlowLinks) -> Iterator[Field]:
    """`SCALAR_PLANES` (T, h, w) planes that do not change in a mirrored picture."""
    network, joint = logit(judges.network), logit(judges.joint)
    yield network / LOGIT_UNIT
    yield links.smooth(network) / LOGIT_UNIT
    yield logit(judges.cue) / LOGIT_UNIT
    yield joint / LOGIT_UNIT
    yield links.strongest(joint, PEAK_DECAY) / LOGIT_UNIT
    coloured, colour = colour_and_place(joint, lab, links)
    yield coloured / LOGIT_UNIT
    yield colour / COLOUR_UNIT
    for field in (tested.violation, tested.backwards, tested.ahead, tested.gain):
        yield field
        yield links.smooth(field)
    yield tested.unsteady
    yield np.log1p(lengths(judges.residual) / RESIDUAL_UNIT) / 2


def _vectors(residual: Field, links: FlowLinks) -> Iterator[Field]:
    """2 `VECTORS` (T, h, w) planes, x and y in turn: residual flow with the logarithm of its length for a length; the same in units of
    what is usual in the clip; and that filtered in time, where the parts of one body go the same way."""
    length = lengths(residual)
    shrunk = residual * (np.log1p(length / RESIDUAL_UNIT) / (2 * length + 1e-6))[..., None]
    yield from shrunk.transpose(3, 0, 1, 2)
    usual = float(np.quantile(length[:, ::4, ::4], 0.9)) + RESIDUAL_UNIT
    plain = np.clip(residual / usual, -LARGEST_RESIDUAL, LARGEST_RESIDUAL).transpose(3, 0, 1, 2)
    yield from plain
    for axis in plain:
        yield links.smooth(axis)


class _Tested:
    """The tests of all frames as (T, h, w) arrays; zeros where there is none."""

    def __init__(self, tests: list[FrameTest | None], shape: tuple[int, ...]) -> None:
        self._tests = tests
        self.violation, self.backwards, self.ahead, self.gain, self.unsteady = (np.zeros(shape, np.float32) for _ in range(5))
        for t, test in enumerate(tests):
            if test is not None:
                self.violation[t] = np.log((test.violation + 0.05) / (test.spread + 0.15)) / 2
                self.backwards[t], self.ahead[t] = test.backwards, test.ahead
                self.gain[t] = np.clip(test.gain / GAIN_UNIT, -LARGEST_GAIN, LARGEST_GAIN)
                self.unsteady[t] = test.unsteady

    def camera(self, t: int) -> tuple[float, float, float]:
        """Whether the camera travels in a frame, whether it turns, and half the logarithm of the noise of its flow."""
        test = self._tests[t]
        if test is None:
            return 0.0, 0.0, 0.0
        return float(test.camera == "travels"), float(test.camera == "turns"), 0.5 * float(np.log(test.spread + 0.05))
