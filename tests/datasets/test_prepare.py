from __future__ import annotations

import contextlib
import json
import os
import time
from collections import Counter
from pathlib import Path
from typing import Any

import fakes
import h5py
import numpy as np
import pytest
from paper_hub import publish
from PIL import Image
from small_scenes import FRAMES, HW, make_scene, settings

from segmo.cli.main import main
from segmo.datasets import layout
from segmo.datasets.prepare import prepare, prepare_scene, read_plan, track_rows
from segmo.datasets.scenes import Done
from segmo.errors import DataError
from segmo.files import replacing, write_text
from segmo.stages.paper_rules import track_certainty
from segmo.types import Tracks, finish
from segmo.zoo.presets import PAPER


def files(root: Path) -> dict[str, int]:
    return {path.relative_to(root).as_posix(): path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()}


def test_lite_writes_the_formats_of_the_published_code(prepared):
    (scene,) = layout.open_layout(prepared).scenes()
    height, width = scene.image_hw()
    spacing = max(1, int((height * width / 9000) ** 0.5))
    points = len(range(0, height, spacing)) * len(range(0, width, spacing))
    names = [f"{t:05d}" for t in range(6)]
    assert sorted(path.stem for path in scene.tracks.iterdir()) == [f"{q}_{t}" for q in ("00000", "00004") for t in names]
    for query in ("00000", "00004"):
        rows = np.load(scene.tracks / f"{query}_{query}.npy")
        assert rows.shape == (points, 4) and rows.dtype == np.float32 and np.isfinite(rows).all()
        np.testing.assert_array_equal(rows[:3, :2], [(0, 0), (spacing, 0), (2 * spacing, 0)])
        features = np.load(scene.features / f"{query}.npy")
        assert features.ndim == 3 and features.dtype == np.float16
    assert sorted(path.stem for path in scene.features.iterdir()) == ["00000", "00004"]
    for name in names:
        with Image.open(scene.depth / f"{name}.png") as depth:
            assert depth.mode == "I;16" and depth.size == (width, height)
    assert scene.query_names() == ("00000", "00004")
    tracks = layout.read_tracks(scene, "00000", names)
    certainty = track_certainty(tracks[..., 2], tracks[..., 3])
    assert certainty.visible[:, 0].mean() > 0.9 and not certainty.visible.all()


def test_what_the_checks_say_of_it(prepared, capsys):
    assert main(["check", str(prepared)]) == 0
    assert "No fault in 1 scene." in capsys.readouterr().out


def test_tracks_come_back_as_the_tracker_gave_them(tmp_path):
    random = np.random.default_rng(0)
    visibility, confidence = random.uniform(0, 1, (2, 9, 4)).astype(np.float32)
    visibility[0], confidence[1] = 0, 1
    positions = random.uniform(0, 60, (9, 4, 2)).astype(np.float32)
    tracks = Tracks(positions, visibility, confidence, np.zeros(9, np.int64), HW)
    scene = make_scene(tmp_path)
    layout.write_tracks(scene, "00000", scene.frame_names()[:4], track_rows(tracks, HW))
    rows = layout.read_tracks(scene, "00000", scene.frame_names()[:4])
    np.testing.assert_array_equal(rows[..., :2], positions)
    certainty = track_certainty(rows[..., 2], rows[..., 3])
    np.testing.assert_allclose(certainty.visibility, visibility, atol=2e-6)
    np.testing.assert_array_equal(certainty.visible, tracks.visible)
    sure = certainty.visible | certainty.hidden
    np.testing.assert_allclose(certainty.confidence[sure], confidence[sure], atol=2e-6)


def test_positions_are_in_pixels_of_the_images_in_efficiency_mode(tmp_path):
    scene = make_scene(tmp_path, hw=(500, 2000), frames=3)
    finish(prepare_scene(scene, settings(efficiency=True), ["tracks", "depths"], fakes.FakeStore()))
    rows = layout.read_tracks(scene, "00000", ["00000"])
    assert 1960 < rows[..., 0].max() < 2000 and 480 < rows[..., 1].max() < 500
    assert layout.read_depth(scene.depth_file("00000")).shape == (500, 2000)


