"""Training of the paper's motion network: samples, recipe, exact resume, several processes, ablations, files."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from segmo.cli.main import main
from segmo.datasets.layout import Layout, write_depth, write_features, write_image, write_mask, write_tracks
from segmo.datasets.prepare import prepare
from segmo.errors import DataError, DeviceError, SettingsError
from segmo.evaluation.track_scores import THRESHOLD
from segmo.networks.motion_net import MotionNetConfig
from segmo.networks.weights import read_tensors
from segmo.settings import QuerySettings, Settings
from segmo.training import convert, simulated
from segmo.training.arguments import MotionArguments, SimulatedScenes, Source, read_arguments, resolved
from segmo.training.clips import Clips, read_sample, usable_scenes
from segmo.training.loop import train
from segmo.training.motion_task import ClipRecord, MotionTask, motion_loss
from segmo.training.shards import SceneKind
from segmo.types import finish

REPOSITORY = Path(__file__).resolve().parents[2]
CONFIGS = REPOSITORY / "segmo" / "training" / "configs"
ABLATIONS = sorted(path.stem for path in CONFIGS.glob("no_*.yaml"))
LARGE = SceneKind(1.0, {"mover_shares": [0.0, 1.0], "size": [160.0, 240.0]})
SCENES = SimulatedScenes(seed=3, scenes=5, kinds=(LARGE,), frames=6, height=48, width=64, step=3, spacing=6, workers=0)
SMALL = MotionNetConfig(descriptor_length=14, time_width=8, time_heads=2, time_hidden=8, track_width=16, track_heads=2, track_hidden=16)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A few small simulated scenes in the published layout, shared by the tests."""
    directory = tmp_path_factory.mktemp("layout")
    finish(simulated.render_layout(directory, SCENES))
    return directory


def source(folder: Path, **changes) -> Source:
    return Source(folder, **({"fewest_tracks": 20, "most_tracks": 60, "held_out_scenes": 2} | changes))


def arguments(folder: Path, output: Path, **changes) -> MotionArguments:
    defaults = {"model": SMALL, "iterations": 6, "check_every": 3, "learning_rate": 1e-3, "device": "cpu"}
    return MotionArguments(output, (source(folder),), **(defaults | changes))


def log_of(output: Path) -> list[dict]:
    return [json.loads(line) for line in (output / "log.jsonl").read_text().splitlines()]


def same_tensors(first: Path, second: Path) -> bool:
    expected, found = read_tensors(first)[0], read_tensors(second)[0]
    return expected.keys() == found.keys() and all(torch.equal(expected[name], found[name]) for name in expected)


# Samples


@pytest.fixture
def known(tmp_path) -> Path:
    """One scene of two frames, 8 x 10 pixels, with four points whose labels, depth and features are plain to see."""
    scene = Layout(tmp_path).scene("one")
    for name in ("a", "b"):
        write_image(scene.images / f"{name}.png", np.zeros((8, 10, 3), np.uint8))
        write_depth(scene.depth_file(name), np.arange(80, dtype=np.uint16).reshape(8, 10) * 4)
    mask = np.zeros((8, 10), bool)
    mask[:4, 5:] = True
    write_mask(scene.mask_file("a"), mask)
    write_features(scene.feature_file("a"), np.arange(4, dtype=np.float16).reshape(2, 2, 1))
    here = [(5.4, 1.0), (4.4, 1.0), (7.0, 2.0), (8.75, 6.0), (0.0, 0.0)]
    rows = np.zeros((5, 2, 4), np.float32)
    rows[..., :2] = np.array(here)[:, None]
    rows[..., 2:] = -9.0
    rows[2, 0, 2] = 9.0  # hidden on the query frame
    rows[4, :, 2] = 9.0  # never visible
    write_tracks(scene, "a", ("a", "b"), rows)
    return tmp_path


