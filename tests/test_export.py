"""What a run leaves behind: files others can read, complete or not at all."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
import subprocess
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco

import segmo.export.frames
from segmo import render
from segmo.errors import OutputError
from segmo.export import EXTRA_OUTPUTS, OUTPUTS, USUAL_OUTPUTS, add_extra, encode_objects, export_all, write_zip
from segmo.types import Clip, DepthMaps, FeatureMaps, MotionEvidence, MotionLabels, ObjectMasks, Tracks, finish
from segmo.video import open_source

# pycocotools' own array class is behind numpy's protocol
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

FRAMES, HW = 6, (48, 70)
RUN = {"settings": {"preset": "lite"}, "stages": [{"stage": "flow", "seconds": 0.5, "cached": False}], "warnings": ["Slow disk."]}
FAST = ("masks", "objects", "tracks")
"""Outputs that need no encoder."""


def make_labels(frames: int = FRAMES) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Object 2 moves right through all frames; object 5 is seen in the first three only."""
    labels = np.zeros((frames, *HW), np.uint8)
    for t in range(frames):
        cv2.circle(labels[t], (20 + 4 * t, 26), 10, 2, cv2.FILLED)
        if t < 3:
            labels[t, 2:8, 50:60] = 5
    return labels


def make_products(
    labels: np.ndarray[Any, np.dtype[np.uint8]] | None = None, *, names: tuple[str, ...] = (), source_hw: tuple[int, int] = HW
) -> dict[str, Any]:
    labels = make_labels() if labels is None else labels
    frames, count = len(labels), 30
    random = np.random.default_rng(0)
    texture = cv2.resize(random.integers(60, 200, (4, 6, 3), dtype=np.uint8), HW[::-1])
    pictures = np.stack([np.where(image[..., None] > 0, np.uint8(230), texture) for image in labels])
    names = names or tuple(f"{index:05d}" for index in range(frames))
    clip = Clip(pictures, np.arange(frames) / 12.0, np.arange(frames) * 2, names, source_hw, 2 * frames, 24.0, ("Half of the frames.",))
    probability = random.random(count, np.float32)
    ids = np.setdiff1d(np.unique(labels), [0]).astype(np.int64)
    return {
        "clip": clip,
        "tracks": Tracks(
            random.random((count, frames, 2), np.float32) * 40,
            random.random((count, frames), np.float32),
            np.ones((count, frames), np.float32),
            random.integers(0, frames, count),
            HW,
        ),
        "labels": MotionLabels(MotionEvidence(probability, np.zeros((frames, 0, 0), np.float16), 0.9, "pans"), probability > 0.5, 0.5),
        "masks": ObjectMasks(labels, ids, np.linspace(0.9, 0.6, len(ids), dtype=np.float32)),
        "depth": DepthMaps(np.zeros((frames, 4, 4), np.float16), np.zeros(frames, np.bool_), ("Depth is unreliable.",)),
        "features": FeatureMaps(np.zeros((1, 4, 4, 8), np.float16), np.zeros(1, np.int64)),
    }


def export(directory: Path, products: dict[str, Any] | None = None, **changes: Any) -> dict[str, Path]:
    given = {"run": RUN, "source": Path("/home/somebody/private/holiday.mp4"), "outputs": FAST} | changes
    return finish(export_all(directory, **(products or make_products()), **given))


def contents(directory: Path) -> dict[str, bytes]:
    return {path.relative_to(directory).as_posix(): path.read_bytes() for path in sorted(directory.rglob("*")) if path.is_file()}


def read_masks(directory: Path) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.stack([np.asarray(Image.open(path)) for path in sorted((directory / "masks").iterdir())])


def decode_video(path: Path, codec: str = "", pixels: str = "rgb24") -> np.ndarray[Any, np.dtype[np.uint8]]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        if not codec:
            return np.stack([frame.to_ndarray(format=pixels) for frame in container.decode(stream)])
        decoder = av.CodecContext.create(codec, "r")  # ffmpeg's own VP9 decoder ignores transparency, libvpx shows it
        packets = [*container.demux(stream)]
        return np.stack([frame.to_ndarray(format=pixels) for packet in packets for frame in decoder.decode(packet)])


# --- COCO run lengths ----------------------------------------------------------------------------------------------------------------


