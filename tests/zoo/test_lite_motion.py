from __future__ import annotations

import hashlib

import cv2
import numpy as np
import pytest

from segmo.errors import WeightsError
from segmo.lite import views
from segmo.lite.camera import homography_flow
from segmo.lite.flow import GAPS, LARGEST_FLOW
from segmo.lite.inputs import network_input
from segmo.lite.parallax import estimate_ego_motion
from segmo.lite.views import FrameViews
from segmo.synthetic import SceneConfig, render, sample_scene
from segmo.synthetic.sampling import EVERYDAY
from segmo.training.fusion_task import as_clip
from segmo.training.fusion_task import seams as seam_map
from segmo.training.shards import middle_flow
from segmo.types import FlowFields, finish
from segmo.zoo.lite_models import LiteDepth, LiteFlow, LiteMotion
from segmo.zoo.lite_motion import FUSION_WEIGHTS, WEIGHTS, load_flow_graph, load_fusion_graph, motion_probability
from segmo.zoo.registry import LITE_FUSION, LITE_MOTION


@pytest.fixture(scope="module")
def net():
    return load_flow_graph()


@pytest.fixture(scope="module")
def held_out():
    """Flow of the middle frames of scenes that were never trained on, as one clip, and what moves in them."""
    config = SceneConfig(mover_shares=(0.0, 1.0), size=(60.0, 190.0), speed=(1.0, 12.0), dynamic_share=0.0)
    scenes = [render(sample_scene(seed, config), config.times) for seed in range(900, 910)]
    flows = [middle_flow(scene.frames) for scene in scenes]
    fields = FlowFields(
        np.concatenate([f.flow for f in flows], 1),
        np.concatenate([f.error for f in flows], 1),
        np.concatenate([f.valid for f in flows], 1),
        GAPS,
        config.hw,
    )
    moving = np.stack([scene.moving_labels[2, ::2, ::2] > 0 for scene in scenes])
    return fields, moving


def probability_of(fields, net):
    def one(t):
        return motion_probability(network_input(FrameViews(fields.flow[:, t], fields.valid[:, t]), fields.photometric_error[:, t]), net)

    return np.stack([one(t) for t in range(fields.flow.shape[1])])


@pytest.mark.parametrize(("path", "registered"), [(WEIGHTS, LITE_MOTION), (FUSION_WEIGHTS, LITE_FUSION)])
def test_the_shipped_file_is_the_registered_one(path, registered):
    content = path.read_bytes()
    assert len(content) == registered.size_bytes < 12e6
    assert hashlib.sha256(content).hexdigest() == registered.sha256


def test_one_network_is_not_taken_for_the_other():
    with pytest.raises(WeightsError, match="do not fit this version of the network: it sees"):
        load_fusion_graph(WEIGHTS, sha256="")
    with pytest.raises(WeightsError, match="SHA-256"):
        load_fusion_graph(WEIGHTS)


def test_it_finds_movers_in_scenes_it_never_saw(net, held_out):
    fields, moving = held_out
    found = probability_of(fields, net) > 0.5
    seen = moving.sum(axis=(1, 2)) > 20
    iou = (found & moving).sum(axis=(1, 2))[seen] / (found | moving).sum(axis=(1, 2))[seen]
    assert seen.sum() >= 8 and iou.mean() > FLOOR


FLOOR = 0.5


def test_probabilities_do_not_depend_on_threads_or_on_the_run(net, held_out):
    fields, _ = held_out
    before = cv2.getNumThreads()
    answers = []
    for threads in (1, 2, 2):
        cv2.setNumThreads(threads)
        answers.append(probability_of(fields, net))
    cv2.setNumThreads(before)
    assert answers[0].dtype == np.float32 and answers[0].shape == (10, 128, 224)
    assert all(np.array_equal(answers[0], other) for other in answers[1:])


def test_a_blank_clip_shows_no_motion(net):
    fields = FlowFields(
        np.zeros((4, 3, 64, 96, 2), np.float16), np.zeros((4, 3, 64, 96), np.uint8), np.ones((4, 3), np.bool_), GAPS, (64, 96)
    )
    assert probability_of(fields, net).max() < 0.5


