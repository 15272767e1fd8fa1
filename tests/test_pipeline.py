from __future__ import annotations

import dataclasses
import pickle
import threading
from pathlib import Path

import cv2
import fakes
import numpy as np
import pytest

from segmo.cache import StageCache
from segmo.chain import compute
from segmo.errors import DeviceError, ProductError, SegmoError, SettingsError, VideoError, WeightsError
from segmo.pipeline import STAGES, missing, run, segment
from segmo.settings import Correction, FrameSettings, MaskSettings, ModelSettings, MotionSettings, QuerySettings, Settings, TrackSettings
from segmo.types import DepthMaps, finish

SETTINGS = Settings(query=QuerySettings(stride=3))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "clip"
    folder.mkdir()
    random = np.random.default_rng(0)
    for index in range(6):
        cv2.imwrite(str(folder / f"{index:03}.png"), random.integers(0, 255, (24, 32, 3), dtype=np.uint8))
    return folder


@pytest.fixture
def cache(tmp_path: Path):
    with StageCache(tmp_path / "cache") as opened:
        yield opened


def events_of(source, settings, cache, store):
    steps = run(source, settings, cache=cache, store=store)
    events = []
    while True:
        try:
            events.append(next(steps))
        except StopIteration as stop:
            return events, stop.value


def ran(events) -> list[str]:
    return [event.stage for event in events if event.status == "done"]


def read(events) -> list[str]:
    return [event.stage for event in events if event.status == "cached"]


def test_first_run_tells_of_every_stage_in_order(source, cache):
    events, result = events_of(source, SETTINGS, cache, fakes.FakeStore())
    assert ran(events) == list(STAGES) and read(events) == []
    assert [record.stage for record in result.stages] == list(STAGES)
    for stage in STAGES:
        of_stage = [event for event in events if event.stage == stage]
        assert [event.status for event in of_stage][:1] + [event.status for event in of_stage][-1:] == ["started", "done"]
        assert [event.status for event in of_stage].count("started") == 1
        assert of_stage[-1].product is not None and of_stage[-1].fraction == 1
    assert result.masks.labels.shape == (6, 24, 32) and result.evidence is result.labels.evidence
    assert "Depth is unreliable." in result.warnings


def test_second_run_reads_everything_but_flow_and_loads_no_model(source, cache):
    first = segment(source, SETTINGS, cache=cache, store=fakes.FakeStore())
    store = fakes.FakeStore()
    events, result = events_of(source, SETTINGS, cache, store)
    assert read(events) == [stage for stage in STAGES if stage != "flow"] and len(events) == 6
    assert not store.loaded and not store.calls
    assert result.flow is None and all(record.cached for record in result.stages)
    assert all(record.memory_mb > 10 for record in first.stages) and not any(record.memory_mb for record in result.stages)
    np.testing.assert_array_equal(result.clip.frames, first.clip.frames)
    np.testing.assert_array_equal(result.masks.labels, first.masks.labels)


@pytest.mark.parametrize(
    ("changed", "rerun"),
    [
        (Settings(query=SETTINGS.query, motion=MotionSettings(threshold=0.3)), ["motion", "masks"]),
        (Settings(query=SETTINGS.query, masks=MaskSettings(max_objects=3)), ["masks"]),
        (Settings(query=SETTINGS.query, masks=MaskSettings(corrections=(Correction(2, 0.5, 0.5, True),))), ["masks"]),
        (Settings(query=SETTINGS.query, tracks=TrackSettings(seed=1)), ["tracks", "motion", "masks"]),
        (Settings(query=QuerySettings(stride=2)), ["tracks", "features", "motion", "masks"]),
        (Settings(query=SETTINGS.query, frames=FrameSettings(max_frames=4)), list(STAGES)),
    ],
)
def test_a_changed_setting_reruns_only_what_depends_on_it(source, cache, changed, rerun):
    segment(source, SETTINGS, cache=cache, store=fakes.FakeStore())
    events, _ = events_of(source, changed, cache, fakes.FakeStore())
    assert ran(events) == rerun


def test_a_new_threshold_judges_nothing_again(source, cache):
    segment(source, SETTINGS, cache=cache, store=fakes.FakeStore())
    store = fakes.FakeStore()
    result = segment(source, Settings(query=SETTINGS.query, motion=MotionSettings(threshold=0.3)), cache=cache, store=store)
    assert store.calls == {"decide": 1, "masks": 1} and result.labels.threshold == 0.3


