"""The segmenter on transformers' SAM 2 and EdgeTAM, with small random networks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from paper_models import moving_square, save_edgetam, tiny_sam2
from transformers.models.sam2_video.processing_sam2_video import Sam2VideoProcessor

from segmo.errors import WeightsError
from segmo.networks.sam2_video import FILLED, PREVIOUS_LIMIT, VideoSegmenter, fill_holes, load_edgetam, load_sam2

HERE = np.array([[20, 30]], np.float32)
THERE = np.array([[70, 50]], np.float32)
KINDS = {"SAM 2": (lambda folder: tiny_sam2().save_pretrained(folder), load_sam2), "EdgeTAM": (save_edgetam, load_edgetam)}


@pytest.fixture(scope="module", params=KINDS)
def network(request, tmp_path_factory):
    save, load = KINDS[request.param]
    folder = tmp_path_factory.mktemp("published")
    save(folder)
    return load(folder)


def followed(segmenter, objects=(1,)):
    """All logits of objects that were prompted."""
    return {
        (reverse, frame, number): logits
        for reverse in (False, True)
        for frame, answers in segmenter.propagate_logits(objects, reverse=reverse)
        for number, logits in answers.items()
    }


def test_objects_are_followed_together_as_they_are_alone(network):
    frames = moving_square(8).frames
    together = VideoSegmenter(network, frames)
    together.point_logits(2, 1, HERE)
    together.point_logits(5, 2, THERE)
    both = followed(together, (1, 2))
    for number, (frame, point) in {1: (2, HERE), 2: (5, THERE)}.items():
        alone = VideoSegmenter(network, frames)
        alone.point_logits(frame, number, point)
        mine = followed(alone, (number,))
        assert {key[:2] for key in mine} == {(False, t) for t in range(frame, 8)} | {(True, t) for t in range(frame + 1)}
        assert all(np.allclose(both[key], logits, rtol=0, atol=1e-4) for key, logits in mine.items())
    assert together.features.computed == 8  # each frame once, for both objects, all prompts and both directions


@pytest.mark.parametrize("budget", [1, 1 << 30])
def test_features_of_several_frames_at_once_change_nothing(network, budget):
    """As on a GPU; a budget for a single frame must not throw away the one that is needed next."""
    frames = moving_square(9).frames
    answers = []
    for ahead in (1, 4):
        segmenter = VideoSegmenter(network, frames, feature_bytes=budget)
        segmenter.ahead = ahead
        segmenter.point_logits(3, 1, HERE)
        answers.append(followed(segmenter))
        if budget > 1:
            assert segmenter.features.computed == 9
    assert max(np.abs(answers[0][key] - answers[1][key]).max() for key in answers[0]) < 1e-4


def test_following_together_gives_what_the_library_gives_one_by_one(network, monkeypatch):
    frames = moving_square(24).frames
    sizes = []

    def run():
        segmenter = VideoSegmenter(network, frames)
        for number, frame in ((1, 2), (2, 0), (3, 5)):
            segmenter.point_logits(frame, number, HERE + 10 * number)
        segmenter.point_logits(9, 3, THERE)  # which then remembers more than the others
        return followed(segmenter, (1, 2, 3))

    def one_by_one(model, sessions, frame, reverse):
        return [model(session, frame_idx=frame, reverse=reverse).pred_masks for session in sessions]

    attention = network.memory_attention.forward
    monkeypatch.setattr(network.memory_attention, "forward", lambda **given: sizes.append(given["memory"].shape[1]) or attention(**given))
    together = run()
    assert sizes.count(2) >= 6  # from 16 frames after their first ones on
    sizes.clear()
    monkeypatch.setattr("segmo.networks.sam2_video.follow", one_by_one)
    alone = run()
    assert set(sizes) == {1} and alone.keys() == together.keys()
    assert max(np.abs(alone[key] - together[key]).max() for key in alone) < 1e-4


def test_the_more_objects_remember_the_fewer_are_followed_together(network, monkeypatch):
    """A long clip has many prompted frames, all of which are looked at; how many objects are does not change the answers."""
    frames = moving_square(11).frames
    asked = []

    def run(budget):
        monkeypatch.setattr("segmo.networks.sam2_video.MEMORY_TOKENS", budget)
        segmenter = VideoSegmenter(network, frames)
        for number in (1, 2, 3):
            for frame in (0, 1, 2):
                segmenter.point_logits(frame, number, HERE + 10 * number)
        asked.clear()
        return followed(segmenter, (1, 2, 3))

    def note(**given):
        tokens, count = given["memory"].shape[:2]
        asked.append((tokens - given["num_object_pointer_tokens"], count))
        return attention(**given)

    attention = network.memory_attention.forward
    monkeypatch.setattr(network.memory_attention, "forward", note)
    together = run(1 << 30)
    assert {count for _, count in asked} == {3}
    least = min(asked)[0]
    bounded = run(3 * least)
    assert dict(asked[-1:]) == {3 * least: 1} and all(tokens * count <= 3 * least for tokens, count in asked)
    assert {count for tokens, count in asked if tokens == least} == {3}
    assert max(np.abs(bounded[key] - together[key]).max() for key in together) < 1e-4


def test_what_is_forgotten_was_not_needed(network, monkeypatch):
    """Long after the last prompt only the latest frames are remembered, and a pass back gives what it gives with everything."""
    there = moving_square(22).frames
    frames = np.concatenate([there, there[::-1]])

    def run():
        segmenter = VideoSegmenter(network, frames, feature_bytes=1)
        segmenter.point_logits(9, 1, HERE)
        segmenter.point_logits(4, 1, THERE)
        answers = followed(segmenter)
        return answers, segmenter._sessions[1].output_dict_per_obj[0]["non_cond_frame_outputs"]

    little, kept = run()
    assert len(kept) <= 2 * network.config.max_object_pointers_in_encoder
    assert sum("maskmem_features" in output for output in kept.values()) <= 2 * network.num_maskmem
    monkeypatch.setattr("segmo.networks.sam2_video.ObjectSession.forget", lambda *_: None)
    everything, kept = run()
    assert len(kept) == 42
    assert all(np.array_equal(little[key], logits) for key, logits in everything.items())


def test_a_budget_for_features_changes_time_but_not_the_answer(network):
    frames = moving_square(5).frames
    answers = []
    for budget in (1, 1 << 30):
        segmenter = VideoSegmenter(network, frames, feature_bytes=budget)
        segmenter.point_logits(3, 1, HERE)
        answers.append(followed(segmenter))
    assert segmenter.features.computed == 5
    assert all(np.array_equal(answers[0][key], answers[1][key]) for key in answers[1])


def test_points_replace_those_before_and_take_up_their_mask(network):
    frames = moving_square(3).frames
    segmenter = VideoSegmenter(network, frames)
    first = segmenter.point_logits(1, 1, HERE)
    assert np.array_equal(VideoSegmenter(network, frames).add_points(1, 7, HERE), first > 0)
    three = np.concatenate([HERE, THERE, HERE + 5])
    again = segmenter.point_logits(1, 1, three)
    fresh = VideoSegmenter(network, frames).point_logits(1, 1, three)
    assert not np.array_equal(again, fresh)  # the earlier mask is a prompt too
    assert not np.array_equal(VideoSegmenter(network, frames).point_logits(1, 1, HERE, THERE), first)  # points beside the object count
    segmenter.reset()
    assert np.array_equal(segmenter.point_logits(1, 1, HERE), first)


def test_holes_are_filled_in_what_is_remembered_and_corrected_too(network, monkeypatch):
    """As in Meta's predictor: later frames and later points see a prompted frame's mask without its holes."""
    frames, hole = moving_square(2).frames, 16**2  # all that is not the object
    kept = []
    for size in (0, hole):
        segmenter = VideoSegmenter(network, frames, hole=size)
        segmenter.point_logits(1, 1, HERE)
        kept.append(dict(segmenter._sessions[1].prompted[1]))
    filled = torch.from_numpy(fill_holes(kept[0]["pred_masks"][0, 0].numpy(), hole))[None, None]
    assert not torch.equal(filled, kept[0]["pred_masks"]) and torch.equal(filled, kept[1]["pred_masks"])
    with torch.inference_mode():
        features, _ = network._prepare_vision_features(segmenter._sessions[1], 1, 1)
        large = F.interpolate(filled, (64, 64), mode="bilinear", align_corners=False)
        memory, _ = network._encode_new_memory(features[-1], large, kept[0]["object_score_logits"], True)
    assert torch.equal(memory, kept[1]["maskmem_features"]) and not torch.equal(memory, kept[0]["maskmem_features"])
    given, forward = [], network._single_frame_forward
    monkeypatch.setattr(network, "_single_frame_forward", lambda **named: given.append(named["input_masks"]) or forward(**named))
    segmenter.point_logits(1, 1, THERE)
    assert torch.equal(given[0], filled.clamp(-PREVIOUS_LIMIT, PREVIOUS_LIMIT))


def test_less_precision_changes_little(network):
    """Where the network is sure: along the outline random weights decide by less than bfloat16 can tell."""
    frames = moving_square(2).frames
    exact, short = (VideoSegmenter(network, frames, precision).point_logits(0, 1, HERE) for precision in (torch.float32, torch.bfloat16))
    sure = np.abs(exact) > 0.2 * exact.std()
    assert sure.mean() > 0.8
    assert ((exact > 0) != (short > 0))[sure].mean() < 0.05
    assert np.corrcoef(exact.ravel(), short.ravel())[0, 1] > 0.95


def test_masks_are_those_of_the_library_on_an_image_of_the_network_s_own_size(network):
    """Points are scaled as its processor scales them; at the network's size the frame is not resized, so that all steps must agree."""
    clip = moving_square(2, (64, 64))
    segmenter = VideoSegmenter(network, clip.frames, hole=0)
    ours = segmenter.point_logits(1, 1, HERE)
    points = Sam2VideoProcessor._normalize_coordinates(None, 64, torch.from_numpy(HERE)[None, None], (64, 64))
    with torch.inference_mode():
        features = network.get_image_embeddings(segmenter.prepare(1)[None])
        output = network._single_frame_forward(image_embeddings=features, input_points=points, multimask_output=True)
    theirs = torch.nn.functional.interpolate(output.pred_masks.float(), (64, 64), mode="bilinear", align_corners=False)
    np.testing.assert_allclose(ours, theirs[0, 0], atol=1e-4)


def test_small_holes_are_filled_and_large_ones_stay():
    logits = np.ones((20, 20), np.float32)
    logits[2:4, 2:6] = logits[10:13, 10:13] = -3  # 8 and 9 pixels
    filled = fill_holes(logits, 8)
    assert (filled[2:4, 2:6] == np.float32(FILLED)).all() and np.array_equal(filled[4:], logits[4:])
    assert np.array_equal(fill_holes(logits, 0), logits)


@pytest.mark.parametrize("load", [load_sam2, load_edgetam])
def test_a_folder_without_the_weights_is_refused(tmp_path, load):
    with pytest.raises(WeightsError, match=r"Fetch it again\.$"):
        load(tmp_path)


def test_an_edgetam_with_another_encoder_is_refused(tmp_path):
    config = save_edgetam(tmp_path) / "config.json"
    config.write_text(config.read_text().replace("repvit_m1", "repvit_m3"))
    with pytest.raises(WeightsError, match="its encoder is 'repvit_m3', not repvit_m1"):
        load_edgetam(tmp_path)