def label_images() -> Iterator[Any]:
    random = np.random.default_rng(0)
    yield pytest.param(np.zeros((7, 5), np.uint8), id="empty")
    yield pytest.param(np.full((7, 5), 3, np.uint8), id="full")
    yield pytest.param(np.eye(9, dtype=np.uint8), id="diagonal")
    yield pytest.param(np.pad(np.full((1, 1), 255, np.uint8), ((0, 6), (0, 4))), id="first pixel")
    yield pytest.param(np.pad(np.full((1, 1), 1, np.uint8), ((6, 0), (4, 0))), id="last pixel")
    yield pytest.param(random.integers(0, 4, (31, 17), dtype=np.uint8), id="noise")
    yield pytest.param(make_labels()[0], id="objects")
    yield pytest.param(np.pad(np.full((900, 1100), 1, np.uint8), 300), id="large")
    yield pytest.param(random.integers(0, 2, (1, 40), dtype=np.uint8), id="one row")


@pytest.mark.parametrize("labels", list(label_images()))
def test_others_decode_our_run_lengths(labels: np.ndarray[Any, np.dtype[np.uint8]]) -> None:
    objects = encode_objects(labels)
    assert set(objects) == set(np.unique(labels).tolist()) - {0}
    for identity, found in objects.items():
        mask = labels == identity
        reference = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
        assert found["segmentation"] == {"size": reference["size"], "counts": reference["counts"].decode()}
        assert (coco.decode(found["segmentation"]) == mask).all()
        assert found["area"] == mask.sum()
        assert found["bbox"] == coco.toBbox(reference).tolist()


# --- the files -----------------------------------------------------------------------------------------------------------------------


def test_all_outputs_are_written_and_nothing_else(tmp_path: Path) -> None:
    places = export(tmp_path / "out", outputs=tuple(OUTPUTS))
    assert places == {name: tmp_path / "out" / path for name, path in OUTPUTS.items()}
    assert all(path.exists() for path in places.values())
    assert {path.name for path in (tmp_path / "out").iterdir()} == set(OUTPUTS.values())
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert set(USUAL_OUTPUTS) == set(OUTPUTS) - {"csv", "matte", "static"}


def test_masks_are_palette_pngs_of_ids_with_the_names_of_the_frames(tmp_path: Path) -> None:
    names = ("b 7", "b 8", "b 9", "b 10.x", "é", "12:30")
    export(tmp_path, make_products(names=names))
    assert {path.name for path in (tmp_path / "masks").iterdir()} == {f"{name}.png" for name in names}
    for name, labels in zip(names, make_labels(), strict=True):
        with Image.open(tmp_path / "masks" / f"{name}.png") as image:
            assert image.mode == "P"
            assert image.getpalette() == render.PALETTE.ravel().tolist()
            assert (np.asarray(image) == labels).all()


def test_masks_and_run_lengths_have_the_size_of_the_clip_and_agree(tmp_path: Path) -> None:
    source_hw = (2 * HW[0] + 1, 2 * HW[1])
    export(tmp_path, make_products(source_hw=source_hw))
    masks = read_masks(tmp_path)
    assert masks.shape == (FRAMES, *source_hw)
    assert 3.5 < (masks == 2).sum() / (make_labels() == 2).sum() < 4.5
    document = json.loads((tmp_path / "objects.json").read_text())
    video = document["videos"][0]
    assert (video["height"], video["width"], video["length"]) == (*source_hw, FRAMES)
    assert video["file_names"] == [f"masks/{index:05d}.png" for index in range(FRAMES)]
    assert video["source_indices"] == [0, 2, 4, 6, 8, 10]
    assert video["timestamps_s"][1] == pytest.approx(1 / 12, abs=1e-6)
    assert [(entry["id"], entry["motion_score"]) for entry in document["annotations"]] == [(2, 0.9), (5, 0.6)]
    for annotation in document["annotations"]:
        for t, (code, area) in enumerate(zip(annotation["segmentations"], annotation["areas"], strict=True)):
            mask = masks[t] == annotation["id"]
            assert (code is None) == (not mask.any())
            if code is not None:
                assert (coco.decode(code) == mask).all()
                assert area == mask.sum()
    assert annotation["bboxes"][3:] == [None] * 3


def test_nothing_moving_gives_empty_masks_and_no_objects(tmp_path: Path) -> None:
    export(tmp_path, make_products(make_labels() * 0), outputs=USUAL_OUTPUTS)
    assert not read_masks(tmp_path).any()
    assert json.loads((tmp_path / "objects.json").read_text())["annotations"] == []
    found = json.loads((tmp_path / "run.json").read_text())["result"]
    assert found["nothing_moves"] is True and found["moving_score"] == 0.9
    assert len(decode_video(tmp_path / "overlay.mp4")) == FRAMES


