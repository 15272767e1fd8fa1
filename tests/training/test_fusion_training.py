"""Training of the second network of the lite preset."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from segmo.errors import DataError, SettingsError
from segmo.lite.fusion import COLOUR, COLOURED, JOINT, PICTURE_PLANES, PLANES, SCALAR_PLANES, VECTORS
from segmo.networks.weights import read_tensors
from segmo.training import fusion_task, shards
from segmo.training.arguments import DataArguments, FusionArguments, FusionAugmentation, read_arguments, resolved
from segmo.training.batches import Batch
from segmo.training.fusion_task import SAMPLES, FusionTask, Samples, changed, make_samples, seams
from segmo.training.loop import train
from segmo.training.shards import SceneKind
from segmo.types import finish
from segmo.zoo.lite_motion import FUSION_WEIGHTS, WEIGHTS, load_fusion_graph

KINDS = (SceneKind(1.0, {"hw": [96, 128], "mover_shares": [0.0, 0.5, 0.5], "size": [60.0, 150.0], "dynamic_share": 0.0}),)
NEVER = FusionAugmentation(*[0.0] * len(dataclasses.fields(FusionAugmentation)))
CLIPS = 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Samples of a few small clips, shared by the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shards, "SHARD_SCENES", 2)
        patch.setattr(fusion_task, "FRAMES", 7)
        directory = tmp_path_factory.mktemp("clips")
        task = FusionTask(arguments(directory, directory / "out"))
        finish(task.make_data())
        yield directory


def arguments(folder: Path, output: Path, **changes) -> FusionArguments:
    data = DataArguments(folder, 1, CLIPS, 2, 2, KINDS, workers=0)
    defaults = {"iterations": 12, "batch": 4, "warm_up": 2, "check_every": 6, "widths": (8, 12, 16, 24)}
    return FusionArguments(output, data, **(defaults | changes))


def samples(folder: Path) -> Samples:
    return Samples(sorted((folder / "train").glob("*.npy")), CLIPS)


def test_training_lowers_the_loss_and_the_weights_are_those_that_are_used(folder, tmp_path):
    result = finish(train(arguments(folder, tmp_path, iterations=40, check_every=10)))
    losses = [json.loads(line)["loss"] for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert losses[-1] < 0.8 * losses[0]
    tensors, notes = read_tensors(result.weights)
    assert json.loads(notes["fusion_widths"]) == [8, 12, 16, 24] and "widths" not in notes
    batch = samples(folder).batch([3])
    graph = load_fusion_graph(result.weights, sha256="")
    logits = graph.logits(batch.planes[0].numpy(), batch.error[0].numpy(), batch.scales[0].numpy())
    assert logits.shape == (2, 48, 64) and tensors["head.bias"].shape == (8,)


def test_a_resumed_run_ends_where_an_uninterrupted_one_does(folder, tmp_path):
    whole = finish(train(arguments(folder, tmp_path / "whole")))
    steps = train(arguments(folder, tmp_path / "stopped"))
    while not (tmp_path / "stopped" / "log.jsonl").exists():
        next(steps)
    steps.close()
    resumed = finish(train(arguments(folder, tmp_path / "stopped"), resume=True))
    expected, found = (read_tensors(path)[0] for path in (whole.weights, resumed.weights))
    assert all(torch.equal(expected[name], found[name]) for name in expected)


def test_a_clip_gives_the_same_samples_whenever_it_is_made(folder, monkeypatch):
    monkeypatch.setattr(fusion_task, "FRAMES", 7)
    again = make_samples(1, 3, KINDS)
    stored = np.load(folder / "train" / "shard_00001.npy")
    assert len(again) == SAMPLES and again.tobytes() == stored[SAMPLES:].tobytes()
    assert samples(folder).count == SAMPLES * CLIPS


def test_samples_that_another_first_network_made_never_mix(folder, monkeypatch):
    monkeypatch.setattr(fusion_task, "LITE_MOTION", dataclasses.replace(fusion_task.LITE_MOTION, sha256="0" * 64))
    with pytest.raises(DataError, match="another recipe"):
        finish(FusionTask(arguments(folder, folder / "out")).make_data())


def test_samples_are_made_with_the_first_network_that_is_named(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(shards, "SHARD_SCENES", 1)
    monkeypatch.setattr(fusion_task, "FRAMES", 7)
    tensors, notes = read_tensors(WEIGHTS)
    save_file(tensors | {"head.bias": torch.full((4,), -60.0)}, path := tmp_path / "best.safetensors", notes)  # which sees nothing move
    task = FusionTask(arguments(tmp_path, tmp_path / "out", first_network=path))
    finish(task.render(tmp_path / "train", 1, 1))
    blind, ours = Samples([tmp_path / "train" / "shard_00000.npy"], 1).batch([0]), samples(folder).batch([0])
    assert torch.equal(blind.moving, ours.moving) and not torch.equal(blind.planes, ours.planes)
    with pytest.raises(DataError, match="another recipe"):
        finish(FusionTask(arguments(folder, folder / "out", first_network=path)).make_data())
    with pytest.raises(SettingsError, match=r"first_network .* holds another network\. Give best\.safetensors of a run of lite\.yaml"):
        finish(FusionTask(arguments(folder, folder / "out", first_network=FUSION_WEIGHTS)).make_data())


def test_seams_are_where_two_movers_meet_and_nowhere_else():
    ids = np.zeros((20, 40), np.uint8)
    ids[5:15, 5:15], ids[5:15, 15:25], ids[5:15, 32:38] = 1, 2, 3
    found = seams(ids)
    assert found[10, 13:17].all() and found[10, 14] == 1
    assert not found[:, :12].any() and not found[:, 18:].any()
    assert seams(np.where(ids == 1, ids, 0)).sum() == 0


def copy_of(batch: Batch) -> Batch:
    return Batch(*(getattr(batch, field.name).clone() for field in dataclasses.fields(batch)))


@pytest.mark.parametrize(("axis", "chance"), [(0, "mirrored"), (1, "upside_down")])
def test_a_mirrored_batch_is_that_of_a_mirrored_clip(folder, axis, chance):
    plain = samples(folder).batch(range(6))
    turned = changed(copy_of(plain), np.random.default_rng(0), dataclasses.replace(NEVER, **{chance: 1.0}))
    signs = torch.ones(PLANES)
    signs[SCALAR_PLANES + axis : SCALAR_PLANES + 2 * VECTORS : 2] = -1
    assert torch.equal(turned.planes.flip(-1 - axis) * signs[:, None, None], plain.planes)
    for name in ("error", "moving", "weight", "seam"):
        assert torch.equal(getattr(turned, name).flip(-1 - axis), getattr(plain, name))


def test_colours_change_and_evidence_does_not(folder):
    plain = samples(folder).batch(range(3))
    other = changed(copy_of(plain), np.random.default_rng(0), dataclasses.replace(NEVER, recoloured=1.0))
    assert torch.equal(other.planes[:, :-PICTURE_PLANES], plain.planes[:, :-PICTURE_PLANES])
    assert all((other.planes[:, -k] != plain.planes[:, -k]).any() for k in (1, 2, 3))
    cropped = changed(copy_of(plain), np.random.default_rng(0), dataclasses.replace(NEVER, cropped=1.0))
    assert cropped.planes.shape[2:] == cropped.seam.shape[1:] == cropped.moving.shape[1:] == (36, 48)


def test_a_patch_has_other_colours_and_is_told_otherwise(folder):
    plain = samples(folder).batch(range(4))
    other = changed(copy_of(plain), np.random.default_rng(0), dataclasses.replace(NEVER, patched=1.0))
    evidence = [plane for plane in range(PLANES - PICTURE_PLANES) if plane not in (COLOURED, COLOUR)]
    assert torch.equal(other.planes[:, evidence], plain.planes[:, evidence])
    for before, after in zip(plain.planes, other.planes, strict=True):
        patch = (after[-PICTURE_PLANES:] != before[-PICTURE_PLANES:]).any(dim=0)
        assert 0.01 < patch.float().mean() < 0.8
        for plane in (COLOURED, COLOUR):
            added = after[plane] - before[plane]
            assert (added[~patch] == 0).all()
            assert added[patch].std() < 1e-3 < added[patch].abs().mean()  # the same all over the patch


def test_the_picture_and_what_its_colours_say_can_be_left_out(folder):
    plain = samples(folder).batch(range(3))
    blind, unmodelled = (
        changed(copy_of(plain), np.random.default_rng(0), dataclasses.replace(NEVER, **{chance: 1.0})).planes
        for chance in ("unseen", "unmodelled")
    )
    assert not blind[:, -PICTURE_PLANES:].any() and torch.equal(blind[:, :-PICTURE_PLANES], plain.planes[:, :-PICTURE_PLANES])
    assert torch.equal(unmodelled[:, COLOURED], plain.planes[:, JOINT]) and not unmodelled[:, COLOUR].any()
    assert torch.equal(unmodelled[:, COLOUR + 1 :], plain.planes[:, COLOUR + 1 :])


def test_a_seam_that_is_missed_costs(folder):
    task = FusionTask(arguments(folder, folder / "out"))
    moving = torch.ones(1, 8, 8)
    seam = torch.zeros(1, 8, 8)
    seam[:, :, 3:5] = 1
    part = Batch(torch.zeros(1), torch.zeros(1), torch.zeros(1), moving, torch.ones(1, 8, 8), seam)
    right, wrong = (torch.stack([torch.full((1, 8, 8), 5.0), sign * (10 * seam - 5)], 1) for sign in (1, -1))
    assert task.loss(wrong, part) > task.loss(right, part) + 1
    nowhere = dataclasses.replace(part, moving=torch.zeros(1, 8, 8))
    assert task.loss(wrong, nowhere) == task.loss(right, nowhere)  # what does not move has no seams to find


def test_the_shipped_configuration_is_valid_and_written_back():
    path = Path(shards.__file__).parent / "configs" / "lite_fusion.yaml"
    read = read_arguments(path)
    first = read_arguments(path.parent / "lite.yaml").data
    assert len({read.data.seed, read.data.held_out_seed, first.seed, first.held_out_seed}) == 4
    assert "network: fusion" in resolved(read)
