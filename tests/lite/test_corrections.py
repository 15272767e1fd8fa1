"""Clicks decide what is in the masks, on the clicked frame and on the others."""

from __future__ import annotations

import numpy as np
import pytest

from segmo.lite.corrections import CERTAIN, apply_corrections, claim_added
from segmo.lite.refinement import FlowLinks
from segmo.settings import Correction, MaskSettings
from segmo.stages.masks import MaskInputs, segment_objects
from segmo.types import Clip, FeatureMaps, FlowFields, MotionEvidence, MotionLabels, Tracks, finish
from segmo.zoo.lite_models import LiteFlow, LiteMasks, worth_keeping

FRAMES, HEIGHT, WIDTH, STEP = 8, 40, 64, 3


def scene(squares):
    """Squares (y, x, L) of eight pixels a side that move right by STEP pixels a frame over a darker ground; flow, colours and truth."""
    lab = np.full((FRAMES, HEIGHT, WIDTH, 3), 60, np.uint8)
    ahead = np.zeros((FRAMES, HEIGHT, WIDTH, 2), np.float16)
    truth = np.zeros((len(squares), FRAMES, HEIGHT, WIDTH), bool)
    for number, (y, x, light) in enumerate(squares):
        for t in range(FRAMES):
            region = np.s_[t, y : y + 8, x + STEP * t : x + STEP * t + 8]
            lab[region] = light
            truth[number][region] = True
            ahead[t, y : y + 8, x + STEP * t : x + STEP * t + 8, 0] = STEP
    errors = np.zeros((2, FRAMES, HEIGHT, WIDTH), np.uint8)
    return lab, FlowLinks(ahead, -ahead, errors, (HEIGHT, WIDTH)), truth


def correct(logits, lab, links, clicks, objects=None):
    """Log odds after clicks on objects that are told apart by the rows they are in."""
    apart = (logits > 0) * np.where(np.arange(HEIGHT) < 20, 1, 2)[:, None]
    return apply_corrections(logits, lab, links, clicks, apart if objects is None else objects).logits


def overlap(found, truth):
    return [(a & b).sum() / max((a | b).sum(), 1) for a, b in zip(found, truth, strict=True)]


def click(frame, y, x, moves):
    return Correction(frame, (x + 0.5) / WIDTH, (y + 0.5) / HEIGHT, moves)


@pytest.mark.parametrize("frame", [0, 4, 7])
def test_what_moves_too_is_found_in_every_frame(frame):
    lab, links, truth = scene([(6, 4, 200), (26, 4, 150)])
    logits = np.full((FRAMES, HEIGHT, WIDTH), -2.0, np.float32)
    found = correct(logits, lab, links, [click(frame, 30, 8 + STEP * frame, True)]) > 0
    assert min(overlap(found, truth[1])) > 0.6
    assert not (found & truth[0]).any(), "the other object was not clicked"


@pytest.mark.parametrize("frame", [0, 4, 7])
def test_what_does_not_move_is_dropped_from_every_frame_and_nothing_else(frame):
    lab, links, truth = scene([(6, 4, 200), (26, 4, 150)])
    logits = np.where(truth.any(axis=0), 3.0, -3.0).astype(np.float32)
    found = correct(logits, lab, links, [click(frame, 30, 8 + STEP * frame, False)]) > 0
    assert not (found & truth[1]).any() and min(overlap(found, truth[0])) == 1


def test_of_two_that_touch_only_the_clicked_one_is_dropped():
    lab, links, truth = scene([(6, 4, 200), (14, 4, 150)])
    logits = np.where(truth.any(axis=0), 3.0, -3.0).astype(np.float32)
    found = correct(logits, lab, links, [click(4, 17, 8 + STEP * 4, False)], truth[0] + 2 * truth[1]) > 0
    assert not (found & truth[1]).any() and min(overlap(found, truth[0])) == 1


def test_a_click_on_the_background_that_it_does_not_move_changes_nothing():
    lab, links, truth = scene([(6, 4, 200)])
    logits = np.where(truth[0], 3.0, -3.0).astype(np.float32)
    corrected = correct(logits, lab, links, [click(2, 35, 60, False), Correction(99, 0.5, 0.5, True)])
    assert (corrected == logits).all()


def test_a_click_on_plain_ground_adds_a_patch_and_not_the_whole_ground():
    lab, links, _ = scene([(6, 4, 200)])
    logits = np.full((FRAMES, HEIGHT, WIDTH), -2.0, np.float32)
    found = correct(logits, lab, links, [click(0, 30, 50, True)])[0] > 0
    assert 9 <= found.sum() < 0.1 * HEIGHT * WIDTH