def test_tracks_load_without_pickle_and_as_csv(tmp_path: Path) -> None:
    products = make_products()
    places = export(tmp_path, products, outputs=("tracks", "csv"))
    tracks, labels, clip = products["tracks"], products["labels"], products["clip"]
    with np.load(places["tracks"], allow_pickle=False) as data:
        assert (data["positions_xy"] == tracks.positions_xy).all()
        assert (data["visibility"] == tracks.visibility).all()
        assert (data["confidence"] == tracks.confidence).all()
        assert (data["query_frames"] == tracks.query_frames).all()
        assert (data["motion_probability"] == labels.evidence.track_probability).all()
        assert (data["moving"] == labels.moving).all()
        assert data["frame_names"].tolist() == list(clip.names)
    with open(places["csv"], newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == tracks.visible.sum()
    for row in rows:
        n, t = int(row["track"]), int(row["frame"])
        assert tracks.visible[n, t]
        assert (float(row["x"]), float(row["y"])) == pytest.approx(tracks.positions_xy[n, t].tolist(), abs=0.006)
        assert float(row["time_s"]) == pytest.approx(clip.timestamps_s[t], abs=1e-4)
        assert bool(int(row["moving"])) == labels.moving[n]


def test_a_matte_is_white_where_anything_moves_at_the_size_and_times_of_the_source(tmp_path: Path) -> None:
    source_hw = (2 * HW[0], 2 * HW[1])
    places = export(tmp_path, make_products(source_hw=source_hw), outputs=("masks", "matte"))
    shown, moving = decode_video(places["matte"]), read_masks(tmp_path) > 0
    assert shown.shape == (FRAMES, *source_hw, 3)
    assert ((shown[..., 0] > 127) == moving).mean() > 0.995
    far = np.stack(
        [cv2.dilate(cv2.morphologyEx(frame.astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((3, 3))), np.ones((9, 9))) for frame in moving]
    )
    assert shown[moving & (far == 0)].min() > 245 and shown[~moving & (far == 0)].max() < 10
    with av.open(str(places["matte"])) as container:
        assert [float(frame.time) for frame in container.decode(video=0)] == pytest.approx([t / 12 for t in range(FRAMES)], abs=0.002)


def test_static_masks_keep_clear_of_what_moves(tmp_path: Path) -> None:
    names = tuple(f"IMG_{index}" for index in range(FRAMES))
    places = export(tmp_path, make_products(names=names, source_hw=(400, 600)), outputs=("masks", "static"))
    assert {path.name for path in places["static"].iterdir()} == {f"{name}.png" for name in names}
    for name in names:
        with Image.open(places["static"] / f"{name}.png") as image, Image.open(tmp_path / "masks" / f"{name}.png") as mask:
            assert image.mode == "L" and image.size == (600, 400)
            static, moving = np.asarray(image), (np.asarray(mask) > 0).astype(np.uint8)
        assert set(np.unique(static).tolist()) == {0, 255}
        near = cv2.distanceTransform(1 - moving, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        assert (static[near <= 2] == 0).all() and (static[near > 4] == 255).all(), "3 pixels of 600 around it"


@pytest.mark.parametrize("later", [False, True])
def test_margins_around_the_picture_are_not_static_either(tmp_path: Path, later: bool) -> None:
    products = make_products(make_labels() * 0, source_hw=(2 * HW[0], 2 * HW[1]))
    products["clip"] = dataclasses.replace(products["clip"], window=(4, 0, HW[0] - 6, HW[1]))
    places = export(tmp_path, products, outputs=("masks",) if later else ("masks", "static"))
    folder = add_extra(tmp_path, "static") if later else places["static"]
    for path in folder.iterdir():
        static = np.asarray(Image.open(path))
        assert (static[8 : 2 * HW[0] - 12] == 255).all() and not static[:8].any() and not static[2 * HW[0] - 12 :].any()
    assert json.loads((tmp_path / "run.json").read_text())["source"]["picture"] == [8, 0, 2 * HW[0] - 12, 2 * HW[1]]


def test_where_nothing_moves_all_is_static(tmp_path: Path) -> None:
    places = export(tmp_path, make_products(make_labels() * 0), outputs=("static", "matte"))
    assert all((np.asarray(Image.open(path)) == 255).all() for path in places["static"].iterdir())
    assert decode_video(places["matte"]).max() < 10


@pytest.mark.parametrize("name", list(EXTRA_OUTPUTS))
def test_what_few_need_comes_after_the_export_too(tmp_path: Path, name: str) -> None:
    products, origin = make_products(source_hw=(2 * HW[0] + 1, 2 * HW[1])), EXTRA_OUTPUTS[name]
    at_once = export(tmp_path / "a", products, outputs=(origin, name))[name]
    export(tmp_path / "b", products, outputs=(origin,))
    later = add_extra(tmp_path / "b", name)
    assert later == tmp_path / "b" / OUTPUTS[name]
    listed = [file for file in json.loads((tmp_path / "b" / "run.json").read_text())["files"] if file.startswith(OUTPUTS[name])]
    if name == "matte":  # ffmpeg writes when it was
        assert (decode_video(later) == decode_video(at_once)).all() and listed == [OUTPUTS[name]]
    else:
        assert contents(tmp_path / "b") | {"run.json": b""} == contents(tmp_path / "a") | {"run.json": b""} and listed
    with zipfile.ZipFile(write_zip(tmp_path / "b", tmp_path / "b.zip", [name])) as archive:
        assert archive.namelist() == listed
    export(tmp_path / "c", outputs=("objects",))
    with pytest.raises(OutputError, match="Export it first"):
        add_extra(tmp_path / "c", name)


def test_what_was_added_goes_with_the_masks_that_it_shows(tmp_path: Path) -> None:
    export(tmp_path)
    add_extra(tmp_path, "static")
    export(tmp_path, make_products(make_labels()[::-1].copy()))
    assert not (tmp_path / "static_masks").exists()


def test_run_json_tells_what_was_used_and_no_folder_of_the_machine(tmp_path: Path) -> None:
    run = RUN | {
        "warnings": ["The cache /home/somebody/.cache/segmo.db is full.", r"C:\Users\somebody\x.bin is odd."],
        "url": "https://a.org/b/c",
    }
    export(tmp_path / "out", run=run | {"weights": {"file": Path("/data/somebody/w.pt")}})
    text = (tmp_path / "out" / "run.json").read_text()
    record = json.loads(text)
    assert record["source"] == {"name": "holiday.mp4", "height": 48, "width": 70, "frame_count": 12, "fps": 24.0, "picture": [0, 0, 48, 70]}
    assert record["settings"] == RUN["settings"]
    assert record["stages"] == RUN["stages"]
    assert record["frames"]["source_indices"] == [0, 2, 4, 6, 8, 10]
    assert record["frames"]["names"][1] == "00001"
    assert record["warnings"] == ["Half of the frames.", "Depth is unreliable.", "The cache segmo.db is full.", "x.bin is odd."]
    assert record["versions"]["numpy"] == np.__version__
    assert record["url"] == "https://a.org/b/c"
    assert record["complete"] is True
    assert record["files"] == sorted(contents(tmp_path / "out"))
    assert "somebody" not in text
    assert str(tmp_path) not in text


def test_videos_show_the_overlay_beside_the_frame_and_cut_objects_out(tmp_path: Path) -> None:
    products = make_products(np.where(make_labels() == 2, 2, 0).astype(np.uint8))
    export(tmp_path, products, outputs=("overlay", "side_by_side", "alpha"))
    frames, labels = products["clip"].frames, products["masks"].labels
    overlay = decode_video(tmp_path / "overlay.mp4")
    assert overlay.shape == frames.shape
    away = np.stack([cv2.dilate(image, np.ones((9, 9), np.uint8)) == 0 for image in labels])
    core = np.stack([cv2.erode(image, np.ones((9, 9), np.uint8)) == 2 for image in labels])
    assert np.allclose(np.median(overlay[core], axis=0), 0.55 * 230 + 0.45 * render.OBJECT_COLOURS[2], atol=8)
    assert np.abs(overlay[away].astype(int) - frames[away]).mean() < 8
    both = decode_video(tmp_path / "side_by_side.mp4")
    assert both.shape == (FRAMES, HW[0], 2 * HW[1] + 4, 3)
    assert np.abs(both[:, :, : HW[1]].astype(int) - frames).mean() < 8
    with av.open(str(tmp_path / "alpha.webm")) as container:
        assert container.streams.video[0].metadata.get("alpha_mode") == "1"
    cut = decode_video(tmp_path / "alpha.webm", "libvpx-vp9", "rgba")
    assert cut.shape == (*frames.shape[:3], 4)
    assert cut[away, 3].max() < 20
    assert cut[core, 3].min() > 235


def test_the_overlay_keeps_the_sound_of_the_source(tmp_path: Path, shared: Path) -> None:
    export(tmp_path, source=shared / "clips" / "dog.mp4", outputs=("overlay", "side_by_side"))
    with av.open(str(tmp_path / "overlay.mp4")) as container:
        assert container.streams.audio
        assert container.streams.video[0].frames == FRAMES


def make_source(path: Path, sound: str) -> Path:
    """A second of video with sound."""
    inputs = ["-f", "lavfi", "-i", "color=s=64x48:r=10:d=1", "-f", "lavfi", "-i", "sine=d=1"]
    subprocess.run(["ffmpeg", "-v", "error", *inputs, "-c:v", "mpeg4", "-c:a", sound, str(path)], check=True)
    return path


def test_sound_that_cannot_be_decoded_is_left_out_and_run_json_says_so(tmp_path: Path) -> None:
    source = make_source(tmp_path / "holiday.mov", "aac")
    data = source.read_bytes()
    with av.open(str(source)) as container:
        for packet in [bytes(packet) for packet in container.demux(audio=0) if packet.size]:
            data = data.replace(packet, bytes(len(packet)))
    source.write_bytes(data)
    for again in (False, True):
        export(tmp_path / "out", source=source, outputs=("overlay",))
        warnings = json.loads((tmp_path / "out" / "run.json").read_text())["warnings"]
        assert warnings[-1] == "The sound of the source cannot be decoded, so overlay.mp4 has none.", f"{again=}"
        assert warnings.count(warnings[-1]) == 1
    assert len(decode_video(tmp_path / "out" / "overlay.mp4")) == FRAMES
    export(tmp_path / "out", source=make_source(tmp_path / "mended.mov", "pcm_s16le"), outputs=("overlay",))
    assert "sound" not in (tmp_path / "out" / "run.json").read_text()


def test_all_videos_keep_a_varying_frame_rate(tmp_path: Path) -> None:
    products = make_products()
    times = np.array([1.0, 1.4, 1.8, 2.2, 2.24, 2.28])
    products["clip"] = dataclasses.replace(products["clip"], timestamps_s=times)
    export(tmp_path, products, outputs=("overlay", "side_by_side", "alpha"))
    for name in ("overlay", "side_by_side", "alpha"):
        np.testing.assert_allclose(open_source(tmp_path / OUTPUTS[name]).timestamps_s, times - 1, atol=1e-3, err_msg=name)


@pytest.mark.parametrize("name", ["a/b", "..", "a\\b"])
def test_names_that_are_no_file_names_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(OutputError, match="Rename"):
        export(tmp_path / "out", make_products(names=(name, *"bcdef")))
    assert not (tmp_path / "out").exists()


def test_an_unknown_output_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="masks, overlay"):
        export(tmp_path, outputs=("gif",))


# --- the folder as a whole ---------------------------------------------------------------------------------------------------------------


def test_equal_input_gives_equal_bytes(tmp_path: Path) -> None:
    outputs = (*FAST, "csv")
    export(tmp_path / "a", outputs=outputs)
    export(tmp_path / "b", outputs=outputs)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    first, second = (write_zip(tmp_path / name, tmp_path / f"{name}.zip").read_bytes() for name in "ab")
    assert first == second


def test_an_unchanged_result_is_not_written_again_but_its_record_is(tmp_path: Path) -> None:
    export(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "masks").iterdir()}
    export(tmp_path, run=RUN | {"stages": [{"stage": "flow", "cached": True}]})
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "masks").iterdir()} == before
    assert json.loads((tmp_path / "run.json").read_text())["stages"] == [{"stage": "flow", "cached": True}]
    mended = tmp_path / "masks" / "00002.png"
    correct = mended.read_bytes()
    mended.write_bytes(b"scribble")
    later = (tmp_path / "run.json").stat().st_mtime_ns + 10**9
    os.utime(mended, ns=(later, later))
    export(tmp_path)
    assert mended.read_bytes() == correct


