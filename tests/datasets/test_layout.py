from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from segmo.datasets import layout
from segmo.errors import DataError

NAMES = ("rgba_00000", "rgba_00001", "rgba_00002")
RANDOM = np.random.default_rng(0)


def make_images(root: Path, scene: str = "a", *, nested: bool = False, masks: str = layout.MASKS) -> layout.Scene:
    made = layout.Layout(root, nested, masks).scene(scene)
    for name in NAMES:
        layout.write_image(made.images / f"{name}.png", RANDOM.integers(0, 256, (12, 20, 3), dtype=np.uint8))
    return made


@pytest.mark.parametrize("nested", [False, True])
def test_what_is_written_is_read_back_equal(tmp_path, nested):
    scene = make_images(tmp_path, nested=nested)
    depth = RANDOM.integers(0, 65536, (12, 20), dtype=np.uint16)
    tracks = RANDOM.normal(size=(7, 3, 4)).astype(np.float32)
    features = RANDOM.normal(size=(2, 3, 768)).astype(np.float16)
    mask = RANDOM.random((12, 20)) > 0.5
    for name in NAMES:
        layout.write_depth(scene.depth_file(name), depth)
        layout.write_mask(scene.mask_file(name), mask)
    layout.write_tracks(scene, NAMES[1], NAMES, tracks)
    layout.write_features(scene.feature_file(NAMES[1]), features)

    (found,) = layout.open_layout(tmp_path).scenes()
    assert found == scene and found.frame_names() == NAMES and found.image_hw() == (12, 20)
    assert found.query_names() == (NAMES[1],) and found.prepared_names() == NAMES
    np.testing.assert_array_equal(layout.read_depth(found.depth_file(NAMES[0])), depth)
    np.testing.assert_array_equal(layout.read_tracks(found, NAMES[1], NAMES), tracks)
    np.testing.assert_array_equal(layout.read_mask(found.masks_by_frame()[NAMES[2]]), mask)
    np.testing.assert_array_equal(layout.read_features(found.feature_file(NAMES[1])), features)
    layout.write_features(found.features / f"{NAMES[1]}.h5", features)
    assert found.feature_file(NAMES[1]).suffix == ".h5"
    np.testing.assert_array_equal(layout.read_features(found.feature_file(NAMES[1])), features)


def test_the_files_are_those_of_the_published_code(tmp_path):
    scene = make_images(tmp_path)
    depth = np.arange(240, dtype=np.uint16).reshape(12, 20) * 200
    layout.write_depth(scene.depth_file(NAMES[0]), depth)
    layout.write_tracks(scene, NAMES[0], NAMES, np.ones((7, 3, 4), np.float32))
    layout.write_features(tmp_path / "dinos/a/rgba_00000.npy", np.ones((2, 3, 768), np.float16))
    layout.write_features(tmp_path / "dinos/a/rgba_00001.h5", np.full((2, 3, 768), 0.5, np.float16))
    with Image.open(tmp_path / "depth_anything_v2/a/rgba_00000.png") as image:
        assert image.mode == "I;16"
        np.testing.assert_array_equal(np.asarray(image), depth)
    rows = np.load(tmp_path / "bootstapir/a/rgba_00000_rgba_00002.npy")
    assert rows.shape == (7, 4) and rows.dtype == np.float32
    features = np.load(tmp_path / "dinos/a/rgba_00000.npy")
    assert features.shape == (2, 3, 768) and features.dtype == np.float16
    with h5py.File(tmp_path / "dinos/a/rgba_00001.h5") as file:
        assert file["dinos"].compression == "gzip" and file["dinos"].dtype == np.float16 and file["dinos"][0, 0, 0] == 0.5


def test_files_of_the_published_code_are_read(tmp_path):
    scene = make_images(tmp_path)
    depth = RANDOM.integers(0, 65536, (12, 20), dtype=np.uint16)
    for folder in (scene.depth, scene.tracks, scene.features):
        folder.mkdir(parents=True)
    Image.fromarray(depth).save(scene.depth / "rgba_00000.png")
    np.save(scene.tracks / "rgba_00000_rgba_00000.npy", np.ones((5, 4)))  # float64 works too
    with h5py.File(scene.features / "rgba_00000.h5", "w") as file:
        file.create_dataset("dinos", data=np.ones((2, 2, 768), np.float16), compression="gzip")
    np.testing.assert_array_equal(layout.read_depth(scene.depth_file("rgba_00000")), depth)
    assert layout.read_tracks(scene, "rgba_00000", ["rgba_00000"]).shape == (5, 1, 4)
    assert layout.read_features(scene.feature_file("rgba_00000")).shape == (2, 2, 768)
    assert scene.query_names() == ("rgba_00000",)


