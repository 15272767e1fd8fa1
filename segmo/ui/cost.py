"""What a run will cost before it starts: seconds a stage, from a small model that learns from the runs of this computer.

A stage takes `speed * (per_unit * units + per_megapixel * megapixels)` seconds, where megapixels are those of all frames together.
The two costs of a stage with a model are constants; its speed is the ratio of measured to expected seconds over the last runs, kept in
`timings.json` of the cache folder. The estimate on the page and the duration asked of ZeroGPU, stage by stage, come from the same
function.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from segmo.cache import cache_directory
from segmo.errors import OutputError
from segmo.files import write_text
from segmo.settings import Settings
from segmo.ui import text

if TYPE_CHECKING:
    from segmo.stages.frames import FramePlan
    from segmo.types import Clip

RUNS_KEPT = 12
LEAST_S = 0.05
"""Shorter stages tell nothing about the speed of a computer."""
GPU_SECONDS = (10, 60)
"""Least and most asked of ZeroGPU for one stage: a minute is what every visitor's daily quota allows."""
GPU_MARGIN = 1.5

Timings = dict[str, dict[str, list[list[float]]]]

COSTS: Mapping[str, Mapping[str, tuple[float, float]]] = {
    "frames": {"": (0.0, 0.02)},
    "flow": {"lite": (0.06, 0.0)},
    "depth": {"lite": (0.028, 0.0), "depth-anything-v2-large": (0.06, 0.0), "depth-anything-v2-small": (0.02, 0.0)},
    "tracks": {"lite": (0.004, 0.0), "bootstapir": (0.15, 0.0)},
    "features": {"lite": (0.04, 0.0), "dinov2-base": (0.15, 0.0)},
    "motion": {"lite": (0.04, 0.0), "moseg": (0.05, 0.0)},
    "masks": {"lite": (0.02, 0.06), "sam2-large": (0.12, 0.0), "sam2.1-tiny": (0.06, 0.0)},
    "files": {"": (0.01, 0.12)},
}
"""Seconds a unit and a megapixel, by stage and model; see `Work.units`. A model that is not here counts as the dearest of its stage until
it has run. The files are those of the tabs as well."""
BETWEEN = 0.6
"""What flow costs for a frame between, as a share of what it costs for one that is used."""
_READ_FLOW = ("depth", "tracks", "motion", "masks")
"""Stages for which flow is made where their model is lite."""


@dataclass(frozen=True)
class Work:
    """How much a run has to do."""

    frames: int
    megapixels: float
    """Of all frames together."""
    queries: int
    points: int
    """Most tracks that are followed."""
    models: Mapping[str, str]
    """The model's name for every role."""
    between: int = 0
    """Frames besides that flow leads along."""

    @property
    def stages(self) -> tuple[str, ...]:
        """The stages that can occur; flow is made for some models only."""
        flow = any(self.models[stage] == "lite" for stage in _READ_FLOW)
        return tuple(stage for stage in COSTS if flow or stage != "flow")

    def model(self, stage: str) -> str:
        """Name of a stage's model; empty for one without."""
        return self.models.get(stage, "")

    def units(self, stage: str) -> float:
        """What the cost of a stage grows with, beside the megapixels: frames, query frames, or frames with 5000 points each."""
        if stage == "features":
            return self.queries
        if stage == "flow":
            return self.frames + BETWEEN * self.between
        pointwise = stage == "tracks" or self.model(stage) == "moseg"
        return self.frames * self.points / 5000 if pointwise else self.frames


@dataclass(frozen=True)
class Estimate:
    """Expected seconds by stage."""

    seconds: Mapping[str, float]

    @property
    def total_s(self) -> float:
        """Seconds from pressing Run to the last file."""
        return sum(self.seconds.values())

    def of(self, stages: Collection[str]) -> Estimate:
        """The same for some of the stages; files are always written."""
        return Estimate({stage: seconds for stage, seconds in self.seconds.items() if stage in stages or stage == "files"})

    def gpu_s(self, stage: str) -> int:
        """Whole seconds to ask of ZeroGPU for a stage, with a margin."""
        return min(max(math.ceil(GPU_MARGIN * self.seconds.get(stage, 0.0)), GPU_SECONDS[0]), GPU_SECONDS[1])


def work_of(planned: FramePlan, settings: Settings) -> Work:
    """What the present settings make of a clip.

    Raises:
        SettingsError: the models do not go together.
    """
    return _work(planned.frame_count, planned.hw, settings, planned.between_count)


