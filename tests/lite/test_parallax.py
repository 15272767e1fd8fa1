"""Camera motion and depth from flow whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from segmo.lite.flow import GAPS
from segmo.lite.parallax import FOCAL, densify, depth_of_frame, epipolar_parts, estimate_ego_motion

HW = (126, 224)


def flow_of(translation: tuple[float, float, float], rotation: tuple[float, float, float], inverse_depth: np.ndarray) -> np.ndarray:
    """Flow in pixels of a static scene under a small camera motion (Longuet-Higgins and Prazdny, 1980)."""
    height, width = inverse_depth.shape
    focal = FOCAL * max(height, width)
    y, x = np.mgrid[:height, :width].astype(float)
    x, y = (x - (width - 1) / 2) / focal, (y - (height - 1) / 2) / focal
    (tx, ty, tz), (a, b, c) = translation, rotation
    u = (-tx + x * tz) * inverse_depth + a * x * y - b * (1 + x * x) + c * y
    v = (-ty + y * tz) * inverse_depth + a * (1 + y * y) - b * x * y - c * x
    return (np.stack([u, v], axis=-1) * focal).astype(np.float32)


def relief() -> np.ndarray:
    """Ground that comes nearer towards the bottom, with a near box on it."""
    depth = np.linspace(0.1, 0.5, HW[0])[:, None] * np.ones(HW)
    depth[40:90, 120:150] = 0.9
    return depth


@pytest.mark.parametrize("translation", [(1, 0, 0), (0, 0, 1), (0.6, 0.1, 0.8), (-0.8, 0.2, 0.3)])
def test_direction_of_travel_is_found_beneath_rotation_and_a_mover(translation: tuple[float, float, float]) -> None:
    unit = np.array(translation) / np.linalg.norm(translation)
    flow = flow_of(tuple(0.03 * unit), (0.004, -0.006, 0.003), relief())
    flow[60:100, 30:70] += (3, -4)
    ego = estimate_ego_motion(flow)
    assert ego.observable
    assert np.degrees(np.arccos(np.clip(ego.translation @ unit, -1, 1))) < 12
    _, across = epipolar_parts(flow, ego)
    assert np.median(across[60:100, 30:70]) > 5 * np.median(across[:50, :100])


@pytest.mark.parametrize("rotation", [(0.01, 0.0, 0.0), (0.0, 0.02, 0.0), (0.003, 0.004, 0.02), (0.0, 0.0, 0.0)])
def test_a_camera_that_only_turns_shows_no_depth(rotation: tuple[float, float, float]) -> None:
    noise = np.random.default_rng(0).normal(0, 0.05, (*HW, 2)).astype(np.float32)
    assert not estimate_ego_motion(flow_of((0, 0, 0), rotation, relief()) + noise).observable


def fields(small: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The flow of one frame at all gaps on a grid twice as large, as stages hand it over."""
    large = np.kron(small, np.ones((2, 2, 1))) * 2
    flow = np.stack([large * gap / 4 for gap in GAPS]).astype(np.float16)
    return flow, np.ones(len(GAPS), bool)


def test_depth_orders_near_and_far_and_is_withheld_without_travel() -> None:
    guide = np.repeat((relief() * 255).astype(np.uint8)[..., None], 3, axis=2)
    depth = depth_of_frame(*fields(flow_of((0.03, 0, 0), (0, 0.004, 0), relief())), guide)
    assert depth is not None and depth.min() >= 0 and depth.max() <= 1
    assert depth[60:70, 130:140].mean() > depth[100:].mean() + 0.15 > depth[:20].mean() + 0.3
    noise = np.random.default_rng(0).normal(0, 0.1, (*HW, 2))
    assert depth_of_frame(*fields(flow_of((0, 0, 0), (0, 0.02, 0), relief()) + noise), guide) is None


def test_densify_fills_holes_from_around_them() -> None:
    values, confidence = np.full(HW, 2.0, np.float32), np.ones(HW, np.float32)
    values[50:70, 100:120], confidence[50:70, 100:120] = 50, 0
    dense = densify(values, confidence, np.full(HW, 128, np.uint8))
    assert np.abs(dense - 2).max() < 0.05
