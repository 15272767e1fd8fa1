from __future__ import annotations

import shutil
from pathlib import Path

import data_trees
import numpy as np
import pytest

from segmo.cli.main import main
from segmo.datasets import layout
from segmo.datasets.annotations import read_rgb
from segmo.datasets.catalogue import find_data_set
from segmo.datasets.convert import convert
from segmo.types import finish

CONVERTED = {tree: row for tree, row in data_trees.TREES.items() if find_data_set(row[0]).converts}


def contents(root: Path) -> dict[str, tuple[int, bytes]]:
    return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in sorted(root.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("tree", CONVERTED)
def test_a_published_data_set_becomes_the_layout_and_stays_as_it_is(tree, tmp_path, capsys):
    name, build = CONVERTED[tree]
    source, target = tmp_path / "source", tmp_path / "target"
    truth = build(source)
    before = contents(source)
    assert main(["data", name, str(source), str(target), "--workers", "2"]) == 0
    assert f"{len(truth)} clip" in capsys.readouterr().out
    assert contents(source) == before
    scenes = {scene.name: scene for scene in layout.open_layout(target).scenes()}
    assert list(scenes) == sorted(truth)
    for clip in find_data_set(name).clips(source):
        scene, masks = scenes[clip.name], truth[clip.name]
        assert scene.frame_names() == tuple(masks)
        for frame in clip.read():
            np.testing.assert_array_equal(read_rgb(scene.images / f"{frame.name}.png"), frame.image)
            np.testing.assert_array_equal(layout.read_mask(scene.masks_by_frame()[frame.name]), masks[frame.name])


def test_folders_are_named_as_in_the_published_code(tmp_path):
    for tree, expected in (
        ("kubric folders", ["images/17/00000.png", "masks/17/00000.png"]),
        ("dynamic-replica", [f"02ab-3_obj_source_right/{kind}/02ab-3_obj_source_right-0000.png" for kind in ("images", "dynamic_masks")]),
        ("hoi4d", [f"{kind}/ZY20210800001_H1_C1_N19_S100_s02_T1/00008.png" for kind in ("images", "dynamic_masks")]),
        ("waymo", [f"{kind}/016_1/002.png" for kind in ("images", "dynamic_masks")]),
    ):
        name, build = CONVERTED[tree]
        build(tmp_path / tree / "source")
        finish(convert(find_data_set(name), tmp_path / tree / "source", tmp_path / tree / "out"))
        assert [file for file in expected if not (tmp_path / tree / "out" / file).is_file()] == []


def test_an_interrupted_conversion_goes_on_where_it_stopped(tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    data_trees.davis(source)
    steps = convert(find_data_set("davis"), source, target, workers=1)
    next(steps)
    steps.close()
    partly = contents(target)
    assert "bear/00005.png" in " ".join(partly)
    (target / "dynamic_masks/bear/00003.png").unlink()  # stopped between a picture and its mask
    kept = contents(target)
    kept.pop(str(target / "images/bear/00003.png"))
    done = finish(convert(find_data_set("davis"), source, target, workers=1))
    assert done.clips == 2 and done.frames_written == 12 - len(partly) // 2 + 1
    assert {path: value for path, value in contents(target).items() if path in kept} == kept
    assert finish(convert(find_data_set("davis"), source, target)).frames_written == 0


def test_an_incomplete_clip_does_not_stop_the_others(tmp_path, capsys):
    source, target = tmp_path / "source", tmp_path / "target"
    data_trees.hoi4d(source)
    shutil.rmtree(source / "HOI4D_release/ZY20210800001/H1/C1")
    assert main(["data", "hoi4d", str(source), str(target)]) == 2
    said = capsys.readouterr()
    assert "1 clip in" in said.out and "Not converted: 1 clip." in said.out
    assert "ZY20210800001_H1_C1" in said.err and "Get it from" in said.err
    assert [scene.name for scene in layout.open_layout(target).scenes()] == ["ZY20210800001_H1_C2_N19_S100_s02_T1"]


def test_a_partly_unpacked_sequence_is_not_converted_until_it_is_whole(tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    data_trees.dynamic_replica(source)
    last = source / "02ab-3_obj_source_left/trajectories/000003.pth"
    last.rename(tmp_path / "later.pth")
    done = finish(convert(find_data_set("dynamic-replica"), source, target))
    assert done.clips == done.frames_written == 0 and not target.exists()
    assert len(done.failures) == 2 and all("no trajectories of 1 of 4 frames" in failure for failure in done.failures)
    (tmp_path / "later.pth").rename(last)
    assert finish(convert(find_data_set("dynamic-replica"), source, target)).clips == 2


def test_a_frame_that_lost_its_segmentation_is_not_left_out(tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    data_trees.kubric_folder(source)
    finish(convert(find_data_set("kubric"), source, target))
    (source / "17/segmentation_00003.png").unlink()
    done = finish(convert(find_data_set("kubric"), source, target))
    assert done.clips == 0 and "segmentation_00003.png" in done.failures[0]


@pytest.mark.parametrize(("name", "folder"), [("dynamic-replica", "*_left/images"), ("kubric", "17")])
def test_a_clip_without_frames_is_not_done(tmp_path, name, folder):
    source, target = tmp_path / "source", tmp_path / "target"
    (data_trees.kubric_folder if name == "kubric" else data_trees.dynamic_replica)(source)
    for path in source.glob(f"{folder}/*.png"):
        path.unlink()
    done = finish(convert(find_data_set(name), source, target))
    assert len(done.failures) == 1 and "has no frames" in done.failures[0]


def test_a_target_in_the_source_and_a_wrong_source_are_refused(tmp_path, capsys):
    data_trees.davis(tmp_path / "davis")
    assert main(["data", "davis", str(tmp_path / "davis"), str(tmp_path / "davis/out")]) == 2
    assert main(["data", "waymo", str(tmp_path / "davis"), str(tmp_path / "out")]) == 2
    assert main(["data", "davis", str(tmp_path / "davis"), str(tmp_path / "out"), "--workers", "0"]) == 2
    assert "outside it" in (said := capsys.readouterr().err) and "dynamic_masks" in said
    assert not (tmp_path / "out").exists()
