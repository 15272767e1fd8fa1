"""Objects and their ids, from foregrounds with exact flow."""

from __future__ import annotations

import numpy as np
import pytest

from segmo.lite.flow import GAPS
from segmo.lite.objects import connected_components, find_objects, join_parts, paint, seed_points
from segmo.settings import MaskSettings
from segmo.zoo.lite_models import worth_keeping

HW = (60, 110)
FRAMES = 40
Box = tuple[float, float, int, int]  # left, top, width, height

COLOURS = np.array([(60, 128, 128), (150, 190, 150), (110, 80, 190), (200, 100, 100)], np.uint8)


def scene(boxes: list[list[Box | None]]) -> tuple[np.ndarray, ...]:
    """Masks, colours and exact flow of boxes, given per object and frame, later ones in front; the background stands still."""
    owner = np.zeros((FRAMES, *HW), int)
    for number, path in enumerate(boxes, start=1):
        for t, box in enumerate(path):
            if box is not None:
                x, y, width, height = (round(value) for value in box)
                owner[t, max(0, y) : max(0, y + height), max(0, x) : max(0, x + width)] = number
    lab = COLOURS[owner]
    flow = np.zeros((len(GAPS), FRAMES, *HW, 2), np.float16)
    error = np.zeros(flow.shape[:4], np.uint8)
    valid = np.zeros((len(GAPS), FRAMES), bool)
    for g, gap in enumerate(GAPS):
        for t in range(FRAMES):
            if not 0 <= t + gap < FRAMES:
                continue
            valid[g, t] = True
            for number, path in enumerate(boxes, start=1):
                here, there = path[t], path[t + gap]
                if here is not None and there is not None:
                    flow[g, t][owner[t] == number] = (there[0] - here[0], there[1] - here[1])
                error[g, t][owner[t] == number] = 255 * (there is None)
    return owner, lab, flow, error, valid


