"""Prompting where the published code fails or wastes work: with a segmenter that knows where the objects are."""

from __future__ import annotations

import numpy as np
import pytest
from parity.mask_densification import FakeSegmenter

from segmo.stages.prompting import (
    Click,
    FoundObject,
    ObjectTrack,
    busy_frame,
    clicked_objects,
    find_objects,
    follow_objects,
    is_denied,
    label_frames,
    merged_groups,
    same_objects,
    spread_points,
)
from segmo.types import finish

FRAMES, HEIGHT, WIDTH = 20, 60, 80


@pytest.fixture
def scene():
    """Two squares at rest, the second there from frame 10 on, with nine tracks each."""
    labels = np.zeros((FRAMES, HEIGHT, WIDTH), np.uint8)
    labels[:, 10:25, 10:25] = 1
    labels[10:, 35:50, 50:65] = 2
    grid = np.stack(np.meshgrid([2, 7, 12], [3, 7, 11]), -1).reshape(9, 2)
    positions = np.repeat(np.concatenate([grid + 10, grid + np.array([50, 35])])[:, None], FRAMES, 1).astype(np.float32)
    visible = np.ones((18, FRAMES), bool)
    visible[9:, :10] = False
    return FakeSegmenter(labels), positions, visible


def asked(segmenter, operation):
    return [call for call in segmenter.log if call["op"] == operation]


def test_both_objects_are_found_and_followed_back_to_where_they_appear(scene):
    segmenter, positions, visible = scene
    found = finish(find_objects(positions, visible, segmenter))
    assert sorted(each.tracks.tolist() for each in found) == [list(range(9)), list(range(9, 18))]
    tracks = finish(follow_objects(found, positions, visible, segmenter, (HEIGHT, WIDTH)))
    assert [call["reverse"] for call in asked(segmenter, "propagate")].count(True) == 1  # only the late one was not asked about on frame 0
    labels = label_frames(tracks, merged_groups(same_objects(tracks)), (HEIGHT, WIDTH))
    assert np.array_equal(labels > 0, segmenter.labels > 0) and set(np.unique(labels)) == {0, 1, 2}


def test_tracks_that_are_never_visible_end_the_search(scene):
    segmenter, positions, visible = scene
    assert finish(find_objects(positions, np.zeros_like(visible), segmenter)) == []
    visible[9:] = False  # nine tracks stay, and none of them can be asked about
    assert len(finish(find_objects(positions, visible, segmenter))) == 1
    assert len(asked(segmenter, "add")) == 1


def test_a_mask_that_claims_nothing_ends_the_search(scene):
    segmenter, positions, visible = scene
    segmenter.labels = np.zeros_like(segmenter.labels)
    assert finish(find_objects(positions, visible, segmenter)) == []
    assert len(asked(segmenter, "add")) == 1


def test_a_mask_beside_its_tracks_is_no_object(scene):
    segmenter, positions, visible = scene
    segmenter.labels = np.zeros_like(segmenter.labels)
    segmenter.labels[:, 28:31, :] = 1
    segmenter.add_points = lambda frame, _number, _points, _outside=(): segmenter.labels[frame] > 0
    assert finish(find_objects(positions[:4], visible[:4], segmenter)) == []


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_few_tracks_are_an_object_if_there_are_any(scene, count):
    segmenter, positions, visible = scene
    found = finish(find_objects(positions[:count], visible[:count], segmenter))
    assert [each.tracks.tolist() for each in found] == ([list(range(count))] if count else [])


def test_a_mask_that_misses_points_is_asked_about_again(scene):
    segmenter, positions, visible = scene
    everything = FoundObject(12, np.arange(18))
    [track] = finish(follow_objects([everything], positions, visible, segmenter, (HEIGHT, WIDTH)))
    calls = asked(segmenter, "add")
    assert [(call["frame"], len(call["points"])) for call in calls] == [(12, 1), (12, 3), (0, 1), (16, 1), (16, 3)]
    assert track.prompted == (12, 0, 16) and track.present.all()
    assert np.array_equal(track.mask(15, WIDTH), segmenter.labels[15] > 0)


