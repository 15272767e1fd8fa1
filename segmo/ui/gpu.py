"""Where the pipeline runs: here, or on the GPU that a ZeroGPU Space lends for one call.

`spaces` must be imported before torch; outside ZeroGPU its decorator returns the function unchanged.
"""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

import spaces

from segmo.settings import Settings
from segmo.ui.cost import gpu_seconds


def run_stages(source: Path, settings: Settings) -> Generator[Any, None, Any]:
    """The events and the result of `segmo.pipeline.run`, on a GPU if the preset profits from one."""
    from segmo.zoo.presets import find_preset

    if not find_preset(settings.preset).uses_torch:
        return (yield from _run(source, settings))
    result = None
    for event in _run_on_gpu(source, settings):
        if result is not None:
            yield result
        result = event
    return result


def _run(source: Path, settings: Settings) -> Generator[Any, None, Any]:
    from segmo import pipeline

    return (yield from pipeline.run(source, settings))


@spaces.GPU(duration=gpu_seconds)  # type: ignore[untyped-decorator]
def _run_on_gpu(source: Path, settings: Settings) -> Generator[Any, None, None]:
    """As `_run`, but the result is the last item: what a generator returns does not come back from another process."""
    result = yield from _run(source, settings)
    yield result
