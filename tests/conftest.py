"""What all tests share: a cache of their own, and the real clips and annotations beside the checkout."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No test reads or fills the cache of the developer or of another test. It goes with the test: all of them would fill a small disk."""
    folder = tmp_path_factory.mktemp("segmo-cache")
    monkeypatch.setenv("SEGMO_CACHE", str(folder))
    yield
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def shared() -> Path:
    """The folder of real videos and reference data beside the checkout. Where it is absent the test is skipped, but fails in CI."""
    if not SHARED.is_dir():
        if os.environ.get("CI") == "true":
            pytest.fail(f"{SHARED} is absent, and CI must run the tests that need it.")
        pytest.skip(f"{SHARED} is absent")
    return SHARED
