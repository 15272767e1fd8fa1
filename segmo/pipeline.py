"""The chain of stages: which product is needed when, and what is told while it runs.

`segmo.chain` is the plan. `run` walks it and yields StageEvents; a product found in the cache is mapped and nothing is loaded for it. Flow
and motion evidence are made only when a product that reads them is missing. To stop, close the generator: the running stage ends at its
next yield, and finished products stay in the cache. Where products are computed is up to the caller: `execute` gets a Job.

    for event in run(Path("clip.mp4"), Settings()):
        print(event.stage, event.status, event.fraction)
    result = segment("clip.mp4")    # the same in one call
"""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from segmo.cache import StageCache
from segmo.chain import CHAIN, Execute, Job, Task, compute
from segmo.device import PeakMemory
from segmo.errors import errors_named
from segmo.framing import clicks_inside, inner, laid_back
from segmo.settings import Settings
from segmo.shown import Shown
from segmo.types import Clip, DepthMaps, FeatureMaps, FlowFields, MotionEvidence, MotionLabels, ObjectMasks, Tracks
from segmo.video import content_hash
from segmo.zoo.presets import models_of, within_preset
from segmo.zoo.registry import find
from segmo.zoo.store import ModelStore

STAGES = ("frames", "flow", "depth", "tracks", "features", "motion", "masks")
"""The stages as events name them, in order."""

_POLL_S = 0.1
_LONGEST_WAIT_S = 900.0  # another process that computes the same may have been suspended; then computing twice is better than waiting


@dataclass(frozen=True)
class StageEvent:
    """What just happened to a stage."""

    stage: str
    """One of `STAGES`."""
    status: str
    """`started`, `progress`, `cached` or `done`. A stage starts and then is done, or is cached; flow may not occur at all."""
    fraction: float
    """How much of the stage is done, in [0, 1]."""
    seconds: float
    """Since the stage started."""
    product: Any = None
    """What the stage made, with `cached` and `done`."""
    note: str = ""
    """What it is doing meanwhile, where that is not its own work: fetching weights."""


@dataclass(frozen=True)
class StageRecord:
    """How a product came about, for run.json."""

    stage: str
    model: str
    """Identity of the model; empty without one."""
    seconds: float
    cached: bool
    key: str
    """Of the product in the cache."""
    memory_mb: int = 0
    """Most that the process held meanwhile, in 10^6 bytes; 0 with a product from the cache."""
    gpu_memory_mb: int = 0
    """Most that torch held on its CUDA device."""


@dataclass(frozen=True, eq=False, repr=False)
class Result(Shown):
    """Everything a run made."""

    source: Path
    settings: Settings
    clip: Clip
    flow: FlowFields | None
    """None where no stage needed it, as when all came from the cache."""
    depth: DepthMaps
    tracks: Tracks
    features: FeatureMaps
    labels: MotionLabels
    masks: ObjectMasks
    stages: tuple[StageRecord, ...]
    """One record a stage that was run or read, in order."""
    problem: str = ""
    """What went wrong with the cache, if anything."""

    @property
    def evidence(self) -> MotionEvidence:
        """What the motion labels were decided from."""
        return self.labels.evidence

    @property
    def warnings(self) -> tuple[str, ...]:
        """All notes of all stages, in order and without repeats, for the user."""
        told = (self.clip, self.depth, self.evidence, self.labels, self.masks)
        notes = [note for product in told for note in product.notes] + [self.problem]
        return tuple(dict.fromkeys(note for note in notes if note))

    @property
    def products(self) -> dict[str, Any]:
        """What `segmo.export.export_all` takes of a result, by name."""
        return {name: getattr(self, name) for name in ("clip", "tracks", "labels", "masks", "depth", "features", "source")}

    def record(self) -> dict[str, Any]:
        """What run.json tells of a run beside what its products tell."""
        models, stages = [asdict(find(*model)) for model in models_of(self.settings).items()], list(map(asdict, self.stages))
        return {"settings": self.settings.to_dict(), "stages": stages, "models": models, "warnings": list(self.warnings)}


def run(
    source: Path | str,
    settings: Settings,
    *,
    cache: StageCache | None = None,
    store: ModelStore | None = None,
    execute: Execute = compute,
) -> Generator[StageEvent, None, Result]:
    """Run all stages on a video file or image folder, telling what happens.

    Args:
        source: the video file or image folder.
        settings: what to do; its preset picks the models.
        cache: where products are looked up and kept; the default cache if None.
        store: where models come from; a store of its own if None.
        execute: makes each product that the cache does not have.

    Raises:
        SegmoError: a stage failed; the message begins with its name. The class tells the kind of error, as `segmo.errors` lists.
    """
    if cache is None:
        with StageCache() as opened:
            return (yield from run(source, settings, cache=opened, store=store, execute=execute))
    current = _Run(Path(source), settings, cache, store or ModelStore(), execute)
    for task in CHAIN:
        if not task.on_demand:
            yield from current.obtain(task)
    names = ("depth", "tracks", "features", "labels", "masks")
    products = {name: current[name] for name in names}
    return Result(
        current.source,
        settings,
        clip=current["frames"],
        flow=current["flow"] if "flow" in current.products else None,
        stages=tuple(current.records),
        problem=current.problem,
        **products,
    )


def segment(
    source: Path | str, settings: Settings | None = None, *, cache: StageCache | None = None, store: ModelStore | None = None
) -> Result:
    """Segment everything that moves: `run` in one call, without events."""
    steps = run(source, settings or Settings(), cache=cache, store=store)
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            return stop.value


