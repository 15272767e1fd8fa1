"""The renderer's ground truth agrees with its pictures."""

from __future__ import annotations

import dataclasses
import itertools

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from segmo.errors import ProductError, SettingsError
from segmo.synthetic import RenderedScene, SceneConfig, SceneSpec, render, render_clip, sample_scene
from segmo.synthetic.curves import Clock, Curve, Path
from segmo.synthetic.figures import ellipse, fill
from segmo.synthetic.scenarios import SCENARIOS, scenario
from segmo.synthetic.spec import (
    BackgroundSpec,
    CameraSpec,
    DegradeSpec,
    DynamicSpec,
    ObjectSpec,
    PartSpec,
    StepSpec,
    TextureSpec,
    WarpSpec,
)

HW = (120, 160)
NOISE = TextureSpec("noise", ((30, 40, 60), (120, 140, 120), (230, 220, 200)), 1, 14)


def disc(x: float, y: float, inverse_depth: float, seed: int = 2, **changes: object) -> ObjectSpec:
    texture = TextureSpec("noise", ((200, 30, 30), (250, 220, 60), (90, 20, 120)), seed, 10)
    base = ObjectSpec("disc", (PartSpec((fill(ellipse(0, 0, 0.5, 0.5)),)),), (texture,), (x, y), 40.0, inverse_depth, False)
    return dataclasses.replace(base, **changes)


def world(*objects: ObjectSpec, camera: CameraSpec | None = None, background: BackgroundSpec | None = None) -> SceneSpec:
    return SceneSpec("test", HW, camera or CameraSpec(200), background or BackgroundSpec(NOISE, far_inverse_depth=0.2), objects)


def grid_tracks(scene: RenderedScene, frame: int, step: int = 2) -> tuple[NDArray[np.float64], NDArray[np.float32], NDArray[np.bool_]]:
    h, w = scene.frames.shape[1:3]
    ys, xs = np.mgrid[0:h:step, 0:w:step]
    xy = np.stack([xs, ys], axis=-1).reshape(-1, 2).astype(np.float64)
    tracks = scene.tracks(np.full(len(xy), frame), xy)
    return xy, tracks.positions_xy, tracks.visible


def colours(image: NDArray[np.uint8], xy: NDArray[np.floating]) -> NDArray[np.float32]:
    at = xy[None].astype(np.float32)
    return cv2.remap(image, at, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)[0].astype(np.float32)


MOVING_CAMERA = CameraSpec(
    200,
    Curve(velocity=3.0),
    Curve(velocity=-1.0),
    Curve(velocity=0.01),
    Curve(1.0, 0.01),
    Curve(velocity=9.0),
    Curve(velocity=2.0),
    Curve(velocity=0.01),
)
LANDSCAPE = BackgroundSpec(
    NOISE,
    ground=dataclasses.replace(NOISE, seed=5),
    horizon=40.0,
    far_inverse_depth=0.05,
    ground_slope=1 / 90,
    relief=0.5,
    relief_scale=30,
    steps=(StepSpec("hills", dataclasses.replace(NOISE, seed=6), 0.12, 30.0, 52.0, 6.0),),
)
WARPED = disc(
    80,
    70,
    0.7,
    moving=True,
    path=Path(Curve(velocity=2.0), Curve(velocity=1.0)),
    spin=Curve(velocity=0.05),
    warps=(WarpSpec(0.05, 1.0, 12), WarpSpec(0.04, 0.8, 9, 1.2)),
    approach=Curve(1.0, 0.02),
)


@pytest.mark.parametrize(
    "spec",
    [
        world(WARPED, camera=MOVING_CAMERA, background=LANDSCAPE),
        dataclasses.replace(scenario("two_crossing", (180, 320)), exposure=0.0, degrade=DegradeSpec()),
        dataclasses.replace(scenario("small_fast", (180, 320)), exposure=0.0, degrade=DegradeSpec()),
    ],
    ids=["everything", "two_crossing", "small_fast"],
)
def test_tracks_carry_the_picture_from_frame_to_frame(spec: SceneSpec) -> None:
    scene = render(spec, [-2.0, 0.0, 2.0])
    xy, positions, visible = grid_tracks(scene, 1)
    np.testing.assert_allclose(positions[:, 1], xy, atol=0.01)
    for frame in (0, 2):
        seen = visible[:, frame]
        followed = np.abs(colours(scene.frames[1], xy) - colours(scene.frames[frame], positions[:, frame])).mean(axis=1)
        unmoved = np.abs(colours(scene.frames[1], xy) - colours(scene.frames[frame], xy)).mean(axis=1)
        assert seen.mean() > 0.6
        assert np.median(followed[seen]) < 4  # resampling blurs texture a little
        assert followed[seen].mean() < 0.4 * unmoved[seen].mean()


