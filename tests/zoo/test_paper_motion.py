"""The paper's motion network behind its Protocol: what it is given, what is made of its answers, and when nothing moves."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import pytest
import torch
from calibration.groups import groups_of
from paper_models import moving_square, save_moseg

from segmo.errors import SettingsError
from segmo.networks import motion_net
from segmo.networks.motion_net import encode_tracks
from segmo.settings import MotionSettings
from segmo.stages import independence, paper_rules
from segmo.stages.motion import MotionInputs, label_motion
from segmo.types import Clip, DepthMaps, FeatureMaps, MotionEvidence, Tracks, finish
from segmo.zoo import paper_motion
from segmo.zoo.paper_motion import PaperMotion

FRAMES = 6


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> PaperMotion:
    return PaperMotion.load(save_moseg(tmp_path_factory.mktemp("moseg") / "moseg.pth"), "cpu")


@pytest.fixture(scope="module")
def inputs() -> MotionInputs:
    random = np.random.default_rng(0)
    clip = moving_square(FRAMES)
    shape = (12, FRAMES)
    visibility, confidence = (random.uniform(0.6, 1, shape).astype(np.float32) for _ in range(2))
    visibility[3] = 0  # never seen
    visibility[:, 4] = 0.1  # a frame that shows no track
    confidence[5, 4] = 1
    query = np.array([0] * 6 + [4] * 6)
    positions = random.uniform(-4, 100, (*shape, 2)).astype(np.float32)
    positions[np.arange(12), query] = random.uniform(0, 70, (12, 2))
    features = random.standard_normal((2, 5, 7, 768)).astype(np.float16)
    depth = random.random((FRAMES, 9, 12)).astype(np.float16)
    return MotionInputs(
        clip,
        DepthMaps(depth, np.ones(FRAMES, bool)),
        Tracks(positions, visibility, confidence, query, clip.hw),
        FeatureMaps(features, np.array([0, 4])),
        None,
    )


def test_the_network_is_given_what_it_was_trained_with(model, inputs):
    """Step by step from reference data alone, without the adapter's own helpers."""
    tracks, evidence = inputs.tracks, finish(model.evidence(inputs))
    kept = [i for i in range(12) if i != 3]
    visible = (tracks.visibility * tracks.confidence > 0.5)[kept]
    assert not visible[:, 4].any()
    visible[kept.index(5), 4] = True  # the most confident one
    xy = np.clip(tracks.positions_xy[kept] / np.array([96, 72]) * 2 - 1, -1, 1).transpose(2, 0, 1)[None]
    stored = [
        np.minimum((frame - frame.min()) / np.ptp(frame) * 65535, 255).astype(np.uint8) for frame in np.float32(inputs.depth.inverse_depth)
    ]
    depth = np.stack([(frame.astype(np.float32) - frame.min()) / np.ptp(frame).clip(1) for frame in stored])[None]
    looks = []
    for i in kept:
        x, y = tracks.positions_xy[i, tracks.query_frames[i]]
        looks.append(inputs.features.features[tracks.query_frames[i] // 4, int(y * 5 / 72), int(x * 7 / 96)])
    hidden = torch.from_numpy(~visible)[None]
    numbers = [torch.from_numpy(np.ascontiguousarray(v[kept]))[None] for v in (tracks.visibility, tracks.confidence)]
    with torch.inference_mode():
        encoded = encode_tracks(torch.from_numpy(np.float32(xy)), hidden, *numbers, torch.from_numpy(depth))
        expected = torch.sigmoid(model._network(encoded, hidden, torch.from_numpy(np.float32(np.stack(looks)))[None]))[0]
    np.testing.assert_allclose(evidence.track_probability[kept], expected, atol=1e-5)
    assert evidence.track_probability[3] == 0


def test_depth_of_a_few_frames_is_in_memory_at_a_time(model, inputs, monkeypatch):
    seen = []
    look_up = motion_net.look_up_depth
    monkeypatch.setattr(motion_net, "look_up_depth", lambda xy, depth: seen.append(depth.shape) or look_up(xy, depth))
    finish(model.evidence(inputs))
    assert seen == [(1, 1, 9, 12)] * FRAMES


def test_more_tracks_than_in_training_are_judged_in_groups(model, inputs, monkeypatch):
    monkeypatch.setattr(paper_motion, "TOGETHER", 4)
    told = list(model.evidence(inputs))
    assert len(told) == 4 and told == sorted(told)
    assert (np.delete(finish(model.evidence(inputs)).track_probability, 3) > 0).all()


def test_clips_without_a_visible_track_show_no_motion(model, inputs):
    nothing = dataclasses.replace(inputs.tracks, visibility=np.zeros((12, FRAMES), np.float32))
    evidence = finish(model.evidence(dataclasses.replace(inputs, tracks=nothing)))
    assert not evidence.track_probability.any() and model.decide(evidence, nothing, None).nothing_moves


def test_features_of_another_model_are_refused(model, inputs):
    short = FeatureMaps(inputs.features.features[..., :384].copy(), inputs.features.query_frames)
    with pytest.raises(SettingsError, match="dinov2-base"):
        finish(model.evidence(dataclasses.replace(inputs, features=short)))


def evidence_of(probability: list[float], score: float) -> MotionEvidence:
    return MotionEvidence(np.array(probability, np.float32), np.zeros((FRAMES, 0, 0), np.float16), score, "")


def test_the_decision_is_the_published_one_unless_nothing_moves(model, inputs):
    probability = [0.96] * 3 + [0.91] * 7 + [0.1] * 2
    labels = model.decide(evidence_of(probability, 0.7), inputs.tracks, None)
    assert labels.moving.tolist() == [True] * 10 + [False] * 2 and labels.threshold == 0.9
    assert model.decide(evidence_of(probability, 0.3), inputs.tracks, None).nothing_moves
    assert model.decide(evidence_of(probability, 0.3), inputs.tracks, 0.95).moving.sum() == 3


def test_the_published_behaviour_can_be_asked_for(model, inputs):
    still = evidence_of([0.2, 0.1, 0.3, 0.05] + [0.01] * 8, 0.1)
    assert label_motion(still, inputs.tracks, MotionSettings(), model).nothing_moves
    labels = label_motion(still, inputs.tracks, MotionSettings(always_moves=True), model)
    assert np.flatnonzero(labels.moving).tolist() == [0, 1, 2] and labels.evidence is still
    np.testing.assert_array_equal(labels.moving, paper_rules.select_moving(still.track_probability, FRAMES)[0])


def test_movers_are_told_from_what_stands_still():
    """On scenes that the coefficients were not fitted to; a network that says 0.8 of every group is right about movers alone."""
    right = []
    for seed in range(2000, 2006):
        for moves, tracks, group in groups_of(seed):
            score = independence.moving_score(tracks, np.where(group, 0.8, 0.02).astype(np.float32))
            right.append((moves, (score > 0.5) == moves))
    movers, static = ([agrees for moves, agrees in right if moves is kind] for kind in (True, False))
    assert len(movers) >= 10 and len(static) >= 10
    assert np.mean(movers) >= 0.85 and np.mean(static) >= 0.85


def test_neither_the_network_nor_the_camera_decides_alone():
    moves, tracks, group = next(answer for answer in groups_of(2001) if not answer[0])
    unsure, sure = (independence.moving_score(tracks, np.where(group, p, 0.02).astype(np.float32)) for p in (0.7, 0.999))
    assert not moves and unsure < 0.3 and sure > 0.7


def test_what_lies_on_the_picture_does_not_move(model, inputs):
    """Points on a caption are told apart by the camera's motion, and neither they nor their company are judged."""
    wide = cv2.resize(np.random.default_rng(1).integers(0, 256, (30, 100, 3)).astype(np.uint8), (400, 128), interpolation=cv2.INTER_CUBIC)
    frames = np.stack([wide[:, 3 * t : 3 * t + 160] for t in range(20)])
    plain = Clip(frames.copy(), np.arange(20) / 30, np.arange(20), tuple(map(str, range(20))), (128, 160), 20, 30.0)
    for frame in frames:
        cv2.putText(frame, "on the picture", (8, 110), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (255, 255, 255), 2)
    random = np.random.default_rng(2)
    letters = np.argwhere((frames == 255).all(axis=(0, 3)))[:, ::-1]
    start = np.concatenate([random.permutation(letters)[:6], random.uniform((0, 0), (90, 80), (6, 2))])
    gone = np.arange(20)[None, :, None] * np.array([-3, 0]) * (np.arange(12) >= 6)[:, None, None]
    certain = np.ones((12, 20), np.float32)
    given = dataclasses.replace(
        inputs,
        clip=dataclasses.replace(plain, frames=frames),
        tracks=Tracks((start[:, None] + gone).astype(np.float32), certain, certain, np.zeros(12, np.int64), (128, 160)),
        features=FeatureMaps(random.standard_normal((1, 5, 7, 768)).astype(np.float16), np.array([0])),
        depth=DepthMaps(random.random((20, 8, 10)).astype(np.float16), np.ones(20, np.bool_)),
    )
    evidence, without = (finish(model.evidence(each)) for each in (given, dataclasses.replace(given, clip=plain)))
    assert not evidence.track_probability[:6].any() and evidence.track_probability[6:].all() and "caption" in evidence.notes[0]
    assert without.track_probability.all() and without.notes == ()
    of_scene = dataclasses.replace(
        given.tracks, **{name: getattr(given.tracks, name)[6:] for name in ("positions_xy", "visibility", "confidence", "query_frames")}
    )
    alone = finish(model.evidence(dataclasses.replace(given, clip=plain, tracks=of_scene)))
    np.testing.assert_allclose(evidence.track_probability[6:], alone.track_probability, atol=1e-5)
