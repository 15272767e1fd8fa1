"""Dense flow, the homography of the camera, and what is left without it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from segmo.geometry import GRID_SIDE, grid_size
from segmo.lite.camera import fit_homography, homography_flow
from segmo.lite.flow import GAPS, LARGEST_FLOW, dense_flow
from segmo.types import finish


def textured(hw: tuple[int, int], seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).random((hw[0] // 4, hw[1] // 4)).astype(np.float32)
    return (cv2.resize(noise, (hw[1], hw[0]), interpolation=cv2.INTER_CUBIC).clip(0, 1) * 255).astype(np.uint8)


def panning(count: int = 7, hw: tuple[int, int] = (120, 160), step: int = 2) -> np.ndarray:
    wide = textured((hw[0], hw[1] + step * count))
    return np.stack([wide[:, step * t : step * t + hw[1]] for t in range(count)])


def test_flow_of_a_pan_is_the_pan_at_every_gap() -> None:
    fields = finish(dense_flow(panning()))
    for g, gap in enumerate(GAPS):
        expected = (0 <= 3 + gap < 7) and -2.0 * gap
        if expected is False:
            assert not fields.valid[g, 3] and not fields.flow[g, 3].any()
            continue
        inner = fields.flow[g, 3, 20:-20, 20:-20].astype(np.float32)
        assert np.abs(inner[..., 0] - expected).mean() < 0.15
        assert np.abs(inner[..., 1]).mean() < 0.15


@pytest.mark.parametrize(("step", "seed"), [(2, 1), (2, 11), (3, 1), (3, 11)])
def test_flow_to_the_next_frame_follows_what_is_as_narrow_as_a_leg(step: int, seed: int) -> None:
    background, leg = textured((120, 160), seed), textured((120, 12), seed + 1)
    frames = np.stack([background] * 3)
    for t, frame in enumerate(frames):
        frame[:, 60 + step * t : 72 + step * t] = leg
    flow = finish(dense_flow(frames)).flow[GAPS.index(1), 1, 20:-20, 60 + step : 72 + step].astype(np.float32)
    assert np.abs(flow[..., 0] - step).mean() < 0.3


def test_flow_says_where_it_leaves_the_picture() -> None:
    error = finish(dense_flow(panning())).error[GAPS.index(4), 0]
    gone, inside = error[:, :6], error[:, 20:-20]  # 8 pixels to the left: the left edge has gone
    assert np.median(gone) > 5 * np.median(inside)


def test_flow_does_not_depend_on_the_number_of_threads() -> None:
    """Masks must be the same on every machine."""
    frames = panning(4, step=3)
    before = cv2.getNumThreads()
    try:
        answers = []
        for threads in (1, 4):
            cv2.setNumThreads(threads)
            answers.append(finish(dense_flow(frames)).flow)
    finally:
        cv2.setNumThreads(before)
    assert np.array_equal(*answers)
    assert cv2.getNumThreads() == before


@pytest.mark.parametrize("hw", [(480, 854), (1080, 1920), (64, 64), (1920, 1080)])
def test_grid_keeps_the_aspect_and_its_limit(hw: tuple[int, int]) -> None:
    height, width = grid_size(hw)
    assert max(height, width) <= max(GRID_SIDE, 16) and height % 4 == width % 4 == 0
    assert abs(height / width - hw[0] / hw[1]) < 0.02


def test_homography_is_found_beneath_a_third_of_outliers() -> None:
    truth = np.array([[1.02, 0.01, 3.0], [-0.012, 0.99, -2.0], [2e-5, -1e-5, 1.0]])
    flow = homography_flow(truth, (126, 224))
    flow[30:100, 60:140] += (9, 5)
    matrix, inliers = fit_homography(flow)
    assert np.abs(homography_flow(matrix, (126, 224)) - homography_flow(truth, (126, 224))).max() < 0.1
    assert 0.6 < inliers < 0.9


def test_homography_flow_of_cells_is_that_of_their_centres() -> None:
    matrix = np.array([[1.1, 0.02, 3.0], [0.01, 0.95, -2.0], [1e-4, 2e-4, 1.0]])
    fine = homography_flow(matrix, (40, 64))
    cells = homography_flow(matrix, (10, 16), cell=4)
    assert np.abs(cells - fine.reshape(10, 4, 16, 4, 2).mean(axis=(1, 3))).max() < 0.02


def test_what_lies_on_the_horizon_of_a_homography_moves_no_farther_than_flow_can() -> None:
    flow = homography_flow(np.array([[1, 0, 0], [0, 1, 0], [0.05, 0, -1.0]]), (30, 40))  # at column 20
    assert np.isfinite(flow).all() and np.abs(flow).max() == LARGEST_FLOW


def test_no_homography_means_no_camera_motion() -> None:
    matrix, inliers = fit_homography(np.random.default_rng(0).normal(0, 60, (64, 96, 2)).astype(np.float32))
    assert np.isfinite(matrix).all() and inliers < 0.2


def test_flow_over_four_frames_follows_what_is_small_and_fast() -> None:
    """A search at once over so many frames stays on the background here, 12 pixels off."""
    background, ball = textured((120, 160), 1), textured((24, 24), 2)
    frames = np.stack([background] * 5)
    for t, frame in enumerate(frames):
        frame[40:64, 20 + 6 * t : 44 + 6 * t] = ball
    flow = finish(dense_flow(frames)).flow[GAPS.index(4), 0, 42:62, 22:42].astype(np.float32)
    assert np.abs(flow - (24, 0)).mean() < 1
