"""EdgeTAM's encoder as segmo runs it against the one of the library timm, for which its weights were published."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import torch
from paper_models import with_norms
from parity.common import compare, random_entry
from safetensors.torch import save_file

from segmo.networks.repvit import RepVitM1

REPOSITORY = Path(__file__).resolve().parents[2]
TOLERANCE = 1e-3
"""Features reach 20."""


def random_network() -> RepVitM1:
    network = RepVitM1()
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if value.is_floating_point():
                value.copy_(torch.from_numpy(random_entry(name, list(value.shape), 4)))
    images = np.random.default_rng(6).standard_normal((4, 3, 96, 96), np.float32)
    return with_norms(network, network, torch.from_numpy(images))


def test_features_agree_with_timms(meta_python, tmp_path):
    network = random_network()
    images = np.random.default_rng(7).standard_normal((2, 3, 96, 128), np.float32)
    save_file(network.state_dict(), tmp_path / "weights.safetensors")
    np.save(tmp_path / "images.npy", images)
    command = [meta_python, "-m", "tests.parity.timm_answers", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY)
    assert done.returncode == 0, done.stderr[-3000:]
    theirs = np.load(tmp_path / "answers.npz")
    with torch.inference_mode():
        levels = network.fused()(torch.from_numpy(images))
    checks = [compare(f"level {n}", ours, theirs[f"level {n}"], TOLERANCE) for n, ours in enumerate(levels)]
    assert len(theirs) == 4 and [check for check in checks if not check.passed] == []
    assert all(np.ptp(theirs[name]) > 5 for name in theirs)
