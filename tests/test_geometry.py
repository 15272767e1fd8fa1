"""Sizes, resizing and pixel-centre coordinates."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from segmo.geometry import fit_side, rescale_points, resize_image, resize_labels, resize_map, resize_picture, sample_map


def disk(hw, centre_xy, radius):
    y, x = np.indices(hw)
    return (x - centre_xy[0]) ** 2 + (y - centre_xy[1]) ** 2 <= radius**2


def test_fit_side_is_the_published_rule_with_the_long_side_exact(shared):
    rules = json.loads((shared / "parity/rules/rules.json").read_text())["resize"]
    assert len(rules["cases"]) > 20
    for case in rules["cases"]:
        fitted = fit_side((case["height"], case["width"]), 1000)
        published = (case["new_height"], case["new_width"])
        if max(published) == 999:  # the published float truncation loses a pixel
            published = tuple(1000 if side == 999 else side for side in published)
        assert fitted == published
    for side in rules["long_sides_that_become_999"]["values"]:
        assert fit_side((10, side), 1000)[1] == 1000


@pytest.mark.parametrize(
    ("hw", "side", "expected"),
    [((480, 854), 1000, (480, 854)), ((720, 1280), 0, (720, 1280)), ((1, 5000), 1000, (1, 1000)), ((3000, 2000), 1000, (1000, 666))],
)
def test_fit_side(hw, side, expected):
    assert fit_side(hw, side) == expected


@pytest.mark.parametrize("shape", [(9, 12), (9, 12, 1), (9, 12, 2), (9, 12, 3), (9, 12, 7)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_resize_image_keeps_rank_dtype_and_mean(shape, dtype):
    image = np.random.default_rng(0).integers(0, 255, shape).astype(dtype)
    small = resize_image(image, (3, 4))
    assert (small.shape, small.dtype) == ((3, 4, *shape[2:]), dtype)
    np.testing.assert_allclose(small[0, 0], image[:3, :3].mean(axis=(0, 1)), atol=0.51)  # area: the mean of the pixels covered
    assert resize_image(image, (18, 24)).shape == (18, 24, *shape[2:])
    assert resize_image(image, (9, 12)) is image


@pytest.mark.parametrize("hw", [(15, 30), (10, 30), (15, 20)])
def test_an_image_that_no_side_shrinks_of_stays_smooth(hw):
    ramp = np.add.outer(10 * np.arange(10), 10 * np.arange(20)).astype(np.float32)
    enlarged = resize_image(ramp, hw)
    for axis, (old, new) in enumerate(zip(ramp.shape, hw, strict=True)):
        inner = np.diff(enlarged, axis=axis)[2:-2, 2:-2]
        np.testing.assert_allclose(inner, 10 * old / new, rtol=1e-4)  # pixels repeated would be steps of 0 and 10


def test_one_side_that_shrinks_is_enough_to_average():
    rows = np.zeros((20, 20), np.float32)
    rows[::2] = 1
    for lines, hw in ((rows, (4, 20)), (rows.T, (20, 4))):
        np.testing.assert_allclose(resize_image(lines, hw), 0.5, atol=0.11)  # each covers three of one kind and two of the other


def test_enlarging_aligns_borders_not_outer_centres():
    ramp = np.tile(np.arange(4, dtype=np.float32), (2, 1))
    enlarged = resize_map(ramp, (4, 8))
    np.testing.assert_allclose(enlarged[0], [0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3])


def test_resize_map_takes_any_float():
    small = resize_map(np.ones((4, 6), np.float16), (2, 3))
    assert small.dtype == np.float32
    assert (small == 1).all()


def test_points_go_to_another_grid_and_back_by_pixel_centres():
    corners = np.array([[-0.5, -0.5], [853.5, 479.5], [0, 0]], np.float32)
    moved = rescale_points(corners, (480, 854), (240, 427))
    np.testing.assert_allclose(moved, [[-0.5, -0.5], [426.5, 239.5], [-0.25, -0.25]])
    np.testing.assert_allclose(rescale_points(moved, (240, 427), (480, 854)), corners, atol=1e-4)
    assert rescale_points(np.zeros((2, 3, 2)), (4, 4), (8, 8)).shape == (2, 3, 2)


def test_a_point_follows_its_content_through_a_resize():
    image = np.zeros((480, 854), np.float32)
    cv2.circle(image, (333, 222), 12, 1.0, -1)
    small = resize_map(image, (100, 150))
    y, x = np.indices(small.shape)
    centre = np.array([(x * small).sum(), (y * small).sum()]) / small.sum()
    np.testing.assert_allclose(centre, rescale_points(np.array([333.0, 222.0]), (480, 854), (100, 150)), atol=0.02)


@pytest.mark.parametrize("channels", [(), (3,)])
def test_sample_map_is_bilinear_by_pixel_centres(channels):
    y, x = np.indices((24, 32), dtype=np.float32)
    plane = 2 * x + 3 * y + 1
    values = np.broadcast_to(plane.reshape(24, 32, *[1] * len(channels)), (24, 32, *channels))
    points = np.random.default_rng(0).uniform([1, 1], [60, 44], (50, 2)).astype(np.float32)  # in a frame of 48 x 64
    on_grid = rescale_points(points, (48, 64), (24, 32))
    expected = 2 * on_grid[:, 0] + 3 * on_grid[:, 1] + 1
    sampled = sample_map(values, points, (48, 64))
    assert sampled.shape == (50, *channels)
    np.testing.assert_allclose(sampled.T, np.broadcast_to(expected, (*channels, 50)), rtol=1e-5)


def test_sample_map_outside_takes_the_border():
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    points = np.array([[-9, -9], [99, -9], [-9, 99], [99, 99]], np.float32)
    np.testing.assert_array_equal(sample_map(values, points, (2, 3)), [0, 2, 3, 5])
    np.testing.assert_array_equal(sample_map(values[:1, :1], points, (2, 3)), [0, 0, 0, 0])


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_enlarged_labels_come_closer_to_the_true_outline_than_enlarged_pixels(factor):
    truth = disk((60 * factor, 80 * factor), (31 * factor, 29 * factor), 15.3 * factor)
    small = (resize_map(truth.astype(np.float32), (60, 80)) > 0.5).astype(np.uint8) * 7
    smooth = resize_labels(small[None], truth.shape)[0]
    blocky = small.repeat(factor, 0).repeat(factor, 1)

    def wrong(labels):
        return int((truth != (labels == 7)).sum())

    assert set(np.unique(smooth)) == {0, 7}
    assert wrong(smooth) < 0.8 * wrong(blocky)
    mirrored = resize_labels(small[None, ::-1, ::-1].copy(), truth.shape)[0]
    np.testing.assert_array_equal(mirrored[::-1, ::-1], smooth)  # no shift by half a pixel


def test_a_slope_has_no_staircase():
    y, x = np.indices((40, 120))
    small = (y > 20 + 0.25 * (x - 60)).astype(np.uint8)
    edge = resize_labels(small[None], (160, 480))[0].argmax(axis=0)[40:440]
    steps = np.diff(edge.astype(int))
    assert np.abs(steps).max() <= 2  # enlarged pixels jump by 4


def test_labels_keep_ids_neighbours_and_small_objects():
    labels = np.zeros((2, 30, 40), np.uint8)
    labels[0, 5:20, 5:20], labels[0, 5:20, 20:35], labels[0, 25:27, 10:12] = 3, 200, 255
    labels[1, 10:12, :] = 9
    enlarged = resize_labels(labels, (90, 120))
    assert (enlarged.shape, enlarged.dtype) == ((2, 90, 120), np.uint8)
    assert set(np.unique(enlarged[0])) == {0, 3, 200, 255}
    assert set(np.unique(enlarged[1])) == {0, 9}
    assert (enlarged[0, 20:55, 55:65] != 0).all()  # no gap opens between touching objects
    assert (enlarged[0, 36, :60] != 200).all() and (enlarged[0, 36, 60:] != 3).all()
    assert resize_labels(labels, (30, 40)) is labels


def test_shrunk_labels_take_the_majority():
    labels = np.zeros((1, 40, 40), np.uint8)
    labels[:, :, 16:] = 5
    np.testing.assert_array_equal(resize_labels(labels, (10, 10))[0], np.repeat([[0] * 4 + [5] * 6], 10, axis=0))


@pytest.mark.parametrize(("left", "right"), [(0, 5), (5, 0), (4, 5), (5, 4)])
def test_where_two_share_a_pixel_alike_the_lower_id_has_it(left, right):
    labels = np.full((1, 12, 12), left, np.uint8)
    labels[:, :, 5:] = right
    expected = np.repeat([[left] * 2 + [min(left, right)] + [right] * 3], 6, axis=0)
    np.testing.assert_array_equal(resize_labels(labels, (6, 6))[0], expected)


@pytest.mark.parametrize("value", [0, 4])
def test_labels_of_one_value_stay_so(value):
    assert (resize_labels(np.full((1, 8, 8), value, np.uint8), (20, 20)) == value).all()


@pytest.mark.parametrize("hw", [(90, 160), (54, 120), (45, 80), (240, 400), (120, 80)])
def test_a_picture_to_look_at_is_shrunk_and_enlarged_as_any_other(hw):
    y, x = np.mgrid[:120, :200]
    picture = np.stack([x, 2 * y, 127 + 100 * np.sin(x / 15) * np.cos(y / 11)], axis=2).astype(np.uint8)
    seen, exact = (resize(picture, hw).astype(int) for resize in (resize_picture, resize_image))
    assert seen.shape == (*hw, 3)
    assert np.abs(seen - exact).max() <= 3


def test_a_picture_to_look_at_shows_no_pattern_that_only_shrinking_makes():
    fine = np.zeros((120, 200, 3), np.uint8)
    fine[::2, ::2] = fine[1::2, 1::2] = 255
    small = resize_picture(fine, (35, 61))
    assert np.ptp(small.astype(int)) < 40 and abs(small.mean() - 127.5) < 2
