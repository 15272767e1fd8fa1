"""What the app allows, from environment variables, so that whoever runs it can raise every limit without editing code."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from segmo.errors import SettingsError

HIGHEST = 1_000_000
"""Of every limit; dates so many hours ahead can still be told."""


def _limit(default: int, variable: str) -> int:
    return field(default=default, metadata={"variable": variable})


@dataclass(frozen=True)
class Limits:
    """Limits of one running app."""

    upload_mb: int = _limit(500, "SEGMO_UPLOAD_MB")
    """Largest upload in megabytes."""
    clip_seconds: int = _limit(600, "SEGMO_CLIP_SECONDS")
    """Longest part of a clip that a run may use, in seconds."""
    frames: int = _limit(1000, "SEGMO_FRAMES")
    """Most frames that a run may use."""
    queue: int = _limit(20, "SEGMO_QUEUE")
    """Runs that may wait."""
    runs_at_once: int = _limit(1, "SEGMO_RUNS_AT_ONCE")
    """Runs that compute at the same time."""
    keep_hours: int = _limit(24, "SEGMO_KEEP_HOURS")
    """Hours for which the files of a run are kept."""


def limits_from(environment: Mapping[str, str] = os.environ) -> Limits:
    """The limits set in the environment.

    Raises:
        SettingsError: a variable is not a whole number from 1 to a million.
    """
    values = {}
    for spec in fields(Limits):
        variable = spec.metadata["variable"]
        text = environment.get(variable, "").strip()
        if not text:
            continue
        if not text.isdecimal() or not 1 <= int(text[:8]) <= HIGHEST:
            raise SettingsError(f"The environment variable {variable} is {text[:40]!r}. Set it to a whole number from 1 to {HIGHEST}.")
        values[spec.name] = int(text)
    return Limits(**values)