def test_a_new_result_replaces_the_old_one_and_spares_files_of_the_user(tmp_path: Path) -> None:
    export(tmp_path, outputs=(*FAST, "csv"))
    (tmp_path / "masks" / "mine.png").write_bytes(b"mine")
    (tmp_path / "notes.txt").write_text("mine")
    export(tmp_path, make_products(make_labels(3)[:2], names=("x", "y")), outputs=("masks",))
    assert set(contents(tmp_path)) == {"masks/mine.png", "masks/x.png", "masks/y.png", "notes.txt", "run.json"}
    export(tmp_path, outputs=("tracks",))
    assert set(contents(tmp_path)) == {"masks/mine.png", "notes.txt", "run.json", "tracks.npz"}


def test_a_planted_record_cannot_delete_files_of_others(tmp_path: Path) -> None:
    outside = tmp_path / "precious.txt"
    outside.write_text("precious")
    directory = tmp_path / "out"
    directory.mkdir()
    (directory / "notes.txt").write_text("mine")
    files = ["../precious.txt", str(outside), "masks/../../precious.txt", "notes.txt", "", 7]
    (directory / "run.json").write_text(json.dumps({"complete": True, "files": files}))
    export(directory)
    assert outside.read_text() == "precious"
    assert (directory / "notes.txt").read_text() == "mine"


