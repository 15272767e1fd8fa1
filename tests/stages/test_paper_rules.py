"""The published rules where they are surprising, and where ours differ from the published code on purpose."""

from __future__ import annotations

import numpy as np
import pytest

from segmo.settings import FrameSettings, TrackSettings
from segmo.stages import paper_rules
from segmo.stages.frames import sampled_indices
from segmo.stages.tracks import query_frames, query_points


def test_a_track_neither_surely_visible_nor_surely_hidden_has_no_confidence():
    certain = paper_rules.track_certainty(np.array([[-9.0, 9, 0, -9]]), np.array([[-9.0, -9, -9, 0.5]]))
    assert certain.visible.tolist() == [[True, False, False, False]]
    assert certain.hidden.tolist() == [[False, True, False, False]]
    assert (certain.confidence > 0).tolist() == [[True, True, False, False]]


def test_extreme_logits_are_probabilities():
    certain = paper_rules.track_certainty(np.array([[-1e4, 1e4]]), np.array([[-1e4, 1e4]]))
    assert certain.visibility.tolist() == [[1, 0]] and certain.confidence.tolist() == [[1, 0]]


def test_thresholds_fall_until_ten_tracks_exceed_one():
    probability = np.r_[np.full(9, 0.96), np.full(5, 0.86), np.full(20, 0.1)].astype(np.float32)
    moving, threshold = paper_rules.select_moving(probability, 60)
    assert moving.sum() == 14 and threshold == 0.85
    moving, threshold = paper_rules.select_moving(probability, 301)  # long clips stop at 0.95, and then take the best three
    assert moving.sum() == 3 and threshold == pytest.approx(0.96)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_fewer_than_three_tracks_are_all_taken_where_the_published_code_fails(count):
    assert paper_rules.select_moving(np.full(count, 0.2, np.float32), 60)[0].tolist() == [True] * count


def test_a_frame_without_any_visible_track_shows_its_most_confident_one():
    visible = np.array([[1, 0, 0], [0, 0, 0], [0, 0, 1]], bool)
    confidence = np.array([[1, 0.2, 0], [1, 0.9, 1], [1, 0.6, 1]], np.float32)
    kept, shown = paper_rules.seen_tracks(visible, confidence)
    assert kept.tolist() == [0, 2]  # the most confident of all is never visible, and dropped first
    assert shown.astype(int).tolist() == [[1, 0, 0], [0, 1, 1]]
    kept, shown = paper_rules.seen_tracks(np.zeros((2, 3), bool), confidence[:2])
    assert kept.size == 0 and shown.shape == (0, 3)


def test_the_published_depth_is_one_almost_everywhere():
    depth = np.linspace(0, 1, 1000, dtype=np.float32).reshape(1, 20, 50)
    seen = paper_rules.depth_from_store(paper_rules.stored_depth(depth))
    assert seen[0, 0, 0] == 0 and (seen == 1).mean() > 0.995


def test_a_frame_of_one_depth_is_zero_where_the_published_code_divides_zero_by_zero():
    assert (paper_rules.depth_from_store(paper_rules.stored_depth(np.full((2, 3, 4), 0.7))) == 0).all()


def test_positions_in_the_network_and_back():
    corners = np.array([[0, 0], [853, 479], [100.5, 20.25]])
    there = paper_rules.network_positions(corners, (480, 854), 256)
    assert there[:2].tolist() == [[0, 0], [255, 255]]
    np.testing.assert_allclose(paper_rules.frame_positions(there, (480, 854), 256), corners, atol=1e-3)
    assert paper_rules.network_positions(np.zeros((1, 2)), (1, 1), 256).tolist() == [[0, 0]]


def test_the_cell_of_a_position_never_leaves_the_grid():
    rows, columns = paper_rules.feature_cells(np.array([[-3.0, 500], [0, 0], [90.0, 89.9]]), (90, 90), (10, 9))
    assert rows.tolist() == [9, 0, 9] and columns.tolist() == [0, 0, 8]


def test_frames_101_to_199_are_used_where_the_published_code_drops_them():
    for total in range(101, 200):
        assert total - sampled_indices(total, FrameSettings())[-1] <= 2
    assert sampled_indices(199, FrameSettings())[-1] == 197


def test_no_share_of_tracks_is_lost_to_rounding_where_the_published_code_loses_it():
    frames = query_frames(490, 10)
    assert int(49 * (1 / 49)) == 0  # the published rule keeps none of 49 points on 49 query frames
    assert len(query_points((1, 49), frames, TrackSettings())) == 49
