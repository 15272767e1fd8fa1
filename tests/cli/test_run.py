from __future__ import annotations

import contextlib
import functools
import json
import os
import pty
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import cv2
import fakes
import numpy as np
import pytest

from segmo.cache import StageCache
from segmo.cli.main import build_parser, main
from segmo.cli.options import settings_from
from segmo.cli.outputs import _clip_id, claimed_folder, output_folder
from segmo.settings import iter_options

REPOSITORY = Path(__file__).resolve().parents[2]
FILES = {"overlay.mp4", "side_by_side.mp4", "alpha.webm", "objects.json", "tracks.npz", "run.json"}


def write_clip(folder: Path, count: int = 4, seed: int = 0) -> Path:
    folder.mkdir(parents=True)
    random = np.random.default_rng(seed)
    for index in range(count):
        cv2.imwrite(str(folder / f"{index:03}.png"), random.integers(0, 255, (24, 32, 3), dtype=np.uint8))
    return folder


@pytest.fixture(autouse=True)
def fake_models(monkeypatch, tmp_path):
    monkeypatch.setenv("SEGMO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("segmo.zoo.store.ModelStore", fakes.FakeStore)


def segment(*arguments: str | Path) -> int:
    return main(["run", *map(str, arguments)])


def lines(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_clip_becomes_its_outputs(tmp_path, capsys):
    clip = write_clip(tmp_path / "clip")
    assert segment(clip, "--out", tmp_path / "out") == 0
    folder = tmp_path / "out" / "clip"
    assert {path.name for path in folder.iterdir()} == FILES | {"masks"}
    assert {path.name for path in (folder / "masks").iterdir()} == {f"{index:03}.png" for index in range(4)}
    record = json.loads((folder / "run.json").read_text())
    assert [stage["stage"] for stage in record["stages"]] == ["frames", "flow", "depth", "tracks", "features", "motion", "masks"]
    assert record["settings"]["preset"] == "lite" and record["frames"]["source_indices"] == [0, 1, 2, 3]
    assert {model["role"] for model in record["models"]} == {"flow", "depth", "tracks", "features", "motion", "masks"}
    assert str(tmp_path) not in (folder / "run.json").read_text()
    captured = capsys.readouterr()
    assert captured.out.startswith("clip: 1 object moves (4 of 4 frames") and captured.out.count("\n") == 1
    assert "Depth is unreliable." in captured.err and "no CUDA GPU" in captured.err


def test_json_prints_json_lines_and_nothing_else(tmp_path, capsys):
    assert segment(write_clip(tmp_path / "clip"), "--out", tmp_path / "out", "--json") == 0
    printed = lines(capsys.readouterr().out)
    statuses = {(line.get("stage"), line["status"]) for line in printed}
    assert {("frames", "done"), ("masks", "done"), ("outputs", "done"), (None, "finished")} <= statuses
    result = printed[-1]
    assert (result["objects"], result["nothing_moves"], result["moving_score"]) == (1, False, 0.9) and result["out"].endswith("clip")


def test_quiet_is_quiet(tmp_path, capsys):
    assert segment(write_clip(tmp_path / "clip"), "--out", tmp_path / "out", "--quiet") == 0
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


def test_nothing_moves_is_a_result(tmp_path, capsys):
    clip = write_clip(tmp_path / "clip")
    assert segment(clip, "--out", tmp_path / "out", "--threshold", "1") == 0
    assert "nothing moves" in capsys.readouterr().out
    assert not cv2.imread(str(tmp_path / "out" / "clip" / "masks" / "000.png")).any()


def test_the_same_again_writes_nothing_and_a_change_writes(tmp_path, capsys):
    clip, out = write_clip(tmp_path / "clip"), tmp_path / "out"

    def again(*flags: str) -> str:
        assert segment(clip, "--out", out, "--json", *flags) == 0
        [line] = [line for line in lines(capsys.readouterr().out) if line.get("stage") == "outputs" and line["fraction"] == 1]
        return line["status"]

    assert [again(), again()] == ["done", "cached"]
    assert [again("--threshold", "0.4"), again("--threshold", "0.4")] == ["done", "cached"]
    (out / "clip" / "masks" / "001.png").unlink()
    assert [again("--threshold", "0.4"), again("--threshold", "0.4")] == ["done", "cached"]
    time.sleep(0.01)
    (out / "clip" / "objects.json").write_text("{}")
    assert [again("--threshold", "0.4"), again("--threshold", "0.4")] == ["done", "cached"]
    assert (out / "clip" / "objects.json").read_text() != "{}"


def test_more_is_written_if_it_is_asked_for(tmp_path, capsys):
    from segmo.cli.run import MORE
    from segmo.export import EXTRA_OUTPUTS

    assert set(MORE) == set(EXTRA_OUTPUTS)
    clip, out = write_clip(tmp_path / "clip"), tmp_path / "out"
    added = [out / "clip" / name for name in ("matte.mp4", "static_masks/000.png", "tracks.csv")]
    assert segment(clip, "--out", out) == 0 and not any(path.exists() for path in added)
    written = (out / "clip" / "overlay.mp4").stat().st_mtime_ns
    assert segment(clip, "--out", out, "--also", "matte, static") == 0
    assert [path.exists() for path in added] == [True, True, False]
    assert (out / "clip" / "overlay.mp4").stat().st_mtime_ns == written, "only what was missing"
    assert segment(clip, "--out", tmp_path / "other", "--also", "matte,static,csv") == 0
    assert all((tmp_path / "other" / path.relative_to(out)).exists() for path in added)
    capsys.readouterr()
    assert segment(clip, "--out", out, "--json", "--also", "matte") == 0
    assert [line["status"] for line in lines(capsys.readouterr().out) if line.get("stage") == "outputs"][-1] == "cached"
    with pytest.raises(SystemExit):
        segment(clip, "--also", "prores")
    assert "choose from matte, static, csv" in capsys.readouterr().err


def test_one_failing_clip_does_not_stop_the_others(tmp_path, capsys):
    (tmp_path / "text.mp4").write_text("no video")
    good = [write_clip(tmp_path / name, seed=seed) for seed, name in enumerate(("a", "b"))]
    assert segment(good[0], tmp_path / "text.mp4", tmp_path / "absent.mp4", good[1], "--out", tmp_path / "out", "--json") == 2
    captured = capsys.readouterr()
    ends = {line["clip"]: line["status"] for line in lines(captured.out) if "stage" not in line}
    assert ends == {"a": "finished", "text": "failed", "absent": "failed", "b": "finished"}
    assert "text.mp4" in captured.err and "Traceback" not in captured.err


def test_paths_that_the_system_refuses_do_not_stop_the_others(tmp_path, capsys, monkeypatch):
    (tmp_path / "loop").symlink_to("loop")
    secret, stat = write_clip(tmp_path / "secret"), os.stat

    def refusing(path, *args, **kwargs):  # as for users other than root in a folder of somebody else's
        if isinstance(path, str | os.PathLike) and os.fspath(path) == os.fspath(secret):
            raise PermissionError(13, "Permission denied")
        return stat(path, *args, **kwargs)

    monkeypatch.setattr(os, "stat", refusing)
    good = write_clip(tmp_path / "good", seed=1)
    assert segment(tmp_path / "loop", secret, tmp_path / ("n" * 300), good, "--out", tmp_path / "out", "--json") == 2
    captured = capsys.readouterr()
    ends = {line["clip"]: line["status"] for line in lines(captured.out) if "stage" not in line}
    assert ends == {"loop": "failed", "secret": "failed", "n" * 300: "failed", "good": "finished"}
    assert "may not be read" in captured.err


def test_an_error_nobody_thought_of_in_one_clips_files_does_not_stop_the_others(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("segmo.render.cut_out", lambda frame, labels: 1 // (len(frame) - 24))
    clips = [write_clip(tmp_path / name, seed=seed) for seed, name in enumerate("ab")]
    assert segment(*clips, "--out", tmp_path / "out", "--json") == 1
    captured = capsys.readouterr()
    assert [line["clip"] for line in lines(captured.out) if line["status"] == "failed"] == ["a", "b"]
    assert "Stage outputs failed unexpectedly: ZeroDivisionError" in captured.err and not list((tmp_path / "out").glob("*"))


@pytest.mark.skipif(sys.platform in ("darwin", "win32"), reason="file names are always Unicode there")
def test_names_need_not_be_utf_8(tmp_path):
    clip = write_clip(tmp_path / "clip").rename(tmp_path / os.fsdecode(b"caf\xe9"))
    (clip / "000.png").rename(clip / os.fsdecode(b"b\xe9 0.png"))
    out = tmp_path / "out"
    for _ in range(2):  # the second time what is there is found
        assert segment(clip, "--out", out, "--quiet") == 0
    names = {os.fsencode(path.name) for path in (out / clip.name / "masks").iterdir()}
    assert names == {b"b\xe9 0.png", b"001.png", b"002.png", b"003.png"} and len(list(out.iterdir())) == 1
    record = json.loads((out / clip.name / "run.json").read_text(encoding="utf-8"))
    assert os.fsencode(record["source"]["name"]) == b"caf\xe9" and record["files"][1:2] == [os.fsdecode(b"masks/001.png")]


def test_names_need_no_letters_of_the_encoding_of_standard_output(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    process = start("fast", write_clip(tmp_path / "日本"), "--out", tmp_path / "out")
    assert process.communicate(timeout=60)[0].startswith("\\u65e5\\u672c: 1 object moves") and process.returncode == 0


def test_clips_of_one_name_keep_apart(tmp_path):
    clips = [write_clip(tmp_path / parent / "video", seed=seed) for seed, parent in enumerate("abc")]
    out = tmp_path / "out"
    assert segment(*clips[:2], "--out", out, "--quiet") == 0
    first = (out / "video" / "run.json").read_bytes()
    assert segment(clips[1], "--out", out, "--quiet") == 0  # alone and later
    assert segment(clips[2], "--out", out, "--quiet") == 0
    assert {path.name for path in out.iterdir()} == {"video", "b-video", "c-video"}
    assert (out / "video" / "run.json").read_bytes() == first


def test_a_clip_given_twice_runs_once(tmp_path, capsys):
    clip = write_clip(tmp_path / "clip")
    assert segment(clip, tmp_path / "clip" / ".." / "clip", "--out", tmp_path / "out") == 0
    assert capsys.readouterr().out.count("\n") == 1


def test_output_folders_have_names_for_any_number_of_equal_clips(tmp_path):
    taken: set[Path] = set()
    for ending in ("mp4", "mov", "avi", "mkv"):
        taken.add(output_folder(tmp_path, Path("/there/clip") / f"video.{ending}", taken))
    assert {folder.name for folder in taken} == {"video", "clip-video", "video-2", "video-3"}


def wait_for(folder: Path, clip: Path, found: list[Path]) -> threading.Thread:
    """Claim a folder in another thread, which excludes as another process does."""

    def claim() -> None:
        with claimed_folder(folder, clip, ()) as claimed:
            found.append(claimed)

    thread = threading.Thread(target=claim, daemon=True)
    thread.start()
    return thread


@pytest.mark.parametrize(("other", "expected"), [("a", "clip"), ("b", "b-clip")], ids=["the same clip", "another clip"])
def test_a_claimed_folder_is_waited_for_and_then_looked_at_again(tmp_path, other, expected):
    first, found = tmp_path / "a" / "clip.mp4", []
    with claimed_folder(tmp_path / "out", first, ()) as folder:
        thread = wait_for(tmp_path / "out", tmp_path / other / "clip.mp4", found)
        thread.join(0.2)
        assert thread.is_alive() and found == []
        folder.mkdir()
        (folder / "run.json").write_text(json.dumps({"clip_id": _clip_id(first)}))
    thread.join(10)
    assert found == [tmp_path / "out" / expected]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["clip"]


def test_a_claim_that_was_given_up_or_left_by_a_killed_process_holds_nothing(tmp_path):
    clips = [tmp_path / parent / "clip.mp4" for parent in "ab"]
    with pytest.raises(KeyboardInterrupt), claimed_folder(tmp_path / "out", clips[0], ()):
        raise KeyboardInterrupt
    assert not list((tmp_path / "out").iterdir())
    (tmp_path / "out" / ".clip.lock").touch()
    with claimed_folder(tmp_path / "out", clips[1], ()) as folder:
        assert folder == tmp_path / "out" / "clip"
    assert not list((tmp_path / "out").iterdir())


def test_a_place_that_cannot_be_locked_is_left_to_the_export(tmp_path):
    (tmp_path / ".clip.lock").mkdir()
    with claimed_folder(tmp_path, tmp_path / "a" / "clip.mp4", ()) as folder:
        assert folder == tmp_path / "clip"
    (tmp_path / "file").touch()
    with claimed_folder(tmp_path / "file", tmp_path / "a" / "clip.mp4", ()) as folder:
        assert folder == tmp_path / "file" / "clip"


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--preset", "paper", "--features-model", "dinov2-small"], "features/dinov2-base"),
        (["--stride", "0"], "from 1 to 100"),
        (["--threshold", "2"], "from 0 to 1"),
        (["--device", "gpu"], "cuda:0"),
    ],
)
def test_wrong_settings_are_exit_code_2_before_anything_runs(tmp_path, capsys, flags, says):
    assert segment(write_clip(tmp_path / "clip"), "--out", tmp_path / "out", *flags) == 2
    assert says in capsys.readouterr().err and not (tmp_path / "out").exists()


@pytest.mark.parametrize("flags", [["--preset", "x"], ["--stride", "x"], ["--threshold", "x"], ["--click", "12,0.5"]])
def test_values_that_cannot_be_read_are_exit_code_2(flags, capsys):
    with pytest.raises(SystemExit) as stopped:
        segment("clip.mp4", *flags)
    assert stopped.value.code == 2 and flags[0] in capsys.readouterr().err


def test_every_flag_reaches_its_setting():
    text = "--preset lite --no-efficiency --max-frames 7 --max-side 320 --start 1.5 --seconds 2 --stride 4 --seed 9 --threshold 0.25 "
    text += "--always-moves --click 12,0.5,1,- --depth-model depth-anything-v2-small --tracks-model tapir --features-model dinov2-base "
    text += "--motion-model moseg --masks-model edgetam --max-tracks 900 --max-objects 3 --min-area 0.01"
    settings = settings_from(build_parser().parse_args(["run", "clip.mp4", *text.split()]))
    assert settings.to_dict() == {
        "preset": "lite",
        "frames": {"efficiency": False, "max_frames": 7, "max_side": 320, "start_s": 1.5, "length_s": 2.0},
        "query": {"stride": 4},
        "tracks": {"max_tracks": 900, "seed": 9},
        "motion": {"threshold": 0.25, "always_moves": True},
        "masks": {"max_objects": 3, "min_area": 0.01, "corrections": ({"frame": 12, "x": 0.5, "y": 1.0, "moves": False},)},
        "models": {
            "depth": "depth-anything-v2-small",
            "tracks": "tapir",
            "features": "dinov2-base",
            "motion": "moseg",
            "masks": "edgetam",
        },
    }
    assert all(option.flag in text.replace("--no-", "--") for option in iter_options() if option.flag)
    automatic = settings_from(build_parser().parse_args(["run", "clip.mp4", "--threshold", "auto", "--efficiency"]))
    assert automatic.motion.threshold is None and automatic.frames.efficiency


WITH_FAKES = """
import os, sys, time
sys.path.insert(0, "tests")
import fakes, segmo.zoo.store
class Slow(fakes.FakeTracks):
    def track(self, clip, points, flow):
        for step in range(600):
            time.sleep(0.1)
            yield step / 600
class Waiting(fakes.FakeTracks):
    def track(self, clip, points, flow):
        while not os.path.exists(os.environ["GO"]):
            time.sleep(0.05)
        return (yield from super().track(clip, points, flow))
tracks = {"slow": Slow, "waiting": Waiting}.get(sys.argv[1], fakes.FakeTracks)
segmo.zoo.store.ModelStore = lambda device, **_: fakes.FakeStore(tracks=tracks)
from segmo.cli.main import main
sys.exit(main(sys.argv[2:]))
"""


def start(speed: str, *arguments: str | Path, **streams: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WITH_FAKES, speed, "run", *map(str, arguments)]
    with_ctrl_c = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # which a shell turns off for what runs in the background
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY, env=os.environ, preexec_fn=with_ctrl_c, **streams)


def test_results_go_to_standard_output_while_bars_are_on_the_terminal(tmp_path):
    terminal, end = pty.openpty()
    process = start("fast", write_clip(tmp_path / "clip"), "--out", tmp_path / "out", stderr=end)
    os.close(end)
    shown = b""
    with contextlib.suppress(OSError):  # what reading a terminal says once the other end is closed
        while data := os.read(terminal, 4096):
            shown += data
    os.close(terminal)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 0 and out.startswith("clip: 1 object moves") and out.count("\n") == 1
    assert b"masks" in shown and b"object moves" not in shown


def until_stage(process: subprocess.Popen[str], stage: str) -> None:
    for line in process.stdout:
        if json.loads(line).get("stage") == stage:
            return


def test_two_processes_at_once_keep_clips_of_one_name_apart(tmp_path, monkeypatch):
    monkeypatch.setenv("GO", str(tmp_path / "go"))
    clips, out = [write_clip(tmp_path / parent / "clip", seed=seed) for seed, parent in enumerate("ab")], tmp_path / "out"
    processes = [start("waiting", clip, "--out", out, "--json") for clip in clips]
    for process in processes:
        until_stage(process, "tracks")  # both chose a name when they began
    (tmp_path / "go").touch()
    ends = [json.loads(process.communicate(timeout=60)[0].splitlines()[-1]) for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert {path.name for path in out.iterdir()} in ({"clip", "a-clip"}, {"clip", "b-clip"})
    for clip, end in zip(clips, ends, strict=True):
        assert json.loads(Path(end["out"], "run.json").read_text())["clip_id"] == _clip_id(clip)
        assert {path.name for path in Path(end["out"]).iterdir()} == FILES | {"masks"}
        assert segment(clip, "--out", out, "--quiet") == 0  # again, into its own folder
    assert len(list(out.iterdir())) == 2


def test_ctrl_c_ends_with_130_and_keeps_finished_stages(tmp_path):
    process = start("slow", write_clip(tmp_path / "clip"), "--out", tmp_path / "out", "--json", stderr=subprocess.PIPE)
    until_stage(process, "tracks")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130 and "Traceback" not in err and "kept" in err
    assert not list((tmp_path / "out").rglob("*"))
    with StageCache() as cache:
        assert cache.info()["stages"] == {"frames": 1, "flow": 1, "depth": 1}