def test_masks_appear_where_a_folder_is_in_the_way_with_a_clear_message(tmp_path: Path) -> None:
    (tmp_path / "tracks.npz").mkdir()
    with pytest.raises(OutputError, match=r"tracks\.npz is a folder.*Move it"):
        export(tmp_path)
    assert set(contents(tmp_path)) == set()


def stop_early(directory: Path, products: dict[str, Any]) -> None:
    steps = export_all(directory, **products, run=RUN, source=Path("x.mp4"))
    for _ in range(3):
        assert 0 < next(steps) < 1
    steps.close()


def fail_early(directory: Path, products: dict[str, Any]) -> None:
    with pytest.raises(OutputError, match="disk"):
        export(directory, products, outputs=USUAL_OUTPUTS)


@pytest.mark.parametrize("interrupt", [stop_early, fail_early])
def test_an_interrupted_export_leaves_the_earlier_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, interrupt: Callable[[Path, dict[str, Any]], None]
) -> None:
    directory = tmp_path / "out"
    export(directory)
    before = contents(directory)

    def full_disk(path: Path, frames: Iterator[Any], fps: float, **_: Any) -> None:
        next(frames)
        raise OutputError("The disk is full. Free some space.")

    if interrupt is fail_early:
        monkeypatch.setattr(segmo.export.frames, "write_mp4", full_disk)
    alive = set(threading.enumerate())
    interrupt(directory, make_products(make_labels(60)))
    assert contents(directory) == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert set(threading.enumerate()) <= alive  # nothing goes on writing


