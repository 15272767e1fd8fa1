"""What the second network sees of a frame: what every judge says there, what they say along the flow in other frames, and colours.

The first network sees one frame's flow alone. What a mover shows in another frame, whether a static scene could look the same, and which
colours move, are known only after it; the second weighs all that against each other. Training and use build its inputs here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from segmo.geometry import lengths
from segmo.lite.cues import logit
from segmo.lite.flow import GAPS
from segmo.lite.refinement import FlowLinks, colour_and_place
from segmo.lite.verification import FrameTest
from segmo.parallel import parallel_map

Field = npt.NDArray[np.floating[Any]]

LOGIT_UNIT, COLOUR_UNIT, GAIN_UNIT, LAB_UNIT = 4.0, 3.0, 16.0, 64.0  # what counts as 1 in a plane
LARGEST_GAIN = 2.0  # in those units
RESIDUAL_UNIT = 0.3  # pixels of the flow grid: about the error of flow
LARGEST_RESIDUAL = 4.0  # in multiples of what is usual
PEAK_DECAY = 0.95  # of what is left a frame later of the largest evidence seen on a point
SCALAR_PLANES, VECTORS, PICTURE_PLANES = 17, 3, 3
JOINT, COLOURED, COLOUR = 3, 5, 6  # planes of the joint evidence, of that with the clip's colours, and of colour alone
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

    def part(self, frames: slice) -> Judges:
        """What is known of some frames that follow each other."""
        maps = self.network[frames], self.cue[frames], self.joint[frames], self.residual[frames]
        return Judges(*maps, self.error[frames], self.tests[frames])


@dataclass(frozen=True, eq=False)
class FusionInput:
    """The input of one frame."""

    planes: npt.NDArray[np.float32]
    """(PLANES, h, w)"""
    error: npt.NDArray[np.uint8]
    """(ERRORS, h, w) photometric error in grey levels."""
    scales: npt.NDArray[np.float32]
    """(SCALES,)"""


class FusionInputs:
    """The inputs of a clip: what needs all frames is made at once, the rest frame by frame; threads may ask for frames side by side."""

    def __init__(self, judges: Judges, lab: npt.NDArray[np.uint8], links: FlowLinks) -> None:
        """Look at a clip.

        Args:
            judges: of T frames.
            lab: (T, h, w, 3) CIE L*a*b* on the same grid.
            links: between neighbouring frames.
        """
        self._judges, self._lab = judges, lab
        network, joint = logit(judges.network), logit(judges.joint)
        self._usual = float(np.quantile(lengths(judges.residual[:, ::4, ::4]), 0.9)) + RESIDUAL_UNIT

        def tested_along() -> Field:
            tested = np.stack([_tested(test, network.shape[1:]) for test in judges.tests])
            return links.smooth(np.ascontiguousarray(tested[:, :-1].transpose(0, 2, 3, 1)))

        makers: tuple[Callable[[], Any], ...] = (
            lambda: colour_and_place(joint, lab, links),
            tested_along,
            lambda: links.smooth(np.concatenate([network[..., None], self._plain(judges.residual)], axis=-1)),
            lambda: links.strongest(joint, PEAK_DECAY),
        )
        (self._coloured, self._colour), self._tested_along, self._along, self._strongest = parallel_map(lambda make: make(), makers)
        self._share = (judges.joint > 0.5).mean(axis=(1, 2))

    def frame(self, t: int) -> FusionInput:
        """Input of a frame."""
        judges, test = self._judges, self._judges.tests[t]
        residual = judges.residual[t]
        length = lengths(residual)
        logarithm = np.log1p(length / RESIDUAL_UNIT) / 2
        tested, tested_along = _tested(test, length.shape), self._tested_along[t].transpose(2, 0, 1)
        planes = np.empty((PLANES, *length.shape), np.float32)
        planes[0], planes[1], planes[2] = logit(judges.network[t]), self._along[t, ..., 0], logit(judges.cue[t])
        planes[JOINT], planes[4], planes[COLOURED] = logit(judges.joint[t]), self._strongest[t], self._coloured[t]
        planes[:6] *= np.float32(1 / LOGIT_UNIT)
        planes[COLOUR] = self._colour[t] / COLOUR_UNIT
        planes[7:15:2], planes[8:16:2], planes[15] = tested[:-1], tested_along, tested[-1]
        planes[16] = logarithm
        vectors = planes[SCALAR_PLANES:]
        vectors[0:2] = (residual * (logarithm / (length + 1e-6))[..., None]).transpose(2, 0, 1)
        vectors[2:4] = self._plain(residual).transpose(2, 0, 1)
        vectors[4:6] = self._along[t, ..., 1:].transpose(2, 0, 1)
        vectors[6:] = (self._lab[t].transpose(2, 0, 1).astype(np.float32) - 128) / LAB_UNIT
        shares = 0.25 * np.log(np.array([self._share[t], self._share.mean()]) + 1e-3)
        return FusionInput(planes, judges.error[t], np.array([*_camera(test), *shares], np.float32))

    def _plain(self, residual: Field) -> Field:
        """Residual flow in units of what is usual in the clip."""
        return np.clip(residual / np.float32(self._usual), -LARGEST_RESIDUAL, LARGEST_RESIDUAL)


def _tested(test: FrameTest | None, hw: tuple[int, ...]) -> Field:
    """(5, h, w) what a test says: violation, backwards, ahead, gain, unsteady; zeros where there is none."""
    said = np.zeros((5, *hw), np.float32)
    if test is not None:
        said[0] = np.log((test.violation + 0.05) / (test.spread + 0.15)) / 2
        said[1], said[2], said[4] = test.backwards, test.ahead, test.unsteady
        np.clip(test.gain / GAIN_UNIT, -LARGEST_GAIN, LARGEST_GAIN, out=said[3])
    return said


def _camera(test: FrameTest | None) -> tuple[float, float, float]:
    """Whether the camera travels in a frame, whether it turns, and half the logarithm of the noise of its flow."""
    if test is None:
        return 0.0, 0.0, 0.0
    return float(test.camera == "travels"), float(test.camera == "turns"), 0.5 * float(np.log(test.spread + 0.05))
