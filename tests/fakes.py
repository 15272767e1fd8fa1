"""Small models of every role, for tests of what surrounds the models. They count what they are asked to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np

from segmo.stages.masks import MaskInputs
from segmo.stages.motion import MotionInputs
from segmo.types import Clip, DepthMaps, FeatureMaps, FlowFields, MotionEvidence, MotionLabels, ObjectMasks, Tracks


class FakeFlow:
    identity = "fake-flow-1"

    def __init__(self, calls: Counter[str]) -> None:
        self.calls = calls

    def flow(self, clip: Clip) -> Iterator[float]:
        self.calls["flow"] += 1
        yield 0.5
        t, (h, w) = len(clip), clip.hw
        valid = np.ones((2, t), bool)
        valid[0, 0] = valid[1, -1] = False
        return FlowFields(np.zeros((2, t, h, w, 2), np.float16), np.zeros((2, t, h, w), np.uint8), valid, (-1, 1), clip.hw)


class FakeDepth(FakeFlow):
    identity = "fake-depth-1"
    needs_flow = True

    def depth(self, clip: Clip, flow: FlowFields | None) -> Iterator[float]:
        assert flow is not None
        self.calls["depth"] += 1
        yield 0.5
        return DepthMaps(np.zeros((len(clip), 4, 4), np.float16), np.zeros(len(clip), bool), ("Depth is unreliable.",))


class FakeTracks(FakeFlow):
    identity = "fake-tracks-1"
    needs_flow = True

    def track(self, clip: Clip, query_points: np.ndarray, flow: FlowFields | None) -> Iterator[float]:
        assert flow is not None
        self.calls["tracks"] += 1
        yield 0.5
        n, t = len(query_points), len(clip)
        positions = np.repeat(query_points[:, None, 1:], t, axis=1)
        ones = np.ones((n, t), np.float32)
        return Tracks(positions, ones, ones, query_points[:, 0].astype(np.int64), clip.hw)


class FakeFeatures(FakeFlow):
    identity = "fake-features-1"

    def describe(self, clip: Clip, frames: np.ndarray) -> Iterator[float]:
        self.calls["features"] += 1
        yield 0.5
        return FeatureMaps(np.ones((len(frames), 2, 2, 3), np.float16), frames)


class FakeMotion(FakeFlow):
    identity = "fake-motion-1"
    needs_flow = False

    def evidence(self, inputs: MotionInputs) -> Iterator[float]:
        assert inputs.flow is None
        self.calls["evidence"] += 1
        yield 0.5
        probability = np.linspace(0, 1, len(inputs.tracks), dtype=np.float32)
        return MotionEvidence(probability, np.zeros((len(inputs.clip), 0, 0), np.float16), 0.9, "The camera stands still.")

    def decide(self, evidence: MotionEvidence, tracks: Tracks, threshold: float | None) -> MotionLabels:
        self.calls["decide"] += 1
        used = 0.5 if threshold is None else threshold
        return MotionLabels(evidence, evidence.track_probability > used, used)


class FakeMasks(FakeFlow):
    identity = "fake-masks-1"
    needs_flow = False

    def segment(self, inputs: MaskInputs, settings: Any) -> Iterator[float]:
        self.calls["masks"] += 1
        yield 0.5
        labels = np.zeros((len(inputs.clip), *inputs.clip.hw), np.uint8)
        labels[:, 2:6, 2:6] = 1
        return ObjectMasks(labels, np.array([1]), np.array([0.9], np.float32))


CLASSES = {"flow": FakeFlow, "depth": FakeDepth, "tracks": FakeTracks, "features": FakeFeatures, "motion": FakeMotion, "masks": FakeMasks}


class FakeStore:
    """A ModelStore of the fakes; `calls` counts the work of the models, `loaded` names those that were asked for."""

    def __init__(self, device: str = "auto", **replaced: type) -> None:
        self.classes = {**CLASSES, **replaced}
        self.calls: Counter[str] = Counter()
        self.loaded: list[str] = []

    def identity(self, role: str, name: str) -> str:
        return self.classes[role].identity

    def needs_flow(self, role: str, name: str) -> bool:
        return getattr(self.classes[role], "needs_flow", False)

    def uses_gpu(self, role: str, name: str) -> bool:
        return False

    def fetch(self, models: Any) -> Iterator[float]:
        yield from ()

    def get(self, role: str, name: str) -> Any:
        self.loaded.append(role)
        return self.classes[role](self.calls)
