"""What the comparisons with other people's packages share."""

from __future__ import annotations

import os

import pytest


@pytest.fixture(scope="session")
def meta_python() -> str:
    """The Python of an environment with Meta's sam2 and timm, which `.ci/run` makes. Without it the test is skipped, but fails in CI."""
    python = os.environ.get("SEGMO_META_PYTHON", "")
    if not python:
        assert os.environ.get("CI") != "true", "SEGMO_META_PYTHON names no Python with sam2 and timm, and CI must compare with them."
        pytest.skip("SEGMO_META_PYTHON names no Python with sam2 and timm")
    return python