def test_only_the_parts_asked_for_are_made_and_nothing_twice(tmp_path):
    scene, store = make_scene(tmp_path), fakes.FakeStore()
    data = layout.open_layout(tmp_path)
    assert finish(prepare(data, settings(), ["depths"], store=store)).files_written == FRAMES
    assert not scene.tracks.exists() and not scene.features.exists()
    done = finish(prepare(data, settings(), store=store))
    assert done.files_written == 2 * FRAMES + 2 and done.scenes == 1 and store.calls == Counter(flow=2, depth=1, tracks=1, features=1)
    before = files(tmp_path)
    assert finish(prepare(data, settings(), store=store)).files_written == 0
    assert files(tmp_path) == before and store.calls["features"] == 1
    plan = read_plan(scene)
    assert plan.queries == ("00000", "00004") and plan.frames == scene.frame_names()
    assert plan.models == {"depths": "fake-depth-1", "tracks": "fake-tracks-1", "features": "fake-features-1"}


def test_a_stopped_run_goes_on_and_ends_with_the_same_files(tmp_path):
    class Stopped(fakes.FakeFeatures):
        def describe(self, clip: Any, frames: Any) -> Any:
            raise KeyboardInterrupt

    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    for root in (whole, stopped):
        make_scene(root)
    finish(prepare(layout.open_layout(whole), settings(), store=fakes.FakeStore()))
    with pytest.raises(KeyboardInterrupt):
        finish(prepare(layout.open_layout(stopped), settings(), store=fakes.FakeStore(features=Stopped)))
    (stopped / "bootstapir/fox/00004_00002.npy").unlink()
    kept = files(stopped)
    store = fakes.FakeStore()
    assert finish(prepare(layout.open_layout(stopped), settings(), store=store)).files_written == FRAMES + 2
    assert store.calls == Counter(flow=1, tracks=1, features=1)
    after = files(stopped)
    untouched = {path: time for path, time in kept.items() if "00004_" not in path}
    assert {path: after[path] for path in untouched} == untouched
    assert {path: (whole / path).read_bytes() for path in files(whole)} == {path: (stopped / path).read_bytes() for path in after}


def test_other_settings_on_the_same_scene_are_refused(tmp_path):
    make_scene(tmp_path)
    data = layout.open_layout(tmp_path)
    finish(prepare(data, settings(4), store=fakes.FakeStore()))

    class Other(fakes.FakeTracks):
        identity = "other-tracks-1"

    for store, step in ((fakes.FakeStore(), 2), (fakes.FakeStore(tracks=Other), 4)):
        done = finish(prepare(data, settings(step), store=store))
        assert done.scenes == 0 and "fox" in done.failures[0] and "first remove" in done.failures[0] and not store.calls


def test_a_damaged_scene_does_not_stop_the_others(tmp_path, capsys):
    make_scene(tmp_path, "a")
    make_scene(tmp_path, "b")
    (tmp_path / "images/a/00002.png").write_bytes(b"cut")
    assert main(["prepare", str(tmp_path), "--features", "--step", "4"]) == 2
    said = capsys.readouterr()
    assert "1 scene prepared" in said.out and "Failed: 1 scene." in said.out and "a: " in said.err and "00002.png" in said.err
    assert (tmp_path / "dinos/b/00004.npy").exists()


def test_the_preset_is_the_best_that_can_run_here_unless_asked_for(tmp_path, monkeypatch, capsys):
    make_scene(tmp_path)
    monkeypatch.setattr("segmo.zoo.store.default_preset", lambda device: ("paper-fast", f"paper-fast suits {device}."))
    monkeypatch.setattr("segmo.zoo.store.ModelStore.fetch", lambda self, models: (fraction for fraction in ()))
    seen = []

    def prepare(layout, settings, parts, **rest):
        seen.append(settings.preset)
        return Done(1, 0, ())
        yield

    monkeypatch.setattr("segmo.datasets.prepare.prepare", prepare)
    assert main(["prepare", str(tmp_path)]) == 0
    assert "paper-fast suits auto." in capsys.readouterr().out
    assert main(["prepare", str(tmp_path), "--preset", "lite"]) == 0
    assert seen == ["paper-fast", "lite"] and "suits" not in capsys.readouterr().out