def test_a_changed_file_is_refused(tmp_path):
    changed = tmp_path / "weights.safetensors"
    content = bytearray(WEIGHTS.read_bytes())
    content[-1] ^= 1
    changed.write_bytes(content)
    with pytest.raises(WeightsError, match="SHA-256"):
        load_flow_graph(changed)
    changed.write_bytes(b"nothing")
    with pytest.raises(WeightsError, match="cannot be read"):
        load_flow_graph(changed)
    with pytest.raises(WeightsError, match="cannot be read"):
        load_flow_graph(tmp_path / "missing.safetensors")


def test_the_second_network_is_right_more_often_than_the_first():
    """On clips of three movers, small ones among them, that neither was trained on."""
    config = SceneConfig(times=tuple(float(t - 5) for t in range(10)), mover_shares=(0.0, 0.0, 0.0, 1.0), **EVERYDAY)
    first, second, seams = [], [], []
    for seed in range(930, 936):
        scene = render(sample_scene(seed, config), config.times)
        clip = as_clip(scene.frames)
        seen = finish(LiteMotion().observe(clip, finish(LiteFlow().flow(clip))))
        moving = scene.moving_labels[:, ::2, ::2] > 0
        first.append(iou(seen.opinion > 0.5, moving))
        second.append(iou(seen.probability > 0.5, moving))
        ids = np.stack([cv2.resize(frame, (224, 128), interpolation=cv2.INTER_NEAREST) for frame in scene.moving_labels])
        meet = np.stack([seam_map(frame) for frame in ids]) > 0
        if meet.any():
            seams.append(seen.seam[meet].mean() - seen.seam[(ids > 0) & ~meet].mean())
    assert np.mean(second) > np.mean(first) + 0.03
    assert len(seams) >= 2 and np.mean(seams) > 0.1


def iou(found: np.ndarray, moving: np.ndarray) -> float:
    return float((found & moving).sum() / (found | moving).sum())


def test_flow_that_a_homography_sends_to_infinity_gives_probabilities_all_the_same():
    frames = np.random.default_rng(3).integers(0, 255, (6, 64, 96, 3), dtype=np.uint8)
    towards_a_wall = np.eye(3)
    towards_a_wall[2, 0] = -1 / 40.5
    field = homography_flow(towards_a_wall, (64, 96)).astype(np.float16)
    assert np.abs(field).max() == LARGEST_FLOW
    flow = np.stack([np.broadcast_to(field * np.float16(abs(gap) / 4), (6, 64, 96, 2)) for gap in GAPS])
    valid = np.array([[0 <= t + gap < 6 for t in range(6)] for gap in GAPS])
    fields = FlowFields(flow, np.zeros((len(GAPS), 6, 64, 96), np.uint8), valid, GAPS, (64, 96))
    seen = finish(LiteMotion().observe(as_clip(frames), fields))
    assert np.isfinite(seen.probability).all() and np.isfinite(seen.seam).all()


def test_what_depth_has_found_of_the_camera_changes_nothing_in_motion(monkeypatch):
    times = tuple(float(t) for t in range(-4, 4))
    config = SceneConfig(camera_shares=(0.0, 0.0, 1.0, 0.0), mover_shares=(0.0, 1.0), times=times, **EVERYDAY)
    frames = render(sample_scene(77, config), times).frames
    alone, after_depth = as_clip(frames), as_clip(frames)
    expected = finish(LiteMotion().judge(alone, finish(LiteFlow().flow(alone)))).judges
    fields = finish(LiteFlow().flow(after_depth))
    finish(LiteDepth().depth(after_depth, fields))
    estimated = []
    monkeypatch.setattr(views, "estimate_ego_motion", lambda flow: estimated.append(flow) or estimate_ego_motion(flow))
    found = finish(LiteMotion().judge(after_depth, fields)).judges
    assert not estimated  # all of it is known
    for name in ("network", "cue", "joint", "residual"):
        assert np.array_equal(getattr(found, name), getattr(expected, name)), name
