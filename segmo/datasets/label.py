"""Labels tracks and draws masks from a prepared data folder: the second and third step of the published code, one result folder a scene.

OUT/<scene>/labels.npz      the tracks that were judged, and which of them move
OUT/<scene>/masks/...       and whatever `python -m segmo run` writes
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import io
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from segmo.datasets.layout import Layout, Scene, read_depth, read_features, read_tracks
from segmo.datasets.prepare import read_plan
from segmo.datasets.scenes import Done, Store, over_scenes
from segmo.errors import DataError
from segmo.export import export_all
from segmo.files import write_bytes
from segmo.geometry import rescale_points
from segmo.settings import FrameSettings, Settings
from segmo.stages.flow import estimate_flow
from segmo.stages.frames import sample_frames
from segmo.stages.masks import MaskInputs, segment_objects
from segmo.stages.motion import MotionInputs, gather_evidence, label_motion
from segmo.stages.paper_rules import track_certainty
from segmo.types import Clip, DepthMaps, FeatureMaps, FlowFields, MotionEvidence, MotionLabels, Steps, Tracks, within
from segmo.video.images import list_images
from segmo.zoo.presets import models_of, within_preset
from segmo.zoo.store import ModelStore

LABELS = "labels.npz"


def label(layout: Layout, out: Path, settings: Settings, *, gpus: Sequence[int] = (), store: Store | None = None) -> Steps[Done]:
    """Judge tracks of every scene. Labels of the same settings and the same prepared data are kept.

    Args:
        out: where the results go.
        settings: preset, models, threshold, seed and number of tracks; frames and query frames are those prepared.
        gpus: one process each.

    Raises:
        WeightsError, DeviceError, OutputError, SettingsError: nothing can be labelled.
    """
    work = functools.partial(_label_scene, out=out, settings=settings)
    return (yield from over_scenes(work, layout.scenes(), store or ModelStore(), gpus))


def mask(layout: Layout, out: Path, settings: Settings, *, gpus: Sequence[int] = (), store: Store | None = None) -> Steps[Done]:
    """Draw the masks of every labelled scene, and write all outputs. Scenes prepared anew since then are refused: their labels are old.

    Args:
        out: where the labels are and the results go.
        settings: preset, models and settings of masks.
        gpus: one process each.

    Raises:
        WeightsError, DeviceError, OutputError, SettingsError: nothing can be masked.
    """
    work = functools.partial(_mask_scene, out=out, settings=settings)
    return (yield from over_scenes(work, layout.scenes(), store or ModelStore(), gpus))


def _label_scene(scene: Scene, store: Store, out: Path, settings: Settings) -> Steps[int]:
    path, name = out / scene.name / LABELS, models_of(settings)["motion"]
    asked = {"motion": settings.to_dict()["motion"], "tracks": settings.to_dict()["tracks"], "model": store.identity("motion", name)}
    data = _describe_data(scene)
    key = json.dumps({**asked, "frames": scene.prepared_names(), "queries": scene.query_names(), "data": data}, sort_keys=True)
    if path.exists() and _read_labels(path)[2] == key:
        return 0
    clip = yield from within(_sample(scene), 0.0, 0.1)
    inputs = MotionInputs(
        clip,
        read_depth_maps(scene),
        read_drawn_tracks(scene, clip.hw, settings),
        read_feature_maps(scene),
        (yield from within(_flow(clip, store, settings, "motion"), 0.1, 0.4)),
    )
    model = store.get("motion", name)
    evidence = yield from within(gather_evidence(inputs, model), 0.4, 1.0)
    labels = label_motion(evidence, inputs.tracks, settings.motion, model)
    _write_labels(path, inputs.tracks, labels, key)
    return 1


def _mask_scene(scene: Scene, store: Store, out: Path, settings: Settings) -> Steps[int]:
    path, name = out / scene.name / LABELS, models_of(settings)["masks"]
    if not path.exists():
        raise DataError(f"There are no labels {path}. Run `python -m segmo label` first.")
    tracks, labels, key = _read_labels(path)
    labelled = json.loads(key)
    if labelled.get("data") != _describe_data(scene):
        raise DataError(f"{path} is not of the images, depth, tracks and features that are there now. Run `python -m segmo label` again.")
    clip = yield from within(_sample(scene), 0.0, 0.1)
    features = read_feature_maps(scene)
    flow = yield from within(_flow(clip, store, settings, "masks"), 0.1, 0.3)
    inputs = MaskInputs(clip, tracks, features, labels, flow)
    masks = yield from within(segment_objects(inputs, settings.masks, store.get("masks", name)), 0.3, 0.9)
    run = {"settings": settings.to_dict(), "labels": labelled, "model": store.identity("masks", name)}
    written = yield from within(
        export_all(
            path.parent,
            clip=clip,
            tracks=tracks,
            labels=labels,
            masks=masks,
            depth=read_depth_maps(scene),
            features=features,
            run=run,
            source=scene.images,
        ),
        0.9,
        1.0,
    )
    return len(written)


def _describe_data(scene: Scene) -> dict[str, Any]:
    """The models of a scene by its record, and a digest of its files by name, size and time of change, for reading them takes long."""
    names, queries = scene.prepared_names(), scene.query_names()
    files = [*list_images(scene.images), *map(scene.depth_file, names), *map(scene.feature_file, queries)]
    files += [scene.track_file(query, name) for query in queries for name in names]
    digest = hashlib.sha256()
    for file in files:
        with contextlib.suppress(FileNotFoundError):  # whoever needs it says so
            seen = file.stat()
            digest.update(os.fsencode(f"{file.name}\n{seen.st_size} {seen.st_mtime_ns}\n"))
    plan = read_plan(scene)
    return {"models": plan.models if plan else {}, "files": digest.hexdigest()}


def _sample(scene: Scene) -> Steps[Clip]:
    """The frames that were prepared."""
    prepared = scene.prepared_names()
    if not prepared or not scene.query_names():
        raise DataError(f"{scene.name} is not prepared. Run `python -m segmo prepare`, and `check` to see what is missing.")
    clip = yield from sample_frames(scene.images, FrameSettings(efficiency=len(prepared) < len(scene.frame_names())))
    if clip.names != prepared:
        raise DataError(f"{scene.name} has depth of {len(prepared)} frames, not of the {len(clip)} expected. See `python -m segmo check`.")
    return clip


def _flow(clip: Clip, store: Store, settings: Settings, role: str) -> Steps[FlowFields | None]:
    models = models_of(settings)
    if not store.needs_flow(role, models[role]):
        return None
    return (yield from estimate_flow(clip, store.get("flow", models["flow"])))


def read_depth_maps(scene: Scene) -> DepthMaps:
    """Depth of all prepared frames, each from 0 to 1; a frame of one depth has none that could be relied on."""
    stored = np.stack([read_depth(scene.depth_file(name)) for name in scene.prepared_names()])
    return DepthMaps((stored / np.float32(65535)).astype(np.float16), np.asarray(stored.any(axis=(1, 2))))


def read_feature_maps(scene: Scene) -> FeatureMaps:
    """Features of all query frames."""
    names, queries = scene.prepared_names(), scene.query_names()
    features = np.stack([read_features(scene.feature_file(name)) for name in queries])
    return FeatureMaps(features, np.array([names.index(name) for name in queries], np.int64))


def read_drawn_tracks(scene: Scene, hw: tuple[int, int], settings: Settings) -> Tracks:
    """A seeded draw from the stored tracks, in pixels of frames of size `hw`: 1/Q from each query frame, no more than the settings say."""
    names, queries = scene.prepared_names(), scene.query_names()
    random = np.random.default_rng(settings.tracks.seed)
    most = within_preset(settings).tracks.max_tracks // len(queries)
    rows, started = [], []
    for query in queries:
        every = read_tracks(scene, query, names)
        count = max(1, min(len(every) // len(queries), most))
        rows.append(every[np.sort(random.choice(len(every), count, replace=False))])
        started.append(np.full(count, names.index(query), np.int64))
    drawn = np.concatenate(rows)
    certainty = track_certainty(drawn[..., 2], drawn[..., 3])
    positions = rescale_points(drawn[..., :2], scene.image_hw(), hw)
    return Tracks(positions, certainty.visibility, certainty.confidence, np.concatenate(started), hw)


def _write_labels(path: Path, tracks: Tracks, labels: MotionLabels, key: str) -> None:
    buffer = io.BytesIO()
    evidence = labels.evidence
    np.savez_compressed(
        buffer,
        positions_xy=tracks.positions_xy,
        visibility=tracks.visibility,
        confidence=tracks.confidence,
        query_frames=tracks.query_frames,
        frame_hw=np.array(tracks.frame_hw),
        track_probability=evidence.track_probability,
        probability_maps=evidence.probability_maps,
        seam_maps=evidence.seam_maps,
        moving=labels.moving,
        threshold=np.array(labels.threshold),
        moving_score=np.array(evidence.moving_score),
        camera_motion=np.array(evidence.camera_motion),
        notes=np.array([*evidence.notes, *labels.notes], np.str_),
        key=np.array(key),
    )
    write_bytes(path, buffer.getvalue())


def _read_labels(path: Path) -> tuple[Tracks, MotionLabels, str]:
    """Tracks, labels, and the settings they were made with."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            values: dict[str, Any] = {name: arrays[name] for name in arrays.files}
        hw = (int(values["frame_hw"][0]), int(values["frame_hw"][1]))
        tracks = Tracks(values["positions_xy"], values["visibility"], values["confidence"], values["query_frames"], hw)
        notes = tuple(str(note) for note in values["notes"])
        score, camera = float(values["moving_score"]), str(values["camera_motion"])
        evidence = MotionEvidence(
            values["track_probability"],
            values["probability_maps"],
            score,
            camera,
            notes,
            values.get("seam_maps", np.zeros((0, 0, 0), np.float16)),
        )
        return tracks, MotionLabels(evidence, values["moving"], float(values["threshold"])), str(values["key"])
    except Exception as error:  # a damaged file makes numpy raise almost anything
        raise DataError(f"{path} cannot be read: {error}. Remove it, and run `python -m segmo label` again.") from error