def test_a_folder_without_scenes_tells_what_is_expected(tmp_path, capsys):
    for command in ("prepare", "check", "clean"):
        assert main([command, str(tmp_path)]) == 2
        assert "images/<scene>/<name>.png" in capsys.readouterr().err


def test_one_process_a_gpu_shares_the_scenes(tmp_path, capsys):
    for name in ("a", "b"):
        make_scene(tmp_path, name)
    assert main(["prepare", str(tmp_path), "--features", "--step", "4", "--gpus", "0", "1"]) == 0
    assert "2 scenes prepared" in capsys.readouterr().out
    assert len(list(tmp_path.glob("dinos/*/*.npy"))) == 4


def test_records_of_others_are_no_plan_and_damaged_ones_an_error(tmp_path):
    scene = make_scene(tmp_path)
    write_text(scene.record, '{"simulated": {}}')
    assert read_plan(scene) is None
    write_text(scene.record, "{")
    with pytest.raises(DataError, match="Remove it"):
        read_plan(scene)


@pytest.fixture
def complete(tmp_path) -> Path:
    for name in ("a", "b"):
        make_scene(tmp_path, name)
    finish(prepare(layout.open_layout(tmp_path), settings(), store=fakes.FakeStore()))
    return tmp_path


def plant_missing(root: Path) -> None:
    (root / "bootstapir/a/00004_00002.npy").unlink()


def plant_truncated_tracks(root: Path) -> None:
    path = root / "bootstapir/a/00000_00001.npy"
    path.write_bytes(path.read_bytes()[:-8])


def plant_truncated_depth(root: Path) -> None:
    path = root / "depth_anything_v2/a/00001.png"
    path.write_bytes(path.read_bytes()[:60])


def plant_empty_depth(root: Path) -> None:
    (root / "depth_anything_v2/a/00001.png").write_bytes(b"")


def plant_spoiled_header(root: Path) -> None:
    path = root / "bootstapir/a/00000_00001.npy"
    path.write_bytes(path.read_bytes().replace(b"}", b" "))


def plant_nan_in_features(root: Path) -> None:
    features = np.load(root / "dinos/a/00004.npy")
    features[0, 0, 0] = np.nan
    np.save(root / "dinos/a/00004.npy", features)


def plant_small_depth(root: Path) -> None:
    layout.write_depth(root / "depth_anything_v2/a/00001.png", np.zeros((5, 5), np.uint16))


def plant_stray_depth(root: Path) -> None:
    layout.write_depth(root / "depth_anything_v2/a/00077.png", np.zeros(HW, np.uint16))


def plant_nan(root: Path) -> None:
    rows = np.load(root / "bootstapir/a/00000_00003.npy")
    rows[3, 1] = np.nan
    np.save(root / "bootstapir/a/00000_00003.npy", rows)


def plant_fewer_points(root: Path) -> None:
    np.save(root / "bootstapir/a/00000_00003.npy", np.load(root / "bootstapir/a/00000_00003.npy")[:-1])


def plant_other_grid(root: Path) -> None:
    layout.write_features(root / "dinos/a/00004.npy", np.ones((9, 9, 3), np.float16))


def plant_damaged_hdf5(root: Path) -> None:
    (root / "dinos/a/00000.h5").write_bytes(b"\x89HDF")


def plant_truncated_image(root: Path) -> None:
    path = root / "images/a/00003.png"
    path.write_bytes(path.read_bytes()[:200])


def plant_missing_mask(root: Path) -> None:
    (root / "dynamic_masks/a/00003.png").unlink()


def plant_missing_image(root: Path) -> None:
    (root / "images/a/00002.png").unlink()


def plant_no_features(root: Path) -> None:
    for path in (root / "dinos/a").iterdir():
        path.unlink()


def plant_damaged_record(root: Path) -> None:
    (root / "prepared/a.json").write_text("{")


