"""Written videos: what a browser needs, nothing half-written, sound, transparency, and playable copies of uploads."""

from __future__ import annotations

import logging
import subprocess
from fractions import Fraction

import av
import numpy as np
import pytest
from clip_files import make_clip, middles, numbers, quadrants, spoil_packet
from PIL import Image

from segmo.errors import OutputError
from segmo.video import normalise, open_source, probe, write_alpha_webm, write_mp4


def frames_of(path):
    source = open_source(path)
    return [frame for _, frame in source.read(range(source.info.frame_count))]


def assert_browser_playable(path):
    data = path.read_bytes()
    assert 0 < data.index(b"moov") < data.index(b"mdat")
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert stream.width % 2 == stream.height % 2 == 0


def seconds(path, kind):
    with av.open(str(path)) as container:
        stream = getattr(container.streams, kind)[0]
        return float(stream.duration * stream.time_base)


def sound_of(path):
    """(44100 * seconds,) of the first channel."""
    with av.open(str(path)) as container:
        return np.concatenate([frame.to_ndarray()[0] for frame in container.decode(container.streams.audio[0])])


def heard_s(path):
    """Seconds at which a tone begins and ends."""
    loud = np.flatnonzero(np.abs(sound_of(path)) > 0.05)
    return loud[0] / 44100, loud[-1] / 44100


@pytest.mark.parametrize("hw", [(64, 96), (63, 97), (64, 97)])
def test_mp4_is_playable_and_not_scaled(tmp_path, hw):
    path = tmp_path / "new" / "out.mp4"
    write_mp4(path, (quadrants(number, hw) for number in range(12)), 10)
    assert_browser_playable(path)
    frames = frames_of(path)
    assert frames[0].shape == (64, 98 if hw[1] == 97 else 96, 3)
    assert numbers(frames) == list(range(12))
    np.testing.assert_allclose(middles(frames[5][: hw[0], : hw[1]]), middles(quadrants(5, hw)), atol=6)
    np.testing.assert_allclose(frames[5][-1].astype(int), frames[5][-3], atol=12)  # the added border repeats the picture
    assert [file.name for file in path.parent.iterdir()] == ["out.mp4"]


@pytest.mark.parametrize("fps", [10.374, 30000 / 1001, 24, 0.004, 240])
def test_the_frame_rate_is_exact(tmp_path, fps):
    write_mp4(tmp_path / "out.mp4", [quadrants(0)] * 5, fps)
    assert probe(tmp_path / "out.mp4").fps == pytest.approx(fps, rel=1e-4)
    assert seconds(tmp_path / "out.mp4", "video") == pytest.approx(5 / fps, rel=1e-4)


@pytest.mark.parametrize(("start", "length"), [(0.0, 0.8), (0.5, 0.8), (5.0, 0.8), (0.0, 3.0)])
def test_sound_of_the_source_lasts_as_long_as_the_picture(tmp_path, start, length):
    source = make_clip(tmp_path / "source.mp4", count=25, audio_s=1.0)
    out = tmp_path / "out.mp4"
    write_mp4(out, [quadrants(0)] * round(length * 10), 10, audio_from=source, audio_start_s=start)
    assert_browser_playable(out)
    assert probe(out).audio_codec == "aac"
    assert seconds(out, "video") == pytest.approx(length)
    assert seconds(out, "audio") == pytest.approx(length, abs=0.05)
    heard = np.abs(sound_of(out)[2048:]) > 0.05  # past the encoder's fade-in
    expected = min(length, max(1.0 - start, 0)) * 44100
    assert heard.nonzero()[0].max(initial=0) == pytest.approx(expected, abs=3100)


@pytest.mark.parametrize("name", ["source.mp4", "source.mkv", "source.ts"])
@pytest.mark.parametrize("start", [0.0, 0.2])
def test_sound_and_picture_that_start_apart_stay_in_step(tmp_path, name, start):
    out = tmp_path / "out.mp4"
    write = {"audio_from": tmp_path / name, "audio_start_s": start}
    make_clip(tmp_path / name, count=25, audio_s=0.5, audio_start_s=0.4)
    assert write_mp4(out, [quadrants(0)] * 20, 20, **write)
    assert heard_s(out) == pytest.approx((0.4 - start, 0.9 - start), abs=0.05)
    make_clip(tmp_path / name, count=25, times=range(10, 35), audio_s=1.0)
    assert write_mp4(out, [quadrants(0)] * 20, 20, **write)
    assert heard_s(out) == pytest.approx((0, 0.6 - start), abs=0.05)


UNEVEN_S = np.array([0, 0.2, 0.4, 0.6, 0.64, 0.68, 0.72, 0.76, 0.8])
"""Times of a clip that turns from 5 to 25 frames a second."""


