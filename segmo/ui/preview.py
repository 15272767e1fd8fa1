"""What a dropped clip is and how much of it a run would use, without decoding more than its first picture."""

from __future__ import annotations

from pathlib import Path

from segmo.geometry import fit_side, resize_image
from segmo.settings import Settings
from segmo.stages.frames import plan
from segmo.types import UInt8
from segmo.ui import cost, gpu
from segmo.ui.remaining import stages_to_compute
from segmo.video import open_source

POSTER_SIDE_PX = 480


def preview(clip: Path, settings: Settings) -> tuple[UInt8, list[str]]:
    """The first picture of a clip, (H, W, 3) RGB, and facts about it and about its use.

    Raises:
        VideoError: it is not a video.
    """
    source = open_source(clip)
    info, planned = source.info, plan(source.info, settings.frames)
    frame = next(source.read([0]))[1]
    work = cost.work_of(planned, settings)
    facts = [
        f"{info.hw[1]}×{info.hw[0]} px",
        f"{clip.stat().st_size / 1e6:.1f} MB",
        f"{info.duration_s:.1f} s",
        f"{info.fps:.3g} frames a second",
        f"{planned.frame_count} of {info.frame_count} frames will be used at {planned.hw[1]}×{planned.hw[0]} px",
        f"tracks will start on {work.queries}",
        cost.in_words(cost.estimate(work, settings.preset), stages_to_compute(clip, settings), gpu.stages_on_gpu(settings)),
    ]
    return resize_image(frame, fit_side(info.hw, POSTER_SIDE_PX)), facts