def test_a_track_moves_where_it_is_visible_in_the_mask_of_the_query_frame(known):
    (usable,), _ = usable_scenes(Source(known))
    sample = read_sample(usable, "a", 100, np.random.default_rng(0))
    # rounded positions: inside, left of the mask, inside but hidden, below the mask; the track that is never visible is left out
    assert sample.moving.tolist() == [1, 0, 0, 0]
    assert sample.hidden.tolist() == [[False, False], [False, False], [True, False], [False, False]]
    np.testing.assert_allclose(sample.xy[:, :, 0].T, [(0.08, -0.75), (-0.12, -0.75), (0.4, -0.5), (0.75, 0.5)], atol=1e-6)
    assert sample.descriptors[:, 0].tolist() == [1, 0, 1, 3]
    # depth is clipped at 255 of 65535 and looked up as the published weights learnt it: trunc(0.5 * 8) * 10 + trunc(0.75 * 10) = cell 47
    assert sample.depth[3, 0].item() == pytest.approx(47 * 4 / 255) and sample.depth[1, 0].item() == 0


def test_an_empty_folder_says_what_to_do(known):
    with pytest.raises(DataError, match="segmo check"):
        usable_scenes(Source(known, held_out_scenes=1))
    shutil.rmtree(known / "dynamic_masks")
    with pytest.raises(DataError, match="segmo prepare"):
        usable_scenes(Source(known))


def test_samples_are_drawn_with_the_shares_and_numbers_of_the_configuration(folder, known):
    clips = Clips([source(folder, share=3.0), Source(known, share=1.0, fewest_tracks=3, most_tracks=3)])
    drawn = [clips.draw(7, position, mirror=False) for position in range(200)]
    simulated_ones = [sample for sample in drawn if sample.xy.shape[2] == 6]
    assert 0.65 < len(simulated_ones) / len(drawn) < 0.85
    numbers = {len(sample.moving) for sample in simulated_ones}
    assert min(numbers) < 30 and max(numbers) > 50 and max(numbers) <= 60
    again = clips.draw(7, 5, mirror=False)
    assert all(torch.equal(a, b) for a, b in zip(vars(again).values(), vars(drawn[5]).values(), strict=True))
    assert clips.held_out_count == 2 and not {u.scene.name for u in clips.scenes[0]} & {u.scene.name for u in clips.held_out[0]}


def test_mirroring_changes_positions_alone(folder):
    clips = Clips([source(folder)])
    pairs = [(clips.draw(1, position, mirror=False), clips.draw(1, position, mirror=True)) for position in range(12)]
    signs = {tuple(torch.sign((plain.xy * mirrored.xy).sum((1, 2))).tolist()) for plain, mirrored in pairs}
    assert len(signs) > 2
    assert all(torch.equal(plain.xy.abs(), mirrored.xy.abs()) and torch.equal(plain.moving, mirrored.moving) for plain, mirrored in pairs)


def test_simulated_scenes_are_as_good_as_a_good_tracker(folder):
    (usable, *_), _ = usable_scenes(source(folder))
    sample = read_sample(usable, usable.queries[0], 10_000, np.random.default_rng(0))
    assert sample.descriptors.shape == (sample.xy.shape[1], 14)
    assert 0.02 < (~sample.hidden).float().mean() < 1 and (~sample.hidden[:, 0]).float().mean() > 0.95
    with pytest.raises(DataError, match="another recipe"):
        finish(simulated.render_layout(folder, dataclasses.replace(SCENES, noise=0.1)))


# Loss and scores


def test_moving_and_static_tracks_weigh_the_same_together():
    logits, moving = torch.tensor([0.3, -0.2, 0.5, 1.0]), torch.tensor([1.0, 0.0, 0.0, 0.0])
    losses = torch.nn.functional.softplus(torch.where(moving > 0, -logits, logits))
    assert motion_loss(logits, moving).item() == pytest.approx(((3 * losses[0] + losses[1:].sum()) / 4).item())
    assert motion_loss(logits, torch.zeros(4)).isfinite() and motion_loss(-logits, torch.ones(4)).isfinite()


def test_scores_are_means_over_clips_and_curves_over_all_tracks(folder, tmp_path):
    records = [
        ClipRecord(np.float32([0.9, 0.8, 0.2]), np.array([True, False, False])),
        ClipRecord(np.float32([THRESHOLD - 0.1, 0.1]), np.array([True, False])),
    ]
    judgement = MotionTask(arguments(folder, tmp_path)).judge(records)
    assert judgement.scores.iou == pytest.approx((0.5 + 0) / 2)
    assert judgement.scores.roc_area == pytest.approx(5 / 6)  # of 2 x 3 pairs, one is in the wrong order
    assert judgement.curves.keys() == {"roc", "precision_recall"}


