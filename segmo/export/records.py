"""What is known about a run as data: run.json, objects.json, tracks.npz and tracks.csv."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import math
import platform
import re
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from segmo import __version__
from segmo.export.folder import OUTPUTS
from segmo.types import Bool, Clip, DepthMaps, FeatureMaps, MotionLabels, ObjectMasks, Tracks

VERSION = 2
"""Of what is drawn and written; raise it with every change to either, or results on disk count as up to date."""

_LIBRARIES = ("av", "moviepy", "numpy", "opencv-python-headless", "pillow", "scipy", "torch")
_FOLDERS = re.compile(r"(?<![\w:/.])(?:/|[A-Za-z]:\\)(?:[^\s/\\'\"<>|:]+[/\\])+")


def describe_run(
    clip: Clip,
    tracks: Tracks,
    labels: MotionLabels,
    masks: ObjectMasks,
    depth: DepthMaps,
    features: FeatureMaps,
    run: Mapping[str, Any],
    source_name: str,
) -> dict[str, Any]:
    """The contents of run.json: which frames were used, what was found, versions, warnings and whatever `run` adds."""
    notes = [note for product in (clip, depth, labels.evidence, labels, masks) for note in product.notes]
    found = {
        **run,
        "source": {
            "name": source_name,
            "height": clip.source_hw[0],
            "width": clip.source_hw[1],
            "frame_count": clip.source_frame_count,
            "fps": clip.source_fps,
            "picture": picture_in_source(clip),
        },
        "frames": {
            "height": clip.hw[0],
            "width": clip.hw[1],
            "fps": clip.fps,
            "names": list(clip.names),
            "source_indices": clip.source_indices.tolist(),
            "timestamps_s": np.round(clip.timestamps_s, 6).tolist(),
            "query_frames": features.query_frames.tolist(),
            "depth_reliable": depth.reliable.tolist(),
        },
        "result": {
            "nothing_moves": masks.nothing_moves,
            "objects": {str(identity): _decimal(score) for identity, score in zip(masks.object_ids, masks.motion_scores, strict=True)},
            "tracks": len(tracks),
            "moving_tracks": int(labels.moving.sum()),
            "threshold": labels.threshold,
            "moving_score": _decimal(labels.evidence.moving_score),
            "camera_motion": labels.evidence.camera_motion,
        },
        "versions": _versions(),
        "warnings": list(dict.fromkeys([*notes, *run.get("warnings", ())])),
    }
    return {name: _without_folders(value) for name, value in found.items()}


def picture_in_source(clip: Clip) -> list[int]:
    """Top, left, bottom and right of the picture between margins, in pixels of the source; the last two lie just outside of it."""
    height, width = clip.source_hw
    if clip.window is None:
        return [0, 0, height, width]
    rows, columns = height / clip.hw[0], width / clip.hw[1]
    top, left, bottom, right = clip.window
    return [math.ceil(top * rows), math.ceil(left * columns), math.floor(bottom * rows), math.floor(right * columns)]


def fingerprint(clip: Clip, tracks: Tracks, labels: MotionLabels, masks: ObjectMasks, record: Mapping[str, Any], source: Path) -> str:
    """SHA-256 of everything that decides what the files show: an export with the same fingerprint would write them again as they are."""
    sound = source.stat().st_size if source.is_file() else 0
    facts = [VERSION, __version__, sound, *(record[name] for name in ("source", "frames", "result", "versions"))]
    total = hashlib.sha256(json.dumps(facts).encode())
    arrays = (clip.frames, masks.labels, tracks.positions_xy, tracks.visibility, tracks.confidence, tracks.query_frames, labels.moving)
    for array in (*arrays, labels.evidence.track_probability):
        total.update(np.ascontiguousarray(array).data)
    return total.hexdigest()


def describe_objects(clip: Clip, masks: ObjectMasks, frames: Sequence[Mapping[int, Mapping[str, Any]]]) -> dict[str, Any]:
    """The contents of objects.json in the layout of YouTube-VIS: an annotation an object, with an entry a frame, null where it is unseen.

    `frames` holds what `encode_objects` returned for each frame, at the size of the source.
    """
    height, width = clip.source_hw
    annotations = []
    for identity, score in zip(masks.object_ids.tolist(), masks.motion_scores, strict=True):
        entries = [frame.get(identity, {}) for frame in frames]
        annotations.append(
            {
                "id": identity,
                "video_id": 1,
                "category_id": 1,
                "motion_score": _decimal(score),
                "iscrowd": 0,
                "height": height,
                "width": width,
                "length": len(clip),
                "segmentations": [entry.get("segmentation") for entry in entries],
                "areas": [entry.get("area") for entry in entries],
                "bboxes": [entry.get("bbox") for entry in entries],
            }
        )
    video = {
        "id": 1,
        "height": height,
        "width": width,
        "length": len(clip),
        "file_names": [f"{OUTPUTS['masks']}/{name}.png" for name in clip.names],
        "frame_names": list(clip.names),
        "source_indices": clip.source_indices.tolist(),
        "timestamps_s": np.round(clip.timestamps_s, 6).tolist(),
    }
    return {"videos": [video], "categories": [{"id": 1, "name": "moving object"}], "annotations": annotations}


def write_tracks(directory: Path, clip: Clip, tracks: Tracks, labels: MotionLabels, wanted: AbstractSet[str]) -> None:
    """Write tracks.npz and tracks.csv where they are wanted. Positions are in pixels of the sampled frames, (0, 0) a pixel's centre."""
    probability = labels.evidence.track_probability
    if "tracks" in wanted:
        np.savez(
            directory / OUTPUTS["tracks"],
            positions_xy=tracks.positions_xy,
            visibility=tracks.visibility,
            confidence=tracks.confidence,
            query_frames=tracks.query_frames,
            motion_probability=probability,
            moving=labels.moving,
            threshold=np.float64(labels.threshold),
            frame_hw=np.array(clip.hw),
            source_hw=np.array(clip.source_hw),
            frame_names=np.array(clip.names),
            source_indices=clip.source_indices,
            timestamps_s=clip.timestamps_s,
        )
    if "csv" in wanted:
        write_csv(directory, clip.timestamps_s, tracks, probability, labels.moving)


