"""What all tests share: a cache of their own, and the real clips and annotations beside the checkout."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or fills the cache of the developer."""
    monkeypatch.setenv("SEGMO_CACHE", str(tmp_path_factory.getbasetemp() / "segmo-cache"))


@pytest.fixture
def shared() -> Path:
    """The folder of real videos and reference data beside the checkout. Where it is absent the test is skipped, but fails in CI."""
    if not SHARED.is_dir():
        if os.environ.get("CI") == "true":
            pytest.fail(f"{SHARED} is absent, and CI must run the tests that need it.")
        pytest.skip(f"{SHARED} is absent")
    return SHARED
