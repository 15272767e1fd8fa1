"""Opening videos: every codec, real timestamps, rotation, pixel formats, damaged files."""

from __future__ import annotations

import os
from fractions import Fraction

import cv2
import numpy as np
import pytest
from clip_files import make_clip, make_sound, middles, numbers, quadrants, spoil_packet
from PIL import Image

from segmo.errors import VideoError
from segmo.geometry import resize_image
from segmo.video import content_hash, open_source, probe, read_frames
from segmo.video.source import SMALL_SIDE

RED, GREEN, BLUE = (200, 0, 0), (0, 200, 0), (0, 0, 200)


def frames_of(path, indices=None):
    source = open_source(path)
    indices = range(source.info.frame_count) if indices is None else indices
    got = dict(source.read(list(indices)))
    assert list(got) == list(indices)
    return list(got.values())


@pytest.mark.parametrize(
    ("name", "encoder", "pixels", "codec"),
    [
        ("clip.mp4", "libx264", "yuv420p", "h264"),
        ("clip.mkv", "libx264", "yuv444p", "h264"),
        ("clip.ts", "libx264", "yuv420p", "h264"),
        ("clip.avi", "libx264", "yuv420p", "h264"),
        ("clip.h264", "libx264", "yuv420p", "h264"),
        ("clip.mp4", "libx265", "yuv420p", "hevc"),
        ("ten_bits.mp4", "libx265", "yuv420p10le", "hevc"),
        ("clip.webm", "libvpx-vp9", "yuv420p", "vp9"),
        ("clip.webm", "libvpx", "yuv420p", "vp8"),
        ("clip.mp4", "libsvtav1", "yuv420p", "av1"),
        ("clip.mov", "prores_ks", "yuv422p10le", "prores"),
        ("clip.mp4", "mpeg4", "yuv420p", "mpeg4"),
        ("clip.avi", "mpeg4", "yuv420p", "mpeg4"),
        ("clip.avi", "mjpeg", "yuvj420p", "mjpeg"),
        ("clip.mov", "mjpeg", "yuvj422p", "mjpeg"),
        ("clip.mpg", "mpeg2video", "yuv420p", "mpeg2video"),
        ("clip.wmv", "wmv2", "yuv420p", "wmv2"),
        ("clip.apng", "apng", "rgb24", "apng"),
        ("sixteen_bits.mkv", "ffv1", "yuv444p16le", "ffv1"),
    ],
)
def test_every_codec_gives_all_frames_in_order_at_their_time(tmp_path, name, encoder, pixels, codec):
    path = make_clip(tmp_path / name, encoder, pixels, gop=5)
    source = open_source(path)
    assert source.info.codec == codec
    assert (source.info.frame_count, source.info.hw, source.info.rotation) == (12, (64, 96), 0)
    assert source.info.fps == pytest.approx(25, rel=1e-3)
    assert source.info.duration_s == pytest.approx(12 / 25, rel=1e-3)
    np.testing.assert_allclose(source.timestamps_s, np.arange(12) / 25, atol=1e-3)
    frames = frames_of(path)
    assert numbers(frames) == list(range(12))
    np.testing.assert_allclose(middles(frames[3])[[0, 0, 1], [0, 1, 0]], [RED, GREEN, BLUE], atol=12)


