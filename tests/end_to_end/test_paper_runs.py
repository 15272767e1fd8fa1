"""The paper's models from the command line: small or random weights in the published formats, in a folder that stands for the hub."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from paper_hub import publish
from PIL import Image

from segmo.cli.main import main
from segmo.zoo.presets import PAPER, PAPER_FAST, specs_of

STAGES = ("frames", "depth", "tracks", "features", "motion", "masks")
SMALL = ["--max-frames", "4", "--max-side", "16", "--stride", "2", "--device", "cpu", "--json", "--always-moves"]


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the presets need, and nowhere else to get it."""
    monkeypatch.setenv("SEGMO_HUB", str(tmp_path / "hub"))
    monkeypatch.setenv("SEGMO_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setattr("segmo.networks.tapir.RESOLUTION", 32)  # its layers take any multiple of 16 pixels
    return tmp_path / "hub"


def run(capsys: pytest.CaptureFixture[str], clip: Path, out: Path, *flags: str) -> tuple[int, list[dict], str]:
    code = main(["run", str(clip), "--out", str(out), *SMALL, *flags])
    captured = capsys.readouterr()
    return code, [json.loads(line) for line in captured.out.splitlines()], captured.err


def shape_of(path: Path) -> tuple[tuple[int, int], str]:
    with Image.open(path) as image:
        return image.size, image.mode


def test_a_clip_goes_through_every_published_model_and_the_second_time_through_none(hub, shared, tmp_path, capsys):
    publish(hub, [(spec.role, spec.name) for spec in specs_of(PAPER)])
    clip = shared / "clips" / "cat.mp4"  # 480 high, 368 wide
    code, told, _ = run(capsys, clip, tmp_path / "out", "--preset", "paper")
    assert code == 0 and [line["stage"] for line in told if line["status"] == "done"] == [*STAGES, "outputs"]

    folder = tmp_path / "out" / "cat"
    record = json.loads((folder / "run.json").read_text())
    identities = {stage["stage"]: stage["model"] for stage in record["stages"]}
    assert all(identities[role].startswith(f"{PAPER.model(role)}-") for role in STAGES[1:])
    assert {(model["role"], model["name"]) for model in record["models"]} == {(spec.role, spec.name) for spec in specs_of(PAPER)}
    tracks = np.load(folder / "tracks.npz")
    points = len(tracks["query_frames"])
    assert points > 100 and tracks["positions_xy"].shape == (points, 4, 2) and tracks["moving"].shape == (points,)
    assert np.isfinite(tracks["positions_xy"]).all() and set(tracks["query_frames"]) == {0, 2} and tracks["moving"].any()
    assert [shape_of(path) for path in sorted((folder / "masks").iterdir())] == [((368, 480), "P")] * 4

    code, told, _ = run(capsys, clip, tmp_path / "again", "--preset", "paper")
    assert code == 0 and {line["status"] for line in told if line.get("stage") in STAGES} == {"cached"}


def test_edgetam_takes_the_place_of_the_masks_model_of_the_fast_preset(hub, shared, tmp_path, capsys):
    models = {spec.role: spec.name for spec in specs_of(PAPER_FAST)} | {"masks": "edgetam"}
    publish(hub, models.items())
    code, _, _ = run(capsys, shared / "clips" / "cat.mp4", tmp_path / "out", "--preset", "paper-fast", "--masks-model", "edgetam")
    record = json.loads((tmp_path / "out" / "cat" / "run.json").read_text())
    identities = {stage["stage"]: stage["model"] for stage in record["stages"]}
    assert code == 0 and all(identities[role].startswith(f"{models[role]}-") for role in STAGES[1:])
    masks = sorted((tmp_path / "out" / "cat" / "masks").iterdir())
    assert [shape_of(path) for path in masks] == [((368, 480), "P")] * 4


def test_without_weights_the_run_ends_early_and_says_how_to_get_them(hub, shared, tmp_path, capsys):
    hub.mkdir()
    code, told, said = run(capsys, shared / "clips" / "cat.mp4", tmp_path / "out", "--preset", "paper")
    assert code == 1 and "python -m segmo weights fetch paper" in said
    assert not [line for line in told if line["status"] == "done" and line["stage"] != "frames"]


def test_one_published_model_can_join_the_lite_ones(hub, shared, tmp_path, capsys):
    publish(hub, [("depth", "depth-anything-v2-small")])
    flags = ("--preset", "lite", "--depth-model", "depth-anything-v2-small")
    code, _, _ = run(capsys, shared / "clips" / "cat.mp4", tmp_path / "out", *flags)
    record = json.loads((tmp_path / "out" / "cat" / "run.json").read_text())
    identities = {stage["stage"]: stage["model"] for stage in record["stages"]}
    assert code == 0 and identities["depth"].startswith("depth-anything-v2-small-") and identities["masks"].startswith("lite-")


def test_margins_are_looked_at_by_none_of_the_models(hub, tmp_path, capsys):
    publish(hub, [(spec.role, spec.name) for spec in specs_of(PAPER)])
    clip = tmp_path / "framed"
    clip.mkdir()
    for number in range(4):
        frame = np.zeros((40, 80, 3), np.uint8)
        frame[:, 24:56] = np.random.default_rng(number).integers(0, 256, (40, 32, 3))
        Image.fromarray(frame).save(clip / f"{number}.png")
    code, _, _ = run(capsys, clip, tmp_path / "out", "--preset", "paper", "--max-side", "80")
    folder = tmp_path / "out" / "framed"
    assert code == 0 and "32x40 of 80x40" in " ".join(json.loads((folder / "run.json").read_text())["warnings"])
    tracks = np.load(folder / "tracks.npz")
    start = tracks["positions_xy"][np.arange(len(tracks["query_frames"])), tracks["query_frames"]]
    assert len(start) > 100 and start[:, 0].min() >= 23 and start[:, 0].max() <= 56 and np.ptp(start[:, 1]) > 30
    masks = np.stack([np.asarray(Image.open(path)) for path in sorted((folder / "masks").iterdir())])
    assert masks.shape == (4, 40, 80) and not masks[:, :, :24].any() and not masks[:, :, 56:].any()
