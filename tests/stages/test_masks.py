"""Which clicks reach the mask model, and when it is asked at all."""

from __future__ import annotations

from collections import Counter
from typing import Any

import fakes
import numpy as np
import pytest

from segmo.settings import Correction, MaskSettings
from segmo.stages.masks import MaskInputs, on_clip, segment_objects
from segmo.types import Clip, FeatureMaps, MotionEvidence, MotionLabels, Tracks, finish

TAKEN = [10, 14, 18, 22]


def inputs(moving: bool) -> MaskInputs:
    clip = Clip(np.zeros((4, 24, 32, 3), np.uint8), np.arange(4) / 4, np.array(TAKEN), tuple("abcd"), (24, 32), 16, 16.0)
    ones = np.ones((2, 4), np.float32)
    tracks = Tracks(np.zeros((2, 4, 2), np.float32), ones, ones, np.zeros(2, np.int64), (24, 32))
    evidence = MotionEvidence(np.array([0.1, 0.9], np.float32), np.zeros((4, 0, 0), np.float16), 0.9, "")
    labels = MotionLabels(evidence, np.array([False, moving]), 0.5)
    return MaskInputs(clip, tracks, FeatureMaps(np.zeros((1, 2, 2, 3), np.float16), np.array([0])), labels, None)


class Model(fakes.FakeMasks):
    """Remembers which clicks it was given."""

    given: tuple[Correction, ...] = ()

    def segment(self, inputs: MaskInputs, settings: Any) -> Any:
        self.given = settings.corrections
        return (yield from super().segment(inputs, settings))


def test_clicks_are_given_on_frames_of_the_clip() -> None:
    clicks = [Correction(frame, 0.5, 0.25, True) for frame in (9, 10, 15, 22, 25, 26)]
    assert [click.frame for click in on_clip(inputs(True).clip, clicks)] == [0, 1, 3, 3]  # the last is shown up to frame 25
    model = Model(Counter())
    finish(segment_objects(inputs(True), MaskSettings(corrections=(Correction(18, 0.1, 0.2, False),)), model))
    assert model.given == (Correction(2, 0.1, 0.2, False),)


@pytest.mark.parametrize(
    ("clicks", "asked"),
    [((), 0), ((Correction(14, 0.5, 0.5, False),), 0), ((Correction(3, 0.5, 0.5, True),), 0), ((Correction(14, 0.5, 0.5, True),), 1)],
)
def test_where_nothing_moves_only_a_click_that_says_otherwise_asks_the_model(clicks: tuple[Correction, ...], asked: int) -> None:
    calls: Counter[str] = Counter()
    masks = finish(segment_objects(inputs(False), MaskSettings(corrections=clicks), Model(calls)))
    assert calls["masks"] == asked and masks.nothing_moves == (not asked)


@pytest.mark.parametrize("moving", [False, True])
def test_clicks_that_are_left_out_are_told(moving: bool) -> None:
    clicks = (Correction(9, 0.5, 0.25, True), Correction(14, 0.5, 0.5, False), Correction(26, 0, 1, False))
    masks = finish(segment_objects(inputs(moving), MaskSettings(corrections=clicks), Model(Counter())))
    assert masks.notes[-1] == "Clicks outside of the frames used, 10 to 25, were left out: 9,0.5,0.25,+; 26,0,1,-."
    masks = finish(segment_objects(inputs(moving), MaskSettings(corrections=clicks[1:2]), Model(Counter())))
    assert "left out" not in " ".join(masks.notes)
