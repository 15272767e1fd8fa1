"""The clips the page opens with, shipped together with their finished results.

`python -m segmo.ui.examples` computes their results again, and renders the clips first where they are missing.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import logging
import os
import shutil
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from segmo.ui import delivery, text
from segmo.ui.parts import VIEW_FILE, VIEW_FOLDER, FilesPart, RunPart, save
from segmo.ui.results import find_result, results_directory, source_of
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
ARCHIVED = ("masks", "overlay", "objects", "run")
"""What the shipped archive holds: what is large and quickly made again by Run is left out."""
VIEW_SIDE_PX = 480
PAIR_SIDE_PX = 720
"""Longer side of the shipped pictures and videos of the tabs, and of those that show two beside each other."""
PAIRS = ("depth", "features")


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


def origin(result: str, examples: Mapping[str, Example]) -> tuple[Path, Path] | None:
    """The folder of a result, or of an example's, and its clip; None where they are no longer kept."""
    if result in examples:
        return examples[result].result, examples[result].clip
    directory = find_result(result)
    source = source_of(directory) if directory else None
    return (directory, source) if directory and source else None


def unpack(example: Example) -> Path:
    """A folder among the results with the files of an example's archive; made when it is first asked for."""
    archive = example.result / delivery.ARCHIVE
    status = archive.stat()
    mark = f"{example.result.name} {status.st_size} {status.st_mtime_ns}"
    directory = results_directory() / hashlib.sha256(mark.encode()).hexdigest()[:32]
    if not directory.is_dir():
        results_directory().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=results_directory()) as folder, zipfile.ZipFile(archive) as packed:
            packed.extractall(Path(folder) / "files")
            with contextlib.suppress(OSError):  # another visitor was faster
                (Path(folder) / "files").rename(directory)
    os.utime(directory)  # it is kept as long as it is used
    return directory


def build_results(directory: Path = DIRECTORY) -> None:
    """Compute the result of every clip, from nothing."""
    from segmo import pipeline
    from segmo.cache import StageCache
    from segmo.settings import Settings
    from segmo.ui.handlers import fill

    _render_missing(directory)
    settings = Settings()
    for name in TITLES:
        log.info("Computing the result of %s.", name)
        shutil.rmtree(directory / name, ignore_errors=True)
        (directory / name).mkdir()
        page = Translator(directory / name)
        with tempfile.TemporaryDirectory() as folder, StageCache(Path(folder)) as cache:
            for _ in fill(page, directory / f"{name}.mp4", settings, functools.partial(pipeline.run, cache=cache)):
                pass
        _make_small(page)


def _render_missing(directory: Path) -> None:
    """Render the example clips, unless all of them are there."""
    if all((directory / f"{name}.mp4").is_file() for name in TITLES):
        return
    from segmo.synthetic.examples import write_examples

    for path in write_examples(directory):
        log.info("Rendered %s.", path.name)


def _make_small(page: Translator) -> None:
    """Shrink what the tabs show, keep in the archive what is not quickly made again, and delete the files beside it."""
    from segmo.export import write_zip

    for path in (page.directory / VIEW_FOLDER).iterdir():
        _shrink(path, PAIR_SIDE_PX if path.stem.startswith(PAIRS) else VIEW_SIDE_PX)
    files, run = page.parts["files"], page.parts["run"]
    assert isinstance(files, FilesPart) and isinstance(run, RunPart)
    write_zip(page.directory, page.directory / files.archive, ARCHIVED)
    for path in page.directory.iterdir():
        if path.is_dir() and path.name != VIEW_FOLDER:
            shutil.rmtree(path)
        elif path.is_file() and path.name not in (VIEW_FILE, files.archive):
            path.unlink()
    page.parts["files"] = dataclasses.replace(files, facts=(text.SHIPPED,), files=(), contents=ARCHIVED)
    clip = f"examples/{page.directory.name}.mp4"
    page.parts["run"] = dataclasses.replace(
        run, command=run.command.replace("clip.mp4", clip), snippet=run.snippet.replace("clip.mp4", clip)
    )
    save(page.directory, page.parts)


def _shrink(path: Path, side: int) -> None:
    """Replace a picture or video by a smaller one."""
    if path.suffix == ".mp4":
        from segmo.video import normalise

        normalise(path, path, max_side=side)
    elif path.suffix == ".jpg":
        from PIL import Image

        with Image.open(path) as image:
            image.thumbnail((side, side))
            image.save(path, quality=70, optimize=True)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    build_results()
