from __future__ import annotations

import hashlib

import cv2
import numpy as np
import pytest

from segmo.errors import WeightsError
from segmo.lite.flow import GAPS
from segmo.lite.inputs import network_input
from segmo.lite.views import FrameViews
from segmo.synthetic import SceneConfig, render, sample_scene
from segmo.training.shards import middle_flow
from segmo.types import FlowFields
from segmo.zoo.lite_motion import WEIGHTS, load_flow_graph, motion_probability
from segmo.zoo.registry import LITE_MOTION


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
        np.stack([f.flow for f in flows], 1),
        np.stack([f.error for f in flows], 1),
        np.stack([f.valid for f in flows], 1),
        GAPS,
        config.hw,
    )
    moving = np.stack([scene.moving_labels[2, ::2, ::2] > 0 for scene in scenes])
    return fields, moving


def probability_of(fields, net):
    def one(t):
        return motion_probability(network_input(FrameViews(fields.flow[:, t], fields.valid[:, t]), fields.photometric_error[:, t]), net)

    return np.stack([one(t) for t in range(fields.flow.shape[1])])


def test_the_shipped_file_is_the_registered_one():
    content = WEIGHTS.read_bytes()
    assert len(content) == LITE_MOTION.size_bytes < 12e6
    assert hashlib.sha256(content).hexdigest() == LITE_MOTION.sha256


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