@pytest.mark.parametrize(
    ("name", "encoder", "options"),
    [
        ("closed.mp4", "libx264", {"bf": "3"}),
        ("reordered.avi", "libx264", {"bf": "3"}),
        ("open.mp4", "libx264", {"x264-params": "open-gop=1:bframes=3:scenecut=0"}),
        ("open.ts", "libx264", {"x264-params": "open-gop=1:bframes=3:scenecut=0"}),
        ("open.mkv", "libx265", {"x265-params": "open-gop=1:scenecut=0:log-level=none"}),
        ("refreshed.ts", "libx264", {"x264-params": "intra-refresh=1"}),
        ("closed.mpg", "mpeg2video", {"bf": "2"}),
        ("clip.webm", "libvpx-vp9", {}),
        ("intra.mov", "prores_ks", {}),
    ],
)
def test_frames_read_alone_are_bit_for_bit_those_of_a_full_decode(tmp_path, name, encoder, options):
    path = make_clip(tmp_path / name, encoder, "yuv422p10le" if encoder == "prores_ks" else "yuv420p", count=42, gop=8, options=options)
    full = frames_of(path)
    for indices in ([0, 41], range(2, 42, 13), [41], [7, 8, 9], [30, 31]):
        for index, frame in zip(indices, frames_of(path, indices), strict=True):
            np.testing.assert_array_equal(frame, full[index])


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv", "clip.webm"])
def test_variable_frame_rate_keeps_real_timestamps(tmp_path, name):
    times = [0, 40, 80, 400, 440, 1000]
    encoder = "libvpx-vp9" if name.endswith("webm") else "libx264"
    source = open_source(make_clip(tmp_path / name, encoder, count=6, times=times, time_base=Fraction(1, 1000)))
    np.testing.assert_allclose(source.timestamps_s, np.array(times) / 1000, atol=1e-6)
    assert source.info.fps == pytest.approx(6 / source.info.duration_s)
    assert 1.0 < source.info.duration_s < 1.1


def test_timestamps_count_from_the_first_frame(tmp_path):
    path = make_clip(tmp_path / "late.ts", count=4, times=[250, 251, 252, 253])
    np.testing.assert_allclose(open_source(path).timestamps_s, np.arange(4) / 25, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "encoder", "rates", "options"),
    [
        ("ts", "libx264", (25, 25), {}),
        ("ts", "libx264", (25, 30), {"bf": "3"}),
        ("mpg", "mpeg2video", (25, 25), {"bf": "2"}),
        ("mkv", "libx264", (25, 25), {"bf": "3"}),
    ],
)
def test_recordings_put_one_behind_the_other_follow_each_other(tmp_path, name, encoder, rates, options):
    images = [quadrants(number) for number in range(40)]
    parts = [images[:20], images[20:]]
    joined = tmp_path / f"joined.{name}"
    joined.write_bytes(
        b"".join(
            make_clip(tmp_path / f"{number}.{name}", encoder, images=part, rate=rate, options=options, gop=8).read_bytes()
            for number, (part, rate) in enumerate(zip(parts, rates, strict=True))
        )
    )
    source = open_source(joined)
    assert source.joined and not source.info.notes
    assert source.info.frame_count == 40
    np.testing.assert_allclose(np.diff(source.timestamps_s), [1 / rates[0]] * 20 + [1 / rates[1]] * 19, atol=2e-3)
    full = frames_of(joined)
    assert numbers(full) == list(range(40))
    for indices in ([5, 25], [19, 20, 39]):
        for index, frame in zip(indices, frames_of(joined, indices), strict=True):
            np.testing.assert_array_equal(frame, full[index])


