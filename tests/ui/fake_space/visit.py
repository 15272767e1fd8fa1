"""What visitors do on a Space that lends GPUs, and what came of it, as JSON: `python visit.py EXAMPLES`, run by test_ui_gpu.py."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from segmo.ui import gpu, handlers  # first, because it imports spaces

# isort: split
import numpy as np
import spaces
import torch

from segmo.errors import DeviceError
from segmo.types import Clip, DepthMaps, FeatureMaps
from segmo.ui import cost
from segmo.ui.limits import Limits
from segmo.ui.progress import Progress
from segmo.zoo import lite_models, presets, registry

EXAMPLES = Path(sys.argv[1])
CLIP, STILL = EXAMPLES / "two_crossing.mp4", EXAMPLES / "parallax_static.mp4"
SETTINGS = {"preset": "paper", "max_frames": 20, "max_side": 320}


class GpuDepth:
    identity, needs_flow, uses_gpu = "gpu-depth", False, True

    def depth(self, clip: Clip, flow: object) -> Iterator[float]:
        torch.cuda.init()
        try:
            for t in range(len(clip)):
                time.sleep(0.1 if len(clip) == 7 else 0)  # long enough to be stopped
                yield t / len(clip)
        except GeneratorExit:
            spaces.note(closed="depth")
            raise
        return DepthMaps(np.zeros((len(clip), 4, 4), np.float16), np.ones(len(clip), bool))


class GpuFeatures:
    identity, uses_gpu = "gpu-features", True

    def describe(self, clip: Clip, frames: np.ndarray) -> Iterator[float]:
        torch.cuda.init()
        yield 0.5
        if len(clip) == 5:
            raise DeviceError("Five frames are too many. Use four.")
        if len(clip) == 6:
            raise KeyError("a bug")
        return FeatureMaps(np.ones((len(frames), 2, 2, 3), np.float16), frames)


class GpuMotion(lite_models.LiteMotion):
    identity, uses_gpu = "gpu-motion", True

    def evidence(self, inputs: Any) -> Iterator[float]:
        torch.cuda.init()
        return (yield from super().evidence(inputs))

    def decide(self, *inputs: Any) -> Any:
        spaces.note(decided=os.getpid())
        return super().decide(*inputs)


class GpuMasks(lite_models.LiteMasks):
    identity, uses_gpu = "gpu-masks", True

    def segment(self, inputs: Any, settings: Any) -> Iterator[float]:
        torch.cuda.init()
        return (yield from super().segment(inputs, settings))


GPU_MODELS = {"depth": GpuDepth, "features": GpuFeatures, "motion": GpuMotion, "masks": GpuMasks}


class Store:
    """The models of `lite`, and some that need a GPU."""

    def __init__(self) -> None:
        self.loaded: dict[tuple[str, str], Any] = {}

    def adapter(self, role: str, name: str) -> Any:
        return GPU_MODELS[role] if name == "gpu" else getattr(lite_models, f"Lite{role.title()}")

    def identity(self, role: str, name: str) -> str:
        return str(self.adapter(role, name).identity)

    def needs_flow(self, role: str, name: str) -> bool:
        return getattr(self.adapter(role, name), "needs_flow", False)

    def uses_gpu(self, role: str, name: str) -> bool:
        return getattr(self.adapter(role, name), "uses_gpu", False)

    def fetch(self, models: object) -> Iterator[float]:
        yield 1.0

    def get(self, role: str, name: str) -> Any:
        if (role, name) not in self.loaded:
            spaces.note(loaded=f"{role}/{name}", pid=os.getpid())
            self.loaded[role, name] = self.adapter(role, name)()
        return self.loaded[role, name]


STORE = Store()
gpu.models = lambda: STORE  # type: ignore[assignment]
registry.MODELS += tuple(registry.ModelSpec(role, "gpu", "", "MIT", "") for role in GPU_MODELS)
presets.ALL["paper"] = dataclasses.replace(presets.LITE, name="paper", **dict.fromkeys(GPU_MODELS, "gpu"))
del presets.ALL["paper-fast"]  # one that cannot be used keeps no other from being served


def visit(clip: Path = CLIP, **values: Any) -> dict[str, Any]:
    """Press Run and wait; returns the page's words and what the Space noted meanwhile."""
    start, page = len(spaces.noted()), {}
    for updates in handlers.run(clip, {**SETTINGS, **values}):
        page |= updates
    return {"message": page["message"], "steps": page["steps"], "noted": spaces.noted(start)}


def stop() -> dict[str, Any]:
    """Press Run, and Stop while the lent GPU computes."""
    start = len(spaces.noted())
    running = handlers.run(CLIP, {**SETTINGS, "max_frames": 7})
    for updates in running:
        if any(step.name == "depth" and step.fraction > 0 for step in updates.get("progress", Progress()).steps):
            break
    running.close()
    noted = spaces.noted(start)
    return {"noted": noted, "alive": [row["pid"] for row in noted if "call" in row and Path(f"/proc/{row['pid']}").exists()]}


def too_long() -> dict[str, Any]:
    """A run one of whose stages has taken this computer too long for one loan before."""
    settings = {**SETTINGS, "max_frames": 9}
    kept = cost._path().read_text()
    cost.learn(cost.Work(9, 9 * 320 * 180 / 1e6, 1, 5000, {"features": "gpu"}), [("features", 5000.0)])
    start, note = len(spaces.noted()), handlers.describe(CLIP, settings)["clip_note"]
    pressed = handlers.stand_in_line(CLIP, settings, Limits())
    page: dict[str, Any] = {}
    for updates in handlers.run(CLIP, settings):
        page |= updates
    cost._path().write_text(kept)
    return {
        "note": note,
        "pressed": pressed["message"],
        "allowed": pressed["allowed"],
        "noted": spaces.noted(start),
        **{"message": page["message"]},
    }


def main() -> None:
    threading.Thread(target=time.sleep, args=(600,), daemon=True).start()  # as a server has
    gpu.prepare()
    seen: dict[str, Any] = {"pid": os.getpid(), "start": spaces.noted(), "note": handlers.describe(CLIP, SETTINGS)["clip_note"]}
    seen["lite_note"] = handlers.describe(CLIP, {**SETTINGS, "preset": "lite"})["clip_note"]
    seen["lite"] = visit(preset="lite", max_frames=4)
    seen["first"], seen["again"], seen["threshold"] = visit(), visit(), visit(threshold="0.4")
    seen["still"], seen["stopped"] = visit(STILL, max_frames=8), stop()
    seen["refused"], seen["bug"] = visit(max_frames=5), visit(max_frames=6)
    seen["too_long"] = too_long()
    os.environ["FAKE_SPACE_QUOTA"] = "1"
    seen["no_quota"] = visit(max_frames=4)
    sys.stdout.write(json.dumps(seen))


if __name__ == "__main__":
    main()
