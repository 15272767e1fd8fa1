"""Where products are computed: in this process, or on the GPU that a ZeroGPU Space lends for one stage.

`spaces` must be imported before torch; outside ZeroGPU its decorator returns the function unchanged. On ZeroGPU a decorated function runs
in a forked process that has a GPU for at most the seconds asked for. Its arguments, and what it yields, are pickled; what it returns is
lost, and of an error only the name comes back. The weights are those that this process has loaded before it began to serve.
"""

from __future__ import annotations

import functools
import gc
import html
import logging
import re
import time
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr
import spaces

from segmo.errors import LoanError, SegmoError
from segmo.settings import PRESETS, Settings
from segmo.types import Steps, finish
from segmo.ui import cost, text

if TYPE_CHECKING:  # imported when the first clip comes, so that the page opens fast
    from segmo.chain import Job
    from segmo.zoo.store import ModelStore

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Made:
    """What comes back from the GPU last: the product, and the seconds it took there."""

    product: Any
    seconds: float


@dataclass(frozen=True)
class Failed:
    """An error with its words; raised on the GPU it would lose them on the way back."""

    error: SegmoError | MemoryError


@functools.cache
def models() -> ModelStore:
    """The models that all runs of this process share."""
    from segmo.zoo.store import ModelStore

    return ModelStore()


def prepare() -> None:
    """On ZeroGPU, load every model that uses a GPU: weights that are there when serving begins reach every lent GPU by themselves."""
    if not cost.on_zero_gpu():
        return
    import cv2

    from segmo.zoo.presets import models_of

    cv2.setNumThreads(1)  # before it makes a pool of threads: they would not survive a fork, and be waited for there without end
    for preset in PRESETS:
        try:
            wanted = [model for model in models_of(Settings(preset=preset)).items() if models().uses_gpu(*model)]
            finish(models().fetch(wanted))
            for model in wanted:
                models().get(*model)
        except SegmoError as error:  # the others still serve, and whoever chooses this one is told
            log.warning("The preset %s is not ready: %s", preset, error)


def warm_up(settings: Settings) -> None:
    """Import what a run with these settings needs; it takes longer than a visitor who has pressed Run likes to wait."""
    from segmo import pipeline  # noqa: F401
    from segmo.zoo.presets import models_of

    for model in models_of(settings).items():
        models().needs_flow(*model)


def run_stages(source: Path, settings: Settings) -> Generator[Any, None, Any]:
    """The events and the result of `segmo.pipeline.run`, each stage where it should run."""
    from segmo import pipeline

    return (yield from pipeline.run(source, settings, store=models(), execute=execute))


def stages_on_gpu(settings: Settings) -> tuple[str, ...]:
    """The stages of a run that need a lent GPU; none elsewhere than on ZeroGPU."""
    if not cost.on_zero_gpu():
        return ()
    from segmo.zoo.presets import models_of

    return tuple(role for role, name in models_of(settings).items() if models().uses_gpu(role, name))


def execute(job: Job, store: ModelStore) -> Steps[Any]:
    """Make a product, on a lent GPU where its model needs one.

    Raises:
        LoanError: no GPU was lent, or not for long enough.
    """
    from segmo.chain import compute

    if not _needs_gpu(job, store):
        return (yield from compute(job, store))
    if too_long := cost.beyond_loan(cost.estimate(_work(job)), [_stage(job)], len(job["frames"])):
        raise LoanError(too_long)  # rather than spend a minute of the visitor's quota on nothing
    gc.collect()  # decoders among the garbage have threads, which are waited for without end if they are collected after the fork
    made = None
    try:
        with closing(_compute_on_gpu(job)) as answers:
            for answer in answers:
                if isinstance(answer, Failed):
                    raise answer.error
                if isinstance(answer, Made):
                    made = answer  # and on to the end, or the GPU would be given back as if the run had been stopped
                else:
                    yield answer
    except gr.Error as error:  # the words of ZeroGPU: no quota left, too long, none free
        said = html.unescape(re.sub(r"<[^>]*>", "", str(error.message))).strip().rstrip(".")
        raise LoanError(f"{error.title}: {said}. {text.LOAN_ADVICE}") from error
    if made is None:
        raise LoanError("The lent GPU was taken back before the stage was done. Press Run again; finished stages are kept.")
    cost.learn(_work(job), [(_stage(job), made.seconds)])
    return made.product


def _needs_gpu(job: Job, store: ModelStore) -> bool:
    if not cost.on_zero_gpu() or not job.role or not store.uses_gpu(job.role, job.model):
        return False
    if job.product == "masks" and job["labels"].nothing_moves and not job.settings.masks.corrections:
        return False
    return job.product != "labels"  # a decision that costs nothing


def _seconds(job: Job) -> int:
    """Seconds to ask of ZeroGPU: what the page told the visitor."""
    return cost.estimate(_work(job)).gpu_s(_stage(job))


@spaces.GPU(duration=_seconds)  # type: ignore[untyped-decorator]
def _compute_on_gpu(job: Job) -> Generator[float | Made | Failed, None, None]:
    """Make a product in the process that has the GPU; yields fractions done and, last, the product or why there is none."""
    from segmo.chain import compute

    gc.freeze()  # whatever became garbage since: see `execute`
    began = time.perf_counter()
    try:
        product = yield from compute(job, models())
    except (SegmoError, MemoryError) as error:
        yield Failed(error)
    else:
        yield Made(product, time.perf_counter() - began)


def _stage(job: Job) -> str:
    return "motion" if job.product == "evidence" else job.product


def _work(job: Job) -> cost.Work:
    return cost.work_on(job["frames"], job.settings)
