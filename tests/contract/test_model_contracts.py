"""What every implementation of a stage's Protocol must do, whatever its method: one suite over all models of the registry."""

from __future__ import annotations

import dataclasses
from functools import cache
from typing import Any

import numpy as np
import pytest

from segmo.settings import Correction, MaskSettings, TrackSettings
from segmo.stages.masks import MaskInputs
from segmo.stages.motion import MotionInputs
from segmo.stages.tracks import query_frames, query_points
from segmo.types import Clip, DepthMaps, FeatureMaps, FlowFields, MotionEvidence, MotionLabels, ObjectMasks, Tracks, finish
from segmo.zoo.presets import find_preset
from segmo.zoo.registry import MODELS, ROLES, find
from segmo.zoo.store import ModelStore

STORE = ModelStore()
KINDS = {"flow": FlowFields, "depth": DepthMaps, "tracks": Tracks, "features": FeatureMaps, "motion": MotionEvidence, "masks": ObjectMasks}
CLIPS = ("mover", "still", "one frame", "two frames", "odd and small", "blank")
STRIDE = 4

every_model = pytest.mark.parametrize("name", [(spec.role, spec.name) for spec in MODELS if spec.weights is None], ids="/".join)
every_clip = pytest.mark.parametrize("kind", CLIPS)


