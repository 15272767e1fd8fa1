"""The folders that hold the files of runs: one a run, under a name that nobody can guess, and gone after some hours."""

from __future__ import annotations

import secrets
import shutil
import time
from pathlib import Path

from segmo.cache import cache_directory
from segmo.ui.limits import limits_from


def results_directory() -> Path:
    """Where the folders of runs are."""
    return (cache_directory() / "results").absolute()


def new_result() -> Path:
    """A new, empty folder for one run; old ones go."""
    sweep(limits_from().keep_hours)
    directory = results_directory() / secrets.token_hex(16)
    directory.mkdir(parents=True)
    return directory


def sweep(keep_hours: float) -> int:
    """Delete the folders of runs older than `keep_hours`, and return how many."""
    oldest = time.time() - keep_hours * 3600
    removed = 0
    for directory in results_directory().glob("*"):
        try:
            if directory.is_dir() and directory.stat().st_mtime < oldest:
                shutil.rmtree(directory, ignore_errors=True)
                removed += 1
        except FileNotFoundError:  # another process sweeps too
            continue
    return removed
