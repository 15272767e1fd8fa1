"""A pipeline that computes nothing but makes real events and products, so that the app's handlers can be tested in a second."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from segmo.pipeline import Result, StageEvent, StageRecord
from segmo.settings import Settings
from segmo.stages.masks import no_objects
from segmo.stages.tracks import query_frames
from segmo.types import Clip, DepthMaps, FeatureMaps, MotionEvidence, MotionLabels, ObjectMasks, Tracks
from segmo.video import write_mp4

FRAMES, HEIGHT, WIDTH, POINTS = 12, 48, 64, 40


def make_products(stride: int, moving: bool) -> dict[str, Any]:
    """A square that moves to the right over noise, seen by every stage."""
    random = np.random.default_rng(0)
    frames = random.integers(0, 255, (FRAMES, HEIGHT, WIDTH, 3), np.uint8)
    labels = np.zeros((FRAMES, HEIGHT, WIDTH), np.uint8)
    for t in range(FRAMES):
        labels[t, 10:30, 2 + 3 * t : 22 + 3 * t] = 3
    times = np.arange(FRAMES) / 12
    names = tuple(f"{t:05d}" for t in range(FRAMES))
    clip = Clip(frames, times, np.arange(FRAMES), names, (HEIGHT, WIDTH), 30, 12.0, ("Only a part of the clip is used.",))
    positions = random.uniform(0, HEIGHT, (POINTS, FRAMES, 2)).astype(np.float32)
    ones = np.ones((POINTS, FRAMES), np.float32)
    tracks = Tracks(positions, ones, ones, np.zeros(POINTS, np.int64), (HEIGHT, WIDTH))
    depth = DepthMaps(random.random((FRAMES, 12, 16)).astype(np.float16), np.arange(FRAMES) > 1)
    queries = query_frames(FRAMES, stride)
    features = FeatureMaps(random.random((len(queries), 6, 8, 5)).astype(np.float16), queries)
    probability = np.linspace(0, 1 if moving else 0.2, POINTS).astype(np.float32)
    evidence = MotionEvidence(probability, np.zeros((FRAMES, 0, 0), np.float16), 0.9, "pans to the left")
    motion = MotionLabels(evidence, probability > 0.5, 0.5)
    masks = ObjectMasks(labels, np.array([3]), np.array([0.75], np.float32)) if moving else no_objects(clip)
    return {"frames": clip, "depth": depth, "tracks": tracks, "features": features, "motion": motion, "masks": masks}


@dataclass
class FakePipeline:
    """Behaves as `segmo.pipeline.run`; `error` is raised instead of the given stage."""

    moving: bool = True
    error: tuple[str, Exception] | None = None
    cached: tuple[str, ...] = ()
    closed: bool = False
    finished: list[str] = field(default_factory=list)

    def __call__(self, source: Path, settings: Settings) -> Generator[StageEvent, None, Result]:
        products = make_products(settings.query.stride, self.moving)
        try:
            for stage, product in products.items():
                if self.error and self.error[0] == stage:
                    raise self.error[1]
                if stage in self.cached:
                    yield StageEvent(stage, "cached", 1.0, 0.0, product)
                else:
                    yield StageEvent(stage, "started", 0.0, 0.0)
                    yield StageEvent(stage, "progress", 0.5, 0.1)
                    yield StageEvent(stage, "done", 1.0, 0.2, product)
                self.finished.append(stage)
        except GeneratorExit:
            self.closed = True
            raise
        records = tuple(StageRecord(stage, f"fake-{stage}", 0.2, stage in self.cached, f"key-{stage}") for stage in products)
        chosen = {"clip": products["frames"], "labels": products["motion"]}
        chosen |= {name: products[name] for name in ("depth", "tracks", "features", "masks")}
        return Result(source, settings, flow=None, stages=records, **chosen)


@pytest.fixture
def products() -> dict[str, Any]:
    return make_products(4, True)


@pytest.fixture
def make_pipeline() -> Callable[..., FakePipeline]:
    return FakePipeline


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test sees or touches the cache of this machine."""
    monkeypatch.setenv("SEGMO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def clip_file(tmp_path: Path) -> Path:
    """A playable file with the fake clip in it."""
    path = tmp_path / "holiday <b>.mp4"
    write_mp4(path, make_products(4, True)["frames"].frames, 12.0)
    return path
