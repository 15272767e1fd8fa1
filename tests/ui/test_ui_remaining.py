"""The estimate leaves out what is in the cache."""

from __future__ import annotations

import re
from pathlib import Path

import fakes
import pytest

from segmo.cache import StageCache
from segmo.pipeline import segment
from segmo.ui import gpu, handlers
from segmo.ui.controls import settings_from

VALUES = {"stride": 4}


def seconds(note: str) -> int:
    return int(re.findall(r"about (\d+) s to compute", note)[0])


@pytest.fixture(autouse=True)
def store(monkeypatch: pytest.MonkeyPatch) -> fakes.FakeStore:
    """Models that cost nothing."""
    made = fakes.FakeStore()
    monkeypatch.setattr(gpu, "models", lambda: made)
    return made


def test_only_what_is_missing_is_estimated(clip_file: Path, store: fakes.FakeStore, own_cache: Path) -> None:
    first = handlers.describe(clip_file, VALUES)["clip_note"]
    assert "cache" not in first and not own_cache.exists(), "looking makes no cache"
    with StageCache() as cache:
        segment(clip_file, settings_from(VALUES), cache=cache, store=store)
    same = handlers.describe(clip_file, VALUES)["clip_note"]
    assert "(all stages from the cache)" in same and seconds(same) <= seconds(first)
    threshold = handlers.describe(clip_file, {**VALUES, "threshold": "0.3"})["clip_note"]
    assert "(frames, flow, depth, tracks, features from the cache)" in threshold
    clicked = handlers.describe(clip_file, {**VALUES, "clicks": "3,0.5,0.5,+"})["clip_note"]
    assert "features, motion from the cache)" in clicked
    assert "cache" not in handlers.describe(clip_file, {**VALUES, "max_frames": 5})["clip_note"]
