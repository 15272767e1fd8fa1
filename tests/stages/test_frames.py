"""Which frames of a clip are used, at what size, and what the user is told about it."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from PIL import Image

from segmo.errors import VideoError
from segmo.geometry import grid_size
from segmo.settings import FrameSettings
from segmo.stages import frames as stage
from segmo.stages.frames import plan, sample_frames, sampled_indices, working_hw
from segmo.types import finish
from segmo.video import VideoInfo, probe, write_mp4

FULL = FrameSettings(efficiency=False)


def numbered(number):
    """A frame that tells its number by the brightness of its halves, two digits in base 12; checkered, so that none is a margin."""
    image = np.empty((32, 48, 3), np.float32)
    image[:, :24], image[:, 24:] = 24 + 18 * (number // 12), 24 + 18 * (number % 12)
    checks = np.kron(np.indices((8, 12)).sum(axis=0) % 2, np.ones((4, 4)))
    return (image + 32 * checks[..., None] - 16).astype(np.uint8)


def digits(picture):
    """The two digits of a numbered frame."""
    return tuple(round((half.mean() - 24) / 18) for half in (picture[:, 4:20], picture[:, 28:44]))


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """120 numbered frames at 30 frames a second: 4 s."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    write_mp4(path, map(numbered, range(120)), 30)
    return path


@pytest.fixture
def folder(tmp_path):
    for number in range(12):
        Image.fromarray(numbered(number)).save(tmp_path / f"shot_{number}.png")
    return tmp_path


def seen(sampled):
    """Frame numbers read back."""
    return [12 * high + low for high, low in map(digits, sampled.frames)]


@pytest.mark.parametrize("total", [0, 1, 2, 30, 99, 100, 101, 150, 199, 200, 201, 250, 299, 300, 399, 1000, 1594, 3600])
def test_efficiency_mode_spreads_100_frames_over_the_whole_clip(total):
    indices = sampled_indices(total, FrameSettings())
    assert len(indices) == min(total, 100)
    if total:
        gaps = np.diff([*indices, total])
        assert indices[0] == 0
        assert gaps.max() - gaps.min() <= 1  # also towards the end of the clip


def test_sampling_agrees_with_the_published_code_wherever_that_covers_the_clip(shared):
    compared = 0
    for row in json.loads((shared / "parity/rules/rules.json").read_text())["video_frames"]:
        total = row["readable_frames"]
        if row["reported_frames"] != total or not total:
            continue  # headers that lie about the number of frames: ours are counted
        indices = sampled_indices(total, FrameSettings(efficiency=row["efficient"]))
        assert len(indices) == row["saved"]
        if not row["efficient"] or total % 100 == 0 or total < 100:
            assert (indices[0], indices[-1]) == (row["first"], row["last"])
            assert set(np.diff(indices).tolist()) == set(row["interval"])
            compared += 1
        else:
            assert indices[-1] >= row["last"]
    assert compared > 15


@pytest.mark.parametrize(
    ("settings", "count"),
    [
        (FULL, 500),
        (FrameSettings(efficiency=False, max_frames=7), 7),
        (FrameSettings(max_frames=7), 7),
        (FrameSettings(max_frames=400), 100),
        (FrameSettings(efficiency=False, max_frames=900), 500),
    ],
)
def test_limits_of_frames_combine(settings, count):
    indices = sampled_indices(500, settings)
    assert len(indices) == count
    assert indices[-1] >= 500 - 500 // count - 1


@pytest.mark.parametrize(
    ("settings", "hw"),
    [
        (FrameSettings(), (562, 1000)),
        (FULL, (1080, 1920)),
        (FrameSettings(max_side=500), (281, 500)),
        (FrameSettings(max_side=1500), (562, 1000)),
        (FrameSettings(efficiency=False, max_side=1500), (843, 1500)),
    ],
)
def test_limits_of_size_combine(settings, hw):
    assert working_hw((1080, 1920), settings) == hw
    assert working_hw((1920, 1080), settings) == hw[::-1]


def test_frames_indices_times_and_names_of_a_video(clip):
    sampled = finish(sample_frames(clip, FrameSettings(max_frames=6)))
    assert sampled.source_indices.tolist() == seen(sampled) == [0, 20, 40, 60, 80, 100]
    np.testing.assert_allclose(sampled.timestamps_s, sampled.source_indices / 30)
    assert sampled.names == ("00000", "00020", "00040", "00060", "00080", "00100")
    assert (sampled.source_hw, sampled.source_frame_count, sampled.source_fps) == ((32, 48), 120, 30)
    assert sampled.notes == ("Used 6 of 120 frames, evenly spread.",)
    assert len(sampled) / sampled.fps == pytest.approx(4.0)  # a video written at this rate lasts as long as the source


def test_nothing_is_left_out_of_a_short_small_clip(clip):
    sampled = finish(sample_frames(clip, FULL))
    assert seen(sampled) == list(range(120))
    assert sampled.notes == ()


