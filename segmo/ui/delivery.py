"""The files of a finished run, and the record of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segmo.types import Steps
from segmo.ui import text
from segmo.ui.controls import client_snippet, command_line
from segmo.ui.parts import FilesPart, RunPart, StageRow

if TYPE_CHECKING:
    from segmo.pipeline import Result

ARCHIVE = "segmo.zip"
OVERLAY = "overlay.mp4"
CHOSEN_KEPT = 3
"""Archives of chosen contents that a result keeps beside the usual one: every choice makes one."""


def write_files(result: Result, directory: Path, edits: Mapping[str, Any] | None = None) -> Steps[FilesPart]:
    """Write everything a run delivers into its folder, and one archive of it.

    Raises:
        OutputError: a file cannot be written.
    """
    from segmo.export import USUAL_OUTPUTS, export_all, write_zip

    written = yield from export_all(
        directory,
        **result.products,
        run={
            "settings": result.settings.to_dict(),
            "stages": [dataclasses.asdict(row) for row in result.stages],
            "warnings": list(result.warnings),
            **({"object_edits": edits} if edits else {}),
        },
    )
    write_zip(directory, directory / ARCHIVE)
    return FilesPart((), (), [path.name for path in written.values() if path.is_file()], ARCHIVE, USUAL_OUTPUTS)


def pack(directory: Path, contents: Collection[str]) -> FilesPart:
    """Pack the chosen outputs of a result into an archive of their own; what a run does not write is written when it is first asked for.

    Raises:
        OutputError: the result's files are gone, or the disk is full.
    """
    from segmo.export import EXTRA_OUTPUTS, OUTPUTS, USUAL_OUTPUTS, add_extra, has_output, write_zip

    chosen = [name for name in OUTPUTS if name in contents]
    for name in chosen:
        if name in EXTRA_OUTPUTS and not has_output(directory, name):
            add_extra(directory, name)
    archive = ARCHIVE if set(chosen) == set(USUAL_OUTPUTS) else f"segmo-{'-'.join(chosen)}.zip"
    if not (directory / archive).is_file():
        for old in sorted(directory.glob("segmo-*.zip"), key=lambda path: path.stat().st_mtime)[:-CHOSEN_KEPT]:
            old.unlink(missing_ok=True)
        write_zip(directory, directory / archive, chosen)
    return FilesPart((), (), [file for file in OUTPUTS.values() if (directory / file).is_file()], archive, chosen)


def record(result: Result, files_seconds: float) -> RunPart:
    """What ran, for how long, and how to repeat it."""
    rows = [StageRow(row.stage, row.model, row.seconds, row.cached, row.memory_mb, row.gpu_memory_mb) for row in result.stages]
    rows.append(StageRow("files", "", files_seconds, False))
    rows.sort(key=lambda row: list(text.STAGES).index(row.stage))  # not in the order in which the cache was asked
    clip, total = result.clip, sum(row.seconds for row in rows if not row.cached)
    facts = [f"{total:.1f} s of computing", f"{len(clip)} of {clip.source_frame_count} frames used", f"preset {result.settings.preset}"]
    settings = result.settings
    return RunPart(facts, result.warnings, rows, command_line("clip.mp4", settings), client_snippet(settings), settings.to_dict())


def summary(result: Result) -> dict[str, Any]:
    """What the API answers beside the files."""
    masks = result.masks
    scores = zip(masks.object_ids.tolist(), masks.motion_scores.tolist(), strict=True)
    return {
        "objects": [{"id": identity, "motion_score": round(score, 4)} for identity, score in scores],
        "nothing_moves": masks.nothing_moves,
        "moving_score": round(result.labels.evidence.moving_score, 4),
        "frames": len(result.clip),
        "source_frames": result.clip.source_frame_count,
        "stages": [{"stage": row.stage, "model": row.model, "seconds": row.seconds, "cached": row.cached} for row in result.stages],
        "warnings": list(result.warnings),
    }
