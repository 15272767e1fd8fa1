"""Loads models when they are wanted and keeps them until they are freed."""

from __future__ import annotations

import importlib
import logging
import threading
import time
from typing import Any

from segmo.zoo.registry import find

log = logging.getLogger(__name__)


class ModelStore:
    """The loaded models, by role and name. Safe to share between threads."""

    def __init__(self) -> None:
        self._models: dict[tuple[str, str], Any] = {}
        self._lock = threading.Lock()

    @property
    def loaded(self) -> tuple[str, ...]:
        """What is loaded at present, as `role/name`, in the order of loading."""
        return tuple(f"{role}/{name}" for role, name in self._models)

    def identity(self, role: str, name: str) -> str:
        """What names a model's weights and version in cache keys; known without loading the model."""
        return str(_adapter(role, name).identity)

    def needs_flow(self, role: str, name: str) -> bool:
        """Whether a model reads optical flow; known without loading it."""
        return bool(getattr(_adapter(role, name), "needs_flow", False))

    def get(self, role: str, name: str) -> Any:
        """The model, loaded now if it is not yet; it follows the Protocol of its role in `segmo/stages`.

        Raises:
            SettingsError: there is no such model.
            WeightsError: its weights are missing or corrupt.
        """
        with self._lock:
            if (role, name) not in self._models:
                started = time.perf_counter()
                self._models[role, name] = _adapter(role, name)()
                log.info("Loaded the %s model %s in %.2f s.", role, name, time.perf_counter() - started)
            return self._models[role, name]

    def free(self) -> None:
        """Forget all loaded models; the next `get` loads again."""
        with self._lock:
            self._models.clear()


def _adapter(role: str, name: str) -> Any:
    module, _, attribute = find(role, name).adapter.partition(":")
    return getattr(importlib.import_module(module), attribute)
