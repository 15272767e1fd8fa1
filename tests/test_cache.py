from __future__ import annotations

import logging
import os
import pickle
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import diskcache
import numpy as np
import pytest

from segmo.cache import StageCache, cache_directory, default_limit, pack, unpack
from segmo.errors import CacheError, ProductError, SettingsError
from segmo.types import Clip, FeatureMaps, MotionEvidence, MotionLabels, ObjectMasks

KEY = StageCache.key("masks", 1, "model", {}, ["input"])
REPOSITORY = Path(__file__).resolve().parent.parent


def a_clip(t: int = 3, h: int = 5, w: int = 7, seed: int = 0) -> Clip:
    frames = np.random.default_rng(seed).integers(0, 255, (t, h, w, 3), dtype=np.uint8)
    names = tuple(f"{i:05}" for i in range(t))
    return Clip(frames, np.arange(t) / 30, np.arange(t), names, (2 * h, 2 * w), 9 * t, 29.97, ("Größe: ½.",))


def some_labels() -> MotionLabels:
    probability = np.array([0.1, 0.9], np.float32)
    evidence = MotionEvidence(probability, np.zeros((3, 0, 0), np.float16), 0.1 + 0.2, "The camera pans.", ("a", "b"))
    return MotionLabels(evidence, probability > 0.5, 1 / 3)


@pytest.fixture
def cache(tmp_path: Path):
    with StageCache(tmp_path) as opened:
        yield opened


def the_file(cache: StageCache) -> Path:
    [path] = cache.directory.glob("??/??/*.val")
    return path


def test_a_product_comes_back_bit_for_bit(cache):
    clip = a_clip()
    cache.put(KEY, clip)
    again = cache.get(KEY, Clip)
    assert again is not None
    for name in ("frames", "timestamps_s", "source_indices"):
        np.testing.assert_array_equal(getattr(again, name), getattr(clip, name))
        assert getattr(again, name).dtype == getattr(clip, name).dtype
    assert (again.names, again.notes, again.source_hw, again.source_fps) == (clip.names, clip.notes, clip.source_hw, clip.source_fps)


def test_whether_a_product_is_there_is_told_without_reading_it(cache):
    assert not cache.has(KEY)
    cache.put(KEY, a_clip())
    assert cache.has(KEY) and not cache.has(KEY + "0")
    assert not StageCache(Path("/dev/null/x")).has(KEY)


def test_a_nested_product_comes_back(cache):
    cache.put(KEY, some_labels())
    again = cache.get(KEY, MotionLabels)
    assert isinstance(again.evidence, MotionEvidence) and again.evidence.notes == ("a", "b")
    assert again.evidence.moving_score == 0.1 + 0.2 and again.threshold == 1 / 3
    assert again.evidence.probability_maps.shape == (3, 0, 0) and again.moving.tolist() == [False, True]


def test_an_empty_and_a_strided_array_come_back(cache):
    labels = np.zeros((2, 6, 8), np.uint8)[:, ::2, ::-1]
    cache.put(KEY, ObjectMasks(labels, np.zeros(0, np.int64), np.zeros(0, np.float32)))
    again = cache.get(KEY, ObjectMasks)
    assert again.labels.shape == (2, 3, 8) and again.object_ids.shape == (0,) and again.nothing_moves


def test_large_arrays_are_mapped_aligned_and_read_only(cache):
    cache.put(KEY, a_clip(8, 300, 400))
    again = cache.get(KEY, Clip)
    assert not again.frames.flags.owndata and again.frames.ctypes.data % 64 == 0
    with pytest.raises(ValueError, match="read-only"):
        again.frames[0] = 0
    if Path("/proc/self/maps").exists():
        assert str(the_file(cache)) in Path("/proc/self/maps").read_text()


def test_a_very_large_product_is_swapped_for_its_mapped_self(cache, monkeypatch):
    monkeypatch.setattr("segmo.cache._SWAPPED_FROM_BYTES", 1 << 20)
    clip = a_clip(8, 300, 400)
    again = cache.put(KEY, clip)
    assert again is not clip and not np.shares_memory(again.frames, clip.frames)
    np.testing.assert_array_equal(again.frames, clip.frames)


def test_a_product_survives_its_removal_and_the_closing_of_the_cache(tmp_path):
    with StageCache(tmp_path) as cache:
        cache.put(KEY, a_clip(8, 300, 400))
        clip = cache.get(KEY, Clip)
        assert cache.clear() == 1 and cache.get(KEY, Clip) is None
    np.testing.assert_array_equal(clip.frames, a_clip(8, 300, 400).frames)


def test_objects_are_refused():
    @dataclass(frozen=True)
    class Odd:
        things: np.ndarray

    with pytest.raises(ProductError, match="object"):
        pack(Odd(np.array([object()])))


