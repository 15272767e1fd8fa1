"""The named scenarios show what their names promise."""

from __future__ import annotations

import numpy as np
import pytest

from segmo.synthetic import RenderedScene, render
from segmo.synthetic.renderer import clip_times
from segmo.synthetic.scenarios import scenario

HW = (180, 320)


def shown(name: str, every: int = 4, frames: int = 48) -> RenderedScene:
    spec = scenario(name, HW, frames)
    return render(spec, clip_times(spec)[::every])


def column(labels: np.ndarray, identity: int) -> np.ndarray:
    """Mean column of an object in each frame."""
    return np.array([np.nonzero(mask == identity)[1].mean() for mask in labels])


def image_motion(scene: RenderedScene, xy: np.ndarray) -> np.ndarray:
    """Pixels that points of the first frame have moved by the last."""
    tracks = scene.tracks(np.zeros(len(xy), int), xy)
    return np.asarray(tracks.positions_xy[:, -1] - tracks.positions_xy[:, 0])


def test_two_crossing_really_cross_and_the_fox_is_in_front() -> None:
    scene = shown("two_crossing")
    assert scene.moving[:2].all() and not scene.moving[2:].any()
    person, fox = column(scene.labels, 1), column(scene.labels, 2)
    assert fox[0] + 40 < person[0] and person[-1] + 40 < fox[-1]
    assert (np.diff(person) < 0).all() and (np.diff(fox) > 0).all()
    area = (scene.labels == 1).sum(axis=(1, 2))
    assert area.min() < 0.85 * area[[0, -1]].mean()  # hidden in part while the fox passes
    assert (scene.labels == 2).sum(axis=(1, 2)).min() > 400


@pytest.mark.parametrize("name", ["parallax_static", "camera_rotation_static", "static_nothing", "dynamic_water_static"])
def test_nothing_moves_in_the_static_scenarios(name: str) -> None:
    scene = shown(name, every=12)
    assert not scene.moving.any() and not scene.moving_labels.any()
    assert scene.labels.any()  # things are there; they stand still


def test_parallax_static_shows_strong_parallax() -> None:
    scene = shown("parallax_static", every=47)
    nearest, farthest = scene.inverse_depth[0].argmax(), scene.inverse_depth[0].argmin()
    xy = np.array([np.unravel_index(place, HW)[::-1] for place in (nearest, farthest)], np.float64)
    near, far = np.abs(image_motion(scene, xy)[:, 0])
    assert near > 60 and far < 5


def test_camera_rotation_moves_everything_alike() -> None:
    scene = shown("camera_rotation_static", every=47)
    h, w = HW
    xy = np.array([[w / 2, h * 0.1], [w / 2, h * 0.9]])
    moved = image_motion(scene, xy)[:, 0]
    assert moved.max() < -80 and np.ptp(moved) < 20


def test_static_nothing_only_has_noise() -> None:
    frames = shown("static_nothing", every=24).frames.astype(int)
    assert 0.5 < np.abs(frames[0] - frames[1]).mean() < 4


def test_small_fast_is_small_and_fast() -> None:
    scene = shown("small_fast", every=1, frames=72)
    area = (scene.labels == 1).mean(axis=(1, 2))
    assert area.min() > 0.0005 and area.max() < 0.01
    assert np.median(np.diff(column(scene.labels, 1))) > 1.5  # pixels a frame at 320 wide, although the camera pans along
    assert scene.moving.tolist() == [True] + [False] * (len(scene.moving) - 1)


def test_stop_and_start_stops_and_starts() -> None:
    spec = scenario("stop_and_start", HW)
    scene = render(spec, [-30, -29, -2, -1, 0, 25, 26])
    start = np.flatnonzero((scene.labels[0] == 1).ravel())
    xy = np.stack(np.unravel_index(start, HW)[::-1], axis=1).astype(np.float64)
    tracks = scene.tracks(np.zeros(len(xy), int), xy)
    steps = np.abs(np.diff(tracks.positions_xy, axis=1)).max(axis=2).mean(axis=0)
    assert steps[0] > 1.5 and steps[-1] > 1.5
    assert steps[2] < 0.6 and steps[3] < 0.6  # only the hand-held camera


def test_waves_move_without_an_object() -> None:
    scene = shown("dynamic_water_static", every=12)
    change = np.abs(scene.frames[1].astype(int) - scene.frames[0]).mean(axis=(1, 2))
    assert change[120:].mean() > 3 * change[:40].mean()
