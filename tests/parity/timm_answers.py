"""What timm's RepViT-M1 sees in images, run as a script where timm is installed: `python -m tests.parity.timm_answers FOLDER`.

The folder holds `weights.safetensors` and `images.npy`. Writes `answers.npz`. The library's parts that need torchvision are left out.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from unittest.mock import MagicMock

import numpy as np
import torch
from safetensors.torch import load_file


def without_torchvision() -> None:
    """Lets timm's models be imported: its data loading needs all of torchvision, and they the name of one class."""
    names = ("torchvision", "torchvision.ops", "torchvision.ops.misc", "torchvision.models", "torchvision.models.feature_extraction")
    sys.modules |= {name: ModuleType(name) for name in names}
    sys.modules["torchvision.ops.misc"].FrozenBatchNorm2d = type("FrozenBatchNorm2d", (), {})  # type: ignore[attr-defined]
    sys.modules["torchvision.models.feature_extraction"].__getattr__ = lambda _: None  # type: ignore[method-assign]
    sys.modules["timm.data"] = MagicMock()


def main(folder: Path) -> None:
    without_torchvision()
    import timm

    network = timm.create_model("repvit_m1", num_classes=0, features_only=True, out_indices=(0, 1, 2, 3)).eval()
    network.load_state_dict(load_file(folder / "weights.safetensors"))
    with torch.inference_mode():
        found = network(torch.from_numpy(np.load(folder / "images.npy")))
    np.savez(folder / "answers.npz", **{f"level {level}": features.numpy() for level, features in enumerate(found)})


if __name__ == "__main__":
    main(Path(sys.argv[1]))
