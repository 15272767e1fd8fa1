"""What the tabs show of a run, as plain data beside its files, so that a finished run opens again without any computation.

File names are relative to the folder of the run. `save` and `load` keep the parts in `view.json`.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from segmo.errors import DataError
from segmo.files import write_text

VIEW_FILE = "view.json"
VIEW_VERSION = 1
VIEW_FOLDER = "view"
"""Folder of the pictures and videos that only the page needs."""


@dataclass(frozen=True)
class Part:
    """What one tab shows."""

    facts: Sequence[str] = ()
    """Sentences about the product."""
    notes: Sequence[str] = ()
    """Warnings."""


@dataclass(frozen=True)
class PicturesPart(Part):
    """Frames or features: pictures with captions."""

    pictures: Sequence[tuple[str, str]] = ()
    """(file, caption)."""


@dataclass(frozen=True)
class VideoPart(Part):
    """Depth, tracks or masks: a video."""

    video: str = ""


@dataclass(frozen=True)
class MotionPart(VideoPart):
    """Motion: a video and the distribution of the tracks' probabilities."""

    counts: Sequence[int] = ()
    """Tracks in each of equal bins from 0 to 1."""
    threshold: float = 0.5
    points: str = ""
    """File with the probability of every track, and where some of them are on some frames, for the page to draw by itself."""


@dataclass(frozen=True)
class MovingObject:
    """A row of the object list."""

    id: int
    colour: str
    """As #rrggbb."""
    score: float
    """Probability in [0, 1] that it moves."""
    frames: int
    """Frames in which it is visible."""
    area: float
    """Mean share of the frame it covers where it is visible."""
    name: str = ""
    """What the visitor calls it."""
    on: bool = True
    """Whether it is drawn and written."""


@dataclass(frozen=True)
class ResultPart(Part):
    """Result: the clip, the same with its masks, and the objects. `overlay` is empty until the masks are done."""

    original: str = ""
    overlay: str = ""
    frame_count: int = 0
    width: int = 16
    height: int = 9
    objects: Sequence[MovingObject] = ()
    edits: Mapping[str, Any] = field(default_factory=dict)
    """What the visitor changed in the list, as `ObjectEdits.to_dict` gives it."""
    source_indices: Sequence[int] = ()
    """Index of each frame in the source; empty where every frame of the source is used."""


@dataclass(frozen=True)
class FilesPart(Part):
    """Files: what can be downloaded."""

    files: Sequence[str] = ()
    archive: str = ""
    contents: Sequence[str] = ()
    """What the archive holds, by name of the output; empty where that cannot be chosen."""


@dataclass(frozen=True)
class StageRow:
    """A row of the record of a run."""

    stage: str
    model: str
    seconds: float
    cached: bool
    memory_mb: int = 0
    """Most that the process held meanwhile; 0 where that was not measured."""
    gpu_memory_mb: int = 0
    """Most that was held on the GPU."""


@dataclass(frozen=True)
class RunPart(Part):
    """Run details."""

    stages: Sequence[StageRow] = ()
    command: str = ""
    snippet: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """As `Settings.to_dict` gives them."""


PARTS: dict[str, type[Part]] = {
    "result": ResultPart,
    "frames": PicturesPart,
    "depth": VideoPart,
    "tracks": VideoPart,
    "features": PicturesPart,
    "motion": MotionPart,
    "masks": VideoPart,
    "files": FilesPart,
    "run": RunPart,
}
"""The part behind each tab."""


def save(directory: Path, parts: Mapping[str, Part]) -> None:
    """Write the parts of a run into its folder."""
    content = {"version": VIEW_VERSION, "parts": {name: dataclasses.asdict(part) for name, part in parts.items()}}
    write_text(directory / VIEW_FILE, json.dumps(content, indent=1))


def load(directory: Path) -> dict[str, Part]:
    """The parts of a finished run, by tab.

    Raises:
        DataError: the folder holds none, or one of another version.
    """
    path = directory / VIEW_FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["version"] != VIEW_VERSION:
            raise ValueError(f"version {content['version']}")
        return {name: _part(name, values) for name, values in content["parts"].items()}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} is not a finished result ({error}). Run the clip again.") from error


def _part(name: str, values: dict[str, Any]) -> Part:
    if "objects" in values:
        values["objects"] = [MovingObject(**row) for row in values["objects"]]
    if "stages" in values:
        values["stages"] = [StageRow(**row) for row in values["stages"]]
    return PARTS[name](**values)
