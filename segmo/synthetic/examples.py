"""The example clips of the app, rendered from scenarios."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from segmo import video
from segmo.synthetic.renderer import render_clip
from segmo.synthetic.scenarios import FPS, scenario

EXAMPLES = ("two_crossing", "parallax_static", "small_fast", "stop_and_start")
"""Scenarios shown by the app; the file of each is named after it."""


def write_examples(directory: Path) -> Iterator[Path]:
    """Write the example clips and yield each file; the same versions of the libraries write the same bytes."""
    for name in EXAMPLES:
        path = directory / f"{name}.mp4"
        video.write_mp4(path, render_clip(scenario(name)).frames, FPS)
        yield path
