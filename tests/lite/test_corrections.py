"""Clicks decide what is in the masks, on the clicked frame and on the others."""

from __future__ import annotations

import numpy as np
import pytest

from segmo.lite.corrections import CERTAIN, apply_corrections
from segmo.lite.refinement import FlowLinks
from segmo.settings import Correction

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
    return apply_corrections(logits, lab, links, clicks, np.ones(logits.shape, np.int32) if objects is None else objects)


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
