"""Filtering in time, colours and edges."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from segmo.lite.refinement import FlowLinks, by_root_of_size, colour_and_place, full_size

HW = (64, 96)


def links(frames: int, step: float = 0.0, error: int = 0, finer: int = 1) -> FlowLinks:
    """Of steps to the right, in pixels of HW; the flow they come from lies on a grid that is so many times finer."""
    grid = (finer * HW[0], finer * HW[1])
    ahead = np.zeros((frames, *grid, 2), np.float16)
    ahead[..., 0] = finer * step
    return FlowLinks(ahead, -ahead, np.full((2, frames, *grid), error, np.uint8), HW)


def square(frames: int, step: int = 0) -> np.ndarray:
    inside = np.zeros((frames, *HW), bool)
    for t in range(frames):
        inside[t, 20:44, 10 + step * t : 34 + step * t] = True
    return inside


@pytest.mark.parametrize("finer", [1, 2])
def test_a_frame_that_missed_the_object_learns_from_its_neighbours_along_the_flow(finer: int) -> None:
    inside = square(9, step=3)
    logits = np.where(inside, 3.0, -3.0).astype(np.float32)
    logits[4] = -0.2
    smooth = links(9, step=3, finer=finer).smooth(logits)
    assert smooth[4][inside[4]].min() > 0.3 and smooth[4][:, 70:].max() < 0


def test_the_strongest_evidence_of_a_point_is_remembered_along_the_flow() -> None:
    inside = square(9, step=3)
    seen_once = np.full(inside.shape, -2.0, np.float32)
    seen_once[4][inside[4]] = 3.0
    strongest = links(9, step=3).strongest(seen_once, 0.9)
    assert np.allclose(strongest[4][inside[4]], 3) and np.allclose(strongest[1][22:42, 16:34], 3 * 0.9**3, rtol=1e-3)
    assert strongest[:, :, 72:].max() == 0 and strongest.min() == 0
    assert links(9, step=3, error=255).strongest(seen_once, 0.9)[3].max() < 0.01


def test_no_filtering_across_flow_that_is_not_trusted() -> None:
    logits = np.where(square(9), 3.0, -3.0).astype(np.float32)
    logits[4] = -0.2
    smooth = links(9, error=255).smooth(logits)
    assert np.allclose(smooth[4], -0.2, atol=0.01)


def test_colour_completes_the_half_that_did_not_move() -> None:
    inside = square(6)
    lab = np.where(inside[..., None], np.uint8([180, 170, 120]), np.uint8([90, 110, 140])).astype(np.uint8)
    motion = np.where(inside, 2.5, -2.5).astype(np.float32)
    motion[:, 38:44] = np.where(inside[:, 38:44], -0.3, -2.5)  # feet on the ground
    logits, colour = colour_and_place(motion, lab, links(6))
    assert ((logits > 0) == inside).mean() > 0.99
    assert colour[inside].min() > 1 and colour[~inside].max() < -1


def test_while_it_rests_its_colours_are_known_from_before_and_after() -> None:
    inside = square(36)
    lab = np.where(inside[..., None], np.uint8([180, 170, 120]), np.uint8([90, 110, 140])).astype(np.uint8)
    motion = np.where(inside, 2.5, -2.5).astype(np.float32)
    motion[12:24][inside[12:24]] = -0.3
    _, colour = colour_and_place(motion, lab, links(36), rounds=1)
    assert colour[12:24][inside[12:24]].min() > 1 and colour[12:24][~inside[12:24]].max() < -1


def test_full_size_masks_end_at_the_edges_of_the_picture() -> None:
    large = np.zeros((256, 384, 3), np.uint8)
    large[83:177, 47:139] = 220  # the object ends between two cells of the map grid
    logits = cv2.resize((large[..., 0] > 0).astype(np.float32) * 4 - 2, (96, 64), interpolation=cv2.INTER_AREA)
    mask = full_size(logits, (logits > 0).astype(np.uint8) * 3, large, (256, 384))
    truth = large[..., 0] > 0
    assert (mask[truth] == 3).mean() > 0.985 and (mask[~truth] == 0).mean() > 0.995


def test_two_objects_keep_their_pixels_at_full_size() -> None:
    numbers = np.zeros(HW, np.uint8)
    numbers[20:40, 20:48], numbers[20:40, 48:76] = 1, 2
    logits = np.where(numbers > 0, 2.0, -2.0).astype(np.float32)
    frame = np.repeat(np.repeat((numbers * 80)[..., None], 3, axis=2), 4, axis=0).repeat(4, axis=1)
    labels = full_size(logits, numbers, frame, (4 * HW[0], 4 * HW[1]))
    assert set(np.unique(labels)) == {0, 1, 2}
    assert (labels[88:152, 88:184] == 1).mean() > 0.97 and (labels[88:152, 200:296] == 2).mean() > 0.97


def test_small_objects_have_a_say_in_the_colours() -> None:
    inside = np.zeros((4, 40, 60), np.float32)
    inside[:, 5:35, 5:35] = 1
    assert by_root_of_size(inside) is inside
    inside[:, 5:15, 45:55] = 0.5
    inside[0, 30, 50] = 1
    weighed = by_root_of_size(inside)
    assert weighed[:, 5:35, 5:35].sum() == 3600 and weighed[0, 30, 50] == 1
    np.testing.assert_allclose(weighed[:, 5:15, 45:55].sum(), np.sqrt(200 * 3600))
    assert not weighed[inside == 0].any()


def test_what_was_not_kept_is_not_given_to_another_object_that_looks_like_it() -> None:
    hw = (64, 112)
    logits, kept = np.full(hw, -3, np.float32), np.zeros(hw, np.uint8)
    picture = np.random.default_rng(0).normal(90, 4, (2 * hw[0], 2 * hw[1], 3))
    for box in ((slice(10, 30), slice(10, 30)), (slice(35, 55), slice(80, 100))):
        logits[box] = 3
        picture[tuple(slice(2 * side.start, 2 * side.stop) for side in box)] += (110, -50, -50)
    kept[10:30, 10:30] = 4
    labels = full_size(logits, kept, np.clip(picture, 0, 255).astype(np.uint8), (2 * hw[0], 2 * hw[1]))
    assert (labels[20:60, 20:60] == 4).mean() > 0.95 and not labels[70:110, 160:200].any()
    unsure = np.where(kept > 0, logits, -0.1).astype(np.float32)
    labels = full_size(unsure, kept, np.clip(picture, 0, 255).astype(np.uint8), (2 * hw[0], 2 * hw[1]))
    assert not labels[70:110, 160:200].any(), "colours alone decide along the outline, and nowhere else"


def test_what_was_not_kept_is_not_given_to_what_it_touches_nearly() -> None:
    logits, kept = np.full(HW, -3, np.float32), np.zeros(HW, np.uint8)
    logits[10:30, 10:30] = logits[10:30, 33:53] = 3
    kept[10:30, 10:30] = 4
    picture = np.where(logits[..., None] > 0, np.uint8([200, 40, 40]), np.uint8([90, 90, 90])).repeat(2, axis=0).repeat(2, axis=1)
    labels = full_size(logits, kept, picture, (2 * HW[0], 2 * HW[1]))
    assert (labels[20:60, 20:60] == 4).mean() > 0.95 and not labels[:, 64:].any()