def test_layouts_are_told_apart(tmp_path):
    make_images(tmp_path / "kubric", masks=layout.KUBRIC_MASKS)
    (tmp_path / "kubric/masks").mkdir()
    make_images(tmp_path / "replica", nested=True)
    assert layout.open_layout(tmp_path / "kubric").masks == "masks"
    assert layout.open_layout(tmp_path / "kubric/images").root == tmp_path / "kubric"
    assert layout.open_layout(tmp_path / "replica").nested
    with pytest.raises(DataError, match=r"images/<scene>/<name>\.png"):
        layout.open_layout(tmp_path)


def test_masks_are_matched_by_number_where_names_differ(tmp_path):
    scene = layout.Layout(tmp_path, nested=True).scene("s-3_obj_left")
    for number in range(3):
        layout.write_image(scene.images / f"s-3_obj_left-{number:04d}.png", np.zeros((4, 4, 3), np.uint8))
    layout.write_mask(scene.masks / "s-3_obj_left_0002.png", np.ones((4, 4), bool))
    assert scene.masks_by_frame() == {"s-3_obj_left-0002": scene.masks / "s-3_obj_left_0002.png"}


def test_masks_are_matched_by_name_only_where_numbers_do_not_tell_frames_apart(tmp_path):
    scene = layout.Layout(tmp_path).scene("a")
    for number in range(3):
        layout.write_image(scene.images / f"{number:03d}_0.png", np.zeros((4, 4, 3), np.uint8))
    layout.write_mask(scene.mask_file("001_0"), np.ones((4, 4), bool))
    assert scene.masks_by_frame() == {"001_0": scene.mask_file("001_0")}
    layout.write_mask(scene.mask_file("all_0"), np.ones((4, 4), bool))
    assert scene.masks_by_frame() == {"001_0": scene.mask_file("001_0")}


@pytest.mark.parametrize(
    ("images", "masks", "matched"),
    [
        (["a_1", "a_2"], ["1_b", "2_b", "2_c"], {}),
        (["a_1", "a_2"], ["b_1", "b_2", "mean"], {"a_1": "b_1", "a_2": "b_2"}),
        (["a_1", "b_1", "a_2"], ["m_2"], {}),
        (["cover", "a_1", "a_2"], ["a_1", "m_2"], {"a_1": "a_1", "a_2": "m_2"}),
    ],
)
def test_a_mask_never_goes_to_another_frame(tmp_path, images, masks, matched):
    scene = layout.Layout(tmp_path).scene("a")
    for name in images:
        layout.write_image(scene.images / f"{name}.png", np.zeros((4, 4, 3), np.uint8))
    for name in masks:
        layout.write_mask(scene.mask_file(name), np.ones((4, 4), bool))
    assert {name: path.stem for name, path in scene.masks_by_frame().items()} == matched


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "cannot be read"), (b"\x93NUMPY", "cannot be read"), (None, "no file"), ("wrong", "not \\(N, 4\\)")],
)
def test_damaged_tracks_name_the_file_and_the_way_out(tmp_path, content, message):
    path = tmp_path / "a_b.npy"
    if content == "wrong":
        np.save(path, np.ones((3, 3)))
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        layout.read_track_file(path)
    assert str(path) in str(caught.value) and "repare" in str(caught.value)


def test_damaged_depth_and_features_name_the_file(tmp_path):
    (tmp_path / "a.png").write_bytes(b"PNG")
    Image.new("L", (4, 4)).save(tmp_path / "b.png")
    (tmp_path / "c.h5").write_bytes(b"no HDF5")
    with pytest.raises(DataError, match=r"a\.png"):
        layout.read_depth(tmp_path / "a.png")
    with pytest.raises(DataError, match="16-bit"):
        layout.read_depth(tmp_path / "b.png")
    with pytest.raises(DataError, match=r"c\.h5"):
        layout.read_features(tmp_path / "c.h5")
