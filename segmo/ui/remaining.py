"""What a run would still have to compute, from the keys of its products alone."""

from __future__ import annotations

import functools
from pathlib import Path

from segmo.cache import StageCache, cache_directory
from segmo.errors import SegmoError
from segmo.settings import Settings
from segmo.ui import cost, gpu, text


def stages_to_compute(clip: Path, settings: Settings) -> tuple[str, ...]:
    """The stages that are not in the cache for a clip with these settings; all of them where that cannot be told."""
    everything = tuple(stage for stage in text.STAGES if stage != "files")
    if not (cache_directory() / "stages").is_dir():
        return everything
    from segmo.pipeline import missing

    status = clip.stat()
    try:
        with StageCache() as cache:
            return missing(clip, settings, cache, gpu.models(), _hash(clip, status.st_size, status.st_mtime_ns))
    except SegmoError:
        return everything


def beyond_loan(clip: Path, settings: Settings, work: cost.Work) -> str:
    """Why the GPUs that a Space lends cannot do a run, and what to lower; empty if they can, and where none is needed."""
    stages = set(gpu.stages_on_gpu(settings))
    if not stages:
        return ""
    return cost.beyond_loan(cost.estimate(work), stages & set(stages_to_compute(clip, settings)), work.frames)


@functools.lru_cache(maxsize=64)
def _hash(clip: Path, size: int, modified_ns: int) -> str:
    """The content hash of a clip, kept because the estimate is made anew at every touch of a control."""
    from segmo.video import content_hash

    return content_hash(clip)
