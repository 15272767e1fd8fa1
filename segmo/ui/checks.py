"""Whether a clip and its settings are within what the app allows, told before anything waits or computes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from segmo.errors import InputError, SettingsError
from segmo.settings import Settings
from segmo.ui import cost
from segmo.ui.limits import Limits


def check_kept(clip: Path) -> None:
    """Raise InputError where an upload is gone: it was kept for its time, or until the server started again, and the page is older."""
    if not clip.exists():
        raise InputError(f"{clip.name} is no longer kept here. Take it away and drop it again.")


def check_clip(clip: Path, settings: Settings, limits: Limits) -> None:
    """Look at size, kind, length, number of frames and, on ZeroGPU, the time of a stage; opens the file and decodes nothing.

    Raises:
        InputError: it is gone, no video, or more than the limits allow.
        SettingsError: the settings leave too few frames, or a stage would take longer than a lent GPU may be kept.
    """
    from segmo.stages.frames import plan
    from segmo.ui.remaining import beyond_loan
    from segmo.video import probe

    check_kept(clip)
    megabytes = clip.stat().st_size / 1e6 if clip.is_file() else 0.0
    if megabytes > limits.upload_mb:
        raise InputError(f"The clip has {megabytes:.0f} MB, and {limits.upload_mb} MB are allowed. Cut or compress it.")
    info = probe(clip)
    frames = settings.frames
    seconds = max(min(info.duration_s - frames.start_s, frames.length_s or info.duration_s), 0.0)
    if seconds > limits.clip_seconds:
        raise InputError(f"{seconds:.0f} s would be used, and {limits.clip_seconds} s are allowed. Set a shorter length.")
    planned = plan(info, frames)
    if info.frame_count < 2:
        raise InputError("The clip has a single frame, and motion needs at least 2. Give a video.")
    if planned.source_frame_count < 2:
        raise SettingsError(
            f"Start and length leave {planned.source_frame_count} of the {info.frame_count} frames, and motion needs at least 2. "
            f"Choose them within the {info.duration_s:.2f} s of the clip."
        )
    if planned.frame_count < 2:
        raise SettingsError("A single frame would be used, and motion needs at least 2. Raise maximum frames, or set it to 0 for no limit.")
    if planned.frame_count > limits.frames:
        raise InputError(
            f"{planned.frame_count} frames would be used, and {limits.frames} are allowed. "
            "Turn on efficiency mode, or lower maximum frames."
        )
    if too_long := beyond_loan(clip, settings, cost.work_of(planned, settings)):
        raise SettingsError(too_long)


def settings_of_record(path: Path) -> Settings:
    """The settings in the `run.json` of an earlier run.

    Raises:
        SettingsError: the file is no such record.
    """
    try:
        values: Any = json.loads(path.read_text(encoding="utf-8"))["settings"]
        if not isinstance(values, Mapping):
            raise TypeError("its settings are no object")
        return Settings.from_dict(values)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SettingsError(f"{path.name} holds no settings of a run ({error}). Drop the run.json of a result.") from error