def test_the_later_word_counts_and_the_input_stays_as_it_was():
    lab, links, truth = scene([(6, 4, 200)])
    logits = np.full((FRAMES, HEIGHT, WIDTH), -2.0, np.float32)
    corrected = correct(logits, lab, links, [click(0, 9, 8, True), click(3, 9, 8 + 3 * STEP, False)])
    assert not (corrected > 0).any() and corrected.min() == -CERTAIN
    assert (logits == -2).all() and truth.any()


@pytest.mark.parametrize("frame", [1, 6])
def test_what_does_not_move_is_dropped_also_beyond_frames_that_miss_it(frame):
    lab, links, truth = scene([(6, 4, 200), (26, 4, 150)])
    logits = np.where(truth.any(axis=0), 3.0, -3.0).astype(np.float32)
    logits[4] = -3
    found = correct(logits, lab, links, [click(frame, 30, 8 + STEP * frame, False)]) > 0
    assert not (found & truth[1]).any() and (found == (truth[0] & (logits > 0))).all()


def test_a_click_just_beside_an_outline_means_what_is_within_it():
    lab, links, truth = scene([(6, 4, 200), (26, 4, 150)])
    logits = np.where(truth.any(axis=0), 3.0, -3.0).astype(np.float32)
    near, far = (correct(logits, lab, links, [click(0, 33 + away, 8, False)]) for away in (3, 6))
    assert not (near > 0)[truth[1]].any() and (near > 0)[truth[0]].all()
    assert (far == logits).all()


def test_what_a_click_has_added_to_an_object_is_dropped_with_it_or_alone():
    lab, links, truth = scene([(26, 4, 200), (34, 4, 150)])
    logits = np.where(truth[0], 3.0, -3.0).astype(np.float32)
    add = click(0, 36, 8, True)
    whole = correct(logits, lab, links, [add, click(3, 30, 8 + 3 * STEP, False)]) > 0
    alone = correct(logits, lab, links, [add, click(3, 38, 8 + 3 * STEP, False)], truth[0].astype(int)) > 0
    assert not whole.any() and (alone == truth[0]).all()


def test_foreground_of_nobody_that_is_elsewhere_stays():
    lab, links, truth = scene([(6, 4, 200), (26, 4, 150)])
    logits = np.where(truth.any(axis=0), 3.0, -3.0).astype(np.float32)
    found = correct(logits, lab, links, [click(3, 9, 8 + 3 * STEP, False)], truth[0].astype(int)) > 0
    assert (found == truth[1]).all()


def test_of_what_clicks_have_added_only_the_denied_part_goes():
    lab, links, truth = scene([(6, 4, 200), (26, 4, 150)])
    logits = np.full((FRAMES, HEIGHT, WIDTH), -2.0, np.float32)
    clicks = [click(0, 9, 8, True), click(0, 30, 8, True), click(3, 30, 8 + 3 * STEP, False)]
    found = correct(logits, lab, links, clicks, np.zeros(logits.shape, int)) > 0
    assert min(overlap(found, truth[0])) > 0.6 and not (found & truth[1]).any()


def test_a_click_on_textured_ground_adds_as_much_as_can_be_seen_and_keeps_it():
    lab, links, _ = textured(160, 240)
    found = apply_corrections(
        np.full(lab.shape[:3], -2.0, np.float32), lab, links, [Correction(3, 0.5, 0.5, True)], np.zeros(lab.shape[:3], int)
    )
    assert (found.logits > 0).sum(axis=(1, 2)).min() >= 40
    assert ((found.added == 1) == (found.logits > 0)).all()


def textured(height, width):
    """Still ground of many colours, and flow that is trusted."""
    light = np.random.default_rng(0).integers(0, 256, (1, height, width, 3), np.uint8)
    still = np.zeros((FRAMES, height, width, 2), np.float16)
    return np.repeat(light, FRAMES, axis=0), FlowLinks(still, still, np.zeros((2, FRAMES, height, width), np.uint8), (height, width)), light


@pytest.mark.parametrize(("error", "shade", "stays"), [(0, 0, True), (0, 80, True), (60, 0, True), (60, 80, False)])
def test_an_added_patch_ends_where_it_is_lost_and_outlasts_a_change_of_light(error, shade, stays):
    lab, links, truth = scene([(6, 4, 150)])
    lab[4:] += np.uint8(shade)
    links.trust_back[4][truth[0][4]] = np.exp(-error / 25)
    found = correct(np.full((FRAMES, HEIGHT, WIDTH), -2.0, np.float32), lab, links, [click(1, 9, 8 + STEP, True)]) > 0
    assert found[:4].any(axis=(1, 2)).all() and (found[4:].any(axis=(1, 2)) == stays).all()


