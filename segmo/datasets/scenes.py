"""The same work on every scene of a data folder: one after another, or in a process a GPU. A scene that fails does not stop the others."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Any, Protocol

from segmo.datasets.layout import Scene
from segmo.device import end_with_parent
from segmo.errors import DeviceError, InputError, ProductError
from segmo.types import Steps, finish, within
from segmo.zoo.store import ModelStore

_WORKER: dict[str, ModelStore] = {}  # the store of a worker process, so that models are loaded once


class Store(Protocol):
    """What of `ModelStore` the work uses."""

    def get(self, role: str, name: str) -> Any: ...

    def identity(self, role: str, name: str) -> str: ...

    def needs_flow(self, role: str, name: str) -> bool: ...


Work = Callable[[Scene, Store], Steps[int]]
"""Does something to a scene and returns how many files it wrote; must be picklable where there are GPUs."""


@dataclass(frozen=True)
class Done:
    """What a run over a data folder did."""

    scenes: int
    """Scenes that are complete now."""
    files_written: int
    """In this run."""
    failures: tuple[str, ...]
    """A message for each scene that failed, by name."""


def over_scenes(work: Work, scenes: Sequence[Scene], store: Store, gpus: Sequence[int] = ()) -> Steps[Done]:
    """Do the work on all scenes.

    Args:
        store: where models come from; not used with `gpus`.
        gpus: each gets a process and a store of its own.

    Raises:
        WeightsError, DeviceError, OutputError, SettingsError: no scene can be worked on.
    """
    written, failures = 0, []

    def failed(scene: Scene, error: Exception) -> None:
        failures.append(f"{scene.name}: {error}")

    if not gpus:
        for index, scene in enumerate(scenes):
            try:
                written += yield from within(work(scene, store), index / len(scenes), (index + 1) / len(scenes))
            except (InputError, ProductError) as error:
                failed(scene, error)
            yield (index + 1) / len(scenes)
        return Done(len(scenes) - len(failures), written, tuple(failures))
    context = multiprocessing.get_context("spawn")
    unclaimed = context.SimpleQueue()
    for gpu in gpus:
        unclaimed.put(gpu)
    pool = ProcessPoolExecutor(len(gpus), context, _claim_gpu, (unclaimed,))
    try:
        running = {pool.submit(_in_worker, work, scene): scene for scene in scenes}
        for done, future in enumerate(as_completed(running), start=1):
            try:
                written += future.result()
            except (InputError, ProductError) as error:
                failed(running[future], error)
            yield done / len(scenes)
    except BrokenProcessPool as error:
        raise DeviceError("A process was killed, most likely for lack of memory. Use fewer GPUs at once, or --efficiency.") from error
    finally:
        pool.shutdown(cancel_futures=True)
    return Done(len(scenes) - len(failures), written, tuple(sorted(failures)))


def _claim_gpu(unclaimed: Any) -> None:
    end_with_parent()
    _WORKER["store"] = ModelStore(device=f"cuda:{unclaimed.get()}")


def _in_worker(work: Work, scene: Scene) -> int:
    return finish(work(scene, _WORKER["store"]))