def test_a_folder_may_have_the_longest_name_there_is(tmp_path: Path) -> None:
    directory = tmp_path / ("n" * 255)
    export(directory)
    assert json.loads((directory / "run.json").read_text())["complete"]
    assert [path.name for path in tmp_path.iterdir()] == [directory.name]


def test_an_error_of_the_system_becomes_ours(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        export(tmp_path / "file" / "out")


# --- the archive -----------------------------------------------------------------------------------------------------------------------


def test_the_zip_holds_what_was_written_and_what_was_asked_for(tmp_path: Path) -> None:
    directory = tmp_path / "out"
    export(directory)
    (directory / "notes.txt").write_text("mine")
    with zipfile.ZipFile(write_zip(directory, tmp_path / "all.zip")) as archive:
        assert archive.testzip() is None
        packed = {name: archive.read(name) for name in archive.namelist()}
    everything = contents(directory)
    assert packed == {name: data for name, data in everything.items() if name != "notes.txt"}
    with zipfile.ZipFile(write_zip(directory, tmp_path / "few.zip", ["objects", "run"])) as archive:
        assert archive.namelist() == ["objects.json", "run.json"]


def test_a_zip_of_nothing_or_of_what_is_missing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="no finished result"):
        write_zip(tmp_path, tmp_path / "x.zip")
    export(tmp_path, outputs=("masks",))
    for missing in ("overlay", "gif"):
        with pytest.raises(OutputError, match="masks, run"):
            write_zip(tmp_path, tmp_path / "x.zip", ["masks", missing])
    assert not (tmp_path / "x.zip").exists()
    (tmp_path / "masks" / "00000.png").unlink()
    with pytest.raises(OutputError, match="cannot be written"):
        write_zip(tmp_path, tmp_path / "x.zip")
    assert not [path for path in tmp_path.iterdir() if "zip" in path.name]
