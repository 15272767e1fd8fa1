"""The clips the page opens with, shipped together with their finished results.

`python -m segmo data examples examples/` renders the clips; `python -m segmo.ui.examples` computes their results again.
"""

from __future__ import annotations

import dataclasses
import functools
import logging
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from segmo.ui.parts import VIEW_FILE, VIEW_FOLDER, FilesPart, save
from segmo.ui.translate import Translator

log = logging.getLogger(__name__)

DIRECTORY = Path(__file__).resolve().parents[2] / "examples"
TITLES = {
    "two_crossing": "Two that cross",
    "parallax_static": "Only the camera moves",
    "small_fast": "Small and fast",
    "stop_and_start": "Stops and starts",
}
"""The examples in the order of the page; their clips are those of `segmo.synthetic.examples`."""
TRACKS = 800
"""Fewer than usual, because their file is the largest of a result."""


@dataclass(frozen=True)
class Example:
    """A clip and its finished result."""

    title: str
    clip: Path
    result: Path
    """Folder with a `view.json`."""


def find_examples(directory: Path = DIRECTORY) -> dict[str, Example]:
    """The shipped examples that are complete, by name."""
    found = {}
    for name, title in TITLES.items():
        example = Example(title, directory / f"{name}.mp4", directory / name)
        if example.clip.is_file() and (example.result / VIEW_FILE).is_file():
            found[name] = example
    return found


def build_results(directory: Path = DIRECTORY) -> None:
    """Compute the result of every clip, from nothing."""
    from segmo import pipeline
    from segmo.cache import StageCache
    from segmo.settings import Settings, TrackSettings
    from segmo.ui.handlers import fill

    settings = Settings(tracks=TrackSettings(max_tracks=TRACKS))
    for name in TITLES:
        log.info("Computing the result of %s.", name)
        shutil.rmtree(directory / name, ignore_errors=True)
        (directory / name).mkdir()
        page = Translator(directory / name)
        with tempfile.TemporaryDirectory() as folder, StageCache(Path(folder)) as cache:
            for _ in fill(page, directory / f"{name}.mp4", settings, functools.partial(pipeline.run, cache=cache)):
                pass
        _keep_archive_only(page)


def _keep_archive_only(page: Translator) -> None:
    """Delete the files that are in the archive too, so that what is shipped stays small."""
    files = page.parts["files"]
    assert isinstance(files, FilesPart)
    for path in page.directory.iterdir():
        if path.is_dir() and path.name != VIEW_FOLDER:
            shutil.rmtree(path)
        elif path.is_file() and path.name not in (VIEW_FILE, files.archive):
            path.unlink()
    page.parts["files"] = dataclasses.replace(files, files=())
    save(page.directory, page.parts)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    build_results()