def test_a_new_model_version_reruns_its_stage_and_those_after_it(source, cache):
    class Newer(fakes.FakeDepth):
        identity = "fake-depth-2"

    segment(source, SETTINGS, cache=cache, store=fakes.FakeStore())
    events, _ = events_of(source, SETTINGS, cache, fakes.FakeStore(depth=Newer))
    assert ran(events) == ["depth", "motion", "masks"] and "flow" in read(events)


def test_flow_does_not_occur_where_no_model_reads_it(source, cache):
    class Depth(fakes.FakeDepth):
        needs_flow = False

        def depth(self, clip, flow):
            return (yield from super().depth(clip, flow or object()))

    class Tracks(fakes.FakeTracks):
        needs_flow = False

        def track(self, clip, query_points, flow):
            return (yield from super().track(clip, query_points, flow or object()))

    store = fakes.FakeStore(depth=Depth, tracks=Tracks)
    events, result = events_of(source, SETTINGS, cache, store)
    assert "flow" not in {event.stage for event in events} and result.flow is None and "flow" not in store.loaded


def test_same_content_elsewhere_is_found(source, cache, tmp_path):
    segment(source, SETTINGS, cache=cache, store=fakes.FakeStore())
    moved = source.rename(tmp_path / "moved")
    events, _ = events_of(moved, SETTINGS, cache, fakes.FakeStore())
    assert ran(events) == []


def test_closing_stops_at_the_next_chunk_and_keeps_what_is_finished(source, cache):
    chunks = []

    class Slow(fakes.FakeTracks):
        def track(self, clip, query_points, flow):
            try:
                for chunk in range(100):
                    chunks.append(chunk)
                    yield chunk / 100
            finally:
                chunks.append("closed")

    steps = run(source, SETTINGS, cache=cache, store=fakes.FakeStore(tracks=Slow))
    for event in steps:
        if event.stage == "tracks" and event.status == "progress":
            break
    steps.close()
    assert chunks == [0, "closed"]
    events, _ = events_of(source, SETTINGS, cache, fakes.FakeStore())
    assert read(events)[:2] == ["frames", "depth"] and ran(events) == ["tracks", "features", "motion", "masks"]


def test_a_stage_that_another_run_is_making_is_waited_for_not_made_twice(source, cache, tmp_path):
    segment(source, SETTINGS, cache=cache, store=fakes.FakeStore())
    newer = type("Newer", (fakes.FakeMasks,), {"identity": "fake-masks-2"})
    first = run(source, SETTINGS, cache=cache, store=fakes.FakeStore(masks=newer))
    for event in first:
        if event.stage == "masks" and event.status == "progress":
            break
    store = fakes.FakeStore(masks=newer)
    second = run(source, SETTINGS, cache=cache, store=store)
    waiting = [event.stage for event in (next(second) for _ in range(9)) if event.status == "progress"]
    assert waiting and set(waiting) == {"masks"} and not store.calls
    finisher = threading.Thread(target=lambda: list(first))  # a server may go on in another thread
    finisher.start()
    rest = list(second)
    finisher.join()
    assert rest[-1].status == "cached" and not store.calls


def test_a_run_that_another_blocks_for_too_long_goes_on_alone(source, cache, monkeypatch):
    first = run(source, SETTINGS, cache=cache, store=fakes.FakeStore())
    for event in first:
        if event.stage == "tracks" and event.status == "progress":
            break  # and never goes on
    monkeypatch.setattr("segmo.pipeline._LONGEST_WAIT_S", 0.2)
    store = fakes.FakeStore()
    assert segment(source, SETTINGS, cache=cache, store=store).masks is not None and store.calls["tracks"] == 1
    first.close()


@pytest.mark.parametrize(
    ("raised", "expected"), [(VideoError("No frame. Do this."), VideoError), (MemoryError(), DeviceError), (IndexError("7"), SegmoError)]
)
def test_errors_name_the_stage(source, cache, raised, expected):
    class Broken(fakes.FakeTracks):
        def track(self, clip, query_points, flow):
            yield 0.1
            raise raised

    with pytest.raises(expected, match=r"^Stage tracks") as caught:
        segment(source, SETTINGS, cache=cache, store=fakes.FakeStore(tracks=Broken))
    assert type(caught.value) is expected