# The loop


@pytest.mark.parametrize(("schedule", "shares"), [("constant", [0.5, 1, 1, 1]), ("cosine", [0.5, (2 + 2**0.5) / 4, 0.5, (2 - 2**0.5) / 4])])
def test_the_learning_rate_warms_up_and_then_stays_or_falls(tmp_path, schedule, shares):
    task = MotionTask(arguments(tmp_path, tmp_path / "out", iterations=4, warm_up=2, schedule=schedule, learning_rate=1e-3))
    assert [task.learning_rate(iteration) for iteration in range(4)] == pytest.approx([1e-3 * share for share in shares])


def test_an_average_of_the_weights_is_kept_that_soon_forgets_the_start(folder, tmp_path):
    def after(iterations, **changes):
        recipe = arguments(folder, tmp_path / f"{iterations}{changes}", iterations=iterations, **changes)
        return read_tensors(finish(train(recipe)).weights)[0]

    first, second, averaged = after(1), after(2), after(2, average_decay=0.9)
    task = MotionTask(arguments(folder, tmp_path))
    torch.manual_seed(task.arguments.seed)
    start = task.kept(task.new_model().state_dict())
    assert any((first[name] - second[name]).abs().max() > 1e-4 for name in first)
    for name, value in averaged.items():
        torch.testing.assert_close(value, ((start[name] + 10 * first[name]) / 11 + 5 * second[name]) / 6, rtol=1e-5, atol=1e-6)


def test_a_folder_prepared_from_davis_trains_and_lowers_the_loss(shared, tmp_path):
    for name in ("blackswan", "camel"):
        scene = Layout(tmp_path / "davis").scene(name)
        for kind, folder, ending in (("JPEGImages", scene.images, "jpg"), ("Annotations", scene.masks, "png")):
            folder.mkdir(parents=True)
            for number in range(0, 12, 2):
                with Image.open(shared / "davis-dev" / kind / "480p" / name / f"{number:05d}.{ending}") as image:
                    image.resize((214, 120), Image.Resampling.NEAREST).save(folder / f"{number:05d}.{ending}")
    finish(prepare(Layout(tmp_path / "davis"), Settings(query=QuerySettings(stride=3))))
    davis = Source(tmp_path / "davis", fewest_tracks=200, most_tracks=400)
    recipe = MotionArguments(tmp_path / "run", (davis,), MotionNetConfig(descriptor_length=14), iterations=10, check_every=2, device="cpu")
    finish(train(dataclasses.replace(recipe, learning_rate=1e-3)))
    losses = [line["loss"] for line in log_of(tmp_path / "run")]
    assert len(losses) == 5 and losses[-1] < 0.95 * losses[0]


@pytest.mark.parametrize("changes", [{}, {"average_decay": 0.9, "batch": 2, "precision": "bfloat16"}])
def test_a_resumed_run_ends_where_an_uninterrupted_one_does(folder, tmp_path, changes):
    """With dropout, which the published recipe has."""
    finish(train(arguments(folder, tmp_path / "whole", **changes)))
    steps = train(arguments(folder, tmp_path / "stopped", **changes))
    while not (tmp_path / "stopped" / "log.jsonl").exists():
        next(steps)
    next(steps)  # beyond the checkpoint, so that something is lost
    steps.close()
    torch.manual_seed(12345)  # nothing may depend on the state in which the run is resumed
    resumed = finish(train(arguments(folder, tmp_path / "stopped", **changes), resume=True))
    for name in ("checkpoint", "best", "weights"):
        assert same_tensors(tmp_path / "whole" / f"{name}.safetensors", tmp_path / "stopped" / f"{name}.safetensors")
    strip = [{**line, "seconds": 0} for line in log_of(tmp_path / "whole")]
    assert [{**line, "seconds": 0} for line in log_of(tmp_path / "stopped")] == strip
    assert resumed.scores.iou == strip[-1]["iou"]


