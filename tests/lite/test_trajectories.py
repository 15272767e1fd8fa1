"""Chained trajectories: exact on exact flow, honest about occlusion, close to the truth on rendered video."""

from __future__ import annotations

import numpy as np
import pytest

from segmo.lite.flow import GAPS
from segmo.lite.trajectories import chain, pool, sample
from segmo.settings import TrackSettings
from segmo.stages.tracks import grid_spacing, query_frames, query_points, track_points
from segmo.synthetic.renderer import render_clip
from segmo.synthetic.scenarios import two_crossing
from segmo.types import Clip, finish
from segmo.zoo.lite_models import LiteFlow, LiteTracks


def constant_flow(frames: int, step: tuple[float, float], hw: tuple[int, int] = (40, 60)) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    flow = np.zeros((len(GAPS), frames, *hw, 2), np.float16)
    valid = np.zeros((len(GAPS), frames), bool)
    for g, gap in enumerate(GAPS):
        flow[g] = np.multiply(step, gap)
        valid[g] = [0 <= t + gap < frames for t in range(frames)]
    return flow, np.zeros(flow.shape[:4], np.uint8), valid


def test_points_follow_exact_flow_both_ways_from_their_query_frame() -> None:
    points = np.array([[0, 10, 20], [6, 30, 8], [3, 20.5, 15.25], [0, 50, 30], [0, 20, 2]], np.float32)  # the last two leave the picture
    tracks = finish(chain(*constant_flow(12, (1.5, -0.5)), points))
    expected = points[:, None, 1:] + (np.arange(12)[None, :, None] - points[:, :1, None]) * np.array([1.5, -0.5])
    assert np.abs(tracks.positions - expected).max() < 1e-3
    inside = (expected[..., 0] <= 59.5) & (expected[..., 1] >= -0.5)
    assert inside.all(axis=1).tolist() == [True, True, True, False, False]
    assert (tracks.visibility[inside] > 0.9).all() and (tracks.visibility[~inside] == 0).all()
    assert np.allclose(tracks.confidence[np.arange(5), [0, 6, 3, 0, 0]], 1)


def test_a_point_survives_three_hidden_frames_but_is_not_visible_behind_ten() -> None:
    for hidden, survives in ((3, True), (10, False)):
        flow, error, valid = constant_flow(24, (0, 0))
        veil = slice(8, 8 + hidden)
        for g, gap in enumerate(GAPS):
            for t in range(24):
                covered = veil.start <= t < veil.stop or veil.start <= t + gap < veil.stop
                if covered:
                    flow[g, t] = (7, 3)  # the flow of what passes in front, the same both ways: it does not come back
        tracks = finish(chain(flow, error, valid, np.array([[0, 20, 20]], np.float32)))
        seen = tracks.visibility[0] * tracks.confidence[0] > 0.5
        assert seen[:8].all() and not seen[veil].any()
        assert seen[veil.stop :].any() == survives
        if survives:
            assert np.abs(tracks.positions[0, -1] - 20).max() < 1e-3


@pytest.mark.parametrize("doubt", ["flow does not come back", "light changes"])
def test_a_point_stays_unsure_behind_a_step_that_was(doubt: str) -> None:
    flow, error, valid = constant_flow(20, (0, 0))
    for g, gap in enumerate(GAPS):
        for t in range(20):
            if min(t, t + gap) < 10 <= max(t, t + gap):
                if doubt == "light changes":
                    error[g, t] = 100
                elif gap > 0:
                    flow[g, t] = (3, 0)
    tracks = finish(chain(flow, error, valid, np.array([[0, 20, 20], [19, 20, 20]], np.float32)))
    seen = tracks.visibility * tracks.confidence > 0.5
    assert seen[0].tolist() == [True] * 10 + [False] * 10 and seen[1].tolist() == [False] * 10 + [True] * 10


def test_pooling_weighs_by_visibility() -> None:
    maps = np.zeros((4, 10, 10), np.float32)
    maps[2:] = 1
    positions = np.full((2, 4, 2), 5, np.float32)
    assert pool(maps, positions, np.array([[1, 1, 1, 1], [0, 0, 1, 0]], np.float32)).tolist() == [0.5, 1.0]
    assert pool(maps, positions[:1], np.zeros((1, 4), np.float32)).tolist() == [0.0]


def test_sampling_is_bilinear_between_pixel_centres() -> None:
    field = np.arange(12, dtype=np.float32).reshape(3, 4)
    assert sample(field, np.array([[1, 1], [1.5, 0], [-5, 2]], np.float32)).tolist() == [5.0, 1.5, 8.0]


@pytest.mark.parametrize("hw,spacing", [((480, 854), 6), ((1080, 1920), 15), ((60, 80), 1)])
def test_grid_rule_of_the_paper(hw: tuple[int, int], spacing: int) -> None:
    assert grid_spacing(hw) == spacing
    points = query_points(hw, query_frames(25, 10), TrackSettings(max_tracks=100000))
    assert set(points[:, 0].tolist()) == {0.0, 10.0, 20.0}
    assert (points[:, 1:] % spacing == 0).all()
    assert len(points) == -(-hw[0] // spacing) * -(-hw[1] // spacing)  # 1/Q of the grid of each of the Q query frames


def test_query_points_are_seeded_and_limited() -> None:
    frames = query_frames(60, 10)
    first, again, other = (query_points((480, 854), frames, TrackSettings(max_tracks=2000, seed=seed)) for seed in (1, 1, 2))
    assert len(first) == 2000 and np.array_equal(first, again) and not np.array_equal(first, other)
    assert len(np.unique(first, axis=0)) == 2000


def test_tracks_stay_near_the_truth_on_rendered_video() -> None:
    scene = render_clip(two_crossing(), 24)
    clip = Clip(scene.frames, np.arange(24) / 24, np.arange(24), tuple(map(str, range(24))), scene.frames.shape[1:3], 24, 24.0)
    flow = finish(LiteFlow().flow(clip))
    tracks = finish(track_points(clip, 12, flow, TrackSettings(max_tracks=800), LiteTracks()))
    queries = tracks.positions_xy[np.arange(len(tracks)), tracks.query_frames]
    truth = scene.tracks(tracks.query_frames, queries)
    both = tracks.visible & truth.visible
    miss = np.linalg.norm(tracks.positions_xy - truth.positions_xy, axis=-1)[both]
    # The grass at the bottom is streaked along the motion: flow slides there, which is why it is not more.
    assert np.median(miss) < 0.6 and (miss < 4).mean() > 0.83
    assert (tracks.visible == truth.visible).mean() > 0.85
