from __future__ import annotations

from pathlib import Path

import data_trees
import numpy as np
import pytest
import torch
from mask_trees import moving_square, numbered, write_grey, write_palette, write_pictures

from segmo.datasets import davis, dynamic_replica, kubric
from segmo.datasets.catalogue import DATA_SETS, find_data_set
from segmo.datasets.clips import LabelledFrame
from segmo.errors import DataError


@pytest.mark.parametrize("tree", data_trees.TREES)
def test_a_reader_yields_clips_with_pictures_and_what_moves(tree, tmp_path):
    name, build = data_trees.TREES[tree]
    truth = build(tmp_path)
    before = snapshot(tmp_path)
    clips = find_data_set(name).clips(tmp_path)
    assert [clip.name for clip in clips] == sorted(truth)
    for clip in clips:
        masks = truth[clip.name]
        assert clip.frame_names() == tuple(masks)
        frames = list(clip.read())
        assert [frame.name for frame in frames] == list(masks)
        for frame in frames:
            assert isinstance(frame, LabelledFrame) and frame.image.dtype == np.uint8 and frame.image.shape == (*frame.moving.shape, 3)
            assert frame.moving.dtype == bool
            np.testing.assert_array_equal(frame.moving, masks[frame.name])
        wanted = clip.frame_names()[1::2]
        again = list(clip.read(wanted))
        assert tuple(frame.name for frame in again) == wanted
        np.testing.assert_array_equal(again[0].image, frames[1].image)
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("name", DATA_SETS)
def test_a_wrong_folder_tells_the_expected_tree_and_where_to_get_the_data(name, tmp_path):
    (tmp_path / "something").mkdir()
    for root in (tmp_path, tmp_path / "absent"):
        with pytest.raises(DataError) as caught:
            DATA_SETS[name].clips(root)
        assert "SRC/" in str(caught.value) and "Get it from" in str(caught.value)


@pytest.mark.parametrize(
    ("tree", "pattern"),
    [
        ("kubric folders", "17/rgba_*"),
        ("kubric folders", "*/metada[t]a.json"),
        ("kubric folders", "17/segmentation_*"),
        ("dynamic-replica", "*/instance_id_maps/*"),
        ("dynamic-replica", "*/trajectories/*"),
        ("hoi4d", "HOI4D_release/*/*/C[12]/*/*/*/*/align_rgb/00004*"),
        ("waymo", "016/dynamic_masks/*"),
        ("davis", "JPEGImages/480p/bear/*"),
        ("fbms", "Testset/*/cars4_0[14].jpg"),
        ("segtrack", "GroundTruth/bmx/2/*"),
        ("synthetic", "[tJ]*/*"),
    ],
)
def test_an_incomplete_folder_tells_the_expected_tree(tree, pattern, tmp_path):
    name, build = data_trees.TREES[tree]
    build(tmp_path)
    sorted(tmp_path.glob(pattern))[-1].unlink()
    with pytest.raises(DataError) as caught:
        for clip in DATA_SETS[name].clips(tmp_path):
            list(clip.read())
    assert "SRC/" in str(caught.value) and "Get it from" in str(caught.value)


def snapshot(root: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def test_a_cut_off_record_file_is_named(tmp_path):
    data_trees.kubric_records(tmp_path)
    (path,) = tmp_path.rglob("*.tfrecord*")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match=r"tfrecord-00003-of-01024 is cut off after 1 records"):
        kubric.clips(tmp_path)


def test_an_object_that_is_pushed_moves_too():
    positions = np.zeros((3, 5, 3))
    positions[2, 4] = (0.02, 0, 0)
    assert kubric.moving_ids(positions, [True, False, False]) == {1, 3}


def test_an_object_moves_if_more_than_half_of_its_vertices_do():
    still = np.zeros((8, 3))
    far = still.copy()
    far[[0, 1, 4, 5, 6]] = (0, 1.5e-4, 0)  # two of four of object 1, three of four of object 2
    far[7] = (0.9e-4, 0, 0)
    assert dynamic_replica.moving_objects(iter([still, far]), np.array([1, 1, 1, 1, 2, 2, 2, 2])) == {2}
    assert dynamic_replica.moving_objects(iter([still, still, far, far]), np.array([1] * 2 + [5] * 6)) == {1}


def test_the_right_camera_needs_the_left_one(tmp_path):
    data_trees.dynamic_replica(tmp_path)
    (tmp_path / "02ab-3_obj_source_left").rename(tmp_path.parent / f"{tmp_path.name}-moved")
    (right,) = dynamic_replica.clips(tmp_path)
    with pytest.raises(DataError, match="_left/trajectories"):
        list(right.read())


def test_trajectories_are_read_without_running_code(tmp_path):
    data_trees.dynamic_replica(tmp_path)
    torch.save({"traj_3d_world": Path("x")}, tmp_path / "02ab-3_obj_source_left/trajectories/000001.pth")
    with pytest.raises(DataError, match=r"000001\.pth cannot be read"):
        list(dynamic_replica.clips(tmp_path)[0].read())


@pytest.mark.parametrize(
    ("masks", "pictures", "found"),
    [
        (["m_1", "m_2"], ["p_1", "p_2", "p_3"], True),
        (["000_0", "001_0"], ["a_000_0", "a_001_0", "a_002_0"], False),
        (["m_0", "m_1"], ["000_0", "001_0", "001_1"], False),
        (["000_0", "001_0"], ["p_0", "p_1"], False),
        (["mask"], ["picture"], False),
    ],
)
def test_a_picture_is_found_by_its_number_only_where_numbers_tell_frames_apart(masks, pictures, found, tmp_path):
    write_grey(tmp_path / "Annotations/480p/bear", moving_square(len(masks)), masks)
    write_pictures(tmp_path / "JPEGImages/480p/bear", pictures)
    (clip,) = davis.clips(tmp_path)
    if found:
        assert [frame.name for frame in clip.read()] == masks
    else:
        with pytest.raises(DataError, match="has a mask but no picture"):
            list(clip.read())


def test_void_pixels_of_davis_2017_do_not_move(tmp_path):
    labels = np.zeros((2, 8, 8), np.uint8)
    labels[:, :2], labels[:, 6:] = 1, davis.VOID_ID
    write_palette(tmp_path / "Annotations_unsupervised/480p/pigs", labels)
    write_pictures(tmp_path / "JPEGImages/480p/pigs", numbered(2), (8, 8))
    (clip,) = davis.clips(tmp_path)
    np.testing.assert_array_equal(next(iter(clip.read())).moving, labels[0] == 1)
