"""Groups of points by the company they keep."""

from __future__ import annotations

import numpy as np

from segmo.lite.company import Company


def test_two_groups_made_one_are_described_as_if_they_had_been_one_from_the_start() -> None:
    random = np.random.default_rng(3)
    frames, count = 12, 30
    angle = 0.1 * np.arange(frames)
    start = random.normal(0, 6, count) + 1j * random.normal(0, 6, count)
    at = start[:, None] * np.exp(1j * angle) + 40 + 2 * np.arange(frames)
    positions = np.stack([at.real, at.imag], axis=-1).astype(np.float32)
    on = np.where(random.random((count, frames)) < 0.2, 0, 1 + np.arange(frames) + frames * (positions[..., 0] % 2 > 1)).astype(np.int32)
    none = np.zeros((2, 0), np.int64)
    merged = Company([np.arange(10), np.arange(10, 30)], on, positions, 2 * frames, none)
    merged.merge(0, 1)
    whole = Company([np.arange(30)], on, positions, 2 * frames, none)
    for name in ("shares", "seen", "places", "steps", "turns", "size", "loose"):
        np.testing.assert_allclose(getattr(merged, name)[0], getattr(whole, name)[0], rtol=1e-4, atol=1e-4, err_msg=name)
    np.testing.assert_allclose(whole.turns[0][:-1], 0.1, atol=0.03)