def work_on(clip: Clip, settings: Settings) -> Work:
    """What the present settings make of frames that are sampled."""
    return _work(len(clip), clip.hw, settings, len(clip.between))


def estimate(work: Work) -> Estimate:
    """Expected seconds of every stage on this computer."""
    measured = _load()
    return Estimate({stage: _speed(measured.get(stage, {}).get(work.model(stage), [])) * _expected(stage, work) for stage in work.stages})


def learn(work: Work, seconds: Iterable[tuple[str, float]]) -> None:
    """Remember what the stages of a run took; stages that came from the cache must be left out."""
    timings = _load()
    for stage, took in seconds:
        expected = _expected(stage, work)
        if expected and took >= LEAST_S:
            rows = timings.setdefault(stage, {})
            rows[work.model(stage)] = [*rows.get(work.model(stage), []), [round(expected, 4), round(took, 4)]][-RUNS_KEPT:]
    with contextlib.suppress(OutputError):  # a full disk must not spoil a run that is done
        write_text(_path(), json.dumps(timings))


def beyond_loan(expected: Estimate, stages: Collection[str], frames: int) -> str:
    """Why lent GPUs cannot make these stages of a run over so many frames, and what to lower; empty if they can."""
    stage = max(stages, key=lambda name: expected.seconds.get(name, 0.0), default="")
    seconds = expected.seconds.get(stage, 0.0)
    if seconds <= GPU_SECONDS[1]:
        return ""
    fitting = max(1, int(frames * GPU_SECONDS[1] / (GPU_MARGIN * seconds)))
    return (
        f"{text.STAGES[stage]} would take about {duration(seconds)} on the GPU, which is lent for at most {GPU_SECONDS[1]} s a stage. "
        f"Set maximum frames to {fitting} or less, or choose the preset lite, which needs no GPU."
    )


def in_words(expected: Estimate, to_compute: Collection[str], on_gpu: Collection[str]) -> str:
    """The estimate for the page, of the stages that must be computed; `on_gpu` are those for which a GPU must be lent."""
    words = f"about {duration(expected.of(to_compute).total_s)} to compute"
    cached = [stage for stage in expected.seconds if stage not in ("files", *to_compute)]
    if cached:
        words += f" ({', '.join(cached) if to_compute else 'all stages'} from the cache)"
    asked = [expected.gpu_s(stage) for stage in on_gpu if stage in to_compute]
    return f"{words}, at most {sum(asked)} s of your GPU quota" if asked else words


def duration(seconds: float) -> str:
    """Seconds as people say them: no digits that an estimate does not have."""
    if seconds < 10:
        return f"{max(1, round(seconds))} s"
    if seconds < 90:
        return f"{round(seconds / 5) * 5} s"
    return f"{round(seconds / 60)} min"


def on_zero_gpu() -> bool:
    """Whether this runs on a hosted ZeroGPU Space."""
    return os.environ.get("SPACES_ZERO_GPU", "").lower() in ("1", "t", "true")


def _work(frames: int, hw: tuple[int, int], settings: Settings, between: int) -> Work:
    from segmo.stages.tracks import query_frames
    from segmo.zoo.presets import models_of, within_preset

    queries = len(query_frames(frames, settings.query.stride)) if frames else 0
    return Work(frames, frames * hw[0] * hw[1] / 1e6, queries, within_preset(settings).tracks.max_tracks, models_of(settings), between)


def _expected(stage: str, work: Work) -> float:
    costs = COSTS[stage]
    unit, megapixel = costs.get(work.model(stage), max(costs.values()))
    return unit * work.units(stage) + megapixel * work.megapixels


def _speed(rows: list[list[float]]) -> float:
    """Measured over expected seconds; 1 before the first run."""
    expected = sum(row[0] for row in rows)
    return sum(row[1] for row in rows) / expected if expected else 1.0


def _path() -> Path:
    return cache_directory() / "timings.json"


def _load() -> Timings:
    """The measurements; none where the file is missing or broken."""
    try:
        content = json.loads(_path().read_text(encoding="utf-8"))
        return {
            stage: {model: [[float(row[0]), float(row[1])] for row in rows] for model, rows in models.items()}
            for stage, models in content.items()
            if stage in COSTS
        }
    except (OSError, ValueError, AttributeError, TypeError, IndexError):
        return {}