FAULTS = {
    plant_missing: ("00004_00002.npy", "missing"),
    plant_truncated_tracks: ("00000_00001.npy", "truncated"),
    plant_truncated_depth: ("depth_anything_v2/a/00001.png", "truncated"),
    plant_empty_depth: ("depth_anything_v2/a/00001.png", "damaged"),
    plant_spoiled_header: ("00000_00001.npy", "damaged"),
    plant_nan_in_features: ("dinos/a/00004.npy", "NaN"),
    plant_small_depth: ("depth_anything_v2/a/00001.png", "is 5x5, the images 64x36"),
    plant_stray_depth: ("00077.png", "no image"),
    plant_nan: ("00000_00003.npy", "NaN"),
    plant_fewer_points: ("00000_00003.npy", "has shape"),
    plant_other_grid: ("dinos/a/00004.npy", "has shape"),
    plant_damaged_hdf5: ("00000.h5", "damaged"),
    plant_truncated_image: ("images/a/00003.png", "truncated"),
    plant_missing_mask: ("dynamic_masks/a/00003.png", "missing"),
    plant_missing_image: ("images/a/00002", "missing"),
    plant_no_features: ("dinos/a", "missing"),
    plant_damaged_record: ("prepared/a.json", "cannot be read"),
}


@pytest.mark.parametrize("plant", FAULTS, ids=lambda plant: plant.__name__)
def test_check_names_scene_file_and_fault(plant, complete, capsys):
    assert main(["check", str(complete)]) == 0
    plant(complete)
    capsys.readouterr()
    assert main(["check", str(complete), "--json"]) == 1
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    file, problem = FAULTS[plant]
    assert {row["scene"] for row in rows} == {"a"}
    assert any(file in row["file"] and problem in row["problem"] for row in rows), rows
    assert main(["check", str(complete)]) == 1
    assert "in 1 of 2 scenes." in capsys.readouterr().out


def test_check_of_a_folder_of_the_published_code(complete, capsys):
    """Such a folder has no records: what should be there follows from the images and from the query frames that are there."""
    for path in (complete / "prepared").iterdir():
        path.unlink()
    assert main(["check", str(complete)]) == 0
    (complete / "depth_anything_v2/b/00004.png").unlink()
    (complete / "dinos/b/00004.npy").unlink()
    assert main(["check", str(complete)]) == 1
    said = capsys.readouterr().out
    assert "depth_anything_v2/b/00004.png is missing" in said and "dinos/b/00004.npy is missing" in said
    assert main(["check", str(complete), "--tracks"]) == 0


def test_what_was_removed_after_a_check_is_made_again(complete):
    plant_truncated_tracks(complete)
    (complete / "bootstapir/a/00000_00001.npy").unlink()
    finish(prepare(layout.open_layout(complete), settings(), store=fakes.FakeStore()))
    assert main(["check", str(complete)]) == 0


def leftover(complete: Path, file: str = "bootstapir/a/00000_00001.npy", *, age_s: float = 7200.0) -> Path:
    """What a writer leaves that is killed, so that it cannot clean up."""
    with contextlib.suppress(KeyboardInterrupt), replacing(complete / file) as temporary:
        raise KeyboardInterrupt
    temporary.write_bytes(b"half")
    os.utime(temporary, (time.time() - age_s,) * 2)
    return temporary


def test_clean_removes_what_killed_writers_leave_and_nothing_else(complete, capsys):
    names = ("depth_anything_v2/a/00000.png", "dinos/a/00000.h5", "dynamic_masks/b/00001.png", "prepared/a.json", "prepared/b.json")
    remains = [leftover(complete, name) for name in names]
    others = [complete / "bootstapir/a" / name for name in (".note.npy", ".00000.npy.backup", ".0a1b2c3d.npy", ".notes.0a1b2c3d")]
    for path in others:
        path.write_bytes(b"of the user")
        os.utime(path, (time.time() - 7200,) * 2)
    assert main(["clean", str(complete)]) == 0
    assert "removed 5 remains" in capsys.readouterr().out
    assert not any(path.exists() for path in remains) and all(path.exists() for path in others)


