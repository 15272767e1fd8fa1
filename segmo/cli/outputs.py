"""Where the results of a clip go, and whether those that are there are still right."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import logging
import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import filelock

from segmo.errors import errors_named
from segmo.types import Steps

if TYPE_CHECKING:
    from segmo.pipeline import Result

log = logging.getLogger(__name__)

_WRITERS = ("export", "render.py", "geometry.py", "video")  # the code that turns a result into files


def output_folder(out: Path, clip: Path, taken: Collection[Path]) -> Path:
    """The folder for a clip's results: `out/NAME`, or another name where that is in `taken` or holds the results of another clip."""
    name = clip.name if os.path.isdir(clip) else clip.stem  # pathlib's raises an error where a folder may not be entered
    names = itertools.chain([name, f"{clip.parent.name}-{name}"], (f"{name}-{number}" for number in itertools.count(2)))
    folders = (out / name for name in names)
    return next(folder for folder in folders if folder not in taken and _holder(folder) in (None, _clip_id(clip)))


@contextlib.contextmanager
def claimed_folder(out: Path, clip: Path, taken: Collection[Path]) -> Iterator[Path]:
    """The `output_folder` for a clip whose results are ready to be written; other processes wait until they are.

    It may differ from the folder before the run, for another process may have filled that one since.
    """
    while True:
        folder = output_folder(out, clip, taken)
        with _locked(folder):
            if output_folder(out, clip, taken) == folder:  # nobody filled it while we waited
                yield folder
                return


def write_outputs(result: Result, folder: Path, also: Collection[str] = ()) -> Steps[bool]:
    """Write the usual outputs of a result and those of `EXTRA_OUTPUTS` in `also`, unless they are there already; returns whether it wrote.

    Raises:
        SegmoError: they cannot be written, mostly an OutputError.
    """
    digest = _digest(result)
    if _is_current(folder, digest):
        return bool(also) and (yield from _add_missing(folder, also))
    from segmo.export import USUAL_OUTPUTS, export_all

    with errors_named("outputs"):
        yield from export_all(
            folder,
            **result.products,
            run={**result.record(), "clip_id": _clip_id(result.source), "digest": digest},
            outputs=(*USUAL_OUTPUTS, *also),
        )
    return True


def _add_missing(folder: Path, also: Collection[str]) -> Steps[bool]:
    """Write those of the outputs in `also` that finished results lack; returns whether there were any."""
    from segmo.export import add_extra, has_output

    missing = [name for name in also if not has_output(folder, name)]
    for done, name in enumerate(missing, start=1):
        add_extra(folder, name)
        yield done / len(missing)
    return bool(missing)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keeps other processes off a folder, by a file beside it; one that is killed leaves the file, but holds nothing."""
    path = folder.with_name(f".{folder.name}.lock")
    lock = filelock.FileLock(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except (OSError, NotImplementedError) as error:  # where nothing can be written, the export says what to do
        log.info("No lock for %s (%s); another process may write it too.", folder, error)
    try:
        yield
    finally:
        if lock.is_locked:
            with contextlib.suppress(OSError):  # Windows removes no open file
                path.unlink()  # while it is held: filelock notices that a lock's file is gone and makes a new one
            lock.release()


def _clip_id(clip: Path) -> str:
    """Tells clips apart without telling where they lie: run.json is made to be shared."""
    return hashlib.sha256(os.fsencode(os.path.realpath(clip))).hexdigest()[:16]  # a name need not be UTF-8, and links may run in circles


def _holder(folder: Path) -> str | None:
    """The clip whose results a folder holds, if any."""
    return _read_record(folder).get("clip_id")


def _digest(result: Result) -> str:
    """Names everything the outputs depend on: the last product, whose key covers all before it, and the code that writes."""
    digest = hashlib.sha256(result.stages[-1].key.encode())
    package = Path(__file__).resolve().parent.parent
    for place in _WRITERS:
        path = package / place
        for file in sorted(path.glob("*.py")) if path.is_dir() else [path]:
            digest.update(file.read_bytes())
    return digest.hexdigest()


def _is_current(folder: Path, digest: str) -> bool:
    """Whether a folder holds the outputs of that digest, complete and not touched since run.json, the last of them, was written."""
    record = _read_record(folder)
    if record.get("digest") != digest or not record.get("complete"):
        return False
    try:
        written = (folder / "run.json").stat().st_mtime_ns
        return all((folder / name).stat().st_mtime_ns <= written for name in record["files"])
    except OSError:
        return False


def _read_record(folder: Path) -> dict[str, Any]:
    try:
        record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}