def test_an_added_patch_ends_at_a_cut_although_the_next_scene_has_its_colour():
    lab, links, _ = scene([(6, 4, 150)])
    links.trust_back[5] = links.trust_ahead[4] = np.exp(-50 / 25)
    for frame, shot in ((2, slice(0, 5)), (6, slice(5, 8))):
        found = correct(np.full((FRAMES, HEIGHT, WIDTH), -2.0, np.float32), lab, links, [click(frame, 9, 8 + STEP * frame, True)]) > 0
        shown = found.any(axis=(1, 2))
        assert shown[shot].all() and shown.sum() == shot.stop - shot.start


@pytest.mark.parametrize(("pace", "place"), [(4, 8), (1, 3)])
def test_a_small_patch_leaves_the_picture_where_the_ground_does(pace, place):
    lab, _, _ = textured(60, 90)
    back = np.zeros((FRAMES, 60, 90, 2), np.float16)
    back[..., 0] = pace
    links = FlowLinks(-back, back, np.zeros((2, FRAMES, 60, 90), np.uint8), (60, 90))
    found = apply_corrections(
        np.full(lab.shape[:3], -2.0, np.float32), lab, links, [Correction(0, (place + 0.5) / 90, 0.5, True)], np.zeros(lab.shape[:3], int)
    )
    shown = (found.logits > 0).any(axis=(1, 2))
    assert shown[:2].all() and not shown[5:].any()


def test_what_clicks_have_added_is_claimed_by_the_object_there_or_becomes_one():
    painted, added = np.zeros((2, 4, FRAMES, FRAMES), np.int32)
    painted[:, :4] = 3
    added[0, 2:5, 0], added[:2, 6:, 6:] = 1, 2
    clicks = [Correction(0, 0.0, 0.6, True), Correction(1, 0.9, 0.9, True), Correction(2, 0.9, 0.9, True), Correction(0, 0.5, 0.1, False)]
    claimed, ids = claim_added(painted, added, clicks)
    assert ids == [3, 4]  # the third has been taken back
    assert (claimed[0, 2:5, 0] == 3).all() and (claimed[:2, 6:, 6:] == 4).all() and (claimed > 0).sum() == 4 * 32 + 1 + 8


def test_what_a_click_adds_takes_nothing_from_another_object():
    painted, added = np.array([[[1, 1, 0, 0, 2, 2]]], np.int32), np.array([[[0, 1, 1, 1, 1, 0]]], np.int32)
    claimed, ids = claim_added(painted, added, [Correction(0, 0.2, 0.5, True)])
    assert claimed.tolist() == [[[1, 1, 1, 1, 2, 2]]] and ids == [1]


def test_clicked_objects_are_kept_however_small_brief_and_many():
    labels = np.zeros((20, 60, 60), np.int32)
    labels[:, :20, :20], labels[:, 30:40, :20], labels[3, 50, 50:52], labels[4:, 50, 50:54] = 1, 2, 3, 4
    settings = MaskSettings(max_objects=1, min_area=0.01)
    assert worth_keeping(labels, settings) == [1]
    assert worth_keeping(labels, settings, [3, 4, 9]) == [1, 4, 3]


@pytest.mark.parametrize("place", [(0.1, 0.15), (0.85, 0.85), (0.5, 0.5), (0.99, 0.01)])
def test_every_click_on_textured_ground_shows_in_the_masks(place):
    picture = np.random.default_rng(1).integers(0, 256, (96, 160, 3)).astype(np.uint8)
    clip = Clip(np.repeat(picture[None], 4, axis=0), np.arange(4) / 25, np.arange(4), tuple("abcd"), (96, 160), 4, 25.0)
    fields: FlowFields = finish(LiteFlow().flow(clip))
    still = np.full((4, fields.grid_hw[0] // 2, fields.grid_hw[1] // 2), 0.02, np.float16)
    tracks = Tracks(np.zeros((1, 4, 2), np.float32), *np.ones((2, 1, 4), np.float32), np.zeros(1, np.int64), clip.hw)
    labels = MotionLabels(MotionEvidence(np.zeros(1, np.float32), still, 0.0, ""), np.zeros(1, bool), 0.5)
    inputs = MaskInputs(clip, tracks, FeatureMaps(np.zeros((1, 2, 2, 3), np.float16), np.zeros(1, np.int64)), labels, fields)
    masks = finish(segment_objects(inputs, MaskSettings(min_area=0.5, corrections=(Correction(1, *place, True),)), LiteMasks()))
    assert masks.labels[1, int(place[1] * 96), int(place[0] * 160)] == 1 and masks.object_ids.tolist() == [1]
    assert (masks.labels > 0).mean() < 0.05
