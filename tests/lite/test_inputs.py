from __future__ import annotations

import numpy as np
import pytest

from segmo.lite.flow import GAPS
from segmo.lite.inputs import CLIP, FLOOR_PX, PLANES, SCALES, STORED_PLANES, beside_camera, network_input
from segmo.lite.views import FrameViews

HW = (128, 192)
EVERY = np.ones(4, np.bool_)


def scene(speed=(3.0, -1.0), camera=(2.0, 0.5)):
    """Flow of a square with its own speed in front of a camera that pans, all in pixels a frame, and the square on half the grid."""
    flow = np.zeros((4, *HW, 2), np.float16)
    inside = np.s_[40:72, 80:120]
    for g, gap in enumerate(GAPS):
        flow[g] = np.array(camera) * gap
        flow[g][inside] = np.array(speed) * gap
    mask = np.zeros((HW[0] // 2, HW[1] // 2), np.bool_)
    mask[20:36, 40:60] = True
    return flow, mask


def no_error(level=0):
    return np.full((4, *HW), level, np.uint8)


def test_the_camera_is_taken_out_and_all_gaps_point_ahead_in_time():
    flow, mask = scene()
    made = network_input(FrameViews(flow, EVERY), no_error())
    residual = made.planes[:8].astype(np.float32).reshape(4, 2, *mask.shape)
    assert np.abs(residual[:, :, ~mask]).max() < 0.05
    assert (residual[:, 0, mask] > 0.9).all() and (residual[:, 1, mask] < -0.9).all()
    centred = made.planes[8:16].astype(np.float32)
    np.testing.assert_allclose(centred.reshape(4, 2, *mask.shape)[:, :, ~mask], 0, atol=0.05)


def test_scales_say_what_planes_were_divided_by():
    flow, mask = scene(speed=(50.0, 0.0), camera=(0.0, 0.0))
    flow[:, :64] += (np.array(GAPS) * 3.0)[:, None, None, None].astype(np.float16) * np.array([1, 0], np.float16)  # half of the picture
    made = network_input(FrameViews(flow, EVERY), no_error())
    short = GAPS.index(1)
    median_free = made.planes[8 + 2 * short].astype(np.float32) * np.exp(2 * made.scales[4 + short])
    assert np.exp(2 * made.scales[4 + short]) == pytest.approx(3 + FLOOR_PX, abs=0.01)
    assert median_free[:28][~mask[:28]].mean() - median_free[36:].mean() == pytest.approx(3, abs=0.05)
    assert np.abs(made.planes.astype(np.float32)).max() <= CLIP


def test_a_missing_frame_is_replaced_by_its_mirror_image_in_time():
    flow, _ = scene()
    flow[GAPS.index(-4)] = 0  # as before the start of a clip
    flow[GAPS.index(-1)] = 0
    error = no_error()
    error[GAPS.index(4)], error[GAPS.index(1)] = 9, 5
    made = network_input(FrameViews(flow, np.array([False, False, True, True])), error)
    np.testing.assert_array_equal(made.planes[0:4], made.planes[6:8].tolist() + made.planes[4:6].tolist())
    assert made.error[:, 0, 0].tolist() == [9, 5, 5, 9]
    np.testing.assert_array_equal(made.scales[[0, 1]], made.scales[[3, 2]])


def test_a_clip_of_two_frames_extends_its_short_gap():
    flow, _ = scene()
    made = network_input(FrameViews(flow, np.array([False, False, True, False])), no_error())
    whole = network_input(FrameViews(flow, EVERY), no_error())
    np.testing.assert_allclose(made.planes[:16].astype(float), whole.planes[:16].astype(float), atol=0.01)


def test_a_single_frame_gives_nothing():
    flow, _ = scene()
    made = network_input(FrameViews(flow, np.zeros(4, np.bool_)), no_error(255))
    assert made.planes.shape == (PLANES, 64, 96) and made.scales.shape == (SCALES,)
    assert not made.planes.any() and not made.scales.any()


def test_motion_across_epipolar_lines_is_told_from_parallax():
    """A camera that travels sideways past blocks at random depths, and one block that rises."""
    nearness = np.random.default_rng(0).uniform(0.3, 1.5, (4, 6)).repeat(32, 0).repeat(32, 1)
    flow = np.zeros((4, *HW, 2), np.float32)
    for g, gap in enumerate(GAPS):
        flow[g, ..., 0] = -gap * 2 * nearness
        flow[g, 32:64, 128:160, 1] = gap * 1.5
    made = network_input(FrameViews(flow.astype(np.float16), EVERY), no_error(), both_ways=True)
    along, across = made.planes[16:18].astype(np.float32)
    moving = np.zeros(across.shape, np.bool_)
    moving[17:31, 65:79] = True
    assert across[moving].mean() > 5 * across[~moving].mean()
    assert np.corrcoef(along[~moving], nearness[::2, ::2][~moving])[0, 1] > 0.95
    assert made.scales[8:].all()
    future_alone = network_input(FrameViews(flow.astype(np.float16), EVERY), no_error())
    np.testing.assert_array_equal(future_alone.planes[18:], made.planes[18:])
    assert not future_alone.planes[16:18].any()


def test_no_parallax_without_travel():
    flow, _ = scene(speed=(2.0, 0.5))
    made = network_input(FrameViews(flow, EVERY), no_error())
    assert not made.planes[16:STORED_PLANES].any() and not made.scales[8:].any()


def beside(camera: tuple[float, float], objects: list[tuple[float, float]], scale: float = 1.0) -> tuple[np.ndarray, ...]:
    """What is derived where everything flows by `camera` and bands of eight columns by `objects` on top of that, in pixels."""
    gaps = len(GAPS)
    residual = np.zeros((gaps, 2, 16, 8 * (len(objects) + 1)), np.float32)
    for number, motion in enumerate(objects):
        residual[..., 8 * number : 8 * number + 8] = np.array(motion)[:, None, None]
    planes = np.concatenate([residual, residual]).reshape(4 * gaps, *residual.shape[2:]) / scale
    derived = beside_camera(planes, np.full(2 * gaps, 0.5 * np.log(scale)), np.tile(np.array(camera, np.float32), (gaps, 1)))
    return derived[: 2 * gaps].reshape(residual.shape), *derived[2 * gaps :].reshape(3, gaps, *residual.shape[2:])


def test_what_is_near_runs_ahead_of_the_flow_of_the_camera_and_what_is_followed_lags():
    _, ahead, aside, speed = beside((10.0, 0.0), [(5.0, 0.0), (-10.0, 0.0), (0.0, 4.0)])
    near, followed, across = (ahead[0, 0, column] for column in (4, 12, 20))
    assert 0.4 < near < 0.5 and -1 < followed < -0.85 and across == 0
    assert aside[0, 0, 4] == aside[0, 0, 12] == 0 and 0.3 < aside[0, 0, 20] < 0.4
    assert ahead[0, 0, -1] == aside[0, 0, -1] == 0
    np.testing.assert_allclose(speed, 0.5 * np.log(1 + 10 / FLOOR_PX), rtol=1e-5)


def test_a_mirrored_picture_is_ahead_and_aside_alike():
    one, other = (beside((side * 10.0, 3.0), [(side * 2.0, 1.0)]) for side in (1, -1))
    for kind in (1, 2, 3):
        np.testing.assert_allclose(one[kind], other[kind], rtol=1e-5)


def test_a_slow_mover_shows_however_fast_others_are():
    alone, beside_a_fast_one = beside((0.0, 0.0), [(1.5, 0.0)])[0], beside((0.0, 0.0), [(1.5, 0.0), (60.0, 0.0)], scale=60.0)[0]
    np.testing.assert_allclose(alone[..., :8], beside_a_fast_one[..., :8], rtol=1e-4)
    assert alone[0, 0, 0, 0] > 0.25 * beside_a_fast_one[0, 0, 0, 12]