def test_the_key_depends_on_every_part_and_on_nothing_else():
    parts = ("masks", 1, "model", {"a": 1, "b": 2.5}, ["x", "y"])
    key = StageCache.key(*parts)
    assert key == StageCache.key("masks", 1, "model", {"b": 2.5, "a": 1}, ("x", "y"))
    others = [("tracks", *parts[1:]), (parts[0], 2, *parts[2:]), (*parts[:2], "other", *parts[3:]), (*parts[:3], {"a": 1}, parts[4])]
    assert len({key, *(StageCache.key(*other) for other in others), StageCache.key(*parts[:4], ["y", "x"])}) == 6


@pytest.mark.parametrize("damage", ["flip", "truncate", "empty", "header", "append", "vanish"])
def test_a_damaged_entry_is_dropped_with_a_warning_and_can_be_made_again(cache, caplog, damage):
    cache.put(KEY, a_clip())
    path = the_file(cache)
    data = bytearray(path.read_bytes())
    position = {"flip": data.find(a_clip().frames.tobytes()) + 7, "header": 40}.get(damage)
    if position is not None:
        data[position] ^= 1
    damaged = {"truncate": data[:-64], "empty": b"", "append": data + bytes(64)}.get(damage, data)
    path.unlink() if damage == "vanish" else path.write_bytes(damaged)
    with caplog.at_level(logging.WARNING):
        assert cache.get(KEY, Clip) is None
    assert (KEY in caplog.text) == (damage != "vanish")
    np.testing.assert_array_equal(cache.put(KEY, a_clip()).frames, a_clip().frames)


def test_an_entry_of_another_type_is_dropped(cache, caplog):
    cache.put(KEY, a_clip())
    assert cache.get(KEY, ObjectMasks) is None and "Clip" in caplog.text


class Bomb:
    """Its unpickling creates a file."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


@pytest.mark.parametrize("where", ["value", "file", "key"])
def test_a_planted_pickle_is_never_loaded(cache, tmp_path, where, caplog):
    target, bomb = tmp_path / "exploded", pickle.dumps(Bomb(str(tmp_path / "exploded")))
    with diskcache.Cache(str(cache.directory), disk_min_file_size=1 if where == "file" else 1 << 20) as plain:
        plain[Bomb(str(target)) if where == "key" else KEY] = Bomb(str(target))
    assert cache.get(KEY, Clip) is None
    assert ("Dropped" in caplog.text) == (where != "key")
    cache.put(KEY, a_clip())
    the_file_of_our_entry = next(path for path in cache.directory.glob("??/??/*.val") if path.read_bytes()[:5] == b"segmo")
    the_file_of_our_entry.write_bytes(bomb)
    assert cache.get(KEY, Clip) is None
    cache.info()
    cache.clear()
    assert not target.exists()
    pickle.loads(bomb).close()
    assert target.exists()  # the bomb was live


def test_a_planted_path_touches_nothing_outside(cache, tmp_path):
    outside = tmp_path / "precious.txt"
    outside.write_text("mine")
    cache.put(KEY, a_clip())
    with sqlite3.connect(cache.directory / "cache.db") as database:
        database.execute("UPDATE Cache SET filename = '../precious.txt'")
    database.close()
    assert cache.get(KEY, Clip) is None
    cache.clear()
    assert outside.read_text() == "mine"


def test_the_least_recently_used_go_first_and_no_more_than_needed(tmp_path):
    size = len(b"".join(pack(a_clip(2, 300, 400))))
    with StageCache(tmp_path, size_limit=int(3.5 * size) + 100_000) as cache:
        for name in "abc":
            cache.put(name, a_clip(2, 300, 400))
        assert cache.get("a", Clip) is not None
        cache.put("d", a_clip(2, 300, 400))
        assert [name for name in "abcd" if cache.get(name, Clip) is not None] == ["a", "c", "d"]
        assert cache.info()["bytes"] <= cache.size_limit
        assert cache.prune(int(1.5 * size) + 100_000) == 2
        assert [name for name in "abcd" if cache.get(name, Clip) is not None] == ["d"]


def test_a_product_beyond_the_limit_is_still_kept_alone(tmp_path):
    with StageCache(tmp_path, size_limit=1000) as cache:
        cache.put("a", a_clip())
        cache.put("b", a_clip(2, 300, 400))
        assert cache.get("a", Clip) is None and cache.get("b", Clip) is not None


def test_info_counts_by_stage(cache):
    cache.put(KEY, a_clip())
    cache.put(StageCache.key("tracks", 1, "", {}, []), a_clip())
    info = cache.info()
    assert info["entries"] == 2 and info["stages"] == {"masks": 1, "tracks": 1} and info["bytes"] > 2 * a_clip().frames.nbytes


COMPUTE_ONCE = """
import sys, time
from pathlib import Path
import numpy as np
from segmo.cache import StageCache
from segmo.types import FeatureMaps
folder = Path(sys.argv[1])
with StageCache(folder) as cache:
    print("ready", flush=True)
    sys.stdin.readline()
    with cache.lock("features-x"):
        if cache.get("features-x", FeatureMaps) is None:
            time.sleep(0.3)
            (folder / f"computed-{sys.argv[2]}").touch()
            cache.put("features-x", FeatureMaps(np.ones((1, 1, 1, 1), np.float16), np.zeros(1, np.int64)))
    assert cache.get("features-x", FeatureMaps) is not None
