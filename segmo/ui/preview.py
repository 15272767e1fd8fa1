"""What a dropped clip is and how much of it a run would use, without decoding more than its first picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from segmo.errors import SegmoError
from segmo.geometry import fit_side, resize_image
from segmo.settings import Settings
from segmo.stages.frames import plan
from segmo.stages.tracks import query_frames
from segmo.types import UInt8
from segmo.ui import cost, gpu
from segmo.ui.checks import check_clip, check_kept
from segmo.ui.limits import limits_from
from segmo.ui.remaining import stages_to_compute
from segmo.video import open_source

POSTER_SIDE_PX = 480


@dataclass(frozen=True)
class Preview:
    """What there is to say about a clip before it runs."""

    picture: UInt8
    """(H, W, 3) RGB, its first."""
    facts: Sequence[str]
    """About the clip."""
    use: Sequence[str]
    """About its use with the present settings."""
    cost: str
    """Empty where it cannot run."""
    warnings: Sequence[str]
    """Why it cannot run like this."""
    plays: bool
    """Whether it is short enough to be made to play: nothing ends that once it has begun, and it would keep others waiting."""


def preview(clip: Path, settings: Settings) -> Preview:
    """Look at a clip.

    Raises:
        InputError: it is gone, or not a video.
    """
    check_kept(clip)
    source = open_source(clip)
    info, planned = source.info, plan(source.info, settings.frames)
    frame = next(source.read([0]))[1]
    queries = len(query_frames(planned.frame_count, settings.query.stride)) if planned.frame_count else 0
    megabytes = clip.stat().st_size / 1e6
    size = f"{megabytes:.1f} MB" if megabytes >= 0.1 else f"{megabytes * 1000:.0f} kB"
    facts = [f"{info.hw[1]}×{info.hw[0]} px", size, f"{info.duration_s:.1f} s"]
    use = [
        f"{planned.frame_count} of {info.frame_count} frames will be used at {planned.hw[1]}×{planned.hw[0]} px",
        f"tracks will start on {queries}",
    ]
    words, refused, limits = "", "", limits_from()
    try:
        check_clip(clip, settings, limits)
        expected = cost.estimate(cost.work_of(planned, settings))
        words = cost.in_words(expected, stages_to_compute(clip, settings), gpu.stages_on_gpu(settings))
    except SegmoError as error:
        refused = str(error)
    return Preview(
        resize_image(frame, fit_side(info.hw, POSTER_SIDE_PX)),
        [*facts, f"{info.fps:.3g} frames a second"],
        use,
        words,
        [refused] if refused else [],
        info.duration_s <= limits.clip_seconds,
    )