def test_clean_first_only_tells_and_then_does(complete, capsys):
    remains = leftover(complete)
    features = {path.name: np.load(path) for path in (complete / "dinos/a").iterdir()}
    before = files(complete)
    assert main(["clean", str(complete), "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert files(complete) == before
    assert "Would compress 4 files of features and remove 1 remains" in said and "dinos/a/00004.npy" in said and remains.name in said

    assert main(["clean", str(complete)]) == 0
    assert "Compressed 4 files of features and removed 1 remains" in capsys.readouterr().out
    after = files(complete)
    assert set(before) - set(after) == {f"dinos/{scene}/0000{q}.npy" for scene in "ab" for q in (0, 4)} | {f"bootstapir/a/{remains.name}"}
    assert {path: after[path] for path in after if not path.endswith(".h5")} == {path: before[path] for path in after if path in before}
    for name, content in features.items():
        with h5py.File(complete / "dinos/a" / Path(name).with_suffix(".h5")) as file:
            np.testing.assert_array_equal(file["dinos"][()], content)
            assert file["dinos"].compression == "gzip"
    assert main(["check", str(complete)]) == 0
    assert finish(prepare(layout.open_layout(complete), settings(), store=fakes.FakeStore())).files_written == 0
    assert main(["clean", str(complete)]) == 0


def test_clean_keeps_what_it_cannot_make_again(complete, capsys):
    damaged, precise, other = (complete / "dinos" / name for name in ("a/00000.npy", "a/00004.npy", "b/00000.npy"))
    damaged.write_bytes(b"\x93NUMPY cut")
    np.save(precise, np.full((2, 2, 3), 1 / 3))
    layout.write_features(other.with_suffix(".h5"), np.zeros((2, 2, 3), np.float16))
    young = leftover(complete, age_s=10)
    contents = {path: path.read_bytes() for path in (damaged, precise, other, other.with_suffix(".h5"), young)}
    assert main(["clean", str(complete)]) == 1
    said = capsys.readouterr().err
    assert said.count("was kept") == 3 and all(path.name in said for path in (damaged, precise, other))
    assert {path: path.read_bytes() for path in contents} == contents
    assert not (complete / "dinos/b/00004.npy").exists() and (complete / "dinos/b/00004.h5").exists()


def test_tracks_do_not_depend_on_how_many_query_frames_go_together(tmp_path, monkeypatch):
    store = fakes.FakeStore()
    for limit, name in ((1 << 30, "a"), (1, "b")):
        monkeypatch.setattr("segmo.datasets.prepare._GROUP_BYTES", limit)
        finish(prepare_scene(make_scene(tmp_path / name), settings(2), ["tracks"], store))
    assert store.calls["tracks"] == 1 + 3
    for path in (tmp_path / "a/bootstapir/fox").iterdir():
        assert path.read_bytes() == (tmp_path / "b/bootstapir/fox" / path.name).read_bytes()


def test_the_models_of_the_paper_write_the_published_shapes(tmp_path, monkeypatch, capsys):
    """With random weights, on a folder that stands for the hub."""
    monkeypatch.setenv("SEGMO_HUB", str(tmp_path / "hub"))
    monkeypatch.setenv("SEGMO_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setattr("segmo.networks.tapir.RESOLUTION", 64)  # its layers take any multiple of 16 pixels
    publish(tmp_path / "hub", [(role, PAPER.model(role)) for role in ("depth", "tracks", "features", "motion")])
    scene = make_scene(tmp_path / "data", frames=2, hw=(10, 16))
    assert main(["prepare", str(tmp_path / "data"), "--preset", "paper", "--step", "1", "--device", "cpu"]) == 0
    names = scene.frame_names()
    tracks = layout.read_tracks(scene, names[1], names)
    assert tracks.shape == (160, 2, 4)
    np.testing.assert_array_equal(tracks[[0, 1, 16], 1, :2], [(0, 0), (1, 0), (0, 1)])
    features = layout.read_features(scene.feature_file(names[0]))
    assert features.shape == (1 + (14 - 14) // 7, 1 + (28 - 14) // 7, 768)
    depth = layout.read_depth(scene.depth_file(names[1]))
    assert depth.shape == (10, 16) and depth.min() == 0 and depth.max() == 65535
    assert read_plan(scene).models["tracks"].startswith("bootstapir-")
    assert main(["check", str(tmp_path / "data")]) == 0
    assert main(["label", str(tmp_path / "data"), "--device", "cpu"]) == 0
    assert "paper is used because fox was prepared with it." in capsys.readouterr().out
    with np.load(tmp_path / "data/results/fox/labels.npz") as labels:
        assert len(labels["track_probability"]) == 160 and ((labels["track_probability"] >= 0) & (labels["track_probability"] <= 1)).all()