@pytest.mark.parametrize("quick", [False, True])
@pytest.mark.parametrize("sound", [False, True])
def test_a_varying_frame_rate_is_kept(tmp_path, sound, quick):
    source = make_clip(tmp_path / "source.mp4", count=25, audio_s=0.5, audio_start_s=0.4) if sound else None
    out = tmp_path / "out.mp4"
    frames = [quadrants(number) for number in range(9)]
    assert write_mp4(out, frames, 10, timestamps_s=UNEVEN_S + 3, audio_from=source, quick=quick)
    assert_browser_playable(out)
    written = open_source(out)
    np.testing.assert_allclose(written.timestamps_s, UNEVEN_S, atol=1e-4)
    assert written.info.duration_s == pytest.approx(0.84, abs=1e-3)
    assert numbers(frames_of(out)) == list(range(9))
    if sound:
        assert heard_s(out) == pytest.approx((0.4, 0.84), abs=0.05)
        assert seconds(out, "audio") == pytest.approx(0.84, abs=0.05)


def test_times_near_a_constant_rate_make_no_difference(tmp_path):
    frames = [quadrants(number) for number in range(30)]
    write_mp4(tmp_path / "even.mp4", frames, 30)
    sampled = np.arange(30) * 289 // 100 / 87  # as 100 frames are taken of 289
    write_mp4(tmp_path / "out.mp4", frames, 30, timestamps_s=sampled)
    assert (tmp_path / "out.mp4").read_bytes() == (tmp_path / "even.mp4").read_bytes()


def test_every_frame_has_one_time(tmp_path):
    with pytest.raises(OutputError, match="There are 8 frames but 9 times"):
        write_mp4(tmp_path / "out.mp4", [quadrants(0)] * 8, 10, timestamps_s=UNEVEN_S)
    assert not [*tmp_path.iterdir()]


def test_many_channels_become_two(tmp_path):
    source = tmp_path / "surround.mov"
    tones = "|".join(["0.5*sin(2000*t)"] * 12)
    inputs = ["-f", "lavfi", "-i", "color=s=64x48:r=10:d=1", "-f", "lavfi", "-i", f"aevalsrc='{tones}':d=1"]
    subprocess.run(["ffmpeg", "-v", "error", *inputs, "-c:v", "mpeg4", "-c:a", "pcm_s16le", str(source)], check=True)
    assert write_mp4(tmp_path / "out.mp4", [quadrants(0)] * 10, 10, audio_from=source)
    assert heard_s(tmp_path / "out.mp4") == pytest.approx((0, 1), abs=0.05)
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.streams.audio[0].codec_context.channels == 2


def test_sound_that_cannot_be_decoded_is_left_out(tmp_path, caplog):
    source = spoil_packet(make_clip(tmp_path / "source.mp4", audio_s=0.5), kind="audio")
    with caplog.at_level(logging.WARNING):
        assert not write_mp4(tmp_path / "out.mp4", [quadrants(number) for number in range(12)], 25, audio_from=source)
    assert "source.mp4: its sound was left out" in caplog.text
    assert_browser_playable(tmp_path / "out.mp4")
    assert not probe(tmp_path / "out.mp4").has_audio
    assert numbers(frames_of(tmp_path / "out.mp4")) == list(range(12))


def test_a_silent_source_or_folder_gives_a_silent_video(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    Image.fromarray(quadrants(0)).save(folder / "0.png")
    for source in (make_clip(tmp_path / "source.mp4"), folder):
        write_mp4(tmp_path / "out.mp4", [quadrants(0)] * 3, 10, audio_from=source)
        assert not probe(tmp_path / "out.mp4").has_audio


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    out = tmp_path / "out.mp4"
    out.write_bytes(b"old")

    def broken():
        yield quadrants(0)
        raise KeyError("stopped in the middle")

    with pytest.raises(KeyError):
        write_mp4(out, broken(), 10)
    with pytest.raises(OutputError, match=r"Frame 1 is uint8 \(62, 96, 3\) after uint8 \(64, 96, 3\)"):
        write_mp4(out, [quadrants(0), quadrants(0)[2:]], 10)
    with pytest.raises(OutputError, match="no frame"):
        write_mp4(out, [], 10)
    with pytest.raises(OutputError, match="frames a second"):
        write_mp4(out, [quadrants(0)], 0)
    assert out.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [out]


def test_what_ffmpeg_says_is_told(tmp_path):
    with pytest.raises(OutputError, match=r"(?s)Unable to choose an output format.*Check the folder"):
        write_mp4(tmp_path / "out.nonsense", [quadrants(0)] * 3, 10)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="cannot be written"):
        write_mp4(tmp_path / "file" / "out.mp4", [quadrants(0)], 10)


