"""What every implementation of a stage's Protocol must do, whatever its method: one suite over the models of the registry.

Models with published weights are here once an adapter, small and with random weights; so what an answer means is asked of the others alone.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import pytest
from paper_hub import SAVERS, publish

from segmo.settings import Correction, MaskSettings, TrackSettings
from segmo.stages.masks import MaskInputs
from segmo.stages.motion import MotionInputs
from segmo.stages.tracks import query_frames, query_points
from segmo.types import Clip, DepthMaps, FeatureMaps, FlowFields, MotionEvidence, MotionLabels, ObjectMasks, Tracks, finish
from segmo.zoo.presets import find_preset
from segmo.zoo.registry import MODELS, ROLES, find
from segmo.zoo.store import ModelStore

STORE = ModelStore("cpu")
KINDS = {"flow": FlowFields, "depth": DepthMaps, "tracks": Tracks, "features": FeatureMaps, "motion": MotionEvidence, "masks": ObjectMasks}
CLIPS = ("mover", "still", "one frame", "two frames", "odd and small", "blank")
STRIDE = 4

SIDE = 64
"""Of the frames that TAPIR looks at here; its layers take any multiple of 16 pixels."""
ADAPTERS = {spec.adapter: spec for spec in reversed(MODELS) if not spec.weights or spec.adapter in SAVERS}
CHECKED = [*ADAPTERS.values(), find("features", "dinov2-base")]  # which the motion model reads

every_model = pytest.mark.parametrize("name", [(spec.role, spec.name) for spec in CHECKED], ids="/".join)
every_clip = pytest.mark.parametrize("kind", CLIPS)


def models(role: str, *, trained: bool = False) -> pytest.MarkDecorator:
    rows = [(spec.role, spec.name) for spec in CHECKED if spec.role == role and not (trained and spec.weights)]
    return pytest.mark.parametrize("name", rows, ids="/".join)


@pytest.fixture(scope="module", autouse=True)
def _hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("published")
        patch.setenv("SEGMO_HUB", str(publish(folder / "hub", [(spec.role, spec.name) for spec in CHECKED])))
        patch.setenv("SEGMO_WEIGHTS", str(folder / "weights"))
        patch.setattr("segmo.networks.tapir.RESOLUTION", SIDE)
        yield
        shutil.rmtree(folder)


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
    return made((role, find_preset("lite").model(role)), kind)


@cache
def worked(name: tuple[str, str], kind: str) -> tuple[list[float], Any]:
    """What a model told while it worked, and its product."""
    steps, told = steps_of(name, kind), []
    while True:
        try:
            told.append(next(steps))
        except StopIteration as stop:
            return told, stop.value


def made(name: tuple[str, str], kind: str) -> Any:
    """A model's product."""
    return worked(name, kind)[1]


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
        return model.track(clip, points_of(name, kind), flow)
    if role == "features":
        return model.describe(clip, query_frames(len(clip), STRIDE))
    tracks, features = product("tracks", kind), product("features", kind)
    partner = tuple(find(*name).only_with.split("/"))
    features = made(partner, kind) if partner[0] == "features" else features
    if role == "motion":
        return model.evidence(MotionInputs(clip, product("depth", kind), tracks, features, flow))
    return model.segment(MaskInputs(clip, tracks, features, labels_of(kind), flow), settings or MaskSettings())


def points_of(name: tuple[str, str], kind: str) -> np.ndarray:
    """Points all over the clip; few for a network as large as the published ones."""
    clip = clip_of(kind)
    points = query_points(clip.hw, query_frames(len(clip), STRIDE), TrackSettings(max_tracks=300))
    return points[::60] if find(*name).weights else points


def test_every_role_has_a_model():
    assert {spec.role for spec in MODELS} == set(ROLES) == set(KINDS)


@every_model
def test_identity_is_known_without_loading(name):
    assert STORE.identity(*name) and STORE.identity(*name) == STORE.get(*name).identity
    assert isinstance(find(*name).adapter, str)


