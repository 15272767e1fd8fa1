"""Writes depth, tracks and features of scenes in the folder layout, with the models of a preset and in the formats of the published code.

Only what is missing is made, so that a run that was stopped goes on. `prepared.json` of a scene tells which frames and query frames
there should be and which models made them; other settings on the same scene are refused, because files of both would mix. As in
the published code, the points of *all* query grids are tracked: training and labelling draw from them. Track positions are in pixels
of the images, whatever size the models saw.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from segmo.datasets.layout import Layout, Scene, write_depth, write_features, write_tracks
from segmo.datasets.scenes import Done, Store, over_scenes
from segmo.errors import DataError
from segmo.files import write_text
from segmo.geometry import rescale_points, resize_map
from segmo.settings import Settings, TrackSettings
from segmo.stages.depth import estimate_depth
from segmo.stages.flow import estimate_flow
from segmo.stages.frames import sample_frames, sampled_indices
from segmo.stages.paper_rules import stored_depth
from segmo.stages.tracks import query_frames, query_points
from segmo.types import Clip, Float, FlowFields, Int, Steps, Tracks, within
from segmo.zoo.presets import models_of
from segmo.zoo.store import ModelStore

PARTS = {"depths": "depth", "tracks": "tracks", "features": "features"}
"""What can be prepared, and the role of the model that does it."""
_ALL_POINTS = TrackSettings(max_tracks=100_000)
_GROUP_BYTES = 512 << 20  # of tracks held at once
_SUREST = 1e-6  # probabilities this near to 0 or 1 are stored as if they were there: logits stay finite


@dataclass(frozen=True)
class Plan:
    """What a scene should hold."""

    frames: tuple[str, ...]
    """Frames with depth and as targets of tracks."""
    queries: tuple[str, ...]
    """Frames with features and tracks of their own."""
    models: dict[str, str]
    """Identity of the model of each part."""


def read_plan(scene: Scene) -> Plan | None:
    """What a scene should hold by its record; None where it has none, or the record of somebody else.

    Raises:
        DataError: the record is damaged.
    """
    try:
        known = json.loads(scene.record.read_text(encoding="utf-8"))
        if "frames" not in known:
            return None
        return Plan(tuple(known["frames"]), tuple(known["queries"]), dict(known["models"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{scene.record} cannot be read: {error}. Remove it, and prepare the scene again.") from error


def prepare(
    layout: Layout, settings: Settings, parts: Collection[str] = tuple(PARTS), *, gpus: Sequence[int] = (), store: Store | None = None
) -> Steps[Done]:
    """Write what is missing in all scenes.

    Args:
        settings: preset and models, step of the query frames, efficiency mode.
        parts: of `PARTS`.
        gpus: one process each; in this process, on the device of `store`, if there are none.
        store: used without `gpus`.

    Raises:
        WeightsError, DeviceError, OutputError, SettingsError: nothing can be prepared.
    """
    work = functools.partial(_prepare, settings=settings, parts=tuple(parts))
    return (yield from over_scenes(work, layout.scenes(), store or ModelStore(), gpus))


def _prepare(scene: Scene, store: Store, settings: Settings, parts: tuple[str, ...]) -> Steps[int]:
    return prepare_scene(scene, settings, parts, store)


def prepare_scene(scene: Scene, settings: Settings, parts: Collection[str], store: Store) -> Steps[int]:
    """Write what is missing in a scene; returns how many files that were.

    Raises:
        DataError: the scene was prepared with other settings.
        VideoError: its images cannot be read.
    """
    models = models_of(settings)
    names = scene.frame_names()
    kept = [names[index] for index in sampled_indices(len(names), settings.frames)]
    queries = query_frames(len(kept), settings.query.stride)
    plan = Plan(
        tuple(kept), tuple(kept[q] for q in queries), {part: store.identity(PARTS[part], models[PARTS[part]]) for part in sorted(parts)}
    )
    _claim(scene, plan)
    lacking: dict[str, Int] = {
        "depths": np.array([t for t, name in enumerate(kept) if not scene.depth_file(name).exists()], np.int64),
        "tracks": np.array([q for q in queries if not all(scene.track_file(kept[q], name).exists() for name in kept)], np.int64),
        "features": np.array([q for q in queries if not scene.feature_file(kept[q]).exists()], np.int64),
    }
    todo = [part for part in PARTS if part in parts and len(lacking[part])]
    if not todo:
        return 0
    clip = yield from within(sample_frames(scene.images, settings.frames), 0.0, 0.1)
    flow: FlowFields | None = None
    if any(store.needs_flow(PARTS[part], models[PARTS[part]]) for part in todo if part != "features"):
        flow = yield from within(estimate_flow(clip, store.get("flow", models["flow"])), 0.1, 0.3)
    written = 0
    for index, part in enumerate(todo):
        role = PARTS[part]
        seen = flow if store.needs_flow(role, models[role]) else None
        steps = _WRITERS[part](scene, clip, lacking[part], seen, store.get(role, models[role]))
        written += yield from within(steps, 0.3 + 0.7 * index / len(todo), 0.3 + 0.7 * (index + 1) / len(todo))
    return written


def _claim(scene: Scene, plan: Plan) -> None:
    """Write the record of a scene, unless it is there; refuse to mix."""
    known = read_plan(scene)
    models = dict(plan.models)
    if known is not None:
        other = [part for part in plan.models if known.models.get(part, plan.models[part]) != plan.models[part]]
        what = ""
        if (known.frames, known.queries) != (plan.frames, plan.queries):
            what = f"has {len(known.frames)} frames and {len(known.queries)} query frames, other than the ones asked for"
        elif other:
            what = f"has {other[0]} by {known.models[other[0]]}, not by {plan.models[other[0]]}"
        if what:
            places = ", ".join(str(place) for place in (scene.record, scene.depth, scene.tracks, scene.features))
            raise DataError(f"{scene.name} {what}. Use the same step, efficiency and preset as before, or first remove {places}.")
        models = {**known.models, **plan.models}
        if models == known.models:
            return
    content = {"frames": list(plan.frames), "queries": list(plan.queries), "models": models}
    write_text(scene.record, json.dumps(content, indent=1, sort_keys=True) + "\n")


def _write_depth(scene: Scene, clip: Clip, lacking: Int, flow: FlowFields | None, model: Any) -> Steps[int]:
    """Depth at the size of the images, whatever grid the model has."""
    depth = yield from estimate_depth(clip, flow, model)
    for t in lacking:
        full = resize_map(depth.inverse_depth[t], clip.source_hw)
        write_depth(scene.depth_file(clip.names[t]), stored_depth(full[None])[0])
    return len(lacking)


def _write_tracks(scene: Scene, clip: Clip, lacking: Int, flow: FlowFields | None, model: Any) -> Steps[int]:
    """Tracks of all grid points of the query frames, a few query frames at a time."""
    points = len(query_points(clip.hw, lacking[:1], _ALL_POINTS))
    together = max(1, _GROUP_BYTES // (points * len(clip) * 16))
    groups = [lacking[first : first + together] for first in range(0, len(lacking), together)]
    for index, group in enumerate(groups):
        asked = np.concatenate([query_points(clip.hw, group[i : i + 1], _ALL_POINTS) for i in range(len(group))])
        tracks = yield from within(model.track(clip, asked, flow), index / len(groups), (index + 1) / len(groups))
        rows = track_rows(tracks, clip.source_hw)
        for q in group:
            write_tracks(scene, clip.names[q], clip.names, rows[tracks.query_frames == q])
    return len(lacking) * len(clip)


def _write_features(scene: Scene, clip: Clip, lacking: Int, flow: FlowFields | None, model: Any) -> Steps[int]:
    described = yield from model.describe(clip, lacking)
    for q, features in zip(lacking, described.features, strict=True):
        write_features(scene.feature_file(clip.names[q]), features)
    return len(lacking)


_WRITERS = {"depths": _write_depth, "tracks": _write_tracks, "features": _write_features}


def track_rows(tracks: Tracks, hw: tuple[int, int]) -> npt.NDArray[np.float32]:
    """(N, T, 4) tracks as the layout stores them: x, y in pixels of images of size `hw`, occlusion logit, distance logit."""
    positions = tracks.positions_xy if tracks.frame_hw == hw else rescale_points(tracks.positions_xy, tracks.frame_hw, hw)
    logits = [_logit(1 - np.asarray(value, np.float64)) for value in (tracks.visibility, tracks.confidence)]
    return np.concatenate([positions, np.stack(logits, axis=-1)], axis=-1).astype(np.float32)


def _logit(probability: Float) -> Float:
    clipped = np.clip(probability, _SUREST, 1 - _SUREST)
    return np.log(clipped) - np.log1p(-clipped)