def read_tracks(directory: Path) -> tuple[npt.NDArray[np.float64], Tracks, npt.NDArray[np.float32], Bool]:
    """Times in seconds (T,), tracks, probabilities of motion (N,) and decisions (N,) in the tracks.npz of a folder."""
    with np.load(directory / OUTPUTS["tracks"]) as saved:
        hw = (int(saved["frame_hw"][0]), int(saved["frame_hw"][1]))
        tracks = Tracks(saved["positions_xy"], saved["visibility"], saved["confidence"], saved["query_frames"], hw)
        return saved["timestamps_s"], tracks, saved["motion_probability"], saved["moving"]


def write_csv(
    directory: Path, timestamps_s: npt.NDArray[np.float64], tracks: Tracks, probability: npt.NDArray[np.float32], moving: Bool
) -> None:
    """Write tracks.csv: a row for every track and frame in which it is visible."""
    times = [f"{frame},{time:.4f}" for frame, time in enumerate(timestamps_s)]
    with open(directory / OUTPUTS["csv"], "w", encoding="ascii", newline="\n") as file:
        file.write("track,frame,time_s,x,y,motion_probability,moving\n")
        for track, (path, visible) in enumerate(zip(tracks.positions_xy, tracks.visible, strict=True)):
            tail = f"{probability[track]:.4f},{int(moving[track])}"
            seen = zip(np.flatnonzero(visible).tolist(), path[visible].tolist(), strict=True)
            file.write("".join([f"{track},{times[t]},{x:.2f},{y:.2f},{tail}\n" for t, (x, y) in seen]))


def _versions() -> dict[str, str]:
    versions = {"segmo": __version__, "python": platform.python_version()}
    for library in _LIBRARIES:
        try:
            versions[library] = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:  # installed under another name, such as opencv-python
            continue
    return versions


def _decimal(value: np.floating[Any] | float) -> float:
    """A float32 as a person would write it: 0.9, not 0.8999999761581421."""
    return round(float(value), 6)


def _without_folders(value: Any) -> Any:
    """A JSON value with absolute paths in its texts cut to their last part: results are shared, and folders name people and machines."""
    if isinstance(value, Path):
        return value.name
    if isinstance(value, str):
        return _FOLDERS.sub("", value)
    if isinstance(value, Mapping):
        return {key: _without_folders(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_without_folders(entry) for entry in value]
    return value
