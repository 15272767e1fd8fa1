"""What is easily taken for a mover although it is none: clouds, mirror images in water, posts and screens."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from segmo.errors import SettingsError
from segmo.synthetic import SceneConfig, render, sample_scene
from segmo.synthetic.spec import SceneSpec

CALM = SceneConfig(hw=(128, 224), mover_shares=(0.0, 1.0), still_shares=(1.0,), dynamic_share=0.0, degraded=False)


def with_share(name: str, seed: int, **settings: object) -> tuple[SceneSpec, SceneSpec]:
    """A scene without nuisances, and with one."""
    config = dataclasses.replace(CALM, **settings)
    return sample_scene(seed, config), sample_scene(seed, dataclasses.replace(config, **{name: 1.0}))


@pytest.mark.parametrize("name", ["cloud_share", "post_share", "screen_share"])
def test_a_nuisance_leaves_the_rest_of_a_scene_as_it_is(name: str) -> None:
    plain, spoiled = with_share(name, 3)
    assert repr(plain) != repr(spoiled)
    assert repr(spoiled.objects[: len(plain.objects)]) == repr(plain.objects) and spoiled.camera == plain.camera
    assert not any(thing.moving for thing in spoiled.objects[len(plain.objects) :])
    with pytest.raises(SettingsError, match=name):
        SceneConfig(**{name: 1.5})


def test_a_cloud_covers_what_lies_around_its_mover_and_is_nobody() -> None:
    change, mover = [], []
    for seed in range(12):
        plain, cloudy = (render(spec, [0.0]) for spec in with_share("cloud_share", seed, size=(60.0, 80.0), defocus_share=0.0))
        difference = np.abs(plain.frames[0].astype(int) - cloudy.frames[0]).max(axis=2)
        outside = plain.labels[0] == 0
        assert not cloudy.labels[0][outside].any()
        change.append((difference[outside] > 20).mean())
        mover.append((cloudy.labels[0] == 1).sum() / max((plain.labels[0] == 1).sum(), 1))
    assert 0.05 < np.median(change) < 0.7
    assert np.median(mover) > 0.9  # most movers are still seen


@pytest.mark.parametrize("name", ["cloud_share", "water_share"])
def test_no_cloud_and_no_mirror_image_without_a_mover(name: str) -> None:
    plain, spoiled = with_share(name, 3, mover_shares=(1.0,))
    assert repr(plain) == repr(spoiled)


def test_a_mover_on_water_stands_on_its_mirror_image_which_is_nobody_and_which_waves_bend() -> None:
    seen = bent = 0
    for seed in range(20):
        plain, wet = with_share("water_share", seed, camera_shares=(1.0, 0.0, 0.0, 0.0), size=(40.0, 60.0), defocus_share=0.0)
        mover = wet.objects[0]
        if mover.ripples is None:  # a wall has no ground
            assert repr(plain) == repr(wet)
            continue
        foot = mover.anchor_xy[1] + mover.rows[1]
        assert max(wet.background.horizon, 0) < foot < wet.hw[0] and mover.path == plain.objects[0].path
        assert mover.inverse_depth == pytest.approx(
            np.clip((foot - wet.background.horizon) * wet.background.ground_slope, 0, 1.2), abs=0.15
        )
        smooth, dull = ({"ripples": None}, {"reflection": 0.0})
        waves, mirror, water = (
            render(dataclasses.replace(wet, objects=(dataclasses.replace(mover, **change),)), [0.0, 3.0]) for change in ({}, smooth, dull)
        )
        assert (waves.labels == water.labels).all()
        image = np.abs(mirror.frames[0].astype(int) - water.frames[0]).max(axis=2) > 15
        seen += bool(image[int(foot) :].sum() > 30)
        bent += bool((np.abs(mirror.frames.astype(int) - waves.frames).max(axis=3) > 8).sum() > 30)
    assert seen >= 6 and bent >= 4  # others are cut off, behind something, or as dark as the water


def test_posts_stand_still_near_the_camera_and_rush_by() -> None:
    config = dataclasses.replace(CALM, post_share=1.0, camera_shares=(0.0, 0.0, 0.0, 1.0), follow_share=0.0)
    ratios, cut_off = [], []
    for seed in range(20):
        spec = sample_scene(seed, config)
        scene = render(spec, [0.0, 1.0])
        assert scene.moving.tolist() == [True] + [False] * (len(spec.objects) - 1)
        ratios += [post.inverse_depth / spec.objects[0].inverse_depth for post in spec.objects[1:]]
        rows = [np.flatnonzero((scene.labels[0] == label).any(axis=1)) for label in range(2, len(spec.objects) + 1)]
        cut_off += [seen[0] == 0 and seen[-1] == 127 for seen in rows if len(seen)]
    assert np.median(ratios) > 1.2
    assert np.mean(cut_off) > 0.5


def test_the_picture_on_a_screen_pans_while_its_frame_stays() -> None:
    panned = 0
    for seed in range(12):
        still = {"mover_shares": (1.0,), "camera_shares": (1.0, 0.0, 0.0, 0.0), "defocus_share": 0.0}
        plain, spec = with_share("screen_share", seed, **still)
        spec = dataclasses.replace(spec, camera=plain.camera, exposure=0.0)
        shown = spec.background.dynamics[-1]
        left, top, right, bottom = (round(side) for side in shown.region)
        first, later = render(spec, [0.0, 4.0]).frames.astype(int)
        inside = np.zeros(first.shape[:2], bool)
        inside[max(top - 5, 0) : max(bottom + 5, 0), max(left - 5, 0) : max(right + 5, 0)] = True
        change = np.abs(first - later).max(axis=2)
        quiet = render(plain, [0.0, 4.0]).frames.astype(int)
        outside = ~inside & (np.abs(quiet[0] - quiet[1]).max(axis=2) == 0)
        assert not change[outside].any()  # what flickers or shakes does so without the screen too
        panned += bool(change[inside].max(initial=0) > 30)
    assert panned >= 8  # the others lie behind something, or on what is bare
