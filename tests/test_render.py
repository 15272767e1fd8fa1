"""What the pictures must show, whatever their taste."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest

from segmo import render
from segmo.errors import ProductError
from segmo.types import FeatureMaps, Tracks

HW = (120, 160)


def plain(level: int = 128) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.full((*HW, 3), level, np.uint8)


def two_discs() -> np.ndarray[Any, np.dtype[np.uint8]]:
    labels = np.zeros(HW, np.uint8)
    cv2.circle(labels, (45, 60), 25, 1, cv2.FILLED)
    cv2.circle(labels, (115, 60), 25, 7, cv2.FILLED)
    return labels


def away_from(labels: np.ndarray[Any, np.dtype[np.uint8]], pixels: int) -> np.ndarray[Any, np.dtype[np.bool_]]:
    return cv2.distanceTransform((labels == 0).astype(np.uint8), cv2.DIST_L2, 5) > pixels


def make_tracks(positions: list[tuple[float, float]], speed: tuple[float, float] = (4.0, 0.0), frames: int = 6) -> Tracks:
    path = np.array(positions, np.float32)[:, None] + np.arange(frames, dtype=np.float32)[None, :, None] * np.array(speed, np.float32)
    seen = np.ones(path.shape[:2], np.float32)
    return Tracks(path, seen, seen, np.zeros(len(path), np.int64), HW)


# --- colours -------------------------------------------------------------------------------------------------------------------------


def test_palette_is_that_of_pascal_voc() -> None:
    published = {0: (0, 0, 0), 1: (128, 0, 0), 2: (0, 128, 0), 3: (128, 128, 0), 4: (0, 0, 128), 8: (64, 0, 0), 20: (0, 64, 128)}
    assert {index: tuple(render.PALETTE[index].tolist()) for index in published} == published
    assert render.PALETTE[255].tolist() == [224, 224, 192]
    assert len(np.unique(render.PALETTE, axis=0)) == 256


@pytest.mark.parametrize(
    "vision",  # Machado et al. 2009, severity 1, on linear RGB
    [
        np.eye(3),
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    ],
    ids=["normal", "protanopia", "deuteranopia"],
)
def test_nine_objects_can_be_told_apart_by_everybody(vision: Any) -> None:
    colours = (render.OBJECT_COLOURS[1:10] / 255) ** 2.2
    seen = np.clip(colours @ np.array(vision).T, 0, 1) ** (1 / 2.2)
    lab = cv2.cvtColor(seen[None].astype(np.float32), cv2.COLOR_RGB2LAB)[0]
    distance = np.linalg.norm(lab[:, None] - lab[None], axis=-1)
    assert distance[~np.eye(9, dtype=bool)].min() > 15


def test_every_object_id_has_a_colour_of_its_own() -> None:
    assert len(np.unique(render.OBJECT_COLOURS, axis=0)) == 256


# --- masks over frames -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", [5, 128, 250])
def test_overlay_tints_and_outlines_objects_and_leaves_the_rest(level: int) -> None:
    frame, labels = plain(level), two_discs()
    drawn = render.overlay(frame, labels)
    assert (frame == level).all()
    assert (drawn[away_from(labels, 4)] == level).all()
    for identity, (x, y) in {1: (45, 60), 7: (115, 60)}.items():
        towards = render.OBJECT_COLOURS[identity].astype(float) - level
        change = drawn[y, x].astype(float) - level
        assert np.allclose(change, 0.45 * towards, atol=1)
        border = drawn[y - 27 : y - 21, x].astype(float)
        assert np.abs(border - drawn[y, x]).sum(axis=1).max() > 60  # a line that stands out from the fill


def test_overlay_without_objects_is_the_frame() -> None:
    assert (render.overlay(plain(), np.zeros(HW, np.uint8), tags=True) == plain()).all()


def test_tags_are_drawn_inside_the_frame_even_at_its_border() -> None:
    labels = np.zeros(HW, np.uint8)
    labels[0:12, 150:160] = 3
    frame = plain()
    tagged, untagged = render.overlay(frame, labels, tags=True), render.overlay(frame, labels)
    assert (tagged != untagged).any(axis=2).sum() > 100
    tiny = render.overlay(np.zeros((8, 8, 3), np.uint8), np.full((8, 8), 200, np.uint8), tags=True)
    assert tiny.shape == (8, 8, 3)


def test_neighbouring_frames_show_an_object_in_the_same_colour() -> None:
    alone = np.where(two_discs() == 7, 7, 0).astype(np.uint8)
    assert (render.overlay(plain(), alone)[60, 115] == render.overlay(plain(), two_discs())[60, 115]).all()


def test_labels_of_another_size_are_refused() -> None:
    with pytest.raises(ProductError, match=r"\(60, 80\).*\(120, 160\)"):
        render.overlay(plain(), np.zeros((60, 80), np.uint8))


@pytest.mark.parametrize("width", [160, 161])
def test_side_by_side_has_both_frames_and_an_even_width(width: int) -> None:
    left, right = np.full((10, width, 3), 10, np.uint8), np.full((10, width, 3), 200, np.uint8)
    both = render.side_by_side(left, right)
    assert both.shape[1] % 2 == 0
    assert (both[:, :width] == 10).all()
    assert (both[:, -width:] == 200).all()


def test_cut_out_is_opaque_inside_transparent_outside_and_soft_between() -> None:
    labels = two_discs()
    frame = np.random.default_rng(0).integers(1, 255, (*HW, 3), dtype=np.uint8)
    cut = render.cut_out(frame, labels)
    inside = cv2.erode((labels > 0).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    assert (cut[inside, 3] == 255).all()
    assert (cut[inside, :3] == frame[inside]).all()
    assert (cut[away_from(labels, 2), 3] == 0).all()
    assert ((cut[..., 3] > 0) & (cut[..., 3] < 255)).any()
    assert (cut[away_from(labels, 10), :3] == 0).all()  # the background cannot be brought back


def test_a_single_pixel_is_cut_out() -> None:
    pixel = np.full((1, 1, 3), 40, np.uint8)
    assert render.cut_out(pixel, np.zeros((1, 1), np.uint8)).tolist() == [[[0, 0, 0, 0]]]
    assert render.cut_out(pixel, np.ones((1, 1), np.uint8)).tolist() == [[[40, 40, 40, 255]]]
    assert render.overlay(pixel, np.ones((1, 1), np.uint8)).shape == (1, 1, 3)


# --- depth, features -----------------------------------------------------------------------------------------------------------------


def test_depth_gets_brighter_the_nearer_it_is() -> None:
    ramp = np.tile(np.linspace(0, 1, 40, dtype=np.float16), (30, 1))
    brightness = cv2.cvtColor(render.depth_colours(ramp, HW), cv2.COLOR_RGB2GRAY)[0].astype(int)
    assert brightness.shape == (160,)
    assert (np.diff(brightness) >= -1).all()
    assert brightness[-1] - brightness[0] > 200


def test_unreliable_depth_is_grey_and_says_so() -> None:
    drawn = render.depth_colours(np.zeros((30, 40), np.float16), (240, 320), reliable=False)
    assert (drawn[:150] == drawn[:150, :, :1]).all()
    words = drawn[200:] > 200
    assert words.any()


def make_features(values: np.ndarray[Any, Any]) -> FeatureMaps:
    return FeatureMaps(values.astype(np.float16), np.arange(len(values)) * 10)


def test_equal_features_get_equal_colours_on_all_query_frames() -> None:
    kinds = np.random.default_rng(1).normal(size=(5, 16))
    grid = np.random.default_rng(2).integers(0, 5, (2, 6, 8))
    colours = render.feature_colours(make_features(kinds[grid]))
    assert colours.shape == (2, 6, 8, 3)
    of_kind = [np.unique(colours[grid == kind], axis=0) for kind in range(5)]
    assert all(len(found) == 1 for found in of_kind)
    assert len(np.unique(np.concatenate(of_kind), axis=0)) == 5
    assert (colours == render.feature_colours(make_features(kinds[grid]))).all()
    assert render.feature_colours(make_features(kinds[grid]), (60, 80)).shape == (2, 60, 80, 3)


@pytest.mark.parametrize("channels", [1, 2, 40])
def test_features_that_say_nothing_are_grey(channels: int) -> None:
    assert (render.feature_colours(make_features(np.ones((1, 4, 4, channels)))) == 128).all()


# --- tracks and probabilities ----------------------------------------------------------------------------------------------------------


def changed_by(draw: Callable[[Tracks], Any], tracks: Tracks) -> np.ndarray[Any, np.dtype[np.bool_]]:
    nowhere = make_tracks([(-500.0, -500.0)])
    return np.asarray((draw(tracks) != draw(nowhere)).any(axis=2))


def test_a_trail_ends_at_the_position_of_its_track_and_goes_back_in_time() -> None:
    tracks = make_tracks([(20.0, 50.0)])
    ys, xs = np.nonzero(changed_by(lambda given: render.trails(plain(), given, 5, length=3), tracks))
    assert xs.max() in range(40, 45)  # the dot at x = 20 + 5 * 4
    assert xs.min() in range(27, 30)  # three frames earlier: x = 28
    assert abs(ys.mean() - 50) < 0.5
    dot_only = np.nonzero(changed_by(lambda given: render.trails(plain(), given, 5, length=0), tracks))[1]
    assert abs(dot_only.mean() - 40) < 0.5


def test_hidden_points_are_not_drawn() -> None:
    tracks = make_tracks([(20.0, 50.0), (20.0, 90.0)])
    visibility = tracks.visibility.copy()
    visibility[1] = 0.2
    hidden = Tracks(tracks.positions_xy, visibility, tracks.confidence, tracks.query_frames, HW)
    ys, _ = np.nonzero(changed_by(lambda given: render.trails(plain(), given, 4), hidden))
    assert ys.max() < 60


def test_trails_coloured_by_probability_are_blue_for_still_and_orange_for_moving() -> None:
    tracks = make_tracks([(40.0, 30.0), (40.0, 90.0)], speed=(0, 0))
    drawn = render.trails(plain(), tracks, 3, colour_by="probability", probability=np.array([0.02, 0.98], np.float32)).astype(int)
    assert drawn[30, 40, 2] > drawn[30, 40, 0] + 80
    assert drawn[90, 40, 0] > drawn[90, 40, 2] + 80
    with pytest.raises(ProductError, match=r"\(2,\), not None"):
        render.trails(plain(), tracks, 3, colour_by="probability")


@pytest.mark.parametrize("colour_by", ["id", "rainbow"])
def test_a_track_keeps_its_colour_while_it_moves(colour_by: Any) -> None:
    tracks = make_tracks([(40.0, 20.0), (40.0, 95.0)], speed=(5, 0))
    first, later = (render.trails(plain(), tracks, t, colour_by=colour_by, length=0) for t in (0, 4))
    assert (first[20, 40] == later[20, 60]).all()
    assert (first[20, 40] != first[95, 40]).any()


def test_only_so_many_trails_are_drawn_and_none_for_no_tracks() -> None:
    many = make_tracks([(x, y) for x in range(10, 150, 10) for y in range(10, 110, 10)], speed=(0, 0))
    few = changed_by(lambda given: render.trails(plain(), given, 0, max_points=10), many)
    assert 0 < cv2.connectedComponents(few.astype(np.uint8))[0] - 1 <= 10
    none = Tracks(np.zeros((0, 2, 2), np.float32), *(np.zeros((0, 2), np.float32),) * 2, np.zeros(0, np.int64), HW)
    assert render.trails(plain(), none, 1).shape == (*HW, 3)


def test_probabilities_above_the_threshold_are_large_and_orange() -> None:
    positions = np.array([(40, 30), (40, 90), (100, 30)], np.float32)
    probabilities = np.array([0.9, 0.3, 0.9], np.float32)
    drawn = render.track_probability(plain(), positions, probabilities, np.array([True, True, False]), 0.5).astype(int)
    empty = render.track_probability(plain(), positions, probabilities, np.zeros(3, np.bool_), 0.5).astype(int)
    touched = (drawn != empty).any(axis=2)
    assert touched[15:45, 25:55].sum() > 2 * touched[75:105, 25:55].sum() > 0
    assert drawn[30, 40, 0] > drawn[30, 40, 2] + 100
    assert drawn[90, 40, 2] > drawn[90, 40, 0]
    assert not touched[:, 80:].any()


def test_probability_map_glows_where_it_is_high() -> None:
    chances = np.zeros((12, 16), np.float16)
    chances[4:8, 4:8] = 1
    drawn = render.probability_map(plain(), chances)
    backdrop = render.probability_map(plain(), np.zeros((0, 0), np.float16))
    assert drawn[60, 60].max() > 180 > backdrop.max()
    assert (drawn[100:, 120:] == backdrop[100:, 120:]).all()
