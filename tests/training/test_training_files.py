"""What a run reads and leaves behind: configurations, checkpoints, logs, and weights in the published format."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch
import yaml

from segmo.cli.main import main
from segmo.errors import SettingsError, WeightsError
from segmo.networks.motion_net import MotionNet, MotionNetConfig, load_motion_net
from segmo.networks.weights import read_tensors
from segmo.training import simulated
from segmo.training.arguments import MotionArguments, SimulatedScenes, Source, read_arguments, resolved
from segmo.training.convert import convert
from segmo.training.loop import train
from segmo.training.shards import SceneKind
from segmo.types import finish

CONFIGS = Path(simulated.__file__).parent / "configs"
SMALL = MotionNetConfig(descriptor_length=14, time_width=8, time_heads=2, time_hidden=8, track_width=16, track_heads=2, track_hidden=16)
LARGE = SceneKind(1.0, {"mover_shares": [0.0, 1.0], "size": [160.0, 240.0]})
SCENES = SimulatedScenes(seed=4, scenes=3, kinds=(LARGE,), frames=4, height=48, width=64, step=3, spacing=8, workers=0)
MINIMAL = "output: out\nsources: [{root: data}]\n"


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """The folder of a finished run of the command, on scenes that it renders itself."""
    folder = tmp_path_factory.mktemp("run")
    source = Source(folder / "scenes", fewest_tracks=10, most_tracks=30, held_out_scenes=1, simulated=SCENES)
    arguments = MotionArguments(folder / "wrong", (source,), SMALL, iterations=4, check_every=2, device="cpu", average_decay=0.9)
    (folder / "run.yaml").write_text(resolved(arguments))
    assert main(["train", str(folder / "run.yaml"), "--set", f"output={folder / 'out'}", "--set", "learning_rate=2e-3"]) == 0
    assert not (folder / "wrong").exists()
    return folder / "out"


# Configurations


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_configurations_are_valid_and_can_be_written_back(path, tmp_path):
    read = read_arguments(path)
    (tmp_path / "again.yaml").write_text(resolved(read))
    assert read_arguments(tmp_path / "again.yaml") == read


def test_the_defaults_are_the_published_recipe():
    recipe = read_arguments(CONFIGS / "paper.yaml")
    assert isinstance(recipe, MotionArguments)
    assert (recipe.learning_rate, recipe.weight_decay, recipe.batch, recipe.iterations, recipe.check_every) == (1e-4, 1e-4, 1, 40000, 3000)
    assert recipe.model == MotionNetConfig() and recipe.schedule == "constant" and not recipe.average_decay and not recipe.mirror
    assert [(source.root.name, source.share) for source in recipe.sources] == [("kubric", 0.35), ("dynamic_replica", 0.35), ("hoi4d", 0.3)]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("learning_rat: 1\n", "unknown keys: learning_rat"),
        ("batch: many\n", "batch is 'many'. Give a int"),
        ("batch: 1.5\n", "batch is 1.5"),
        ("mirror: 1\n", "mirror is 1"),
        ("learning_rate: '0.1'\n", "learning_rate is '0.1'. Give a float"),
        ("precision: float8\n", "Give one of float32, bfloat16, float16"),
        ("model: {depths: false}\n", "unknown keys: depths"),
        ("model: {descriptors: early}\n", "decoupled, from_start, joined, none"),
        ("network: dense\n", "network is 'dense'. Give one of motion, flow"),
        ("iterations: 0\n", "iterations is 0"),
        ("base: run.yaml\n", "another file"),
        ("seed: -1\n", "seed is -1. Give at least 0"),
        ("threads: -1\n", "threads is -1"),
        ("learning_rate: -1e-4\n", "learning_rate is -0.0001. Give at least 0"),
        ("weight_decay: .nan\n", "weight_decay is nan"),
        ("average_decay: 1.5\n", "average_decay is 1.5. Give 0 to 1"),
        ("model: {dropout: 2}\n", "dropout is 2.0. Give 0 to 1"),
        ("model: {time_heads: 3}\n", "time_width is 16 and time_heads 3"),
        ("model: {track_heads: 0}\n", "track_heads is 0"),
        ("sources: [{root: data, share: .nan}]\n", "shares"),
        ("sources: [{root: data, held_out_scenes: -1}]\n", "held_out_scenes is -1"),
        ("sources: [{root: data, simulated: {seed: 1, scenes: 2, step: 0}}]\n", "step is 0"),
        ("sources: [{root: data, simulated: {seed: 1, scenes: 2, kinds: [{share: 0}]}}]\n", "kinds of scenes"),
        ("sources: [{root: data, share: -1}]\n", "shares"),
        ("sources: [{root: data, fewest_tracks: 9, most_tracks: 8}]\n", "9 to 8 tracks"),
        ("sources: [{root: data, simulated: {seed: 1}}]\n", "lacks scenes"),
    ],
)
def test_wrong_keys_and_values_are_refused(line, message, tmp_path, capsys):
    path = tmp_path / "run.yaml"
    path.write_text((MINIMAL if not line.startswith("sources") else "output: out\n") + line)
    with pytest.raises(SettingsError, match=message):
        read_arguments(path)
    assert main(["train", str(path)]) == 2 and message.split("'")[0] in capsys.readouterr().err


def test_values_come_from_the_base_then_the_file_then_the_command_line(tmp_path):
    (tmp_path / "below.yaml").write_text(MINIMAL + "learning_rate: 1e-3\nbatch: 4\nmodel: {depth: false, time_layers: 1}\n")
    (tmp_path / "run.yaml").write_text("base: below.yaml\nbatch: 2\nmodel: {tracks: false}\n")
    read = read_arguments(tmp_path / "run.yaml", ["seed=5", "model.time_layers=3", "sources.0.root=elsewhere", "learning_rate=2e-5"])
    assert isinstance(read, MotionArguments)
    assert (read.batch, read.seed, read.learning_rate) == (2, 5, 2e-5) and read.sources[0].root == Path("elsewhere")
    assert read.model == MotionNetConfig(depth=False, tracks=False, time_layers=3)
    for change in ("batch", "batch.x=1", "sources.7.root=x", "batch=[", "bath=1"):
        with pytest.raises(SettingsError):
            read_arguments(tmp_path / "run.yaml", [change])


# What a run leaves behind


def test_a_run_leaves_its_configuration_log_and_curves(finished):
    read = read_arguments(finished / "config.yaml")
    assert isinstance(read, MotionArguments) and read.output == finished and read.learning_rate == 2e-3 and read.model == SMALL
    lines = [json.loads(line) for line in (finished / "log.jsonl").read_text().splitlines()]
    assert [line["iteration"] for line in lines] == [2, 4]
    assert lines[0].keys() == {"iteration", "loss", "iou", "roc_area", "precision_recall_area", "seconds"}
    curve = (finished / "curves" / "roc_0000004.csv").read_text().splitlines()
    assert curve[0] == "x,y,threshold" and curve[1] == "0,0,inf" and curve[-1].startswith("1,1,")
    assert (finished / "curves" / "precision_recall_0000002.csv").exists()


def test_tensorboard_shows_losses_scores_and_curves(finished):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(finished / "tensorboard" / "segmo"))
    events.Reload()
    assert [event.step for event in events.Scalars("train/loss")] == [1, 2, 3, 4]
    assert [event.step for event in events.Scalars("held_out/iou")] == [2, 4]
    assert {"held_out/roc", "held_out/precision_recall"} <= set(events.Tags()["images"])


@pytest.mark.parametrize("name", ["best", "checkpoint", "weights"])
def test_checkpoints_say_what_they_are_of(finished, name):
    _, notes = read_tensors(finished / f"{name}.safetensors")
    assert yaml.safe_load(notes["config"]) == yaml.safe_load((finished / "config.yaml").read_text())
    assert "2 scenes, 4 query frames" in notes["data"] and "held out: 1 scenes" in notes["data"]
    assert notes["code"].startswith("0.") and json.loads(notes["motion_net"]) == dataclasses.asdict(SMALL)
    assert int(notes["iteration"]) in (2, 4)


def test_only_whole_files_are_left(finished):
    assert sorted(path.name for path in finished.iterdir()) == [
        *("best.safetensors", "checkpoint.safetensors", "config.yaml", "curves", "log.jsonl", "tensorboard", "weights.safetensors")
    ]


def test_resuming_needs_the_same_configuration(finished, tmp_path):
    arguments = read_arguments(finished / "config.yaml")
    with pytest.raises(WeightsError, match="another configuration"):
        finish(train(dataclasses.replace(arguments, learning_rate=1e-5), resume=True))
    with pytest.raises(WeightsError, match="another configuration"):  # a rate that falls depends on where it ends
        finish(train(dataclasses.replace(arguments, schedule="cosine", iterations=9), resume=True))
    with pytest.raises(WeightsError, match="cannot be read"):
        finish(train(dataclasses.replace(arguments, output=tmp_path), resume=True))


@pytest.mark.parametrize("name", ["best", "checkpoint", "weights"])
def test_a_run_is_not_overwritten_by_another(name, tmp_path, finished, capsys):
    (tmp_path / f"{name}.safetensors").touch()
    scenes = tmp_path / "scenes"
    command = ["train", str(finished / "config.yaml"), "--set", f"output={tmp_path}", "--set", f"sources.0.root={scenes}"]
    assert main(command) == 2
    message = capsys.readouterr().err
    assert f"{tmp_path} holds a run already ({name}.safetensors)" in " ".join(message.split())
    assert all(word in message for word in ("--resume", "output=", "delete")) and not scenes.exists()  # before anything is rendered
    assert not (tmp_path / f"{name}.safetensors").stat().st_size


# The published format


def test_weights_go_to_the_published_format_and_back(tmp_path, capsys):
    torch.manual_seed(0)
    network = MotionNet()
    torch.save({"model_state_dict": network.state_dict(), "epoch": 3}, tmp_path / "moseg.pth")
    assert main(["convert", str(tmp_path / "moseg.pth"), str(tmp_path / "ours.safetensors")]) == 0
    assert "3,443,809 parameters" in capsys.readouterr().out
    assert convert(tmp_path / "ours.safetensors", tmp_path / "again.pth") == 3_443_809
    loaded = load_motion_net(tmp_path / "again.pth")
    assert all(torch.equal(a, b) for a, b in zip(loaded.parameters(), network.parameters(), strict=True))


@pytest.mark.parametrize("name", ["best", "checkpoint", "weights"])
def test_files_of_a_run_go_to_the_published_format(finished, tmp_path, name):
    convert(finished / f"{name}.safetensors", tmp_path / "run.pth")
    state = torch.load(tmp_path / "run.pth", weights_only=True)["model_state_dict"]
    MotionNet(SMALL).load_state_dict(state)
    assert load_motion_net(tmp_path / "run.pth").config == SMALL
    convert(tmp_path / "run.pth", tmp_path / "back.safetensors")
    back, _ = read_tensors(tmp_path / "back.safetensors")
    assert all(torch.equal(back[entry], state[entry]) for entry in state)
    if name == "checkpoint":  # the average is what is kept, not the last weights
        kept, _ = read_tensors(finished / "weights.safetensors")
        assert all(torch.equal(kept[entry], state[entry]) for entry in kept)


def test_other_files_are_not_converted(finished, tmp_path):
    with pytest.raises(SettingsError, match="endings"):
        convert(finished / "best.safetensors", tmp_path / "again.safetensors")
    (tmp_path / "broken.pth").write_bytes(b"nothing")
    with pytest.raises(WeightsError, match=r"broken\.pth"):
        convert(tmp_path / "broken.pth", tmp_path / "x.safetensors")
    other = Path(simulated.__file__).parents[1] / "zoo" / "weights" / "lite_motion.safetensors"
    with pytest.raises(WeightsError, match="no weights of the motion network of the paper"):
        convert(other, tmp_path / "x.pth")