def test_an_object_without_visible_tracks_is_not_followed(scene):
    segmenter, positions, visible = scene
    nobody, somebody = FoundObject(3, np.zeros(0, np.int64)), FoundObject(3, np.arange(9))
    tracks = finish(follow_objects([nobody, somebody], positions, visible, segmenter, (HEIGHT, WIDTH)))
    assert not tracks[0].packed.any() and not tracks[0].present.any() and tracks[0].prompted == ()
    assert tracks[1].present.all()
    assert finish(follow_objects([], positions, visible, segmenter, (HEIGHT, WIDTH))) == []


def test_progress_of_following_grows_to_its_end(scene):
    segmenter, positions, visible = scene
    found = finish(find_objects(positions, visible, segmenter))
    told = list(follow_objects(found, positions, visible, segmenter, (HEIGHT, WIDTH)))
    assert told == sorted(told) and told[0] > 0 and told[-1] == 1 and len(told) > FRAMES


def test_a_click_on_what_moves_adds_an_object(scene):
    segmenter, positions, visible = scene
    clicks = [Click(15, (55, 40), True)]
    found = [FoundObject(0, np.arange(9)), *clicked_objects(clicks)]
    tracks = finish(follow_objects(found, positions, visible, segmenter, (HEIGHT, WIDTH), clicks))
    assert np.array_equal(tracks[1].mask(12, WIDTH), segmenter.labels[12] == 2) and tracks[1].prompted == (15,)


def test_a_click_on_what_does_not_move_is_told_and_what_still_covers_it_is_denied(scene):
    segmenter, positions, visible = scene
    clicks = [Click(4, (12, 12), False), Click(6, (12, 12), True)]
    found = [FoundObject(0, np.arange(9)), FoundObject(12, np.arange(9, 18)), *clicked_objects(clicks)]
    tracks = finish(follow_objects(found, positions, visible, segmenter, (HEIGHT, WIDTH), clicks))
    told = [(call["obj"], call["frame"], call["outside"]) for call in asked(segmenter, "add") if "outside" in call]
    assert told == [(1, 4, [[12, 12]])]  # the second shows no track there
    denied = [is_denied(each, track, clicks, (HEIGHT, WIDTH)) for each, track in zip(found, tracks, strict=True)]
    assert denied == [True, False, False]  # what was clicked later as moving stays


def test_chains_of_merges_are_followed_to_their_end():
    same = np.zeros((5, 5), bool)
    for a, b in ((0, 1), (1, 2), (2, 4)):
        same[a, b] = same[b, a] = True
    assert merged_groups(same) == [[0, 1, 2, 4], [3]]
    same[3, 0] = same[0, 3] = True
    assert merged_groups(same) == [[0, 1, 2, 3, 4]]


def test_merged_objects_come_first_and_lower_ids_are_on_top():
    def box(x0, x1):
        mask = np.zeros((4, 8, 20), bool)
        mask[:, 2:6, x0:x1] = True
        return ObjectTrack(np.packbits(mask, axis=-1), np.ones(4, bool), ())

    tracks = [box(0, 6), box(8, 18), box(8, 18)]
    groups = merged_groups(same_objects(tracks))
    assert groups == [[1, 2], [0]]
    labels = label_frames([*tracks, box(4, 10)], [*groups, [3]], (8, 20))
    assert labels[0, 3, [0, 5, 7, 8, 17, 19]].tolist() == [2, 2, 3, 1, 1, 0]


def test_the_frame_looked_at_shows_tracks_if_any_does():
    assert busy_frame(np.array([0, 0, 0, 0, 0, 0, 0, 9, 0, 0])) == 7
    assert busy_frame(np.array([3, 1, 2])) == 1  # of very short clips all frames take part, and the middle one is taken


def test_spread_points_of_one_and_two():
    assert spread_points(np.array([[1, 2]], np.float32)).tolist() == [[1, 2], [1, 2]]
    assert sorted(spread_points(np.array([[1, 2], [3, 4]], np.float32)).tolist()) == [[1, 2], [3, 4]]