def test_a_sheet_with_relief_maps_back_and_forth() -> None:
    scene = render(world(camera=MOVING_CAMERA, background=LANDSCAPE), [-4.0, 4.0])
    _, positions, visible = grid_tracks(scene, 0)
    there = visible[:, 1]
    inside = positions[there, 1]
    back = scene.tracks(np.ones(len(inside), int), inside.astype(np.float64)).positions_xy[:, 0]
    same = np.linalg.norm(back - positions[there, 0], axis=1)
    assert np.quantile(same, 0.97) < 0.05  # the rest lies on edges where another surface is seen


def test_nearer_objects_hide_farther_ones_and_ids_stay() -> None:
    near, far = disc(80, 60, 0.9, 3), disc(70, 60, 0.5, 4)
    labels = render(world(near, far), [0.0]).labels[0]
    assert labels[60, 80] == 1
    assert labels[60, 52] == 2
    assert labels[5, 5] == 0
    swapped = render(world(far, near), [0.0]).labels[0]
    np.testing.assert_array_equal(swapped, np.array([0, 2, 1], np.uint8)[labels])


def test_a_point_is_invisible_while_something_passes_in_front() -> None:
    passer = disc(20, 60, 0.9, moving=True, path=Path(Curve(velocity=20.0)))
    scene = render(world(disc(80, 60, 0.5, 7), passer), [0.0, 3.0, 6.0])
    tracks = scene.tracks(np.array([0]), np.array([[80.0, 60.0]]))
    assert tracks.visible[0].tolist() == [True, False, True]
    np.testing.assert_allclose(tracks.positions_xy[0], [[80, 60]] * 3, atol=1e-4)


def test_points_that_leave_the_picture_are_invisible_but_keep_their_place() -> None:
    scene = render(world(camera=CameraSpec(200, Curve(velocity=20.0))), [0.0, 5.0])
    tracks = scene.tracks(np.array([0, 0]), np.array([[10.0, 60.0], [150.0, 60.0]]))
    assert tracks.visible[:, 1].tolist() == [False, True]
    assert tracks.positions_xy[0, 1, 0] < -50


def test_track_queries_outside_the_picture_are_refused() -> None:
    scene = render(world(), [0.0])
    with pytest.raises(ProductError, match="160x120"):
        scene.tracks(np.array([0]), np.array([[200.0, 10.0]]))


def test_parallax_grows_with_inverse_depth_and_against_the_camera() -> None:
    scene = render(world(disc(40, 60, 0.3), disc(110, 60, 0.9), camera=CameraSpec(200, shift_x=Curve(velocity=10.0))), [0.0, 1.0])
    tracks = scene.tracks(np.zeros(3, int), np.array([[40.0, 60.0], [110.0, 60.0], [75.0, 20.0]]))
    shift = tracks.positions_xy[:, 1] - tracks.positions_xy[:, 0]
    inverse_depth = scene.inverse_depth[0, [60, 60, 20], [40, 110, 75]]
    np.testing.assert_allclose(inverse_depth, [0.3, 0.9, 0.2], atol=1e-5)
    np.testing.assert_allclose(shift[:, 0], -10 * inverse_depth, atol=0.01)
    np.testing.assert_allclose(shift[:, 1], 0, atol=0.01)


def test_moving_forward_brings_content_nearer() -> None:
    scene = render(world(background=LANDSCAPE, camera=CameraSpec(200, advance=Curve(velocity=0.05))), [0.0, 4.0])
    xy = np.array([[30.0, 100.0], [130.0, 100.0]])
    tracks = scene.tracks(np.zeros(2, int), xy)
    away = tracks.positions_xy[:, 1] - (79.5, 59.5)
    assert (np.abs(away) > np.abs(xy - (79.5, 59.5))).all()
    column, row = np.rint(np.clip(tracks.positions_xy[0, 1], 0, 119)).astype(int)
    assert scene.inverse_depth[1, row, column] > scene.inverse_depth[0, 100, 30]


def test_only_moving_objects_are_labelled_as_moving() -> None:
    mover = disc(110, 60, 0.5, moving=True, path=Path(Curve(velocity=3.0)))
    water = DynamicSpec("water", 1, 3.0, 20.0, 8.0, (-50, 60, 250, 200))
    background = BackgroundSpec(NOISE, far_inverse_depth=0.1, dynamics=(water,))
    scene = render(world(disc(40, 60, 0.5), mover, background=background), [0.0, 2.0])
    assert scene.moving.tolist() == [False, True]
    assert set(np.unique(scene.labels)) == {0, 1, 2}
    assert set(np.unique(scene.moving_labels)) == {0, 2}
    np.testing.assert_array_equal(scene.moving_labels == 2, scene.labels == 2)


