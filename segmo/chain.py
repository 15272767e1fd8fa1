"""The plan of a run, a row a product: what makes it, what that looks at, and what its key in the cache depends on.

A row's computation gets a Job, which is plain data, so that whoever runs the chain may hand it to another process.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from segmo.settings import Settings
from segmo.stages import depth, features, flow, frames, masks, motion, tracks
from segmo.types import Clip, DepthMaps, FeatureMaps, FlowFields, MotionEvidence, MotionLabels, ObjectMasks, Steps, Tracks
from segmo.zoo.store import ModelStore


@dataclass(frozen=True, eq=False)
class Job:
    """One product to make, and all that its computation may look at: plain data that another process can be given."""

    product: str
    """Its row in `CHAIN`."""
    role: str
    """Role of its model; empty without one."""
    model: str
    """Name of its model in the zoo; empty without one."""
    source: Path
    settings: Settings
    inputs: Mapping[str, Any]
    """The products that its key covers, by name; flow only where the model reads it."""

    def __getitem__(self, name: str) -> Any:
        return self.inputs[name]

    @property
    def flow(self) -> FlowFields | None:
        """Flow where the model reads it, else None."""
        return self.inputs.get("flow")


Execute = Callable[[Job, ModelStore], Steps[Any]]
"""Makes the product of a job with a model of the store."""


def compute(job: Job, store: ModelStore) -> Steps[Any]:
    """Make a product here, with its model loaded here."""
    task = next(task for task in CHAIN if task.name == job.product)
    return (yield from task.compute(job, store.get(job.role, job.model) if job.role else None))


@dataclass(frozen=True)
class Task:
    """One product of the chain."""

    name: str
    kind: type[Any]
    version: int
    role: str
    """Role of its model; empty without one."""
    inputs: tuple[str, ...]
    settings: Callable[[Settings], Mapping[str, Any]]
    """The settings that its key depends on."""
    compute: Callable[[Job, Any], Steps[Any]]
    """Makes it with its model."""
    on_demand: bool = False
    """Whether it is made or read only when a product that reads it is missing."""

    @property
    def stage(self) -> str:
        """The stage it is part of, as events name it."""
        return "motion" if self.name in ("evidence", "labels") else self.name


def _nothing(_: Settings) -> dict[str, Any]:
    return {}


def _frames(job: Job, _: None) -> Steps[Clip]:
    return frames.sample_frames(job.source, job.settings.frames)


def _flow(job: Job, model: flow.FlowModel) -> Steps[FlowFields]:
    return flow.estimate_flow(job["frames"], model)


def _depth(job: Job, model: depth.DepthModel) -> Steps[DepthMaps]:
    return depth.estimate_depth(job["frames"], job.flow, model)


def _tracks(job: Job, model: tracks.TrackModel) -> Steps[Tracks]:
    return tracks.track_points(job["frames"], job.settings.query.stride, job.flow, job.settings.tracks, model)


def _features(job: Job, model: features.FeatureModel) -> Steps[FeatureMaps]:
    return features.describe_frames(job["frames"], job.settings.query.stride, model)


def _evidence(job: Job, model: motion.MotionModel) -> Steps[MotionEvidence]:
    inputs = motion.MotionInputs(job["frames"], job["depth"], job["tracks"], job["features"], job.flow)
    return motion.gather_evidence(inputs, model)


def _labels(job: Job, model: motion.MotionModel) -> Steps[MotionLabels]:
    yield 0.0
    return motion.label_motion(job["evidence"], job["tracks"], job.settings.motion, model)


def _masks(job: Job, model: masks.MaskModel) -> Steps[ObjectMasks]:
    inputs = masks.MaskInputs(job["frames"], job["tracks"], job["features"], job["labels"], job.flow)
    return masks.segment_objects(inputs, job.settings.masks, model)


def _query_and_tracks(settings: Settings) -> dict[str, Any]:
    return asdict(settings.query) | asdict(settings.tracks)


_JUDGED = ("frames", "depth", "tracks", "features")
_DRAWN = ("frames", "tracks", "features", "labels")
CHAIN = (
    Task("frames", Clip, frames.VERSION, "", ("source",), lambda s: asdict(s.frames), _frames),
    Task("flow", FlowFields, flow.VERSION, "flow", ("frames",), _nothing, _flow, on_demand=True),
    Task("depth", DepthMaps, depth.VERSION, "depth", ("frames",), _nothing, _depth),
    Task("tracks", Tracks, tracks.VERSION, "tracks", ("frames",), _query_and_tracks, _tracks),
    Task("features", FeatureMaps, features.VERSION, "features", ("frames",), lambda s: asdict(s.query), _features),
    Task("evidence", MotionEvidence, motion.VERSION, "motion", _JUDGED, _nothing, _evidence, on_demand=True),
    Task("labels", MotionLabels, motion.VERSION, "motion", ("evidence", "tracks"), lambda s: asdict(s.motion), _labels),
    Task("masks", ObjectMasks, masks.VERSION, "masks", _DRAWN, lambda s: asdict(s.masks), _masks),
)
"""Every product, in the order of making; a row's inputs come before it. Flow is a further input of a model that reads it."""
