"""What the checks of all packs share: weights made from names, and the comparison of two arrays."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch


@dataclass(frozen=True)
class Check:
    """One comparison. `deviation` is the largest absolute difference, or the number of rows that differ."""

    case: str
    deviation: float
    tolerance: float
    note: str = ""

    @property
    def passed(self) -> bool:
        return self.deviation <= self.tolerance  # false for NaN


def compare(case: str, ours: Any, expected: Any, tolerance: float, note: str = "") -> Check:
    """The largest difference between two arrays of one shape, or tensors on any device; infinite where the shapes differ."""
    ours = ours.cpu() if isinstance(ours, torch.Tensor) else ours
    a, b = np.asarray(ours, np.float64), np.asarray(expected, np.float64)
    deviation = float(np.abs(a - b).max(initial=0)) if a.shape == b.shape else float("inf")
    return Check(case, deviation, tolerance, note or ("" if a.shape == b.shape else f"shape {a.shape} instead of {b.shape}"))


def count(case: str, rows: Iterator[bool] | list[bool], note: str = "") -> Check:
    """How many rows of a table differ; `rows` says for each whether it agrees. An empty table agrees with nothing."""
    agree = list(rows)
    return Check(case, float(len(agree) - sum(agree)) if agree else float("nan"), 0.0, note or f"{len(agree)} rows")


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def random_entry(name: str, shape: list[int], seed: int) -> np.ndarray:
    """The value of a floating-point entry of a state dict: a function of its name, its shape and the seed alone."""
    generator = np.random.Generator(np.random.PCG64(zlib.crc32(name.encode()) + seed))
    values = generator.standard_normal(shape).astype(np.float32)
    if name.endswith("running_var"):
        return np.abs(values) + np.float32(0.5)
    if len(shape) >= 2:
        return values * np.float32(1 / np.sqrt(np.prod(shape[1:])))
    if len(shape) == 0:
        return np.float32(0.02) * values
    return 1 + np.float32(0.1) * values if name.endswith("weight") else np.float32(0.1) * values


@contextmanager
def exact() -> Iterator[None]:
    """Within it, GPUs convolve float32 in float32; torch would let them round to ten bits."""
    allowed, torch.backends.cudnn.allow_tf32 = torch.backends.cudnn.allow_tf32, False
    try:
        with torch.inference_mode():
            yield
    finally:
        torch.backends.cudnn.allow_tf32 = allowed


def random_weights(manifest: Path) -> dict[str, np.ndarray]:
    """The pseudo-random state dict that a manifest describes, each entry checked against its checksum."""
    content = read_json(manifest)
    weights = {}
    for entry in content["state_dict"]:
        if not entry["dtype"].startswith("float"):
            continue
        values = random_entry(entry["name"], entry["shape"], content["seed"])
        if zlib.crc32(np.ascontiguousarray(values, "<f4")) != entry["crc32"]:
            raise ValueError(f"{manifest}: the weights of {entry['name']} differ from their checksum; numpy's random stream has changed.")
        weights[entry["name"]] = values
    return weights
