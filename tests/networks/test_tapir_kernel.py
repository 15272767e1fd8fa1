"""The tracker's kernels for GPUs, computed by Triton's interpreter, which needs no GPU, against torch's operations."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from segmo.networks import tapir_layers

COMPARISON = """
import torch
from segmo.networks.tapir_kernel import mix_time, normalise
from segmo.networks.tapir_layers import MixerBlock

torch.manual_seed(0)
block = MixerBlock()
block.layer_norm.weight.data.normal_(1, 0.2)
with torch.inference_mode():
    for frames, points in ((1, 1), (2, 5), (7, 3)):
        x = torch.randn(frames, points, 512) * 2 + 0.5
        expected = x + block._mix_time(block.layer_norm(x))
        print(float((mix_time(x, block.layer_norm.weight, *block._over_time()) - expected).abs().max()))
        print(float((normalise(x, block.layer_norm.weight, torch.float32) - block.layer_norm(x)).abs().max()))
        assert normalise(x, block.layer_norm.weight, torch.bfloat16).dtype == torch.bfloat16
"""


def test_kernels_compute_what_torch_s_operations_do():
    pytest.importorskip("triton", "3.7", reason="Triton is not made for this machine, or its interpreter too old for this numpy")
    answer = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", COMPARISON], env={**os.environ, "TRITON_INTERPRET": "1"}, capture_output=True, text=True
    )
    assert answer.returncode == 0, answer.stderr
    deviations = [float(line) for line in answer.stdout.split()]
    assert len(deviations) == 6
    assert max(deviations) < 5e-6


def test_without_a_gpu_that_can_be_programmed_torch_computes_and_a_warning_tells(caplog):
    import torch

    tapir_layers.gpu_kernels.cache_clear()
    assert tapir_layers.gpu_kernels(torch.device("cpu")) is None  # kernels cannot be built for it
    assert "computes with torch's operations" in caplog.text
    tapir_layers.gpu_kernels.cache_clear()
