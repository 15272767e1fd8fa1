"""Loads models when they are wanted and keeps as many as memory allows."""

from __future__ import annotations

import gc
import importlib
import importlib.util
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from segmo.device import PRECISIONS, Device, has_cuda, may_have_cuda, pick_device, used_cuda
from segmo.errors import SettingsError, WeightsError
from segmo.types import Steps, finish
from segmo.zoo import download
from segmo.zoo.presets import LITE, PAPER, fetch_name, specs_of
from segmo.zoo.registry import ModelSpec, find
from segmo.zoo.trained import TrainedWeights

log = logging.getLogger(__name__)

_SHARE = 0.9  # of the memory that is free before the first model: the rest is for what other libraries take


class ModelStore:
    """The loaded models, by role and name. Safe to share between threads.

    A model that is freed while another thread works with it keeps its memory until that work is done.
    """

    def __init__(self, device: str = "auto", budget_bytes: int | None = None, motion_weights: Path | Sequence[Path] = ()) -> None:
        """
        Args:
            device: where models with weights compute: `auto`, `cpu`, `mps`, `cuda` or `cuda:N`.
            budget_bytes: memory that models may take together; None: what is free there when the store first looks, less a reserve.
            motion_weights: a file that `segmo train` wrote, to be used by the motion model that it is for; or one of each network
                of the lite preset.

        Raises:
            WeightsError: a file holds no weights of a motion network.
            SettingsError: two files are for the same network, or for different models.
        """
        self._trained = TrainedWeights.of_all([motion_weights] if isinstance(motion_weights, Path) else motion_weights)
        self._requested, self._budget = device, budget_bytes
        self._device: Device | None = None
        self._models: OrderedDict[tuple[str, str], Any] = OrderedDict()  # the least recently used first
        self._lock = threading.RLock()

    @property
    def loaded(self) -> tuple[str, ...]:
        """What is loaded at present, as `role/name`, the least recently used first."""
        return tuple(f"{role}/{name}" for role, name in self._models)

    def identity(self, role: str, name: str) -> str:
        """What names a model's weights, version and reduced precision in cache keys; known without loading the model.

        Raises:
            WeightsError: a folder stands for the hub, and the weights are not in it.
            DeviceError: the device asked for is not there.
            SettingsError: the weights that the user trained are for another model of this role.
        """
        spec, adapter = find(role, name), _adapter(role, name)
        trained = self._trained_for(spec)
        if spec.weights is None:
            return "-".join([adapter.identity, *(weights.sha256[:16] for weights in trained)])
        if not trained and download.content_unknown(spec.weights):
            finish(download.fetch(spec))
        content = trained[0].sha256 if trained else download.fingerprint(spec.weights)
        identity = f"{name}-{getattr(adapter, 'version', 1)}-{content[:16]}"
        precision = self._own_device().precision_among(getattr(adapter, "precisions", PRECISIONS))
        return identity if precision == "float32" else f"{identity}-{precision}"

    def needs_flow(self, role: str, name: str) -> bool:
        """Whether a model reads optical flow; known without loading it."""
        return bool(getattr(_adapter(role, name), "needs_flow", False))

    def uses_gpu(self, role: str, name: str) -> bool:
        """Whether a model computes on the GPU where there is one."""
        return find(role, name).weights is not None

    def fetch(self, models: Iterable[tuple[str, str]]) -> Steps[None]:
        """Bring the weights of the given (role, name) into place; yields the share that is there, and nothing if all are.

        Raises:
            WeightsError: they cannot be fetched.
        """
        specs = [find(role, name) for role, name in models]
        absent = [spec for spec in specs if spec.weights and not self._trained_for(spec) and download.state(spec.weights) != "ready"]
        sizes = [max(spec.weights.size_bytes, 1) for spec in absent if spec.weights]
        for index, spec in enumerate(absent):
            for fraction in download.fetch(spec):
                yield (sum(sizes[:index]) + sizes[index] * fraction) / sum(sizes)

    def get(self, role: str, name: str) -> Any:
        """The model, loaded now if it is not yet; it follows the Protocol of its role in `segmo/stages`.

        Raises:
            SettingsError: there is no such model, or it needs a package that is not installed.
            WeightsError: its weights cannot be fetched or are corrupt.
            DeviceError: the device asked for is not there.
        """
        with self._lock:
            if (role, name) not in self._models:
                started = time.perf_counter()
                self._models[role, name] = self._load(find(role, name))
                log.info("Loaded the %s model %s in %.2f s.", role, name, time.perf_counter() - started)
            self._models.move_to_end((role, name))
            return self._models[role, name]

    def free(self) -> None:
        """Forget all loaded models; the next `get` loads again."""
        with self._lock:
            self._models.clear()
            _release()

    def _load(self, spec: ModelSpec) -> Any:
        adapter, trained = _adapter(spec.role, spec.name), self._trained_for(spec)
        if spec.weights is None:
            model = adapter.trained([weights.unchanged_path() for weights in trained]) if trained else adapter()
            model.identity = self.identity(spec.role, spec.name)
            return model
        if spec.package and importlib.util.find_spec(spec.package) is None:
            raise SettingsError(f"The {spec.role} model {spec.name} needs the package {spec.package}. Install it with: {spec.install}")
        path = trained[0].unchanged_path() if trained else finish(download.fetch(spec))
        device = self._own_device()
        self._make_room(spec, device)
        try:
            model = adapter.load(path, device.name)
        except WeightsError as error:
            if trained:
                raise
            renew = f"delete {path}, then run `python -m segmo weights fetch {fetch_name(spec)}`"
            raise WeightsError(f"{error} What is in place counts as fetched: {renew}.") from error
        model.identity = self.identity(spec.role, spec.name)
        return model

    def _trained_for(self, spec: ModelSpec) -> tuple[TrainedWeights, ...]:
        """The weights that the user trained, if they are for this role."""
        if not self._trained or spec.role != "motion":
            return ()
        first = self._trained[0]
        if first.model != spec.name:
            what = f"{first.path} holds weights of the motion model {first.model}, and this run uses {spec.name}"
            advice = "the preset lite" if first.model == "lite" else "the preset paper or paper-fast"
            raise SettingsError(f"{what}. Choose {advice}, or give weights of {spec.name}.")
        return self._trained

    def _own_device(self) -> Device:
        if self._device is None:
            self._device = pick_device(self._requested)
        return self._device

    def _make_room(self, spec: ModelSpec, device: Device) -> None:
        """Free the least recently used models until the next one fits."""
        if self._budget is None:
            self._budget = int(_SHARE * device.memory_bytes)
        needs = {key: find(*key).memory_bytes for key in self._models}
        freed = False
        for key, need in needs.items():
            if sum(needs[kept] for kept in self._models) + spec.memory_bytes <= self._budget:
                break
            if need:
                log.info("Freed the %s model %s to make room.", *key)
                del self._models[key]
                freed = True
        if freed:
            _release()
        if spec.memory_bytes > self._budget:
            what = f"takes about {spec.memory_bytes / 1e9:.1f} GB, and {self._budget / 1e9:.1f} GB are free on {device.name}"
            log.warning("The %s model %s %s. If it fails, choose the preset paper-fast.", spec.role, spec.name, what)