@pytest.mark.parametrize("kind", ["water", "foliage", "smoke", "flicker"])
def test_dynamic_textures_change_the_picture_only_in_their_region_and_carry_no_label(kind: str) -> None:
    dynamic = DynamicSpec(kind, 3, 0.6 if kind in ("smoke", "flicker") else 3.0, 20.0, 9.0, (-40, 70, 200, 160), (1.0, 0.0))
    scene = render(world(background=BackgroundSpec(NOISE, dynamics=(dynamic,))), [0.0, 3.0])
    change = np.abs(scene.frames[1].astype(int) - scene.frames[0]).max(axis=2)
    assert change[:50].max() == 0
    assert change[90:].mean() > 2
    assert not scene.labels.any()


def test_an_object_that_follows_its_clock_stands_still_during_a_stop() -> None:
    mover = disc(60, 60, 0.5, moving=True, path=Path(Curve(velocity=3.0), clock=Clock(((2.0, 8.0),), ramp=2.0)))
    labels = render(dataclasses.replace(world(mover), span=(0.0, 14.0)), [0.0, 1.0, 5.0, 6.0, 7.0, 13.0, 14.0]).labels
    moved = [bool((a != b).any()) for a, b in itertools.pairwise(labels)]
    assert moved == [True, True, False, False, True, True]


def test_motion_blur_smears_a_fast_object_along_its_path_but_not_its_mask() -> None:
    mover = disc(80, 60, 0.5, moving=True, path=Path(Curve(velocity=16.0)))
    sharp, blurred = (render(dataclasses.replace(world(mover), exposure=exposure), [0.0]) for exposure in (0.0, 1.0))
    np.testing.assert_array_equal(sharp.labels, blurred.labels)
    change = np.abs(sharp.frames[0].astype(int) - blurred.frames[0]).max(axis=2)
    assert change[60, 80 - 26] > 10 and change[60, 80 + 26] > 10
    assert change[30:34].max() == 0


def test_shadows_darken_the_ground_and_belong_to_nobody() -> None:
    plain, shaded = (render(world(disc(80, 60, 0.5, shadow=shadow)), [0.0]) for shadow in (0.0, 0.6))
    difference = plain.frames[0].astype(int) - shaded.frames[0]
    assert difference.min() >= 0 and difference.max() > 15
    np.testing.assert_array_equal(plain.labels, shaded.labels)


def test_a_mirror_image_lies_below_its_object_and_belongs_to_nobody() -> None:
    plain, mirrored = (render(world(disc(80, 50, 0.5, reflection=amount)), [0.0]) for amount in (0.0, 0.9))
    change = np.abs(plain.frames[0].astype(int) - mirrored.frames[0]).max(axis=2)
    assert change[75:95, 70:90].mean() > 10
    assert change[:69].max() == 0
    np.testing.assert_array_equal(plain.labels, mirrored.labels)


def test_thick_smoke_in_front_hides_objects_and_travels_with_what_it_follows() -> None:
    path = Path(Curve(velocity=30.0))
    smoke = DynamicSpec("smoke", 2, 1.0, 20.0, 9.0, (10, 20, 70, 100), layer=-1, follow=path)
    background = BackgroundSpec(NOISE, dynamics=(smoke,))
    clear = render(world(disc(40, 60, 0.5), background=BackgroundSpec(NOISE)), [0.0])
    smoky = render(world(disc(40, 60, 0.5), background=background), [0.0, 3.0])
    assert (smoky.labels[0] == 1).sum() < (clear.labels[0] == 1).sum()
    np.testing.assert_array_equal(smoky.labels[1], clear.labels[0])
    assert np.abs(smoky.frames[1].astype(int) - clear.frames[0])[:, 110:].mean() > 10


