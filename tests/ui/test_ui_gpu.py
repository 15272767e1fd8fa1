"""Where the pipeline runs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from segmo import pipeline
from segmo.settings import Settings
from segmo.ui import gpu, handlers
from segmo.zoo import presets


@pytest.mark.parametrize("uses_torch", [False, True])
def test_the_result_comes_back_with_and_without_a_borrowed_gpu(
    make_pipeline: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, uses_torch: bool
) -> None:
    """On a GPU that is lent, only what a generator yields comes back, not what it returns."""
    calls = []
    borrowed = gpu._run_on_gpu
    monkeypatch.setattr(gpu, "_run_on_gpu", lambda *arguments: calls.append(arguments) or (item for item in borrowed(*arguments)))
    monkeypatch.setattr(pipeline, "run", make_pipeline())
    monkeypatch.setattr(presets, "find_preset", lambda name: dataclasses.replace(presets.LITE, uses_torch=uses_torch))
    seen = []
    result = next(_returned(gpu.run_stages(Path("clip.mp4"), Settings()), seen))
    assert isinstance(result, pipeline.Result) and len(calls) == uses_torch
    assert {event.stage for event in seen} == {"frames", "depth", "tracks", "features", "motion", "masks"}


def _returned(steps: Any, seen: list[Any]) -> Any:
    yield (yield from handlers._translated(steps, lambda event: seen.append(event) or ()))