def test_a_later_recording_too_starts_at_its_first_key_frame(tmp_path):
    steady = {"x264-params": "scenecut=0:bframes=0"}
    first = make_clip(tmp_path / "first.ts", count=40, options=steady)
    later = make_clip(tmp_path / "later.ts", count=40, gop=10, options=steady).read_bytes()
    joined = tmp_path / "joined.ts"
    joined.write_bytes(first.read_bytes() + later[len(later) // 3 // 188 * 188 :])
    got = numbers(frames_of(joined))
    assert got[:40] == list(range(40)) and got[40] in (10, 20, 30)
    assert got[40:] == list(range(got[40], 40))


def test_frames_that_share_their_time_are_told(tmp_path):
    path = make_clip(tmp_path / "fast.mkv", "ffv1", count=20, rate=2000)  # Matroska counts milliseconds
    info = probe(path)
    assert info.notes == (f"{20 - info.frame_count} of its 20 frames share their time with another and were left out.",)
    assert not probe(make_clip(tmp_path / "slow.mkv", "ffv1", count=20)).notes


@pytest.mark.parametrize(("encoder", "pixels"), [("mpeg4", "yuv420p"), ("mjpeg", "yuvj420p")])
def test_frames_that_an_avi_leaves_out_take_their_time(tmp_path, encoder, pixels):
    times = [*range(10), *range(30, 40)]
    path = make_clip(tmp_path / "gap.avi", encoder, pixels, count=20, times=times)
    source = open_source(path)
    assert (source.info.frame_count, source.info.notes) == (20, ())
    assert source.info.duration_s == pytest.approx(1.6)
    np.testing.assert_allclose(source.timestamps_s, np.array(times) / 25)
    assert numbers(frames_of(path)) == list(range(20))


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_display_matrix_turns_the_picture(tmp_path, rotation, mirrored):
    path = make_clip(tmp_path / "phone.mp4", count=3, rotation=rotation, mirrored=mirrored)
    shown = np.rot90(quadrants(2), rotation // 90)  # the matrix turns counter-clockwise, then mirrors
    shown = shown[:, ::-1] if mirrored else shown
    frame = frames_of(path)[2]
    assert frame.shape == shown.shape == (*probe(path).hw, 3)
    np.testing.assert_allclose(middles(frame), middles(shown), atol=12)
    if not mirrored:
        assert probe(path).rotation == (360 - rotation) % 360


@pytest.mark.parametrize(("aspect", "hw"), [(Fraction(4, 3), (64, 128)), (Fraction(1, 2), (128, 96)), (Fraction(1, 1), (64, 96))])
def test_pixels_become_square(tmp_path, aspect, hw):
    path = make_clip(tmp_path / "wide.mp4", count=3, aspect=aspect)
    assert probe(path).hw == hw
    assert frames_of(path)[2].shape == (*hw, 3)
    np.testing.assert_allclose(middles(frames_of(path)[2]), middles(quadrants(2)), atol=12)


def test_pixels_become_square_before_the_picture_is_turned(tmp_path):
    assert probe(make_clip(tmp_path / "wide.mp4", count=2, aspect=Fraction(2, 1), rotation=90)).hw == (192, 64)


@pytest.mark.parametrize(("name", "encoder"), [("odd.webm", "libvpx-vp9"), ("odd.mov", "png")])
def test_odd_sizes_are_kept(tmp_path, name, encoder):
    images = [quadrants(number, (63, 97)) for number in range(3)]
    path = make_clip(tmp_path / name, encoder, "rgb24" if encoder == "png" else "yuv420p", images=images)
    assert probe(path).hw == (63, 97)
    assert numbers(frames_of(path)) == [0, 1, 2]


@pytest.mark.parametrize(("pixels", "scale"), [("gray", 1), ("gray16le", 257)])
def test_grey_of_8_and_16_bits(tmp_path, pixels, scale):
    ramp = np.tile(np.arange(0, 192, 2, np.uint8), (64, 1))
    image = ramp if scale == 1 else ramp.astype(np.uint16) * scale
    frame = frames_of(make_clip(tmp_path / "grey.mkv", "ffv1", pixels, images=[image, image]))[0]
    np.testing.assert_allclose(frame, np.repeat(ramp[..., None], 3, axis=2), atol=1)


@pytest.mark.parametrize(("name", "encoder", "pixels"), [("clip.mov", "prores_ks", "yuva444p10le"), ("clip.mov", "qtrle", "argb")])
def test_transparent_parts_are_black(tmp_path, name, encoder, pixels):
    image = np.dstack([quadrants(20), np.full((64, 96), 255, np.uint8)])
    image[:32, :, 3], image[32:, :48, 3] = 0, 128
    path = make_clip(tmp_path / name, encoder, pixels, images=[image, image])
    assert probe(path).has_alpha
    np.testing.assert_allclose(middles(frames_of(path)[0]), [[(0, 0, 0), (0, 0, 0)], [(0, 0, 100), (120, 120, 120)]], atol=6)


@pytest.mark.parametrize(
    ("name", "encoder", "pixels", "options"),
    [
        ("clip.mp4", "libx264", "yuv420p", {}),
        ("turned.mov", "prores_ks", "yuv422p10le", {"rotation": 90}),
        ("clear.mov", "qtrle", "argb", {}),
    ],
)
def test_frames_that_may_be_small_are_the_same_pictures(tmp_path, name, encoder, pixels, options):
    smooth = cv2.resize(np.random.default_rng(0).integers(0, 256, (12, 18, 4), np.uint8), (1440, 960), interpolation=cv2.INTER_CUBIC)
    image = smooth if pixels == "argb" else smooth[..., :3]
    source = open_source(make_clip(tmp_path / name, encoder, pixels, images=[image] * 3, **options))
    (_, whole), (index, small), (_, again) = source.read([0, 1, 2], {1})
    assert index == 1 and max(small.shape) == SMALL_SIDE < max(whole.shape) and whole.shape == again.shape
    expected = resize_image(whole, small.shape[:2])
    assert np.abs(small.astype(int) - expected).mean() < 2
    little_clip = make_clip(tmp_path / f"little_{name}", encoder, pixels, images=[np.ascontiguousarray(image[:64, :96])] * 2)
    [(_, little)] = open_source(little_clip).read([0], {0})
    assert little.shape[:2] == (64, 96)


@pytest.mark.parametrize("kind", ["webp", "gif"])
def test_animated_images(tmp_path, kind):
    path = tmp_path / f"a.{kind}"
    images = [Image.fromarray(quadrants(number)) for number in range(6)]
    images[0].save(
        path, save_all=True, append_images=images[1:], duration=[40, 40, 200, 40, 40, 40], **{"lossless": True} if kind == "webp" else {}
    )
    source = open_source(path)
    assert (source.info.frame_count, source.info.codec, source.info.hw) == (6, kind, (64, 96))
    np.testing.assert_allclose(source.timestamps_s, [0, 0.04, 0.08, 0.28, 0.32, 0.36])
    assert source.info.duration_s == pytest.approx(0.4)
    assert numbers(frames_of(path, [1, 2, 5])) == [1, 2, 5]


def test_sound_is_noticed(tmp_path):
    with_sound = probe(make_clip(tmp_path / "sound.mp4", audio_s=0.5))
    assert (with_sound.has_audio, with_sound.audio_codec, with_sound.frame_count) == (True, "aac", 12)
    assert not probe(make_clip(tmp_path / "silent.mp4")).has_audio


@pytest.mark.parametrize("name", ["100% of a:b?.mp4", "-dash.mp4", "ünï çødé 视频.mp4", "no_ending"])
def test_awkward_file_names(tmp_path, name):
    path = make_clip(tmp_path / name, count=2, container="mp4")
    assert numbers(frames_of(path)) == [0, 1]


def test_a_file_cut_off_gives_what_is_there(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (40, 64, 96, 3), dtype=np.uint8)
    whole = make_clip(tmp_path / "whole.mp4", images=list(noise), options={"bf": "0"}, index_first=True)
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    source = open_source(cut)
    assert 10 < source.info.frame_count < 30
    assert f"only {source.info.frame_count} of its 40 frames" in source.info.notes[0]
    for here, there in zip(frames_of(cut, range(source.info.frame_count - 1)), frames_of(whole), strict=False):
        np.testing.assert_array_equal(here, there)


def test_a_recording_that_starts_between_key_frames_starts_at_the_next(tmp_path):
    whole = make_clip(tmp_path / "whole.ts", count=40, gop=10, options={"x264-params": "scenecut=0:bframes=0"})
    packets = whole.read_bytes()
    (tmp_path / "cut.ts").write_bytes(packets[len(packets) // 3 // 188 * 188 :])
    got = numbers(frames_of(tmp_path / "cut.ts"))
    assert got[0] in (10, 20, 30)
    assert got == list(range(got[0], 40))


def test_damage_in_the_middle_is_counted(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (20, 64, 96, 3), dtype=np.uint8)
    data = bytearray(make_clip(tmp_path / "a.mp4", images=list(noise), index_first=True).read_bytes())
    for position in range(len(data) // 3, len(data) * 2 // 3, 997):
        data[position] ^= 0xFF
    (tmp_path / "a.mp4").write_bytes(data)
    source = open_source(tmp_path / "a.mp4")
    assert len(list(source.read(range(20)))) > 10
    assert source.damaged > 0


@pytest.mark.parametrize(("encoder", "pixels"), [("mpeg4", "yuv420p"), ("mjpeg", "yuvj420p")])
def test_frames_of_an_avi_keep_their_place_behind_a_damaged_one(tmp_path, encoder, pixels):
    path = spoil_packet(make_clip(tmp_path / "a.avi", encoder, pixels, count=20, gop=5), 9)
    got = dict(open_source(path).read(range(20)))
    assert sorted({*range(20)} - {*got}) == [9]
    assert numbers([got[index] for index in range(10, 20)]) == list(range(10, 20))
    assert numbers(frames_of(path, [12, 19])) == [12, 19]


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("text.mp4", b"this is only text\n" * 50, "cannot be decoded .*convert it to MP4"),
        ("empty.mp4", b"", r"is empty \(0 bytes\)"),
        ("list.mp4", b"ffconcat version 1.0\nfile clip.mp4\n", "is a playlist"),
        ("broken.webp", b"RIFF\x10\0\0\0WEBPVP8 \0\0\0\0", "cannot be decoded"),
    ],
)
def test_files_that_are_no_video(tmp_path, name, data, said):
    make_clip(tmp_path / "clip.mp4", count=2)
    (tmp_path / name).write_bytes(data)
    with pytest.raises(VideoError, match=said):
        open_source(tmp_path / name)


@pytest.mark.parametrize("name", ["huge.mp4", "huge.mkv", "huge.gif", "huge.webp"])
def test_pictures_too_large_for_memory_are_not_decoded(tmp_path, monkeypatch, name):
    path = tmp_path / name
    if path.suffix == ".mp4" or path.suffix == ".mkv":
        make_clip(path, count=2)
    else:
        Image.fromarray(quadrants(0)).save(path, save_all=True, append_images=[Image.fromarray(quadrants(1))])
    monkeypatch.setattr("segmo.video.source.MAX_PIXELS", 96 * 64)
    assert probe(path).hw == (64, 96)
    monkeypatch.setattr("segmo.video.source.MAX_PIXELS", 96 * 64 - 1)
    monkeypatch.setattr("segmo.video.files.VideoFile._decode", None)
    with pytest.raises(VideoError, match=r"huge.* of 96x64, and .* megapixels are the most.*Shrink it"):
        open_source(path)


def test_a_file_whose_index_is_missing(tmp_path):
    whole = make_clip(tmp_path / "whole.mp4")
    (tmp_path / "cut.mp4").write_bytes(whole.read_bytes()[:-900])
    with pytest.raises(VideoError, match=r"cut\.mp4 .*(C|c)opy"):
        open_source(tmp_path / "cut.mp4")


def test_only_sound(tmp_path):
    with pytest.raises(VideoError, match=r"sound\.m4a holds only sound"):
        open_source(make_sound(tmp_path / "sound.m4a"))


def test_nothing_there(tmp_path):
    for ask in (open_source, content_hash):
        with pytest.raises(VideoError, match=r"nowhere\.mp4"):
            ask(tmp_path / "nowhere.mp4")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe.mp4")  # opening it would wait for a writer for ever
    for ask in (open_source, content_hash):
        with pytest.raises(VideoError, match=r"pipe\.mp4 is a pipe or a device.*Save it as a file"):
            ask(tmp_path / "pipe.mp4")


def test_content_hash_depends_on_bytes_alone(tmp_path):
    first = make_clip(tmp_path / "a.mp4")
    (tmp_path / "b").write_bytes(first.read_bytes())
    assert content_hash(first) == content_hash(tmp_path / "b")
    (tmp_path / "b").write_bytes(first.read_bytes() + b"\0")
    assert content_hash(first) != content_hash(tmp_path / "b")


def test_real_clips_decode_as_ffmpeg_counts_them(shared):
    counts = {path.stem: probe(path).frame_count for path in (shared / "clips").glob("*.mp4")}
    assert counts == {"cat": 87, "dog": 289, "driving": 124, "hummingbird": 176, "juggle": 247}
    assert [index for index, _ in read_frames(shared / "clips" / "dog.mp4", [0, 150, 288])] == [0, 150, 288]