def test_a_depth_model_that_leaves_frames_out_is_named(source, cache):
    class Short(fakes.FakeDepth):
        def depth(self, clip, flow):
            yield 0.5
            return DepthMaps(np.zeros((len(clip) - 1, 4, 4), np.float16), np.zeros(len(clip) - 1, bool))

    with pytest.raises(ProductError, match=r"^Stage depth: The depth model fake-depth-1 answered for 5 of 6 frames"):
        segment(source, SETTINGS, cache=cache, store=fakes.FakeStore(depth=Short))


def test_a_missing_source_names_the_first_stage(tmp_path, cache):
    with pytest.raises(SegmoError, match=r"^Stage frames: .*nothing\.mp4"):
        segment(tmp_path / "nothing.mp4", cache=cache, store=fakes.FakeStore())


def test_models_that_do_not_go_together_end_before_anything_runs(source, cache):
    settings = dataclasses.replace(SETTINGS, models=ModelSettings(masks="lite", motion="moseg", features="dinov2-base"))
    with pytest.raises(SettingsError, match=r"masks/lite works only with motion/lite"):
        segment(source, settings, cache=cache, store=fakes.FakeStore())


def test_weights_are_fetched_before_the_first_model_works(source, cache):
    class Fetching(fakes.FakeStore):
        def fetch(self, models):
            assert not self.loaded
            self.wanted = list(models)
            yield 0.5

    store = Fetching()
    events = list(run(source, SETTINGS, cache=cache, store=store))
    assert [event.note for event in events if event.note] == ["fetching weights, 50%"]
    assert store.wanted == [(role, "lite") for role in ("flow", "depth", "tracks", "features", "motion", "masks")]
    store = Fetching()
    assert not any(event.note for event in run(source, SETTINGS, cache=cache, store=store)) and not hasattr(store, "wanted")


def test_missing_weights_end_the_run_at_once(source, cache):
    class Offline(fakes.FakeStore):
        def fetch(self, models):
            yield 0.0
            raise WeightsError("Run `python -m segmo weights fetch paper`.")

    store = Offline()
    with pytest.raises(WeightsError, match=r"Stage \w+: Run `python -m segmo weights fetch paper`"):
        segment(source, SETTINGS, cache=cache, store=store)
    assert not store.loaded


def test_results_do_not_need_a_cache(source, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with StageCache(tmp_path / "file") as broken:
        result = segment(source, SETTINGS, cache=broken, store=fakes.FakeStore())
    assert result.masks.object_ids.tolist() == [1]
    assert any("SEGMO_CACHE" in warning for warning in result.warnings)


def test_whoever_executes_jobs_gets_plain_data_and_only_what_is_missing(source, cache):
    """So that a job can be sent to a process that has a GPU."""
    jobs = []

    def execute(job, store):
        jobs.append(pickle.loads(pickle.dumps(job)))
        return compute(jobs[-1], store)

    finish(run(source, SETTINGS, cache=cache, store=fakes.FakeStore(), execute=execute))
    assert [job.product for job in jobs] == ["frames", "flow", "depth", "tracks", "features", "evidence", "labels", "masks"]
    assert (
        set(jobs[2].inputs) == {"frames", "flow"}
        and set(jobs[4].inputs) == {"frames"}
        and (jobs[4].role, jobs[4].model) == ("features", "lite")
    )
    jobs.clear()
    finish(run(source, SETTINGS, cache=cache, store=fakes.FakeStore(), execute=execute))
    assert jobs == []


def test_what_is_missing_is_known_before_the_run(source, cache):
    store = fakes.FakeStore()
    assert missing(source, SETTINGS, cache, store) == STAGES
    segment(source, SETTINGS, cache=cache, store=store)
    assert missing(source, SETTINGS, cache, store) == ()
    for changed in (
        Settings(query=SETTINGS.query, motion=MotionSettings(threshold=0.3)),
        Settings(query=QuerySettings(stride=2)),
        Settings(query=SETTINGS.query, frames=FrameSettings(max_frames=4)),
    ):
        told = missing(source, changed, cache, store)
        events, _ = events_of(source, changed, cache, store)
        assert told == tuple(ran(events)), "and that is what runs then"
