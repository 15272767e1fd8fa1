"""Lint, format and types, so that one command checks everything."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize("tool", [("ruff", "check"), ("ruff", "format", "--check"), ("mypy",)], ids=" ".join)
def test_clean(tool):
    done = subprocess.run([sys.executable, "-m", *tool], capture_output=True, text=True, cwd=REPOSITORY, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout + done.stderr