"""


def start(code: str, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", code, *arguments]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY)
    assert process.stdout.readline() == "ready\n"
    return process


def test_two_processes_compute_once(tmp_path):
    processes = [start(COMPUTE_ONCE, str(tmp_path), name) for name in "ab"]
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    for process in processes:
        process.communicate(timeout=30)
        assert process.returncode == 0
    assert len(list(tmp_path.glob("computed-*"))) == 1


KILLED = """
import sys
from pathlib import Path
from segmo import cache as module
class Stuck(list):
    def __iter__(self):
        yield b"half"
        print("ready", flush=True)
        sys.stdin.readline()
module.pack = lambda product: Stuck()
with module.StageCache(Path(sys.argv[1])) as cache, cache.lock("frames-x"):
    cache.put("frames-x", None)
"""


def test_a_killed_process_leaves_no_entry_no_lock_and_no_rubbish(tmp_path):
    process = start(KILLED, str(tmp_path))
    process.send_signal(signal.SIGKILL)
    process.communicate()
    with StageCache(tmp_path) as cache:
        assert cache.info()["entries"] == 0 and cache.get("frames-x", Clip) is None
        lock = cache.lock("frames-x")
        assert lock.acquire(5)
        lock.close()
        half = the_file(cache)
        cache.prune()
        assert half.exists()  # it might belong to a process that is still writing
        os.utime(half, times=(time.time() - 7200,) * 2)
        cache.put(KEY, a_clip())
        cache.prune()
        assert not half.exists() and cache.get(KEY, Clip) is not None


def test_a_lock_excludes_within_a_process_and_across_threads(cache):
    first, second = cache.lock(KEY), cache.lock(KEY)
    assert first.acquire(0) and not second.acquire(0)
    first.close()
    assert second.acquire(0)
    second.close()


def test_a_folder_that_cannot_be_used_costs_only_the_caching(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    with StageCache(tmp_path / "file") as cache:
        clip = a_clip()
        assert cache.put(KEY, clip) is clip and cache.get(KEY, Clip) is None
        with cache.lock(KEY):
            pass
        assert "SEGMO_CACHE" in cache.problem and cache.problem in caplog.text
        with pytest.raises(CacheError, match="SEGMO_CACHE"):
            cache.info()


def test_a_full_disk_costs_only_the_caching_and_leaves_no_half(cache, caplog):
    clip = a_clip(8, 300, 400)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    try:
        assert cache.put(KEY, clip) is clip and cache.put(KEY, clip) is clip
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "File too large" in cache.problem and "cache prune" in cache.problem and len(caplog.records) == 1
    assert not list(cache.directory.glob("??/??/*.val"))
    cache.put(KEY, clip)
    assert cache.get(KEY, Clip) is not None and cache.problem == ""


def test_a_damaged_index_starts_an_empty_one(tmp_path, caplog):
    with StageCache(tmp_path) as cache:
        cache.put(KEY, a_clip())
    (tmp_path / "stages" / "cache.db").write_bytes(b"rubbish" * 1000)
    with StageCache(tmp_path) as cache:
        assert cache.get(KEY, Clip) is None and cache.put(KEY, a_clip()) is not None
        assert cache.get(KEY, Clip) is not None
    assert "damaged" in caplog.text


def test_environment_moves_and_limits_it(tmp_path, monkeypatch):
    monkeypatch.setenv("SEGMO_CACHE", str(tmp_path / "there"))
    monkeypatch.setenv("SEGMO_CACHE_GB", "1.5")
    assert cache_directory() == tmp_path / "there" and default_limit() == 1_500_000_000
    with StageCache() as cache:
        assert cache.directory == tmp_path / "there" / "stages" and cache.info()["limit_bytes"] == 1_500_000_000
    for wrong in ("many", "-1", "nan"):
        monkeypatch.setenv("SEGMO_CACHE_GB", wrong)
        with pytest.raises(SettingsError, match="SEGMO_CACHE_GB"):
            default_limit()


def test_unpacking_rejects_what_is_not_ours():
    good = b"".join(pack(FeatureMaps(np.ones((1, 1, 1, 1), np.float16), np.zeros(1, np.int64))))
    assert unpack(good, FeatureMaps).query_frames.tolist() == [0]
    for bad in (b"", b"PK\x03\x04", good[:30], b"segmo p1" + bytes(100)):
        with pytest.raises(ValueError):
            unpack(bad, FeatureMaps)
