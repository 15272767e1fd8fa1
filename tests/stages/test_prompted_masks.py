"""From labelled tracks to numbered objects, with a segmenter that knows where the objects are."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from parity.mask_densification import FakeSegmenter

from segmo.settings import Correction, MaskSettings
from segmo.stages.masks import MaskInputs
from segmo.stages.prompted_masks import NONE_FOUND, number_objects, prompt_visibility, segment_by_points
from segmo.stages.prompting import ObjectTrack
from segmo.types import Clip, FeatureMaps, MotionEvidence, MotionLabels, Tracks, finish

FRAMES, HW = 18, (60, 80)


@pytest.fixture
def scene():
    """Two squares, a third that nothing is tracked on, and a background; nine tracks on each of the first two, nine on the background."""
    truth = np.zeros((FRAMES, *HW), np.uint8)
    truth[:, 10:25, 10:25] = 1
    truth[8:, 35:50, 50:65] = 2
    truth[:, 40:50, 5:15] = 3
    grid = np.stack(np.meshgrid([2, 7, 12], [3, 7, 11]), -1).reshape(9, 2)
    places = np.concatenate([grid + 10, grid + np.array([50, 35]), grid * np.array([1, 0]) + np.array([30, 2])])
    visibility = np.ones((27, FRAMES), np.float32)
    visibility[9:18, :8] = 0
    positions = np.repeat(places[:, None], FRAMES, 1).astype(np.float32)
    tracks = Tracks(positions, visibility, np.full_like(visibility, 0.95), np.zeros(27, np.int64), HW)
    return FakeSegmenter(truth), tracks


def inputs(tracks, moving=range(18)):
    clip = Clip(
        np.zeros((FRAMES, *HW, 3), np.uint8), np.arange(FRAMES) / 25, np.arange(FRAMES), tuple(map(str, range(FRAMES))), HW, FRAMES, 25.0
    )
    flags = np.isin(np.arange(len(tracks)), list(moving))
    probability = np.where(np.arange(len(tracks)) < 9, 0.75, 0.5).astype(np.float32)
    evidence = MotionEvidence(probability, np.zeros((FRAMES, 0, 0), np.float16), 1.0, "")
    features = FeatureMaps(np.zeros((1, 2, 2, 3), np.float16), np.zeros(1, np.int64))
    return MaskInputs(clip, tracks, features, MotionLabels(evidence, flags, 0.5), None)


def masks_of(scene, settings=None, moving=range(18)):
    segmenter, tracks = scene
    return finish(segment_by_points(inputs(tracks, moving), settings or MaskSettings(), segmenter))


def test_every_moving_object_is_numbered_and_scored_by_its_tracks(scene):
    masks = masks_of(scene)
    first, second = masks.labels[0, 12, 12], masks.labels[10, 40, 55]
    assert {first, second} == {1, 2} and masks.object_ids.tolist() == [1, 2]
    assert np.array_equal(masks.labels == first, scene[0].labels == 1) and np.array_equal(masks.labels == second, scene[0].labels == 2)
    assert masks.motion_scores[[first - 1, second - 1]].tolist() == [0.75, 0.5]


def test_settings_limit_the_objects(scene):
    largest = masks_of(scene, MaskSettings(max_objects=1))
    assert np.array_equal(largest.labels > 0, scene[0].labels == 1)  # seen for longer
    none = masks_of(scene, MaskSettings(min_area=0.1))
    assert none.labels.shape == (FRAMES, *HW) and not none.labels.any() and none.notes == (NONE_FOUND,)


def test_an_object_is_large_enough_where_it_is_seen():
    """However briefly, unlike with lite, which the help text tells apart; the published code has no such rule at all."""
    mask = np.zeros((FRAMES, *HW), bool)
    mask[7:9, 10:25, 10:25] = True
    track = ObjectTrack(np.packbits(mask, axis=-1), np.ones(FRAMES, bool), (7,))
    share = 15 * 15 / (HW[0] * HW[1])
    kept, dropped = (number_objects([track], [0.8], HW, MaskSettings(min_area=factor * share)) for factor in (0.99, 1.01))
    assert kept is not None and np.array_equal(kept.labels == 1, mask) and dropped is None
    text = next(field for field in dataclasses.fields(MaskSettings) if field.name == "min_area").metadata["help"]
    assert "of the frames that show them" in text and "with lite" in text


def test_what_was_found_twice_moves_as_surely_as_the_surer_of_both():
    mask = np.zeros((FRAMES, *HW), bool)
    mask[:, 10:25, 10:25] = True
    tracks = [ObjectTrack(np.packbits(each, axis=-1), np.ones(FRAMES, bool), (7,)) for each in (mask, mask, mask[:, ::-1])]
    masks = number_objects(tracks, [0.5, 0.75, 0.25], HW, MaskSettings())
    assert masks.object_ids.tolist() == [1, 2] and np.array_equal(masks.labels == 1, mask)
    assert masks.motion_scores.tolist() == [0.75, 0.25]


def test_clicks_add_and_take_away(scene):
    clicks = (Correction(3, 0.125, 0.75, True), Correction(9, 0.7, 0.7, False))
    masks = masks_of(scene, MaskSettings(corrections=clicks))
    assert np.array_equal(masks.labels > 0, np.isin(scene[0].labels, (1, 3)))
    assert masks.motion_scores.max() == 1


def test_a_click_is_enough_where_no_track_moves(scene):
    masks = masks_of(scene, MaskSettings(corrections=(Correction(3, 0.125, 0.75, True),)), moving=())
    assert np.array_equal(masks.labels > 0, scene[0].labels == 3)


@pytest.mark.parametrize("moving", [(0,), (0, 1), range(18, 27)])
def test_few_tracks_and_tracks_on_nothing(scene, moving):
    masks = masks_of(scene, moving=moving)
    assert np.array_equal(masks.labels > 0, (scene[0].labels == 1) & (moving[0] == 0))


def test_tracks_are_prompts_where_they_are_certain_and_otherwise_where_they_are_seen(scene):
    tracks = scene[1]
    moving = np.ones(27, bool)
    assert np.array_equal(prompt_visibility(tracks, moving), tracks.visible)
    doubtful = Tracks(tracks.positions_xy, tracks.visibility, np.full_like(tracks.confidence, 0.8), tracks.query_frames, HW)
    assert np.array_equal(prompt_visibility(doubtful, moving), tracks.visible)
    mixed = np.full_like(tracks.confidence, 0.8)
    mixed[0] = 0.95
    mixed = Tracks(tracks.positions_xy, tracks.visibility, mixed, tracks.query_frames, HW)
    assert prompt_visibility(mixed, moving).any(axis=1).tolist() == [True] + [False] * 26


def test_nothing_visible_is_no_object(scene):
    segmenter, tracks = scene
    hidden = Tracks(tracks.positions_xy, np.zeros_like(tracks.visibility), tracks.confidence, tracks.query_frames, HW)
    masks = finish(segment_by_points(inputs(hidden), MaskSettings(), segmenter))
    assert not masks.labels.any() and masks.notes == (NONE_FOUND,)