def missing(source: Path, settings: Settings, cache: StageCache, store: ModelStore, source_hash: str | None = None) -> tuple[str, ...]:
    """The stages that a run would have to compute, in order; nothing is read for it but the source, unless its content hash is given.

    Raises:
        SegmoError: the source cannot be read, or the settings name what is not there.
    """
    current = _Run(source, settings, cache, store, compute, source_hash)
    needed: set[str] = set()
    stages = set()
    for task in reversed(CHAIN):
        if (not task.on_demand or task.name in needed) and not cache.has(current.keys[task.name]):
            stages.add(task.stage)
            needed |= set(current.inputs(task))
    return tuple(stage for stage in STAGES if stage in stages)


class _Run:
    """One run in progress: the keys of all products, and the products made or read so far."""

    def __init__(
        self, source: Path, settings: Settings, cache: StageCache, store: ModelStore, execute: Execute, source_hash: str | None = None
    ) -> None:
        self.source, self.settings, self.cache, self.store, self.execute = source, within_preset(settings), cache, store, execute
        self.models = models_of(settings)
        self.problem = ""
        self.products: dict[str, Any] = {}
        self._whole: dict[str, Any] = {}
        self.records: list[StageRecord] = []
        self.keys = self._plan_keys(source_hash)
        self._fetched = False
        self._started: dict[str, float] = {}
        self._peaks = {stage: PeakMemory() for stage in STAGES}

    def __getitem__(self, name: str) -> Any:
        """A product as it lies in whole frames."""
        if name not in self._whole:
            self._whole[name] = laid_back(self.products[name], self.products["frames"], self.settings.masks.corrections)
        return self._whole[name]

    @cached_property
    def _picture(self) -> Clip:
        """The part of the frames that stages look at."""
        return inner(self.products["frames"])

    def obtain(self, task: Task) -> Generator[StageEvent, None, None]:
        """Read a product from the cache, or make it after what it needs."""
        began = time.perf_counter()
        cached = self._read(task)
        if not cached:
            for needed in CHAIN:
                if needed.on_demand and needed.name in self.inputs(task) and needed.name not in self.products:
                    yield from self.obtain(needed)
            if task.stage not in self._started:
                self._started[task.stage] = time.perf_counter()
                yield StageEvent(task.stage, "started", 0.0, 0.0)
            began = self._started[task.stage]
            cached = yield from self._make(task)
        if task.name != "evidence":  # the labels that follow report for the whole motion stage
            seconds = time.perf_counter() - began
            peak = self._peaks[task.stage]
            made = (cached, self.keys[task.name], peak.process_mb, peak.gpu_mb)
            self.records.append(StageRecord(task.stage, self._identity(task), round(seconds, 3), *made))
            yield StageEvent(task.stage, "cached" if cached else "done", 1.0, seconds, self[task.name])

    def _read(self, task: Task) -> bool:
        product = self.cache.get(self.keys[task.name], task.kind)
        if product is not None:
            self.products[task.name] = product
        return product is not None

    def _make(self, task: Task) -> Generator[StageEvent, None, bool]:
        """Make a product, or wait for whoever is making it; returns whether it came from the cache after all."""
        began = time.perf_counter()
        with closing(self.cache.lock(self.keys[task.name])) as lock:
            while not lock.acquire(_POLL_S) and time.perf_counter() - began < _LONGEST_WAIT_S:
                yield StageEvent(task.stage, "progress", 0.0, time.perf_counter() - self._started[task.stage])
            if self._read(task):
                return True
            with errors_named(task.stage), self._peaks[task.stage]:
                yield from self._fetch_weights(task)
                product = yield from self._compute(task)
                self.products[task.name] = self.cache.put(self.keys[task.name], product)
                self.problem = self.cache.problem or self.problem
        return False

    def _fetch_weights(self, task: Task) -> Generator[StageEvent, None, None]:
        """Bring the weights into place for this product and, so that what is missing is told early, for all after it."""
        if not task.role or self._fetched:
            return
        roles = dict.fromkeys(later.role for later in CHAIN[CHAIN.index(task) :] if later.role)
        for fraction in self.store.fetch((role, self.models[role]) for role in roles):
            seconds = time.perf_counter() - self._started[task.stage]
            yield StageEvent(task.stage, "progress", 0.0, seconds, note=f"fetching weights, {fraction:.0%}")
        self._fetched = True

    def _compute(self, task: Task) -> Generator[StageEvent, None, Any]:
        model = self.models[task.role] if task.role else ""
        inputs = {name: self.products[name] for name in self.inputs(task) if name != "source"}
        settings = self.settings
        if "frames" in inputs:
            settings, inputs["frames"] = clicks_inside(settings, inputs["frames"]), self._picture
        job = Job(task.name, task.role, model, self.source, settings, inputs)
        with closing(self.execute(job, self.store)) as steps:
            while True:
                try:
                    fraction = next(steps)
                except StopIteration as stop:
                    return stop.value
                yield StageEvent(task.stage, "progress", fraction, time.perf_counter() - self._started[task.stage])

    def _plan_keys(self, source_hash: str | None) -> dict[str, str]:
        """The keys of all products: they depend on the source, the settings and the models' identities, not on any product."""
        with errors_named("frames"):
            keys = {"source": source_hash or content_hash(self.source)}
        for task in CHAIN:
            inputs = [keys[name] for name in self.inputs(task)]
            keys[task.name] = self.cache.key(task.name, task.version, self._identity(task), task.settings(self.settings), inputs)
        return keys

    def inputs(self, task: Task) -> tuple[str, ...]:
        """The products, or the source, that a task looks at."""
        return (*task.inputs, "flow") if self._needs_flow(task.role) and task.name != "labels" else task.inputs

    def _needs_flow(self, role: str) -> bool:
        return role != "" and self.store.needs_flow(role, self.models[role])

    def _identity(self, task: Task) -> str:
        return self.store.identity(task.role, self.models[task.role]) if task.role else ""
