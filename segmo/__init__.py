"""segmo finds and segments everything that moves in a video, whatever the camera does.

import segmo
result = segmo.segment("clip.mp4", segmo.Settings())
result.masks.labels  # (T, H, W): 0 = background, otherwise the id of the object
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from segmo.pipeline import Result, StageEvent, run, segment
    from segmo.settings import Correction, Settings

__version__ = "0.1.0"
__all__ = ["Correction", "Result", "Settings", "StageEvent", "__version__", "run", "segment"]

_HOMES = {
    "Correction": "segmo.settings",
    "Result": "segmo.pipeline",
    "Settings": "segmo.settings",
    "StageEvent": "segmo.pipeline",
    "run": "segmo.pipeline",
    "segment": "segmo.pipeline",
}


def __getattr__(name: str) -> Any:
    # Looked up when first used: `import segmo` must stay instant.
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})  # so that an interpreter completes what is not looked up yet