def _release() -> None:
    """Give freed memory back to the device."""
    gc.collect()
    cuda = used_cuda()
    if cuda:
        cuda.empty_cache()


def _adapter(role: str, name: str) -> Any:
    module, _, attribute = find(role, name).adapter.partition(":")
    return getattr(importlib.import_module(module), attribute)


def default_preset(device: str = "auto") -> tuple[str, str]:
    """The preset to use where the user chose none, and why, as a sentence: `paper` where there is a GPU and its weights can be had.

    Args:
        device: the one asked for, as `pick_device` knows it; on another than a CUDA GPU `paper` is left to those who ask for it.
    """
    if not device.startswith(("auto", "cuda")):
        return LITE.name, f"lite is used because the device is {device}."
    none = LITE.name, "lite is used because no CUDA GPU was found."
    if not may_have_cuda():
        return none
    absent = [spec for spec in specs_of(PAPER) if spec.weights and download.state(spec.weights) != "ready"]
    missing = f"{len(absent)} of its weights are not here ({absent[0].full_name} first)" if absent else ""
    if absent and not download.can_fetch():
        reason = f"{missing} and cannot be fetched. With a network, run `python -m segmo weights fetch {PAPER.name}`"
        return LITE.name, f"lite is used although there is a driver for CUDA GPUs, because of the preset paper {reason}."
    if not has_cuda():  # last, since it imports torch
        return none
    if absent:
        return PAPER.name, f"paper is used because there is a CUDA GPU; {missing} and will be fetched."
    return PAPER.name, "paper is used because there is a CUDA GPU and its weights are here."
