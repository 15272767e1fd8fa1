"""Runs the chain over every sequence of a DAVIS data set, evaluates it, and keeps all figures and a page to look at.

Resumable: products come from the cache of stages, so that what an earlier, interrupted benchmark finished is not computed again. The
seconds of a stage are those it took when it was computed; they are carried over through the `run.json` of each sequence.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segmo import pipeline
from segmo.cache import StageCache
from segmo.datasets.annotations import AnnotatedSequence
from segmo.errors import DataError, SettingsError
from segmo.evaluation.protocols import evaluate_mos, find_annotations
from segmo.evaluation.report import write_report
from segmo.evaluation.results import Evaluation, write_tables
from segmo.export import export_all
from segmo.files import write_text
from segmo.pipeline import StageEvent
from segmo.settings import Settings
from segmo.types import finish
from segmo.zoo.store import ModelStore

RECORD = "benchmark.json"
REPORT = "report.html"


@dataclass(frozen=True)
class SequenceRun:
    """How one sequence was run."""

    name: str
    frames: int
    objects: int
    seconds: Mapping[str, float]
    """Of each stage that was ever measured for the present result."""
    warnings: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Benchmark:
    """The outcome of a benchmark."""

    settings: Settings
    evaluation: Evaluation
    runs: tuple[SequenceRun, ...]

    def seconds_per_frame(self) -> dict[str, float]:
        """Of each stage, in their order, over the sequences for which it was measured."""
        means = {}
        for stage in pipeline.STAGES:
            measured = [run for run in self.runs if stage in run.seconds]
            if measured:
                means[stage] = sum(run.seconds[stage] for run in measured) / sum(run.frames for run in measured)
        return means

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; the scores of each frame are in the file of the evaluation."""
        runs = [
            {"name": run.name, "frames": run.frames, "objects": run.objects, "seconds": dict(run.seconds), "warnings": run.warnings}
            for run in self.runs
        ]
        overall, seconds = self.evaluation.overall(), self.seconds_per_frame()
        return {"settings": self.settings.to_dict(), "overall": overall, "seconds_per_frame": seconds, "sequences": runs}


def run_benchmark(
    davis: Path,
    out: Path,
    settings: Settings,
    *,
    sequences: str | None = None,
    cache: StageCache | None = None,
    store: ModelStore | None = None,
) -> Generator[tuple[str, StageEvent], None, Benchmark]:
    """Run, evaluate (MOS, all frames) and report; yields the name of a sequence with each event of its run.

    Args:
        davis: folder of the data set: `JPEGImages/480p` and `Annotations/480p`.
        out: gets a folder a sequence, the tables, `benchmark.json` and `report.html`.
        settings: must use every frame.
        sequences: as for `find_annotations`.
        cache: where products are looked up and kept; the default cache if None.
        store: where models come from.

    Raises:
        DataError: pictures or annotations are missing.
        SettingsError: the settings leave frames out.
        SegmoError: as `pipeline.run` and `export_all`.
    """
    annotations = find_annotations(davis, dataset="davis", sequences=sequences)
    opened = [annotations.open(name) for name in annotations.names]
    for sequence in opened:
        if not sequence.images:
            raise DataError(f"There are no pictures of sequence {sequence.name!r} in {davis}. Add JPEGImages/480p/{sequence.name}.")
    store = store or ModelStore()
    runs = []
    for sequence in opened:
        runs.append((yield from _run_sequence(sequence, out, settings, cache, store)))
    evaluation = finish(evaluate_mos(out, annotations))
    benchmark = Benchmark(settings, evaluation, tuple(runs))
    write_tables(evaluation, out)
    write_text(out / RECORD, json.dumps(benchmark.to_dict(), indent=1))
    write_report(out / REPORT, benchmark, {sequence.name: sequence for sequence in opened}, out)
    return benchmark


def _run_sequence(
    sequence: AnnotatedSequence, out: Path, settings: Settings, cache: StageCache | None, store: ModelStore
) -> Generator[tuple[str, StageEvent], None, SequenceRun]:
    steps = pipeline.run(sequence.images[0].parent, settings, cache=cache, store=store)
    try:
        while True:
            yield sequence.name, next(steps)
    except StopIteration as stop:
        result: pipeline.Result = stop.value
    finally:
        steps.close()
    if len(result.clip) != len(sequence.images):
        raise SettingsError(
            f"The settings use {len(result.clip)} of the {len(sequence.images)} frames of {sequence.name!r}, but a benchmark needs all. "
            "Leave out --efficiency, --max-frames, --start and --seconds."
        )
    folder = out / sequence.name
    stages = _measured_stages(result.record()["stages"], _earlier_stages(folder / "run.json"))
    finish(
        export_all(
            folder,
            **result.products,
            run={**result.record(), "stages": stages},
            outputs=("masks",),
        )
    )
    seconds = {stage["stage"]: stage["seconds"] for stage in stages if not stage["cached"]}
    return SequenceRun(sequence.name, len(result.clip), len(result.masks.object_ids), seconds, result.warnings)


def _measured_stages(stages: Sequence[dict[str, Any]], earlier: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Records of the stages, those from the cache replaced by the earlier ones that tell how long the same products took.

    The key of the last product covers all others: if it is the same, then the earlier record is right as a whole, with
    stages that a run from the cache does not even look at.
    """
    if earlier and earlier[-1]["key"] == stages[-1]["key"] and stages[-1]["cached"]:
        return list(earlier)
    known = {stage["key"]: stage for stage in earlier}
    return [known.get(stage["key"], stage) if stage["cached"] else stage for stage in stages]


def _earlier_stages(file: Path) -> list[dict[str, Any]]:
    """The records of an earlier run; none where there is no file that makes sense."""
    try:
        stages = json.loads(file.read_text(encoding="utf-8"))["stages"]
        return [{name: stage[name] for name in ("stage", "model", "seconds", "cached", "key")} for stage in stages]
    except (OSError, ValueError, KeyError, TypeError):
        return []