def models(role: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("name", [(spec.role, spec.name) for spec in MODELS if spec.role == role and spec.weights is None], ids="/".join)


@cache
def clip_of(kind: str) -> Clip:
    """A textured background that pans and a textured square that moves against it, or a variation."""
    count, hw = {"one frame": (1, (72, 96)), "two frames": (2, (72, 96)), "odd and small": (5, (23, 37))}.get(kind, (10, (72, 96)))
    random = np.random.default_rng(5)
    scene, square = (np.kron(random.integers(0, 255, (n, n, 3), np.uint8), np.ones((4, 4, 1), np.uint8)) for n in (50, 5))
    frames = np.zeros((count, *hw, 3), np.uint8)
    for t in range(count):
        shift = 0 if kind == "still" else t
        frames[t] = 128 if kind == "blank" else scene[: hw[0], shift : shift + hw[1]]
        if kind not in ("still", "blank"):
            frames[t, hw[0] // 4 : hw[0] // 4 + 20, 3 * t + 5 : 3 * t + 25] = square[:, :, :][: hw[0] - hw[0] // 4, : hw[1] - 3 * t - 5]
    return Clip(frames, np.arange(count) / 25, np.arange(count), tuple(map(str, range(count))), hw, count, 25.0)


@cache
def product(role: str, kind: str) -> Any:
    """A stage's product as made by the default preset, for the stages after it."""
    return finish(steps_of((role, find_preset("lite").model(role)), kind))


def needed_flow(role: str, model: str, kind: str) -> FlowFields | None:
    return product("flow", kind) if STORE.needs_flow(role, model) else None


@cache
def labels_of(kind: str) -> MotionLabels:
    """As if the more probable half of the tracks moved, so that every mask model has work to do."""
    evidence = product("motion", kind)
    probability = evidence.track_probability
    return MotionLabels(evidence, probability >= np.median(probability), 0.5)


def steps_of(name: tuple[str, str], kind: str, settings: MaskSettings | None = None) -> Any:
    """A model at work on a clip."""
    role, model = name[0], STORE.get(*name)
    clip, flow = clip_of(kind), needed_flow(*name, kind)
    if role == "flow":
        return model.flow(clip)
    if role == "depth":
        return model.depth(clip, flow)
    if role == "tracks":
        return model.track(clip, points_of(kind), flow)
    if role == "features":
        return model.describe(clip, query_frames(len(clip), STRIDE))
    tracks, features = product("tracks", kind), product("features", kind)
    if role == "motion":
        return model.evidence(MotionInputs(clip, product("depth", kind), tracks, features, flow))
    return model.segment(MaskInputs(clip, tracks, features, labels_of(kind), flow), settings or MaskSettings())


def points_of(kind: str) -> np.ndarray:
    clip = clip_of(kind)
    return query_points(clip.hw, query_frames(len(clip), STRIDE), TrackSettings(max_tracks=300))


def test_every_role_has_a_model():
    assert {spec.role for spec in MODELS} == set(ROLES) == set(KINDS)


@every_model
def test_identity_is_known_without_loading(name):
    assert STORE.identity(*name) and STORE.identity(*name) == STORE.get(*name).identity
    assert isinstance(find(*name).adapter, str)


@every_model
@every_clip
def test_it_tells_its_progress_and_returns_its_product(name, kind):
    steps, told = steps_of(name, kind), []
    while True:
        try:
            told.append(next(steps))
        except StopIteration as stop:
            made = stop.value
            break
    assert type(made) is KINDS[name[0]]  # which checked shapes, types and ranges when it was made
    assert all(0 <= fraction <= 1 for fraction in told) and told == sorted(told)


@every_model
def test_it_gives_the_same_twice(name):
    first, second = finish(steps_of(name, "mover")), finish(steps_of(name, "mover"))
    for field in dataclasses.fields(first):
        np.testing.assert_array_equal(getattr(first, field.name), getattr(second, field.name), err_msg=field.name)


@every_model
def test_it_can_be_stopped(name):
    steps = steps_of(name, "mover")
    next(steps)
    steps.close()
    assert type(finish(steps_of(name, "mover"))) is KINDS[name[0]]


@models("flow")
@every_clip
def test_flow_knows_which_frames_have_a_partner(name, kind):
    flow, clip = finish(steps_of(name, kind)), clip_of(kind)
    assert flow.valid.shape[1] == len(clip) and flow.frame_hw == clip.hw
    for index, gap in enumerate(flow.gaps):
        partners = np.arange(len(clip)) + gap
        np.testing.assert_array_equal(flow.valid[index], (partners >= 0) & (partners < len(clip)))
    assert not flow.flow[~flow.valid].any()


@models("flow")
def test_flow_follows_the_background(name):
    flow = finish(steps_of(name, "mover"))
    scale = flow.grid_hw[1] / flow.frame_hw[1]
    forward = flow.flow[flow.gap(1), 2:6].astype(np.float32) / scale
    np.testing.assert_allclose(np.median(forward.reshape(-1, 2), axis=0), [-1, 0], atol=0.15)


@models("depth")
@every_clip
def test_depth_covers_every_frame(name, kind):
    depth = finish(steps_of(name, kind))
    assert len(depth.inverse_depth) == len(depth.reliable) == len(clip_of(kind)) and depth.inverse_depth.shape[1:] >= (1, 1)


@models("tracks")
@every_clip
def test_tracks_start_where_they_were_asked_to(name, kind):
    points, clip = points_of(kind), clip_of(kind)
    tracks = finish(steps_of(name, kind))
    assert tracks.positions_xy.shape == (len(points), len(clip), 2) and tracks.frame_hw == clip.hw
    np.testing.assert_array_equal(tracks.query_frames, points[:, 0])
    start = tracks.positions_xy[np.arange(len(points)), tracks.query_frames]
    np.testing.assert_allclose(start, points[:, 1:], atol=0.5)


@models("tracks")
def test_tracks_follow_the_background(name):
    tracks = finish(steps_of(name, "mover"))
    seen = tracks.visible[:, 0] & tracks.visible[:, -1]
    travelled = (tracks.positions_xy[:, -1] - tracks.positions_xy[:, 0])[seen]
    assert seen.mean() > 0.5
    np.testing.assert_allclose(np.median(travelled, axis=0), [-9, 0], atol=0.7)


@models("features")
@every_clip
def test_features_describe_the_frames_asked_for(name, kind):
    features = finish(steps_of(name, kind))
    np.testing.assert_array_equal(features.query_frames, query_frames(len(clip_of(kind)), STRIDE))


@models("motion")
@every_clip
def test_motion_judges_every_track_and_obeys_a_threshold(name, kind):
    evidence, tracks = finish(steps_of(name, kind)), product("tracks", kind)
    assert len(evidence.track_probability) == len(tracks) and len(evidence.probability_maps) == len(clip_of(kind))
    low, high = (STORE.get(*name).decide(evidence, tracks, threshold) for threshold in (0.3, 0.8))
    assert (low.threshold, high.threshold) == (0.3, 0.8) and low.evidence is evidence
    assert not (high.moving & ~low.moving).any()
    automatic = STORE.get(*name).decide(evidence, tracks, None)
    assert automatic.moving.shape == (len(tracks),)


@models("motion")
@pytest.mark.parametrize("kind", ["still", "blank", "one frame"])
def test_motion_finds_none_where_nothing_moves(name, kind):
    decided = STORE.get(*name).decide(finish(steps_of(name, kind)), product("tracks", kind), None)
    assert decided.nothing_moves


@models("masks")
@every_clip
def test_masks_have_the_size_of_the_frames_and_at_most_so_many_objects(name, kind):
    masks = finish(steps_of(name, kind, MaskSettings(max_objects=1)))
    assert masks.labels.shape == (len(clip_of(kind)), *clip_of(kind).hw) and len(masks.object_ids) <= 1


@models("masks")
def test_a_click_adds_what_it_points_at_or_drops_it(name):
    at = (5, 8, 80)  # on the background
    before = finish(steps_of(name, "mover")).labels
    assert not before[at]
    click = Correction(at[0], (at[2] + 0.5) / 96, (at[1] + 0.5) / 72, True)
    added = finish(steps_of(name, "mover", MaskSettings(corrections=(click,)))).labels
    assert added[at]
    rows, columns = np.nonzero(before[5])
    place = rows[len(rows) // 2], columns[len(columns) // 2]
    click = Correction(5, (place[1] + 0.5) / 96, (place[0] + 0.5) / 72, False)
    assert not finish(steps_of(name, "mover", MaskSettings(corrections=(click,)))).labels[5][place]