@pytest.mark.parametrize(("hw", "times"), [((64, 96), None), ((63, 97), None), ((64, 96), UNEVEN_S)])
def test_alpha_webm_is_transparent(tmp_path, hw, times):
    def rgba(number):
        alpha = np.full(hw, 255, np.uint8)
        alpha[: hw[0] // 2] = 0
        return np.dstack([quadrants(number, hw), alpha])

    path = tmp_path / "alpha.webm"
    write_alpha_webm(path, (rgba(number) for number in range(9)), 12.5, timestamps_s=times)
    info = probe(path)
    assert (info.codec, info.hw, info.frame_count) == ("vp9", hw, 9)
    assert info.fps == pytest.approx(12.5 if times is None else 9 / 0.84, rel=1e-2)
    np.testing.assert_allclose(open_source(path).timestamps_s, np.arange(9) / 12.5 if times is None else times, atol=1e-3)
    decoder = av.CodecContext.create("libvpx-vp9", "r")  # ffmpeg's own VP9 decoder ignores transparency
    with av.open(str(path)) as container:
        frames = [frame for packet in container.demux(video=0) for frame in decoder.decode(packet)]
    decoded = frames[6].to_ndarray(format="rgba")
    np.testing.assert_allclose(middles(decoded[..., 3:])[..., 0], [[0, 0], [255, 255]], atol=2)
    np.testing.assert_allclose(middles(decoded[..., :3])[1], middles(quadrants(6))[1], atol=12)


@pytest.mark.parametrize(
    ("name", "codec", "pixels", "options"),
    [
        ("turned.mov", "prores_ks", "yuv422p10le", {"rotation": 90}),
        ("mirrored.mov", "prores_ks", "yuv422p10le", {"rotation": 180, "mirrored": True}),
        ("ten_bits.mp4", "libx265", "yuv420p10le", {"rotation": 270, "audio_s": 0.5}),
        ("wide.mkv", "mpeg4", "yuv420p", {"aspect": Fraction(3, 2)}),
        ("grey.avi", "ffv1", "gray", {}),
        ("reordered.avi", "libx264", "yuv420p", {}),
        ("raw.h264", "libx264", "yuv420p", {}),
        ("broadcast.ts", "libx264", "yuv420p", {"audio_s": 0.5}),
        ("alpha.mov", "qtrle", "argb", {}),
    ],
)
def test_any_upload_becomes_playable(tmp_path, name, codec, pixels, options):
    source = make_clip(tmp_path / name, codec, pixels, **options)
    out = tmp_path / "out.mp4"
    normalise(source, out)
    assert_browser_playable(out)
    before, after = probe(source), probe(out)
    assert (after.hw, after.frame_count, after.rotation) == (before.hw, 12, 0)
    assert after.audio_codec == before.audio_codec
    for here, there in zip(frames_of(out), frames_of(source), strict=True):
        np.testing.assert_allclose(middles(here), middles(there), atol=14)


def test_odd_and_uneven_uploads(tmp_path):
    times = [0, 40, 80, 400, 440, 1000]
    images = [quadrants(number, (63, 97)) for number in range(6)]
    source = make_clip(tmp_path / "odd.mkv", "ffv1", "bgr0", images=images, times=times, time_base=Fraction(1, 1000))
    normalise(source, tmp_path / "out.mp4")
    assert_browser_playable(tmp_path / "out.mp4")
    out = open_source(tmp_path / "out.mp4")
    assert out.info.hw == (64, 98)
    np.testing.assert_allclose(out.timestamps_s, np.array(times) / 1000, atol=1e-3)
    frames = frames_of(tmp_path / "out.mp4")
    assert numbers([frame[:63, :97] for frame in frames]) == list(range(6))
    np.testing.assert_allclose(frames[5][:, 97].astype(int), frames[5][:, 95], atol=12)


def test_large_uploads_shrink_on_request(tmp_path):
    normalise(make_clip(tmp_path / "clip.mp4", rotation=90), tmp_path / "out.mp4", max_side=48)
    assert probe(tmp_path / "out.mp4").hw == (48, 32)


def test_a_playable_upload_keeps_its_packets(tmp_path):
    source = make_clip(tmp_path / "clip.mp4", rotation=90, audio_s=0.5)
    normalise(source, tmp_path / "out.mp4")
    assert_browser_playable(tmp_path / "out.mp4")
    assert probe(tmp_path / "out.mp4") == probe(source)
    for here, there in zip(frames_of(tmp_path / "out.mp4"), frames_of(source), strict=True):
        np.testing.assert_array_equal(here, there)


def test_animated_images_and_folders_become_playable(tmp_path):
    images = [Image.fromarray(quadrants(number)) for number in range(6)]
    folder = tmp_path / "images"
    folder.mkdir()
    for number, image in enumerate(images):
        image.save(folder / f"{number}.png")
    for kind in ("webp", "gif"):
        images[0].save(tmp_path / f"a.{kind}", save_all=True, append_images=images[1:], duration=40)
    for source in (folder, tmp_path / "a.webp", tmp_path / "a.gif"):
        normalise(source, tmp_path / "out.mp4")
        assert_browser_playable(tmp_path / "out.mp4")
        assert probe(tmp_path / "out.mp4").duration_s == pytest.approx(probe(source).duration_s, rel=0.01)
        assert numbers(frames_of(tmp_path / "out.mp4")) == list(range(6))