@every_model
@every_clip
def test_it_tells_its_progress_and_returns_its_product(name, kind):
    told, product = worked(name, kind)
    assert type(product) is KINDS[name[0]]  # which checked shapes, types and ranges when it was made
    assert all(0 <= fraction <= 1 for fraction in told) and told == sorted(told)


@every_model
def test_it_gives_the_same_twice(name):
    first, second = made(name, "mover"), finish(steps_of(name, "mover"))
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
    flow, clip = made(name, kind), clip_of(kind)
    assert flow.valid.shape[1] == len(clip) and flow.frame_hw == clip.hw
    for index, gap in enumerate(flow.gaps):
        partners = np.arange(len(clip)) + gap
        np.testing.assert_array_equal(flow.valid[index], (partners >= 0) & (partners < len(clip)))
    assert not flow.flow[~flow.valid].any()


@models("flow", trained=True)
def test_flow_follows_the_background(name):
    flow = made(name, "mover")
    scale = flow.grid_hw[1] / flow.frame_hw[1]
    forward = flow.flow[flow.gap(1), 2:6].astype(np.float32) / scale
    np.testing.assert_allclose(np.median(forward.reshape(-1, 2), axis=0), [-1, 0], atol=0.15)


@models("depth")
@every_clip
def test_depth_covers_every_frame(name, kind):
    depth = made(name, kind)
    assert len(depth.inverse_depth) == len(depth.reliable) == len(clip_of(kind)) and depth.inverse_depth.shape[1:] >= (1, 1)


@models("tracks")
@every_clip
def test_tracks_start_where_they_were_asked_to(name, kind):
    points, clip = points_of(name, kind), clip_of(kind)
    tracks = made(name, kind)
    assert tracks.positions_xy.shape == (len(points), len(clip), 2) and tracks.frame_hw == clip.hw
    np.testing.assert_array_equal(tracks.query_frames, points[:, 0])
    start = tracks.positions_xy[np.arange(len(points)), tracks.query_frames]
    np.testing.assert_allclose(start, points[:, 1:], atol=0.5)


@models("tracks", trained=True)
def test_tracks_follow_the_background(name):
    tracks = made(name, "mover")
    seen = tracks.visible[:, 0] & tracks.visible[:, -1]
    travelled = (tracks.positions_xy[:, -1] - tracks.positions_xy[:, 0])[seen]
    assert seen.mean() > 0.5
    np.testing.assert_allclose(np.median(travelled, axis=0), [-9, 0], atol=0.7)


@models("features")
@every_clip
def test_features_describe_the_frames_asked_for(name, kind):
    features = made(name, kind)
    np.testing.assert_array_equal(features.query_frames, query_frames(len(clip_of(kind)), STRIDE))


@models("motion")
@every_clip
def test_motion_judges_every_track_and_obeys_a_threshold(name, kind):
    evidence, tracks = made(name, kind), product("tracks", kind)
    assert len(evidence.track_probability) == len(tracks) and len(evidence.probability_maps) == len(clip_of(kind))
    low, high = (STORE.get(*name).decide(evidence, tracks, threshold) for threshold in (0.3, 0.8))
    assert (low.threshold, high.threshold) == (0.3, 0.8) and low.evidence is evidence
    assert not (high.moving & ~low.moving).any()
    automatic = STORE.get(*name).decide(evidence, tracks, None)
    assert automatic.moving.shape == (len(tracks),)


@models("motion")
@pytest.mark.parametrize("kind", ["still", "blank", "one frame"])
def test_motion_finds_none_where_nothing_moves(name, kind):
    decided = STORE.get(*name).decide(made(name, kind), product("tracks", kind), None)
    assert decided.nothing_moves


@models("masks")
@every_clip
def test_masks_have_the_size_of_the_frames_and_at_most_so_many_objects(name, kind):
    masks = finish(steps_of(name, kind, MaskSettings(max_objects=1)))
    assert masks.labels.shape == (len(clip_of(kind)), *clip_of(kind).hw) and len(masks.object_ids) <= 1


@models("masks", trained=True)
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