@pytest.mark.parametrize(("layer", "nearness"), [(-1, 0.5), (-2, 0.6)])
def test_thick_smoke_is_what_is_seen_also_by_depth_and_tracks(layer: int, nearness: float) -> None:
    smoke = DynamicSpec(
        "smoke", 2, 1.0, 20.0, 9.0, (10, 20, 70, 100), layer=layer, inverse_depth=nearness, follow=Path(Curve(velocity=30.0))
    )
    camera = CameraSpec(200, shift_x=Curve(velocity=10.0))
    background = BackgroundSpec(NOISE, far_inverse_depth=0.2, dynamics=(smoke,))
    clear = render(world(disc(40, 60, 0.5), camera=camera), [0.0, 3.0])
    smoky = render(world(disc(40, 60, 0.5), camera=camera, background=background), [0.0, 3.0])
    thick = (smoky.labels[0] == 0) & (clear.labels[0] == 1)
    assert thick.sum() > 100
    np.testing.assert_allclose(smoky.inverse_depth[0][thick], nearness, atol=1e-5)
    y, x = np.argwhere(thick)[thick.sum() // 2]
    there = clear.tracks(np.array([0]), np.array([[x, y]])).positions_xy[:, 1]
    behind = smoky.tracks(np.array([1]), there)
    assert behind.visible[0].tolist() == [False, True]
    carried = smoky.tracks(np.array([0]), np.array([[x, y]]))
    assert carried.visible[0].tolist() == [True, False]  # the smoke has travelled on; the point stays in its plane
    np.testing.assert_allclose(carried.positions_xy[0], [[x, y], [x - 30 * nearness, y]], atol=0.01)


def test_defocus_blurs_everything_but_the_objects() -> None:
    sharp, soft = (
        render(world(disc(80, 60, 0.5), background=BackgroundSpec(NOISE, defocus=amount)), [0.0]).frames[0] for amount in (0.0, 4.0)
    )
    detail = [np.abs(np.diff(image.astype(int), axis=1)) for image in (sharp, soft)]
    assert detail[1][:30].mean() < 0.5 * detail[0][:30].mean()
    np.testing.assert_array_equal(sharp[50:70, 70:90], soft[50:70, 70:90])


def test_degradation_adds_what_it_says() -> None:
    grey = BackgroundSpec(TextureSpec("plain", ((128, 128, 128), (128, 128, 128)), grain=0.0))
    spec = dataclasses.replace(world(background=grey), degrade=DegradeSpec(1, noise=5.0, gain=Curve(0.5)))
    frames = render(spec, [0.0, 1.0]).frames.astype(float)
    assert frames.mean() == pytest.approx(64, abs=1)
    assert frames[0].std() == pytest.approx(5, abs=0.3)
    assert np.abs(frames[0] - frames[1]).mean() > 4
    packed = render(
        dataclasses.replace(spec, degrade=dataclasses.replace(spec.degrade, jpeg_quality=60, skip_threshold=60)), [0.0, 1.0]
    ).frames
    np.testing.assert_array_equal(packed[0], packed[1])


def test_invalid_scenes_and_settings_say_what_to_do() -> None:
    with pytest.raises(SettingsError, match="at least 16 pixels"):
        SceneSpec("tiny", (8, 8), CameraSpec(10), BackgroundSpec(NOISE))
    with pytest.raises(SettingsError, match="add up to 1"):
        SceneConfig(mover_shares=(0.5, 0.2))
    with pytest.raises(SettingsError, match=r"speed.*positive"):
        SceneConfig(speed=(0.0, 3.0))
    with pytest.raises(SettingsError, match=r"'glitter'.*dead_leaves"):
        render(world(background=BackgroundSpec(dataclasses.replace(NOISE, kind="glitter"))), [0.0])


def test_a_scene_checks_itself() -> None:
    scene = render(world(disc(60, 60, 0.5)), [0.0])
    with pytest.raises(ProductError, match="inverse_depth"):
        dataclasses.replace(scene, inverse_depth=scene.inverse_depth.astype(np.float64))
    with pytest.raises(ProductError, match="object id"):
        dataclasses.replace(scene, object_ids=np.zeros(0, np.int64), moving=np.zeros(0, bool))
    with pytest.raises(ValueError, match="read-only"):
        scene.labels[0, 0, 0] = 1


def test_the_same_seed_gives_the_same_scene_bit_for_bit() -> None:
    for seed in (3, 4):
        first, second = (render(sample_scene(seed)) for _ in range(2))
        for field in ("frames", "labels", "moving", "inverse_depth", "surfaces"):
            np.testing.assert_array_equal(getattr(first, field), getattr(second, field))
    assert (render(sample_scene(5)).frames != first.frames).mean() > 0.5


def test_a_frame_does_not_depend_on_which_others_are_drawn() -> None:
    spec = dataclasses.replace(scenario("two_crossing", (90, 160)), exposure=0.4)
    alone, together = render(spec, [3.0]), render_clip(spec, 40)
    index = together.times.tolist().index(3.0)
    np.testing.assert_array_equal(alone.frames[0], together.frames[index])
    np.testing.assert_array_equal(alone.labels[0], together.labels[index])


def test_all_scenarios_run_at_any_size_and_length() -> None:
    for name in SCENARIOS:
        scene = render_clip(scenario(name, (90, 160), 6))
        assert scene.frames.shape == (6, 90, 160, 3)
    with pytest.raises(SettingsError, match="two_crossing"):
        scenario("nope")
