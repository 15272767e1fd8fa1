"""The folders that hold the files of runs: one a run, under a name that nobody can guess, and gone after some hours."""

from __future__ import annotations

import filecmp
import os
import re
import secrets
import shutil
import time
from datetime import datetime, timezone
from pathlib import Path

from segmo.cache import cache_directory
from segmo.errors import OutputError
from segmo.ui.limits import limits_from
from segmo.ui.parts import VIEW_FILE

_NAME = re.compile(r"[0-9a-f]{32}")


def results_directory() -> Path:
    """Where the folders of runs are."""
    return (cache_directory() / "results").absolute()


def sources_directory() -> Path:
    """Where the clips of runs are kept for later changes; nothing here is served to anybody."""
    return results_directory().with_name("sources")


def uploads_directory() -> Path:
    """Where gradio keeps what visitors send, unless GRADIO_TEMP_DIR names another place."""
    return results_directory().with_name("uploads")


def keep_source(directory: Path, clip: Path) -> None:
    """Keep the clip of a run for as long as its folder."""
    kept = sources_directory() / (directory.name + clip.suffix.lower())
    kept.parent.mkdir(parents=True, exist_ok=True)
    link_or_copy(clip, kept)


def link_or_copy(source: Path | str, target: Path | str) -> None:
    """Link a file, or copy it to another disk."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def same_content(clip: Path, other: Path) -> bool:
    """Whether two files hold the same clip; false where either is gone."""
    try:
        return os.path.samefile(clip, other) or filecmp.cmp(clip, other, shallow=False)
    except OSError:
        return False


def source_of(directory: Path) -> Path | None:
    """The clip of a run, where it was kept."""
    return next(sources_directory().glob(f"{directory.name}.*"), None)


def new_result() -> Path:
    """A new, empty folder for one run; old ones go.

    Raises:
        OutputError: none can be made.
    """
    sweep(limits_from().keep_hours)
    directory = results_directory() / secrets.token_hex(16)
    try:
        directory.mkdir(parents=True)
    except OSError as error:
        reason = error.strerror or error
        raise OutputError(f"There is no room for a result ({reason}). Free space on the server's disk, or try again later.") from None
    return directory


def find_result(name: str | None) -> Path | None:
    """The folder of a finished run that is still kept; None for any other text, or none."""
    directory = results_directory() / (name or "")
    if not name or not _NAME.fullmatch(name) or not (directory / VIEW_FILE).is_file():
        return None
    return directory if kept_until(directory) > datetime.now(timezone.utc) else None


def kept_until(directory: Path) -> datetime:
    """When a run's folder may be deleted."""
    return datetime.fromtimestamp(directory.stat().st_mtime + limits_from().keep_hours * 3600, timezone.utc)


def sweep(keep_hours: float) -> int:
    """Delete the folders of runs, and the uploads, that are older than `keep_hours`; returns how many folders of runs."""
    oldest = time.time() - keep_hours * 3600
    removed = 0
    for directory in results_directory().glob("*"):
        try:
            if directory.is_dir() and directory.stat().st_mtime < oldest:
                shutil.rmtree(directory, ignore_errors=True)
                removed += 1
        except FileNotFoundError:  # another process sweeps too
            continue
    for source in sources_directory().glob("*"):
        if not (results_directory() / source.stem).is_dir():
            source.unlink(missing_ok=True)
    _sweep_uploads(oldest)
    return removed


def _sweep_uploads(oldest: float) -> None:
    """Delete what gradio forgets: uploads that broke off or outlived a killed server, and a folder and an empty file for every other."""
    for path in [*uploads_directory().glob("*/*"), *uploads_directory().glob("*")]:
        try:
            status = path.lstat()
            if max(status.st_mtime, status.st_ctime) < oldest:
                path.rmdir() if path.is_dir() else path.unlink()
        except OSError:  # a folder with something in it, or another process sweeps too
            continue