def found(boxes: list[list[Box | None]], hidden: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    owner, lab, flow, error, valid = scene(boxes)
    if hidden is not None:
        owner = np.where(hidden, 0, owner)
    return owner, find_objects(owner > 0, lab, flow, error, valid)


def main_id(labels: np.ndarray, where: np.ndarray) -> int:
    counts = np.bincount(labels[where], minlength=2)
    return int(counts[1:].argmax() + 1) if counts[1:].any() else 0


def test_two_objects_that_cross_keep_their_ids() -> None:
    left = [(5 + 2.0 * t, 22, 18, 14) for t in range(FRAMES)]
    right = [(87 - 2.0 * t, 18, 12, 26) for t in range(FRAMES)]
    owner, labels = found([left, right])
    first = [main_id(labels[t : t + 1], owner[t : t + 1] == 1) for t in (0, FRAMES - 1)]
    second = [main_id(labels[t : t + 1], owner[t : t + 1] == 2) for t in (0, FRAMES - 1)]
    assert first[0] == first[1] != 0 and second[0] == second[1] != 0 and first[0] != second[0]
    crossing = slice(FRAMES // 2 - 3, FRAMES // 2 + 3)
    assert (labels[crossing][owner[crossing] == 2] == second[0]).mean() > 0.85


def test_a_swinging_limb_belongs_to_its_body() -> None:
    body = [(30 + t, 15, 20, 16) for t in range(FRAMES)]
    leg = [(36 + t + 5 * np.sin(t / 2), 29, 6, 14) for t in range(FRAMES)]
    owner, labels = found([body, leg])
    ids = np.unique(labels[owner > 0])
    assert len(ids[ids > 0]) == 1


def test_a_small_ball_is_itself_before_somebody_large_whose_shoe_looks_like_it() -> None:
    body = [(10 + 0.1 * t, 2, 80, 30) for t in range(FRAMES)]
    ball = [(12 + 1.7 * t, 4, 13, 13) for t in range(FRAMES)]
    owner, lab, flow, error, valid = scene([body, ball])
    shoe = np.zeros(owner.shape, bool)
    shoe[:, 22:32, 45:60] = True
    lab[shoe] = COLOURS[2]
    labels = find_objects(owner > 0, lab, flow, error, valid)
    body_id, ball_id = main_id(labels, owner == 1), main_id(labels, owner == 2)
    assert body_id != ball_id
    assert (labels[owner == 2] == ball_id).mean() > 0.75
    assert (labels[owner == 1] == body_id).mean() > 0.97
    assert (labels[shoe] == body_id).all()


@pytest.mark.parametrize(("apart", "take_something"), [(8, False), (2, True)])
def test_points_that_strayed_onto_somebody_else_take_nothing_of_him(apart: int, take_something: bool) -> None:
    """Four points of another object among sixty of his own: each closer to his than to its like, or all in one place."""
    y, x = (axis.ravel() for axis in np.mgrid[5:55:8, 5:85:9])
    few = np.array([[27 + right, 20 + down] for down in (0, apart) for right in (0, apart)])
    positions = np.concatenate([np.column_stack([x, y]), few]).astype(np.float32)[:, None]
    components = np.zeros((1, *HW), np.int32)
    components[0, :60, :90] = 1
    members = [np.arange(len(x)), len(x) + np.arange(len(few))]
    labels = paint(components, members, positions, np.ones((len(positions), 1), np.int32), COLOURS[components])
    assert (labels[components > 0] == 2).any() == take_something
    assert (labels[components > 0] == 1).mean() > 0.95


def spinning(pace: float, radius: float = 18.0) -> tuple[np.ndarray, ...]:
    """A disc that rolls to the right and turns by `pace` radians a frame, as `scene` describes boxes."""
    y, x = np.mgrid[: HW[0], : HW[1]].astype(float)
    centre = np.array([[25 + 1.5 * t, 30.0] for t in range(FRAMES)])
    owner = np.stack([(np.hypot(x - cx, y - cy) < radius).astype(int) for cx, cy in centre])
    flow = np.zeros((len(GAPS), FRAMES, *HW, 2), np.float16)
    valid = np.zeros((len(GAPS), FRAMES), bool)
    for g, gap in enumerate(GAPS):
        for t in range(max(0, -gap), FRAMES - max(0, gap)):
            valid[g, t] = True
            ahead = (x - centre[t, 0] + 1j * (y - centre[t, 1])) * (np.exp(1j * pace * gap) - 1) + 1.5 * gap
            flow[g, t] = np.where(owner[t] > 0, np.stack([ahead.real, ahead.imag]), 0).transpose(1, 2, 0)
    return owner, COLOURS[owner], flow, np.zeros(flow.shape[:4], np.uint8), valid


def swinging_leg(swing: float = 0.6, length: float = 24.0) -> tuple[np.ndarray, ...]:
    """A body that walks to the right on a leg that swings by `swing` radians to either side, as `scene` describes boxes."""
    y, x = np.mgrid[: HW[0], : HW[1]].astype(float)
    owner = np.zeros((FRAMES, *HW), int)
    flow = np.zeros((len(GAPS), FRAMES, *HW, 2), np.float16)
    valid = np.zeros((len(GAPS), FRAMES), bool)
    angle = swing * np.sin(np.arange(FRAMES) / 3)
    for t in range(FRAMES):
        from_hip = x - (40 + t) + 1j * (y - 30.0)
        along = from_hip * np.exp(1j * angle[t]) / 1j  # real down the leg
        owner[t][(np.abs(along.imag) < 3.5) & (along.real > -2) & (along.real < length)] = 2
        owner[t][(np.abs(from_hip.real) < 13) & (from_hip.imag > -18) & (from_hip.imag < 1)] = 1
        for g, gap in enumerate(GAPS):
            if 0 <= t + gap < FRAMES:
                valid[g, t] = True
                moved = np.where(owner[t] == 2, from_hip * (np.exp(1j * (angle[t] - angle[t + gap])) - 1) + gap, gap)
                flow[g, t] = np.where(owner[t] > 0, np.stack([moved.real, moved.imag]), 0).transpose(1, 2, 0)
    return owner, COLOURS[owner], flow, np.zeros(flow.shape[:4], np.uint8), valid


def test_a_ball_that_rolls_is_one_object() -> None:
    owner, lab, flow, error, valid = spinning(0.12)
    labels = find_objects(owner > 0, lab, flow, error, valid)
    assert np.array_equal(np.unique(labels[owner > 0]), [1])


def test_an_object_is_found_again_behind_an_occluder() -> None:
    path = [(4 + 2.0 * t, 20, 14, 14) for t in range(FRAMES)]
    wall = np.zeros((FRAMES, *HW), bool)
    wall[:, :, 45:62] = True  # wider than the object: it is gone for some frames
    owner, labels = found([path], wall)
    assert not (owner[20:22] > 0).all()
    assert main_id(labels[:10], owner[:10] == 1) == main_id(labels[-6:], owner[-6:] == 1) != 0


def leaves_and_returns(entry: int, colour: int = 1) -> tuple[int, int]:
    """Main ids of a box that leaves to the right, and of one that comes 15 frames later, from the right or, at -1, from the left."""
    leaving: list[Box | None] = [(60 + 8.0 * t, 20, 16, 16) if t < 6 else None for t in range(FRAMES)]
    x = [HW[1] - 8.0 * (t - 20) if entry > 0 else 8.0 * (t - 22) for t in range(FRAMES)]
    returning: list[Box | None] = [(x[t], 22, 16, 16) if 21 <= t < 30 else None for t in range(FRAMES)]
    owner, lab, flow, error, valid = scene([leaving, returning])
    lab[owner == 2] = COLOURS[colour]
    labels = find_objects(owner > 0, lab, flow, error, valid)
    return main_id(labels, owner == 1), main_id(labels, owner == 2)


def test_what_comes_back_where_it_left_the_picture_is_the_same_if_it_looks_the_same() -> None:
    gone, back = leaves_and_returns(1)
    assert gone == back != 0
    for gone, other in (leaves_and_returns(1, colour=2), leaves_and_returns(-1)):
        assert 0 != gone != other != 0


def test_what_turns_so_fast_that_no_point_lasts_keeps_its_id() -> None:
    path: list[Box | None] = [(20 + t, 20, 16, 16) for t in range(FRAMES)]
    turning = range(15, 19)
    owner, lab, flow, error, valid = scene([path])
    lab[turning.start : turning.stop][(owner[turning.start : turning.stop] > 0) & (np.arange(HW[0])[:, None] > 25)] = COLOURS[2]
    for t in (turning.start, turning.stop):  # nothing before is seen after
        for g, gap in enumerate(GAPS):
            error[g, [s for s in range(FRAMES) if min(s, s + gap) < t <= max(s, s + gap)]] = 255
    labels = find_objects(owner > 0, lab, flow, error, valid)
    assert np.unique(labels[owner > 0]).tolist() == [1]


def test_separate_objects_that_never_meet_are_two() -> None:
    owner, labels = found([[(5 + t, 5, 12, 12) for t in range(FRAMES)], [(60 + t, 40, 14, 12) for t in range(FRAMES)]])
    assert main_id(labels, owner == 1) != main_id(labels, owner == 2)
    assert (labels[owner == 0] == 0).all()


def test_noise_is_no_component_and_an_empty_foreground_no_object() -> None:
    specks = np.zeros((3, *HW), bool)
    specks[:, 10, 10] = specks[:, 40, 70] = True
    components, count = connected_components(specks)
    assert count == 0 and not components.any() and len(seed_points(components)) == 0
    _, labels = found([[None] * FRAMES])
    assert not labels.any()


def test_a_crumb_beside_a_body_is_part_of_it_and_a_second_body_at_that_distance_is_not() -> None:
    foreground = np.zeros((1, 60, 80), np.bool_)
    foreground[0, 10:30, 10:30] = True
    foreground[0, 33:36, 18:22] = True  # a paw, three pixels below
    foreground[0, 10:30, 33:50] = True  # a body, as far to the right
    foreground[0, 50:53, 60:64] = True  # a crumb of its own
    labels, count = connected_components(foreground)
    assert labels[0, 34, 20] == labels[0, 20, 20] != labels[0, 20, 40]
    assert count == 3 and len({labels[0, 20, 20], labels[0, 20, 40], labels[0, 51, 62]}) == 3


def beside_each_other(slide: float, seams_in_four: int) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
    """A scene of two that touch all the time, of which the right one slides down by `slide` pixels, and a seam in some frames of four."""
    left = [(20 + t, 20, 16, 20) for t in range(FRAMES)]
    right = [(36 + t, 18 + slide * t / (FRAMES - 1), 14, 20) for t in range(FRAMES)]
    made = scene([left, right])
    seam = np.zeros(made[0].shape, bool)
    for t in range(FRAMES):
        seam[t, :, 35 + t : 38 + t] = t % 4 < seams_in_four
    return made, seam


def test_two_that_slide_along_each_other_are_two_where_a_seam_is_seen() -> None:
    (owner, lab, flow, error, valid), seam = beside_each_other(slide=6, seams_in_four=3)
    together = find_objects(owner > 0, lab, flow, error, valid)
    assert len(np.unique(together)) == 2
    apart = find_objects(owner > 0, lab, flow, error, valid, seam)
    ids = [main_id(apart, owner == k) for k in (1, 2)]
    assert ids[0] != ids[1] and all((apart[owner == k] == number).mean() > 0.85 for k, number in zip((1, 2), ids, strict=True))
    assert ((apart > 0) == (owner > 0)).mean() > 0.99  # what lies on the seam goes to one of the two


def test_what_never_comes_apart_is_one_whatever_a_seam_says_now_and_then() -> None:
    (owner, lab, flow, error, valid), seam = beside_each_other(slide=0, seams_in_four=2)
    labels = find_objects(owner > 0, lab, flow, error, valid, seam)
    assert np.array_equal(np.unique(labels[owner > 0]), [1])


@pytest.mark.parametrize("gap", [0, 2])
def test_a_leg_belongs_to_its_body_though_its_foot_swings_far(gap: int) -> None:
    """Also where the foreground breaks off below the body: what counts is that nothing comes apart at the hip."""
    owner, lab, flow, error, valid = swinging_leg()
    foreground = owner > 0
    foreground[:, 31 : 31 + gap] = False
    labels = find_objects(foreground, lab, flow, error, valid)
    assert np.array_equal(np.unique(labels[foreground]), [1])


def test_what_slides_along_a_body_is_another_object() -> None:
    body = [(30 + t, 11, 26, 20) for t in range(FRAMES)]
    thing = [(38 + t + 0.5 * max(0, t - 10), 30, 6, 16) for t in range(FRAMES)]
    owner, labels = found([body, thing])
    assert main_id(labels, owner == 1) != main_id(labels, owner == 2)


def test_a_seam_in_one_frame_in_ten_parts_nothing() -> None:
    owner, lab, flow, error, valid = scene([[(20 + t, 20, 30, 20) for t in range(FRAMES)]])
    seam = np.zeros(owner.shape, bool)
    seam[::10, :, 48:51] = True
    labels = find_objects(owner > 0, lab, flow, error, valid, seam)
    assert len(np.unique(labels)) == 2 and ((labels > 0) == (owner > 0)).mean() > 0.99


def test_a_wide_seam_leaves_no_hole() -> None:
    foreground, seam = np.zeros((2, 1, 60, 110), np.bool_)
    foreground[0, 10:50, 10:60] = foreground[0, 20:40, 70:90] = True
    seam[0, :, 20:45] = True  # far wider than where two things meet
    seam[0, :, 65:95] = True  # all of the other
    labels, count = connected_components(foreground, seam)
    assert np.array_equal(labels > 0, foreground)
    assert count == 3 and labels[0, 30, 12] != labels[0, 30, 55] and len(np.unique(labels[0, :, 70:90])) == 2


def test_the_smallest_must_be_seen_for_a_quarter_of_the_clip_and_what_is_larger_for_less() -> None:
    labels = np.zeros((FRAMES, *HW), np.uint8)
    pixels = HW[0] * HW[1]
    settings = MaskSettings(min_area=4 / pixels)
    labels[:, :20, :20] = 1
    labels[:6, 30:32, 30:32] = 2  # a crumb of the smallest size, for six frames of forty
    labels[:6, 40:44, 40:44] = 3  # four times as large
    labels[:10, 50:52, 50:52] = 4  # a crumb for a quarter of the clip
    assert worth_keeping(labels, settings) == [1, 3, 4]
    assert worth_keeping(labels[:12], settings) == [1, 3, 4, 2]  # six frames of twelve are enough


def painted(boxes: dict[int, tuple[range, Box]]) -> np.ndarray:
    """Objects that stand still in some frames of a clip."""
    objects = np.zeros((FRAMES, *HW), np.int32)
    for number, (frames, (x, y, width, height)) in boxes.items():
        objects[frames.start : frames.stop, y : y + height, x : x + width] = number
    return objects


BODY = (range(FRAMES), (10, 10, 20, 20))


@pytest.mark.parametrize(
    ("frames", "box", "left"),
    [
        (range(5, 20), (15, 30, 6, 6), [1]),  # a foot, seen for a while and never away from its leg
        (range(5, 30), (15, 30, 6, 6), [1, 2]),  # a rider, who is nearly always there
        (range(5, 20), (12, 30, 12, 12), [1, 2]),  # as large as a third of what it touches
        (range(5, 20), (15, 36, 6, 6), [1, 2]),  # beside it, but apart
    ],
)
def test_what_is_small_and_shows_for_a_while_on_another_object_is_a_part_of_it(frames: range, box: Box, left: list[int]) -> None:
    objects = painted({1: BODY, 2: (frames, box)})
    joined = join_parts(objects)
    assert np.unique(joined[joined > 0]).tolist() == left
    assert np.array_equal(joined > 0, objects > 0)


def test_a_part_of_a_part_belongs_to_the_whole() -> None:
    objects = painted({1: BODY, 2: (range(19), (15, 30, 7, 7)), 3: (range(8), (16, 37, 2, 2))})
    assert np.array_equal(join_parts(objects), objects > 0)
    assert not join_parts(np.zeros_like(objects)).any()
