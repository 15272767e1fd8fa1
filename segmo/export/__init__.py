"""Everything a run leaves behind in a folder: masks, videos, COCO RLE, tracks and the record of the run.

`export_all` writes into a temporary folder beside the target and moves the files in place at the end, so that a run that fails or is
stopped leaves an earlier result as it was. `run.json` lists the files that were written; only those does the next export replace or
remove. For equal input, PNG, JSON, NPZ, CSV and ZIP come out byte for byte equal; files that are up to date are not written again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from segmo.errors import OutputError
from segmo.export.folder import OUTPUTS, add_output, commit, has_output, staging_beside, update_record, write_json, write_zip
from segmo.export.frames import write_frames
from segmo.export.mattes import read_labels, write_mattes
from segmo.export.records import describe_objects, describe_run, fingerprint, read_tracks, write_csv, write_tracks
from segmo.export.rle import encode_objects
from segmo.geometry import resize_labels
from segmo.types import Clip, DepthMaps, FeatureMaps, MotionLabels, ObjectMasks, Steps, Tracks

__all__ = ["EXTRA_OUTPUTS", "OUTPUTS", "USUAL_OUTPUTS", "add_extra", "encode_objects", "export_all", "has_output", "write_zip"]

EXTRA_OUTPUTS = {"matte": "masks", "static": "masks", "csv": "tracks"}
"""What is written only if asked for, and the output that it is made from: few need it, and tracks.csv takes as long as all the rest."""
USUAL_OUTPUTS = tuple(name for name in OUTPUTS if name not in EXTRA_OUTPUTS)
"""What `export_all` writes unless told otherwise."""


def export_all(
    directory: Path,
    *,
    clip: Clip,
    tracks: Tracks,
    labels: MotionLabels,
    masks: ObjectMasks,
    depth: DepthMaps,
    features: FeatureMaps,
    run: Mapping[str, Any],
    source: Path,
    outputs: Collection[str] = USUAL_OUTPUTS,
) -> Steps[dict[str, Path]]:
    """Write the outputs of a run into `directory`; returns where each one is.

    Args:
        directory: made where missing. Files in it that no earlier export wrote are left alone, unless they have the name of an output.
        source: the clip's file or folder: its name goes into run.json, its sound into the overlay.
        run: what else run.json shall tell: settings, a record a stage, warnings. Paths in its texts are cut to file names.
        outputs: keys of `OUTPUTS`; run.json is always written.

    Raises:
        OutputError: a file cannot be written, or an output is unknown.
    """
    unknown = sorted(set(outputs) - set(OUTPUTS))
    if unknown:
        raise OutputError(f"There is no output {unknown[0]!r}. Choose from {', '.join(OUTPUTS)}.")
    unusable = [name for name in clip.names if name in ("", ".", "..") or set(name) & set("/\\\0")]
    if unusable:
        raise OutputError(f"A frame is called {unusable[0]!r}, which cannot be the name of a file. Rename it.")
    wanted = {*outputs, "run"}
    record = describe_run(clip, tracks, labels, masks, depth, features, run, source.name)
    record["fingerprint"] = fingerprint(clip, tracks, labels, masks, record, source)
    places = {name: directory / OUTPUTS[name] for name in OUTPUTS if name in wanted}
    if update_record(directory, record, wanted):
        yield 1.0
        return places
    with staging_beside(directory) as staging:
        with ThreadPoolExecutor(1) as pool:
            written = pool.submit(write_tracks, staging, clip, tracks, labels, wanted)
            objects, warnings = yield from write_frames(staging, clip, masks, source, wanted)
            if wanted & {"matte", "static"}:
                full = (resize_labels(frame[None], clip.source_hw)[0] for frame in masks.labels)
                write_mattes(staging, wanted, full, clip.names, clip.fps, clip.timestamps_s, record["source"]["picture"])
            written.result()
        record["warnings"] += warnings
        if "objects" in wanted:
            write_json(staging / OUTPUTS["objects"], describe_objects(clip, masks, objects))
        commit(staging, directory, record)
    return places


def add_extra(directory: Path, name: str) -> Path:
    """Write one of `EXTRA_OUTPUTS` into an exported folder that lacks it, from the output that it is made from; returns where it is.

    Raises:
        OutputError: the folder holds no finished export with that output, or cannot be written.
    """
    origin = OUTPUTS[EXTRA_OUTPUTS[name]]
    with staging_beside(directory) as staging:
        if not (directory / origin).exists():
            raise OutputError(f"{directory.name} holds no {origin}. Export it first.")
        if name == "csv":
            write_csv(staging, *read_tracks(directory))
        else:
            write_mattes(staging, {name}, *read_labels(directory))
        return add_output(staging, directory, name)
