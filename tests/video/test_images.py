"""Folders of images: formats, order, names, orientation, bit depths, and what is wrong with some folders."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from clip_files import middles, numbers, quadrants
from PIL import Image

from segmo.errors import VideoError
from segmo.video import FOLDER_FPS, content_hash, open_source, shown_hw


def save(folder, names, **options):
    for number, name in enumerate(names):
        Image.fromarray(quadrants(number)).save(folder / name, **options)


def read_all(folder):
    source = open_source(folder)
    return source, [frame for _, frame in source.read(range(source.info.frame_count))]


@pytest.mark.parametrize("suffix", ["jpg", "JPEG", "png", "webp", "bmp", "tif", "TIFF"])
def test_every_format(tmp_path, suffix):
    save(tmp_path, [f"{number:05d}.{suffix}" for number in range(4)])
    source, frames = read_all(tmp_path)
    assert (source.info.frame_count, source.info.hw, source.info.is_folder, source.info.has_audio) == (4, (64, 96), True, False)
    np.testing.assert_allclose(source.timestamps_s, np.arange(4) / FOLDER_FPS)
    assert numbers(frames) == [0, 1, 2, 3]
    np.testing.assert_allclose(middles(frames[1]), middles(quadrants(1)), atol=12)


def test_order_is_natural_and_names_are_kept(tmp_path):
    save(tmp_path, ["Frame 1.png", "frame 2.jpg", "frame 10.png", "frame 11.png"])
    source, frames = read_all(tmp_path)
    assert source.names == ("Frame 1", "frame 2", "frame 10", "frame 11")
    assert numbers(frames) == [0, 1, 2, 3]


def test_other_files_are_ignored(tmp_path):
    save(tmp_path, ["a.png", "b.png"])
    save(tmp_path, ["._a.png"])
    (tmp_path / "notes.txt").write_text("not an image")
    (tmp_path / "sub.png").mkdir()
    assert open_source(tmp_path).names == ("a", "b")


@pytest.mark.parametrize(
    ("orientation", "turned"),
    [
        (1, lambda image: image),
        (2, lambda image: image[:, ::-1]),
        (3, lambda image: image[::-1, ::-1]),
        (4, lambda image: image[::-1]),
        (5, lambda image: image.transpose(1, 0, 2)),
        (6, lambda image: np.rot90(image, -1)),
        (7, lambda image: image[::-1, ::-1].transpose(1, 0, 2)),
        (8, np.rot90),
    ],
)
def test_orientation(tmp_path, orientation, turned):
    exif = Image.Exif()
    exif[0x0112] = orientation
    for suffix in ("jpg", "png", "webp", "tif"):
        save(tmp_path, [f"{suffix}.{suffix}"], exif=exif, quality=95)
    ramp = np.tile(np.arange(96, dtype=np.uint8), (64, 1))
    Image.fromarray(ramp * np.uint16(257)).save(tmp_path / "deep.tif", tiffinfo={0x0112: orientation})
    source, frames = read_all(tmp_path)
    found = dict(zip(source.names, frames, strict=True))
    shown = turned(quadrants(0))
    assert {frame.shape for frame in frames} == {(*source.info.hw, 3)} == {shown.shape}
    assert {shown_hw(file) for file in tmp_path.iterdir()} == {source.info.hw}
    np.testing.assert_array_equal(found.pop("deep")[..., :1], turned(ramp[..., None]))
    assert set(found) == {"jpg", "png", "webp", "tif"}
    for name, frame in found.items():
        np.testing.assert_allclose(middles(frame), middles(shown), atol=12, err_msg=name)


@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_16_bits_grey_and_colour(tmp_path, suffix):
    ramp = np.tile(np.arange(96, dtype=np.uint16) * 2, (64, 1))
    colour = np.dstack([ramp, ramp[:, ::-1], np.zeros_like(ramp)])
    cv2.imwrite(str(tmp_path / f"a.{suffix}"), ramp * 257)
    cv2.imwrite(str(tmp_path / f"b.{suffix}"), colour[..., ::-1] * 257)
    _, frames = read_all(tmp_path)
    np.testing.assert_array_equal(frames[0], np.dstack([ramp] * 3))
    np.testing.assert_array_equal(frames[1], colour)


def test_palette_grey_and_transparent_png(tmp_path):
    image = Image.fromarray(quadrants(20))
    image.quantize(8).save(tmp_path / "a.png")
    image.convert("L").save(tmp_path / "b.png")
    transparent = image.copy()
    transparent.putalpha(Image.fromarray(np.repeat(np.uint8([[255], [0]]), (32, 32), axis=0).repeat(96, axis=1)))
    transparent.save(tmp_path / "c.png")
    _, frames = read_all(tmp_path)
    np.testing.assert_allclose(middles(frames[0]), middles(quadrants(20)), atol=4)
    assert len({tuple(colour) for colour in frames[1].reshape(-1, 3)}) == 4
    assert (frames[1] == frames[1][..., :1]).all()
    assert middles(frames[2])[0, 0].tolist() == [200, 0, 0]
    assert not frames[2][32:].any()


def test_mixed_sizes_name_both_files(tmp_path):
    save(tmp_path, ["a.png", "b.png"])
    Image.new("RGB", (32, 64)).save(tmp_path / "c.png")
    with pytest.raises(VideoError, match=r"c\.png is 32x64 but a\.png is 96x64"):
        open_source(tmp_path)


def test_two_images_of_one_name(tmp_path):
    save(tmp_path, ["a.png", "a.jpg"])
    with pytest.raises(VideoError, match=r"a\.jpg and a\.png differ only in their ending"):
        open_source(tmp_path)


def test_no_images(tmp_path):
    (tmp_path / "readme.md").write_text("nothing")
    with pytest.raises(VideoError, match=r"no image in .*\.png"):
        open_source(tmp_path)


def test_a_damaged_image_is_named(tmp_path):
    save(tmp_path, ["a.png", "b.png"])
    (tmp_path / "b.png").write_bytes(b"\x89PNG nothing")
    with pytest.raises(VideoError, match=r"b\.png cannot be decoded .*Replace or remove"):
        open_source(tmp_path)
    with pytest.raises(VideoError, match=r"b\.png cannot be decoded .*Replace or remove"):
        shown_hw(tmp_path / "b.png")
    data = bytearray((tmp_path / "a.png").read_bytes())
    (tmp_path / "b.png").write_bytes(data[: len(data) // 4])  # the header is fine
    with pytest.raises(VideoError, match=r"b\.png cannot be decoded .*Replace or remove"):
        read_all(tmp_path)


def test_content_hash_of_a_folder(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    for folder in (one, two):
        folder.mkdir()
        save(folder, ["a.png", "b.png"])
    assert content_hash(one) == content_hash(two)
    (two / "notes.txt").write_text("ignored")
    assert content_hash(one) == content_hash(two)
    (two / "b.png").rename(two / "c.png")
    assert content_hash(one) != content_hash(two)