def test_dropout_is_on_in_training_and_off_in_scoring(folder, tmp_path):
    calm = dataclasses.replace(SMALL, dropout=0.0)
    first = finish(train(arguments(folder, tmp_path / "a", iterations=1)))
    second = finish(train(arguments(folder, tmp_path / "b", iterations=1, model=calm)))
    assert log_of(tmp_path / "a")[0]["loss"] != log_of(tmp_path / "b")[0]["loss"]
    assert first.scores.roc_area == pytest.approx(second.scores.roc_area, abs=0.1)


@pytest.mark.parametrize("name", ABLATIONS)
def test_every_ablation_runs(folder, tmp_path, name):
    sources = f"sources=[{{root: {folder}, fewest_tracks: 20, most_tracks: 40, held_out_scenes: 1}}]"
    ablation = read_arguments(CONFIGS / f"{name}.yaml")
    assert isinstance(ablation, MotionArguments) and ablation.model != MotionNetConfig()
    small = [f"model.{f.name}={getattr(SMALL, f.name)}" for f in dataclasses.fields(SMALL) if f.name.endswith(("width", "heads", "hidden"))]
    changes = [sources, f"output={tmp_path}", "iterations=2", "check_every=2", "device=cpu", "model.descriptor_length=14", *small]
    shrunk = read_arguments(CONFIGS / f"{name}.yaml", changes)
    result = finish(train(shrunk))
    assert np.isfinite(log_of(tmp_path)[0]["loss"]) and np.isfinite(result.scores.roc_area)
    assert convert.read_trained(result.weights)[1] == shrunk.model


def test_all_published_ablations_are_there():
    wanted = {"depth", "tracks", "dino", "moe", "msde", "positional_encoding", "spatio_temporal_attention"}
    assert {name.removeprefix("no_") for name in ABLATIONS} == wanted
    models = [read_arguments(CONFIGS / f"{name}.yaml").model for name in ABLATIONS]
    assert len(set(models)) == len(models)


def test_features_of_another_length_are_refused(folder, tmp_path):
    with pytest.raises(DataError, match=r"model\.descriptor_length=14"):
        finish(train(arguments(folder, tmp_path, model=dataclasses.replace(SMALL, descriptor_length=768))))


def test_a_loss_that_is_no_number_stops_the_run(folder, tmp_path):
    with pytest.raises(SettingsError, match="Lower learning_rate"):
        finish(train(arguments(folder, tmp_path, iterations=20, learning_rate=1e30)))


@pytest.mark.parametrize("kind", ["bootstapir", "dinos"])
def test_a_file_that_holds_no_numbers_is_named_before_it_spoils_the_loss(folder, tmp_path, kind):
    shutil.copytree(folder, tmp_path / "data")
    for path in (tmp_path / "data" / kind).rglob("*.npy"):
        values = np.load(path)
        values[::2] = np.nan
        np.save(path, values)
    with pytest.raises(DataError, match=rf"{kind}/scene_.*\.npy holds NaN or infinity\. Remove it"):
        finish(train(arguments(tmp_path / "data", tmp_path / "out")))


def test_absent_devices_are_refused(folder, tmp_path):
    if not torch.cuda.is_available():
        with pytest.raises(DeviceError, match="float16"):
            finish(train(arguments(folder, tmp_path, precision="float16")))
        with pytest.raises(DeviceError, match="cuda"):
            finish(train(arguments(folder, tmp_path, device="cuda")))


@pytest.mark.slow
def test_two_processes_do_what_one_does_with_double_batch(folder, tmp_path):
    """The same clips and dropout, so the same losses but for the order of sums: within one part in ten thousand after six iterations."""
    config = tmp_path / "run.yaml"
    config.write_text(resolved(arguments(folder, tmp_path / "alone", batch=2, check_every=1)))  # device: cpu
    assert main(["train", str(config)]) == 0
    command = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--num_machines", "1"]
    command += ["--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0", "--num_cpu_threads_per_process", "1"]
    command += ["-m", "segmo", "train", str(config), "--set", "batch=1", "--set", f"output={tmp_path / 'two'}"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=240, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr[-3000:]
    alone, two = log_of(tmp_path / "alone"), log_of(tmp_path / "two")
    assert [line["loss"] for line in two] == pytest.approx([line["loss"] for line in alone], rel=1e-4)
    assert two[-1]["roc_area"] == pytest.approx(alone[-1]["roc_area"], abs=1e-3)
    assert len({line["loss"] for line in alone}) > 4
