from __future__ import annotations

import json
import shutil

import fakes
import numpy as np
import pytest
from PIL import Image
from small_scenes import FRAMES, HW, make_scene, settings

from segmo.cli.main import main
from segmo.datasets import layout
from segmo.datasets.check import check
from segmo.datasets.label import label, mask, read_drawn_tracks
from segmo.datasets.prepare import prepare
from segmo.errors import DataError
from segmo.settings import with_values
from segmo.types import finish


@pytest.fixture
def fox(tmp_path) -> layout.Layout:
    make_scene(tmp_path)
    data = layout.open_layout(tmp_path)
    finish(prepare(data, settings(), store=fakes.FakeStore()))
    return data


def test_prepared_data_become_masks_that_can_be_evaluated(prepared, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("segmo.zoo.store.default_preset", lambda device: pytest.fail("the record tells the preset"))
    data = shutil.copytree(prepared, tmp_path / "data")
    assert main(["label", str(data)]) == 0
    assert main(["mask", str(data), "--out", str(data / "results")]) == 0
    said = capsys.readouterr().out
    assert "1 scene with masks" in said and said.count("lite is used because crossing was prepared with it.") == 2
    out = data / "results/crossing"
    found = np.stack([np.asarray(Image.open(out / f"masks/{t:05d}.png")) > 0 for t in range(6)])
    truth = np.stack([layout.read_mask(data / f"dynamic_masks/crossing/{t:05d}.png") for t in range(6)])
    assert (found & truth).sum() / (found | truth).sum() > 0.5
    assert (out / "overlay.mp4").exists() and (out / "objects.json").exists()
    with np.load(out / "labels.npz") as labels:
        assert labels["moving"].any() and not labels["moving"].all() and len(labels["moving"]) == len(labels["positions_xy"])
    assert main(["check", str(data)]) == 0


def test_labels_are_kept_until_settings_change(fox):
    store, out = fakes.FakeStore(), fox.root / "out"
    assert finish(label(fox, out, settings(), store=store)).files_written == 1
    assert finish(label(fox, out, settings(), store=store)).files_written == 0
    assert store.calls["evidence"] == 1
    changed = with_values(settings(), {("motion", "threshold"): 0.9})
    assert finish(label(fox, out, changed, store=store)).files_written == 1
    with np.load(out / "fox/labels.npz") as labels:
        assert labels["threshold"] == 0.9
        np.testing.assert_array_equal(labels["moving"], labels["track_probability"] > 0.9)
    done = finish(mask(fox, out, changed, store=store))
    assert done.scenes == 1 and store.calls["masks"] == 1
    run = json.loads((out / "fox/run.json").read_text())
    assert run["labels"]["motion"]["threshold"] == 0.9 and run["complete"]


def test_the_draw_takes_a_share_of_every_query_frame(fox):
    (scene,) = fox.scenes()
    every = len(layout.read_track_file(scene.track_file("00000", "00000")))
    tracks = read_drawn_tracks(scene, HW, settings())
    assert np.bincount(tracks.query_frames, minlength=FRAMES).tolist() == [every // 2, 0, 0, 0, every // 2]
    start = tracks.positions_xy[np.arange(len(tracks)), tracks.query_frames]
    np.testing.assert_array_equal(start, start.astype(int))
    few = read_drawn_tracks(scene, HW, with_values(settings(), {("tracks", "max_tracks"): 100}))
    assert len(few) == 100
    other = read_drawn_tracks(scene, HW, with_values(settings(), {("tracks", "max_tracks"): 100, ("tracks", "seed"): 1}))
    assert (few.positions_xy != other.positions_xy).any()


def test_each_step_says_which_one_comes_before_it(tmp_path, capsys):
    make_scene(tmp_path)
    assert main(["label", str(tmp_path)]) == 2
    assert "Run `python -m segmo prepare`" in capsys.readouterr().err
    assert main(["mask", str(tmp_path)]) == 2
    assert "Run `python -m segmo label` first" in capsys.readouterr().err


@pytest.mark.parametrize("kept", [0, 2, 0.5])
def test_damaged_labels_are_an_error_with_the_way_out(fox, kept):
    out = fox.root / "out"
    finish(label(fox, out, settings(), store=fakes.FakeStore()))
    whole = (out / "fox/labels.npz").read_bytes()
    (out / "fox/labels.npz").write_bytes(whole[: int(kept * len(whole)) if 0 < kept < 1 else kept])
    done = finish(mask(fox, out, settings(), store=fakes.FakeStore()))
    assert done.scenes == 0 and "labels.npz cannot be read" in done.failures[0] and "again" in done.failures[0]


def test_labels_do_not_outlive_the_data_they_were_made_from(fox):
    (scene,), store, out = fox.scenes(), fakes.FakeStore(), fox.root / "out"
    assert finish(label(fox, out, settings(), store=store)).files_written == 1

    class Other(fakes.FakeTracks):
        identity = "other-tracks-1"

    for path in (scene.tracks, scene.depth, scene.features):
        shutil.rmtree(path)
    scene.record.unlink()
    finish(prepare(fox, settings(), store=fakes.FakeStore(tracks=Other)))
    done = finish(mask(fox, out, settings(), store=store))
    assert done.scenes == 0 and "Run `python -m segmo label` again" in done.failures[0] and not store.calls["masks"]
    assert finish(label(fox, out, settings(), store=store)).files_written == 1
    assert finish(mask(fox, out, settings(), store=store)).scenes == 1
    run = json.loads((out / "fox/run.json").read_text())
    assert run["labels"]["data"]["models"]["tracks"] == "other-tracks-1"


@pytest.mark.parametrize("part", ["images", "depth", "tracks", "features"])
def test_one_other_file_makes_labels_old(fox, part):
    (scene,), store, out = fox.scenes(), fakes.FakeStore(), fox.root / "out"
    finish(label(fox, out, settings(), store=store))
    path = sorted(getattr(scene, part).iterdir())[-1]
    path.with_name("notes.txt").write_text("no part of the scene")
    assert finish(label(fox, out, settings(), store=store)).files_written == 0
    path.touch()
    assert "label` again" in finish(mask(fox, out, settings(), store=store)).failures[0]
    assert finish(label(fox, out, settings(), store=store)).files_written == 1


def test_photos_that_are_stored_turned_are_labelled_as_they_are_shown(tmp_path):
    data = layout.Layout(tmp_path)
    scene = make_scene(tmp_path)
    for path in sorted(scene.images.iterdir()):
        with Image.open(path) as image:
            exif = image.getexif()
            exif[0x0112] = 6  # a quarter turn
            image.save(path.with_suffix(".jpg"), exif=exif)
        path.unlink()
        layout.write_mask(scene.mask_file(path.stem), np.ones(HW[::-1], bool))
    assert finish(prepare(data, settings(), store=fakes.FakeStore())).scenes == 1
    assert scene.image_hw() == layout.read_depth(scene.depth_file("00000")).shape == HW[::-1]
    drawn = read_drawn_tracks(scene, HW[::-1], settings()).positions_xy
    stored = layout.read_tracks(scene, "00000", scene.prepared_names())[..., :2]
    assert 0.9 * stored.max() < drawn.max() <= stored.max()
    assert finish(check(data)) == ()


def test_scenes_of_which_frames_lost_their_depth_are_refused(fox):
    (scene,) = fox.scenes()
    scene.depth_file("00002").unlink()
    with pytest.raises(DataError):
        layout.read_depth(scene.depth_file("00002"))
    done = finish(label(fox, fox.root / "out", settings(), store=fakes.FakeStore()))
    assert "segmo check" in done.failures[0]
