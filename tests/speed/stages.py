"""Seconds, memory and rounding of the paper's models at full size, a stage at a time."""

from __future__ import annotations

import gc
from typing import Any

import numpy as np
import torch

from segmo.settings import MaskSettings, TrackSettings
from segmo.stages.motion import MotionInputs
from segmo.stages.tracks import query_frames, query_points
from segmo.types import Clip, Steps, finish

from .full_size import MAKERS, make_clip, mask_inputs
from .measuring import Clock, peak_gb, say

STRIDE = 10
"""Frames between query frames."""


def start(stage: str, model: Any, clip: Clip, made: dict[str, Any], tracks: int) -> Steps[Any]:
    """The stage, not begun yet, on what the stages before it have made."""
    asked = query_frames(len(clip), STRIDE)
    match stage:
        case "depth":
            return model.depth(clip, None)
        case "tracks":
            return model.track(clip, query_points(clip.hw, asked, TrackSettings(max_tracks=tracks)), None)
        case "features":
            return model.describe(clip, asked)
        case "motion":
            return model.evidence(MotionInputs(clip, made["depth"], made["tracks"], made["features"], None))
        case _:
            return model.segment(mask_inputs(clip), MaskSettings())


def measure(frames: int, tracks: int, device: str) -> None:
    """Say what each stage takes when it runs first, and again."""
    clip, clock = make_clip(frames), Clock(device)
    made: dict[str, Any] = {}
    total = [0.0, 0.0]
    for stage, make in MAKERS.items():
        model = make(device)
        seconds = []
        for turn in range(2):
            clock.start()
            made[stage] = finish(start(stage, model, clip, made, tracks))
            seconds.append(clock.seconds())
            total[turn] += seconds[turn]
        say(f"{stage}: {seconds[0]:.2f} s at first, {seconds[1]:.2f} s again, at most {peak_gb(device):.2f} GB")
        del model
        gc.collect()
    say(f"{frames} frames of 854x480, {tracks} tracks: {total[0] / frames:.3f} s a frame at first, {total[1] / frames:.3f} s again")


def deviate(frames: int, tracks: int, device: str) -> None:
    """Say how far each stage's result in the device's precision is from that in float32, from the same inputs."""
    clip = make_clip(frames)
    made: dict[str, Any] = {}
    for stage, make in MAKERS.items():
        model = make(device)
        reduced = finish(start(stage, model, clip, made, tracks))
        precision, model._precision = getattr(model, "_precision", torch.float32), torch.float32
        made[stage] = finish(start(stage, model, clip, made, tracks))
        say(f"{stage}, {str(precision).removeprefix('torch.')} against float32: {_difference(stage, reduced, made[stage])}")
        del model
        gc.collect()


def _difference(stage: str, ours: Any, exact: Any) -> str:
    """In words, what matters of a stage."""
    match stage:
        case "depth":
            return _spread(np.abs(ours.inverse_depth.astype(np.float32) - exact.inverse_depth), "of the range of depth")
        case "tracks":
            seen = exact.visible.sum()
            agree = (ours.visible == exact.visible).mean()
            moved = np.linalg.norm(ours.positions_xy - exact.positions_xy, axis=-1)
            return f"{_spread(moved, 'px of 854x480')}; {agree:.2%} of points agree on visibility ({seen} are visible)"
        case "features":
            a, b = (maps.features.astype(np.float32) for maps in (ours, exact))
            cosine = (a * b).sum(-1) / np.linalg.norm(a, axis=-1) / np.linalg.norm(b, axis=-1)
            return _spread(1 - cosine, "less cosine than 1")
        case "motion":
            return _spread(np.abs(ours.track_probability - exact.track_probability), "of probability")
        case _:
            a, b = ours.labels > 0, exact.labels > 0
            return f"IoU of all masks {(a & b).sum() / max((a | b).sum(), 1):.4f}, which cover {b.mean():.1%}"


def _spread(values: Any, unit: str) -> str:
    return f"{np.median(values):.2g} in the middle, {np.quantile(values, 0.99):.2g} at 99 %, {np.max(values):.2g} at most, {unit}"