@pytest.mark.parametrize(
    ("start", "length", "expected"),
    [(1.0, 0.0, range(30, 120)), (0.0, 0.5, range(15)), (1.0, 0.2, range(30, 36)), (3.9, 5.0, range(117, 120)), (0.99, 0.1, range(30, 33))],
)
def test_start_and_length(clip, start, length, expected):
    settings = FrameSettings(efficiency=False, start_s=start, length_s=length)
    sampled = finish(sample_frames(clip, settings))
    assert sampled.source_indices.tolist() == seen(sampled) == list(expected)
    assert sampled.source_frame_count == len(expected)
    assert any(note.startswith("Used the part from") and note.endswith("of 4.00 s.") for note in sampled.notes)
    assert plan(probe(clip), settings).frame_count == len(expected)


def test_large_frames_shrink_by_area(tmp_path):
    fine = np.indices((1001, 10)).sum(axis=0) % 2 * 255
    Image.fromarray(fine.astype(np.uint8)).save(tmp_path / "0.png")
    Image.fromarray(fine.astype(np.uint8)[::-1]).save(tmp_path / "1.png")
    sampled = finish(sample_frames(tmp_path, FrameSettings(max_side=500)))
    assert sampled.hw == (500, 4)
    assert sampled.source_hw == (1001, 10)
    assert abs(sampled.frames.mean() - 127.5) < 2 and sampled.frames.std() < 10  # fine stripes turn grey instead of aliasing
    assert sampled.notes == ("Frames were shrunk from 10x1001 to 4x500.",)
    expected = cv2.resize(np.dstack([fine.astype(np.uint8)] * 3), (4, 500), interpolation=cv2.INTER_AREA)
    np.testing.assert_array_equal(sampled.frames[0], expected)


def test_image_folder_keeps_names(folder):
    sampled = finish(sample_frames(folder, FrameSettings(max_frames=4)))
    assert sampled.names == ("shot_0", "shot_3", "shot_6", "shot_9")
    assert seen(sampled) == [0, 3, 6, 9]


def test_progress_goes_up_to_one_and_can_be_stopped(clip):
    steps = sample_frames(clip, FrameSettings(max_frames=10))
    told = list(steps)
    assert len(told) >= 10 and told == sorted(told) and told[-1] == 1
    stopped = sample_frames(clip, FrameSettings())
    assert 0 < next(stopped) <= 0.01
    stopped.close()
    with pytest.raises(StopIteration):
        next(stopped)


@pytest.mark.parametrize(
    ("settings", "fps", "step", "expected"),
    [
        (FrameSettings(efficiency=False), 30, 1, set()),
        (FrameSettings(max_frames=60), 60, 2, set()),  # as close as the steps in which motion is looked at
        (FrameSettings(), 30, 1, set(range(1, 120))),
        (FrameSettings(max_frames=2), 30, 1, {1, 2, 3, 4, *range(56, 65)}),
        (FrameSettings(max_frames=2), 60, 2, {2, 4, 6, 8, *range(52, 69, 2)}),
        (FrameSettings(max_frames=2, start_s=1, length_s=0.5), 30, 1, {*range(31, 37), *range(38, 42)}),
    ],
)
def test_frames_around_the_sampled_ones_are_kept_small_and_grey(clip, settings, fps, step, expected, tmp_path):
    if fps != 30:
        clip = tmp_path / "clip.mp4"
        write_mp4(clip, map(numbered, range(120)), fps)
    sampled = finish(sample_frames(clip, settings))
    assert sampled.step == step
    assert sampled.between_indices.tolist() == sorted(expected - set(sampled.source_indices.tolist()))
    assert seen(sampled) == sampled.source_indices.tolist()
    assert [digits(grey) for grey in sampled.between] == [divmod(index, 12) for index in sampled.between_indices.tolist()]


def test_frames_between_are_on_the_grid_of_flow(tmp_path):
    for number in range(9):
        Image.fromarray(np.full((500, 1200, 3), 20 * number, np.uint8)).save(tmp_path / f"{number}.png")
    sampled = finish(sample_frames(tmp_path, FrameSettings(max_frames=2)))
    assert sampled.between.shape[1:] == grid_size(sampled.hw) == (188, 448)
    assert sampled.between.mean(axis=(1, 2)).tolist() == [20 * index for index in sampled.between_indices]


def test_frames_between_grow_no_larger_than_they_are_read(tmp_path):
    """A small picture on a large page, which would have to be finer for it."""
    for number in range(9):
        page = np.zeros((1200, 2400, 3), np.uint8)
        page[240:960, 960:1440] = np.random.default_rng(number).integers(0, 256, (720, 480, 3))
        Image.fromarray(page).save(tmp_path / f"{number}.png")
    seen = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stage, "_fill_grey", lambda place, frame: seen.append(place.shape))
        sampled = finish(sample_frames(tmp_path, FrameSettings(max_frames=2, efficiency=False)))
    assert sampled.window == (240, 960, 960, 1440) and sampled.between.shape[1:] == grid_size((720, 480)) == (448, 300)
    assert set(seen) == {(446, 896)}


