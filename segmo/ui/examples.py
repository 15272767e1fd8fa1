"""The clips the page opens with: rendered by segmo itself, shipped together with their finished results.

`python -m segmo.ui.examples` renders the clips and computes the results again.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from segmo.ui.parts import VIEW_FILE

log = logging.getLogger(__name__)

DIRECTORY = Path(__file__).resolve().parents[2] / "examples"
SIZE_HW, FRAMES, TRACKS = (360, 640), 48, 1500  # few tracks: their file is the largest of a result
TITLES = {
    "two_crossing": "Two that cross, hand-held camera",
    "parallax_static": "Only the camera moves",
}
"""Scenarios of `segmo.synthetic` that are shipped, and their titles."""


@dataclass(frozen=True)
class Example:
    """A clip and its finished result."""

    title: str
    clip: Path
    result: Path
    """Folder with a `view.json`."""


def find_examples(directory: Path = DIRECTORY, titles: Mapping[str, str] = TITLES) -> dict[str, Example]:
    """The shipped examples that are complete, by name."""
    found = {}
    for name, title in titles.items():
        example = Example(title, directory / name / "clip.mp4", directory / name / "result")
        if example.clip.is_file() and (example.result / VIEW_FILE).is_file():
            found[name] = example
    return found


def build_example(name: str, directory: Path = DIRECTORY) -> None:
    """Render a clip and compute its result."""
    from segmo.settings import Settings, TrackSettings
    from segmo.synthetic import render_clip, scenarios
    from segmo.ui.handlers import fill
    from segmo.ui.translate import Translator
    from segmo.video import write_mp4

    home = directory / name
    home.mkdir(parents=True, exist_ok=True)
    write_mp4(home / "clip.mp4", render_clip(scenarios.SCENARIOS[name](SIZE_HW, FRAMES)).frames, scenarios.FPS)
    shutil.rmtree(home / "result", ignore_errors=True)
    (home / "result").mkdir()
    for _ in fill(Translator(home / "result"), home / "clip.mp4", Settings(tracks=TrackSettings(max_tracks=TRACKS))):
        pass


def main() -> None:
    """Build all examples."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    for name in TITLES:
        log.info("Building the example %s.", name)
        build_example(name)


if __name__ == "__main__":
    main()
