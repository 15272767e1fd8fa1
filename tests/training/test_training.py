from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import numpy.lib.recfunctions
import pytest
import torch

from segmo.errors import DataError, SettingsError, WeightsError
from segmo.lite.inputs import STORED_PLANES
from segmo.networks.weights import read_tensors
from segmo.training import shards
from segmo.training.arguments import Augmentation, DataArguments, FlowArguments, read_arguments
from segmo.training.batches import Scenes, augmented, collate, indices, make_batch, small_counts_more
from segmo.training.flow_task import FlowTask
from segmo.training.fusion_task import FusionTask
from segmo.training.loop import train
from segmo.training.loss import Scorer, segmentation_loss
from segmo.training.shards import SceneKind
from segmo.types import finish
from segmo.zoo.lite_motion import FUSION_WEIGHTS, WEIGHTS

KINDS = (
    SceneKind(0.8, {"hw": [96, 128], "mover_shares": [0.0, 1.0], "size": [120.0, 200.0], "degraded": False, "dynamic_share": 0.0}),
    SceneKind(0.2, {"hw": [96, 128], "mover_shares": [1.0]}),
)
NEVER = Augmentation(*[0.0] * len(dataclasses.fields(Augmentation)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Rendered inputs of a few small scenes, shared by the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shards, "SHARD_SCENES", 6)
        directory = tmp_path_factory.mktemp("scenes")
        for name, seed, count in (("train", 1, 12), ("held_out", 2, 6)):
            finish(shards.render_shards(directory / name, seed, count, KINDS, 0))
        yield directory


def arguments(folder, output, **changes) -> FlowArguments:
    data = DataArguments(folder, 1, 12, 2, 6, KINDS, workers=0)
    defaults = {"iterations": 12, "batch": 4, "warm_up": 2, "check_every": 6, "widths": (8, 12, 16, 24)}
    return FlowArguments(output, data, **(defaults | changes))


def scenes(folder) -> Scenes:
    return Scenes(sorted((folder / "train").glob("*.npy")), 12)


def log_of(output) -> list[dict]:
    return [json.loads(line) for line in (output / "log.jsonl").read_text().splitlines()]


def test_training_lowers_the_loss(folder, tmp_path):
    result = finish(train(arguments(folder, tmp_path, iterations=40, check_every=10)))
    losses = [line["loss"] for line in log_of(tmp_path)]
    assert losses[-1] < 0.8 * losses[0]
    tensors, notes = read_tensors(result.weights)
    assert json.loads(notes["widths"]) == [8, 12, 16, 24] and {t.dtype for t in tensors.values()} == {torch.float16}


def test_a_resumed_run_ends_where_an_uninterrupted_one_does(folder, tmp_path):
    whole = finish(train(arguments(folder, tmp_path / "whole")))
    steps = train(arguments(folder, tmp_path / "stopped"))
    while not (tmp_path / "stopped" / "log.jsonl").exists():
        next(steps)
    steps.close()
    assert len(log_of(tmp_path / "stopped")) == 1
    resumed = finish(train(arguments(folder, tmp_path / "stopped"), resume=True))
    expected, found = (read_tensors(path)[0] for path in (whole.weights, resumed.weights))
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    assert str(whole.scores) == str(resumed.scores)  # as text, since NaN is not equal to itself


def test_a_run_goes_on_from_the_weights_of_another(folder, tmp_path):
    first = finish(train(arguments(folder, tmp_path / "first", iterations=30)))
    for name, changes in (("alone", {}), ("after", {"start_from": first.weights})):
        finish(train(arguments(folder, tmp_path / name, iterations=1, **changes)))
    assert log_of(tmp_path / "after")[0]["loss"] < log_of(tmp_path / "alone")[0]["loss"]
    (tmp_path / "other").mkdir()
    other = finish(train(arguments(folder, tmp_path / "other", iterations=1, widths=(8, 12, 16, 32))))
    with pytest.raises(WeightsError, match="does not fit"):
        finish(train(arguments(folder, tmp_path / "wrong", iterations=1, start_from=other.weights)))


def test_resuming_needs_a_checkpoint_of_the_same_recipe(folder, tmp_path):
    with pytest.raises(WeightsError, match="cannot be read"):
        finish(train(arguments(folder, tmp_path), resume=True))
    finish(train(arguments(folder, tmp_path, iterations=1)))
    with pytest.raises(WeightsError, match="another configuration"):
        finish(train(arguments(folder, tmp_path, iterations=1, learning_rate=1.0), resume=True))


def test_scenes_of_two_recipes_never_mix(folder):
    with pytest.raises(DataError, match="another recipe"):
        finish(shards.render_shards(folder / "train", 3, 12, KINDS, 0))


@pytest.mark.parametrize("spoil", ["emptied", "cut off", "of another version"])
def test_a_shard_that_cannot_be_used_is_named_and_made_again(folder, tmp_path, spoil, monkeypatch):
    monkeypatch.setattr(shards, "SHARD_SCENES", 6)
    shutil.copytree(folder / "train", tmp_path / "train")
    path = tmp_path / "train" / "shard_00001.npy"
    whole = path.read_bytes()
    if spoil == "of another version":
        records = np.load(path)
        names = [name for name in records.dtype.names if name != "median"]
        np.save(path, np.lib.recfunctions.repack_fields(records[names]))
    else:
        path.write_bytes(whole[: len(whole) // 2] if spoil == "cut off" else b"")
    with pytest.raises(DataError, match=r"shard_00001\.npy cannot be used: .* Remove it"):
        scenes(tmp_path)
    path.unlink()
    finish(shards.render_shards(tmp_path / "train", 1, 12, KINDS, 0))
    assert scenes(tmp_path).count == 12 and path.read_bytes() == whole


def test_a_sample_is_the_same_whenever_it_is_made(folder):
    first = shards.make_sample(1, 7, KINDS)
    stored = np.load(folder / "train" / "shard_00001.npy")[1]
    assert first.tobytes() == stored.tobytes()


def test_every_pass_sees_every_sample_once():
    seen = [indices(5, iteration, 4, 10) for iteration in range(5)]
    flat = [index for batch in seen for index in batch]
    assert sorted(flat[:10]) == sorted(flat[10:]) == list(range(10)) and flat[:10] != flat[10:]


def test_a_batch_depends_on_seed_and_iteration_alone(folder):
    data = scenes(folder)
    first, again, other = (make_batch(data, 3, i, 4, Augmentation()) for i in (2, 2, 3))
    assert torch.equal(first.planes, again.planes)
    assert first.planes.shape != other.planes.shape or not torch.equal(first.planes, other.planes)


def always(**chances: float) -> Augmentation:
    return dataclasses.replace(NEVER, **chances)


def test_mirrored_and_reversed_scenes_stay_true(folder):
    """Mirroring both ways and reversing time twice gives the sample back; once, motion points the other way."""
    data = scenes(folder)
    rng = np.random.default_rng(0)
    plain = collate([data.sample(3)])
    once = augmented(data.sample(3), rng, always(flip=1.0), None)
    # upside down and left to right negate both directions of flow, reversing time negates them again
    np.testing.assert_array_equal(once.flow[:, ::-1, :, ::-1, ::-1], data.sample(3).flow)
    np.testing.assert_array_equal(once.moving[::-1, ::-1], data.sample(3).moving)
    np.testing.assert_array_equal(once.weight[::-1, ::-1], data.sample(3).weight)
    np.testing.assert_array_equal(once.median[::-1], data.sample(3).median)
    twice = augmented(once, rng, always(flip=1.0), None)
    for a, b in zip(dataclasses.astuple(collate([twice]))[:-1], dataclasses.astuple(plain)[:-1], strict=True):  # no seams here
        assert torch.equal(a, b)


def test_a_missing_gap_shows_its_mirror_image(folder):
    changed = augmented(scenes(folder).sample(3), np.random.default_rng(0), always(missing_gap=1.0), None)
    pairs = [(np.array_equal(changed.flow[:, g], changed.flow[:, 3 - g]), g) for g in (0, 1)]
    assert sum(same for same, _ in pairs) == 1


def test_extrapolated_flow_is_four_times_the_short_one(folder):
    changed = augmented(scenes(folder).sample(3), np.random.default_rng(0), always(extrapolated=1.0), None)
    in_pixels = changed.flow * np.exp(2 * changed.flow_scales)[:, :, None, None, None]
    unclipped = (np.abs(changed.flow[:, 3]) < 3.99) & (np.abs(changed.flow[:, 2]) < 3.99)
    np.testing.assert_allclose(in_pixels[:, 3][unclipped], 4 * in_pixels[:, 2][unclipped], rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(changed.median[[0, 3]], 4 * changed.median[[1, 2]])


def test_what_follows_from_flow_and_camera_survives_the_changes(folder):
    """How far something runs ahead of the camera's flow is the same mirrored, upside down and in reversed time."""
    data = scenes(folder)
    plain, changed = (collate([x]) for x in (data.sample(3), augmented(data.sample(3), np.random.default_rng(0), always(flip=1.0), None)))
    derived = [x.planes[:, STORED_PLANES + 8 :] for x in (plain, changed)]
    assert derived[0][:, :4].abs().max() > 0.1
    for kind in range(0, 12, 4):
        expected = derived[0][:, kind : kind + 4].flip(1, 2, 3)
        torch.testing.assert_close(derived[1][:, kind : kind + 4], expected, rtol=1e-4, atol=1e-4)


def test_small_objects_and_their_outlines_count_more():
    ids = np.zeros((60, 100), np.uint8)
    ids[5:10, 5:10], ids[20:60, 20:100] = 1, 2
    weight = small_counts_more(ids)
    assert (
        weight[7, 7] == weight[7, 11] == pytest.approx(np.sqrt(0.03 * 6000 / 25)) and weight[7, 14] == weight[40, 50] == weight[0, 50] == 1
    )
    assert small_counts_more(np.pad(np.ones((1, 1), np.uint8), 20)).max() == 4
    logits, target = torch.zeros(1, 60, 100), torch.from_numpy(ids > 0).float()[None]
    wrong = [logits.clone() for _ in range(2)]
    wrong[0][0, 5:10, 5:10], wrong[1][0, 30:35, 30:35] = -5, -5
    small, large = (float(segmentation_loss(x, target, 0.0, torch.from_numpy(weight)[None])) for x in wrong)
    assert small > large


def test_batches_come_in_smaller_sizes_too(folder):
    data = scenes(folder)
    assert make_batch(data, 0, 0, 2, always(smaller=1.0)).planes.shape[2:] == (36, 48)
    assert make_batch(data, 0, 0, 2, always(cropped=1.0)).moving.shape == (2, 36, 48)


def test_the_loss_falls_towards_the_target():
    target = torch.zeros(2, 16, 16)
    target[0, 4:12, 4:12] = 1
    good, bad = (20 * target - 10), torch.zeros_like(target)
    assert segmentation_loss(good, target, 0.5) < 0.01 < segmentation_loss(bad, target, 0.5)
    assert segmentation_loss(bad, target * 0, 0.5) == pytest.approx(np.log(2), abs=1e-5)  # no object: cross entropy alone


def test_scores_of_known_masks():
    target = torch.zeros(3, 20, 20)
    target[0, :10], target[1, :10] = 1, 1
    logits = torch.full_like(target, -1)
    logits[0, :10] = 1
    logits[1, :5] = 1
    logits[2, 0] = 1
    scorer = Scorer()
    scorer.add(logits, target)
    assert scorer.scores().iou == pytest.approx(0.75) and scorer.scores().false_share == 1.0


def test_configurations_are_checked(tmp_path):
    path = tmp_path / "run.yaml"
    base = "network: flow\noutput: out\n"
    base += "data: {directory: d, seed: 1, scenes: 2, held_out_seed: 3, held_out_scenes: 4, kinds: [{share: 1, photos: 0.5}]}\n"
    path.write_text(base + "learning_rate: 1\naugmentation: {flip: 0}\n")
    read = read_arguments(path)
    assert read.learning_rate == 1.0 and read.augmentation.flip == 0.0 and read.data.kinds[0].config.photos == 0.5
    for line, message in (
        ("learning_rat: 1\n", "unknown keys: learning_rat"),
        ("batch: many\n", "batch is 'many'"),
        ("batch: 0\n", "batch is 0"),
        ("seed: -1\n", "seed is -1"),
        ("precision: float8\n", "float32 or bfloat16"),
        ("augmentation: {flop: 0}\n", "unknown keys: flop"),
    ):
        path.write_text(base + line)
        with pytest.raises(SettingsError, match=message):
            read_arguments(path)
    path.write_text(base.replace("held_out_scenes: 4", "held_out_scenes: 0"))
    with pytest.raises(SettingsError, match="held_out_scenes is 0"):
        read_arguments(path)
    path.write_text(base.replace("photos", "fotos"))
    with pytest.raises(SettingsError, match="fotos"):
        read_arguments(path)
    path.write_text("network: flow\noutput: out\n")
    with pytest.raises(SettingsError, match="lacks data"):
        read_arguments(path)
    with pytest.raises(SettingsError, match="cannot be read"):
        read_arguments(tmp_path / "nothing.yaml")


def test_the_shipped_configuration_is_valid():
    read = read_arguments(Path(shards.__file__).parent / "configs" / "lite.yaml")
    assert read.data.seed != read.data.held_out_seed and read.data.scenes >= 1000


def test_what_is_shipped_is_small():
    assert 0 < sum(x.stat().st_size for x in WEIGHTS.parent.glob("*.safetensors")) < 12e6


@pytest.mark.parametrize(("config", "task", "path"), [("lite.yaml", FlowTask, WEIGHTS), ("lite_fusion.yaml", FusionTask, FUSION_WEIGHTS)])
def test_what_is_shipped_is_what_its_configuration_trains(config, task, path):
    read = read_arguments(Path(shards.__file__).parent / "configs" / config)
    model = task(read).new_model()
    trained = {name: value.shape for name, value in read_tensors(path)[0].items()}
    assert trained == {name: value.shape for name, value in model.state_dict().items() if value.is_floating_point()}