def test_same_result_twice(clip):
    one, two = (finish(sample_frames(clip, FrameSettings())) for _ in range(2))
    np.testing.assert_array_equal(one.frames, two.frames)
    np.testing.assert_array_equal(one.between, two.between)
    np.testing.assert_array_equal(one.timestamps_s, two.timestamps_s)


def test_plan_agrees_with_sampling(clip):
    settings = FrameSettings(max_frames=11, max_side=16)
    planned, sampled = plan(probe(clip), settings), finish(sample_frames(clip, settings))
    assert (planned.frame_count, planned.source_frame_count, planned.hw) == (len(sampled), 120, sampled.hw)
    assert planned.between_count == len(sampled.between) > 60
    assert planned.notes == sampled.notes
    assert planned.memory_bytes == sampled.frames.nbytes


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (FrameSettings(start_s=9), r"from 9 s holds 0 of the 120 frames.*within the 4\.00 s"),
        (FrameSettings(start_s=1, length_s=0.01), r"from 1 s for 0\.01 s holds 1 of the 120"),
        (FrameSettings(max_frames=1), r"Maximum frames is 1, .*at least 2"),
    ],
)
def test_too_few_frames_says_what_to_do(clip, settings, said):
    with pytest.raises(VideoError, match=said):
        finish(sample_frames(clip, settings))


@pytest.fixture
def damaged(clip, monkeypatch):
    """Reads the clip as if only these frames could be decoded, one of which the decoder found errors in."""

    def sampled(readable):
        source = stage.open_source(clip)
        whole = source.read

        def read(indices, small=()):
            source.damaged = 1
            yield from ((index, frame) for index, frame in whole(indices) if index in readable)

        source.read = read
        monkeypatch.setattr(stage, "open_source", lambda _: source)
        return finish(sample_frames(clip, FrameSettings(max_frames=6)))

    return sampled


def test_frames_that_cannot_be_decoded_are_left_out_and_told(damaged):
    sampled = damaged({0, 40, 60, 100})  # of 0, 20, 40, 60, 80 and 100
    assert sampled.source_indices.tolist() == seen(sampled) == [0, 40, 60, 100]
    assert sampled.names == ("00000", "00040", "00060", "00100")
    np.testing.assert_allclose(sampled.timestamps_s, [0, 4 / 3, 2, 10 / 3], atol=1e-6)
    assert sampled.notes[-2:] == (
        "2 of the 6 frames could not be decoded and were left out.",
        "1 of the frames used are damaged in the file and may show errors.",
    )


def test_a_clip_of_which_one_frame_can_be_decoded_is_refused(damaged):
    with pytest.raises(VideoError, match=r"Only 1 frame of .*clip\.mp4 could be decoded, and motion needs at least 2\. Copy or export"):
        damaged({40})


def test_a_single_image_has_no_motion(tmp_path):
    Image.new("RGB", (48, 32)).save(tmp_path / "photo.png")
    for source in (tmp_path / "photo.png", tmp_path):
        with pytest.raises(VideoError, match=r"single frame, and motion needs at least 2\. Give a video"):
            finish(sample_frames(source, FrameSettings()))


def test_clips_that_memory_cannot_hold_are_refused_before_decoding(clip, monkeypatch):
    monkeypatch.setattr(stage, "MAX_CLIP_BYTES", 100_000)
    with pytest.raises(VideoError, match=r"120 frames of 48x32 take .*Turn on efficiency mode, or lower maximum frames"):
        next(sample_frames(clip, FULL))
    assert len(finish(sample_frames(clip, FrameSettings(max_frames=10)))) == 10


def test_plan_of_a_long_clip_decodes_nothing():
    info = VideoInfo((1080, 1920), 3600, 30.0, 120.0, "h264", 0, False, False)
    planned = plan(info, FrameSettings(start_s=60, length_s=30))
    assert (planned.frame_count, planned.source_frame_count, planned.hw) == (100, 900, (562, 1000))


def test_real_clip(shared):
    sampled = finish(sample_frames(shared / "clips" / "dog.mp4", FrameSettings(max_frames=5)))
    assert sampled.source_indices.tolist() == [0, 57, 115, 173, 231]
    np.testing.assert_allclose(sampled.timestamps_s, sampled.source_indices * 1001 / 30000, atol=1e-4)
    assert sampled.notes == ("Used 5 of 289 frames, evenly spread.", "Frames were shrunk from 1280x720 to 1000x562.")
    assert len(sampled) / sampled.fps == pytest.approx(9.643, rel=0.01)
