"""Small copies of data sets on disk, in the published formats; each builder returns what moves in each clip, by name of the frame."""

from __future__ import annotations

import io
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mask_trees import moving_square, numbered, save, write_davis, write_pictures
from PIL import Image

from segmo.synthetic.dataset import write_dataset
from segmo.synthetic.sampling import SceneConfig
from segmo.types import finish
from segmo.video import write_mp4

HW = (40, 60)
Truth = dict[str, dict[str, np.ndarray]]


def two_objects(frames: int) -> np.ndarray:
    """(T, H, W) ids: 1 lies still, 2 goes right, 3 fills the bottom and lies still."""
    ids = np.zeros((frames, *HW), np.uint8)
    ids[:, 30:] = 3
    ids[:, 2:8, 2:12] = 1
    ids[moving_square(frames, HW, start=0, step=2)] = 2
    return ids


def picture(ids: np.ndarray) -> np.ndarray:
    """(H, W, 3) that shows the ids."""
    return np.stack([60 * ids, 200 - 40 * ids, 90 + ids], axis=-1).astype(np.uint8)


def png(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG")
    return buffer.getvalue()


def positions_of(frames: int) -> np.ndarray:
    """(3, T, 3): object 2 moves although nobody tossed it."""
    positions = np.zeros((3, frames, 3))
    positions[1, :, 0] = 0.1 * np.arange(frames)
    return positions


def kubric_folder(root: Path, frames: int = 4) -> Truth:
    ids = two_objects(frames)
    for index, name in enumerate(numbered(frames)):
        rgba = np.dstack([picture(ids[index]), np.full(HW, 255, np.uint8)])
        save(Image.fromarray(rgba), root / "17" / f"rgba_{name}.png")
        indexed = Image.fromarray(ids[index])
        indexed.putpalette(list(range(256)) * 3)
        save(indexed, root / "17" / f"segmentation_{name}.png")
    instances = [{"positions": row.tolist(), "is_dynamic": False} for row in positions_of(frames)]
    (root / "17/metadata.json").write_text(json.dumps({"metadata": {"num_frames": frames}, "instances": instances}))
    return {"17": dict(zip(numbered(frames), ids == 2, strict=True))}


def kubric_records(root: Path, frames: int = 4, scenes: int = 2) -> Truth:
    """The published TFRecord files, written by hand."""
    ids = two_objects(frames)
    features = {
        "video": bytes_list([png(picture(row)) for row in ids]),
        "segmentations": bytes_list([png(row) for row in ids]),
        "depth": bytes_list([b"not read"]),
        "instances/positions": message(2, field(1, positions_of(frames).astype("<f4").tobytes())),
        "instances/is_dynamic": message(3, field(1, bytes([0, 0, 1]))),
        "metadata/width": message(3, field(1, varint(512))),
    }
    entries = b"".join(field(1, field(1, name.encode()) + field(2, value)) for name, value in features.items())
    record = field(1, entries)
    path = root / "movi_f/512x512/1.0.0/movi_f-train.tfrecord-00003-of-01024"
    path.parent.mkdir(parents=True)
    path.write_bytes((struct.pack("<Q", len(record)) + b"\0" * 4 + record + b"\0" * 4) * scenes)
    moving = dict(zip(numbered(frames), (ids == 2) | (ids == 3), strict=True))
    return {f"movi_f-train_00003_{index:03d}": moving for index in range(scenes)}


def varint(value: int) -> bytes:
    low = bytes([(value & 0x7F) | (0x80 if value > 0x7F else 0)])
    return low + (varint(value >> 7) if value > 0x7F else b"")


def field(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


message = field


def bytes_list(values: list[bytes]) -> bytes:
    return field(1, b"".join(field(1, value) for value in values))


def dynamic_replica(root: Path, frames: int = 4) -> Truth:
    """Object 2 moves as a whole, of object 3 one vertex in two, object 1 too little."""
    ids = two_objects(frames)
    truth: Truth = {}
    for side in ("left", "right"):
        folder = root / f"02ab-3_obj_source_{side}"
        shown = ids if side == "left" else np.roll(ids, 3, axis=2)
        for index in range(frames):
            save(Image.fromarray(picture(shown[index])), folder / f"images/{folder.name}-{index:04d}.png")
            save(Image.fromarray(shown[index]), folder / f"instance_id_maps/{folder.name}_{index:04d}.png")
        truth[folder.name] = {f"{folder.name}-{index:04d}": shown[index] == 2 for index in range(frames)}
    instances = torch.tensor([0, 0, 1, 1, 2, 2, 2, 3, 3])
    for index in range(frames):
        positions = torch.full((9, 3), 5.0)
        positions[2:4, 0] += 5e-5 * index
        positions[4:7, 1] += 0.01 * index
        positions[7, 2] += 0.5 * index
        content = {"traj_3d_world": positions, "traj_2d": positions, "instances": instances, "verts_inds_vis": torch.ones(9)}
        path = root / "02ab-3_obj_source_left/trajectories" / f"{index:06d}.pth"
        path.parent.mkdir(exist_ok=True)
        torch.save(content, path)
    return truth


def hoi4d(root: Path, frames: int = 9) -> Truth:
    """One recording as video with masks in `shift_mask`, one as pictures with masks in `mask`, one without masks."""
    ids = two_objects(frames)
    truth: Truth = {}
    for number, kind in ((1, "shift_mask"), (2, "mask"), (3, "")):
        place = f"ZY20210800001/H1/C{number}/N19/S100/s02/T1"
        align = root / "HOI4D_release" / place / "align_rgb"
        (root / "HOI4D_annotations" / place / "2Dseg").mkdir(parents=True)
        if number == 1:
            align.mkdir(parents=True)
            write_mp4(align / "image.mp4", (picture(row) for row in ids), 15)
        else:
            write_pictures(align, numbered(frames))
        if kind:
            for index, name in enumerate(numbered(frames)):
                coloured = np.zeros((*HW, 3), np.uint8)
                coloured[ids[index] == 2] = (128, 0, 0)
                coloured[ids[index] == 1] = (0, 128, 0)
                save(Image.fromarray(coloured), root / "HOI4D_annotations" / place / "2Dseg" / kind / f"{name}.png")
            moving = (ids == 1) | (ids == 2)
            truth[place.replace("/", "_")] = {f"{index:05d}": moving[index] for index in range(0, frames, 4)}
    return truth


def waymo(root: Path, frames: int = 3) -> Truth:
    """Two cameras of one segment, together in one folder."""
    truth: Truth = {}
    for camera in (0, 1):
        moving = moving_square(frames, HW, start=0, step=2 + camera)
        names = [f"{index:03d}" for index in range(frames)]
        write_pictures(root / "016/images", [f"{name}_{camera}" for name in names])
        for name, mask in zip(names, moving, strict=True):
            save(Image.fromarray(mask.astype(np.uint8) * 255), root / "016/dynamic_masks" / f"{name}_{camera}.png")
        truth[f"016_{camera}"] = dict(zip(names, moving, strict=True))
    return truth


def davis(root: Path) -> Truth:
    write_davis(root, ["bear", "cow"])
    moving = dict(zip(numbered(6), moving_square(6, start=0, step=1), strict=True))
    return {"bear": moving, "cow": moving}


def fbms(root: Path) -> Truth:
    """Only some frames have masks: white where nothing moves."""
    moving = moving_square(3, HW)
    write_pictures(root / "Testset/cars4", [f"cars4_{number:02d}" for number in range(1, 8)])
    for number, mask in zip((1, 4, 7), moving, strict=True):
        white = np.where(mask, np.uint8(120), np.uint8(255))
        save(Image.fromarray(np.dstack([white] * 3)), root / "Testset/cars4/GroundTruth" / f"{number:03d}_gt.ppm")
    return {"cars4": {f"{number:03d}": mask for number, mask in zip((1, 4, 7), moving, strict=True)}}


def segtrack(root: Path) -> Truth:
    """Two objects in two folders."""
    one, two = moving_square(3, HW), moving_square(3, HW, start=40, step=1)
    names = [f"bmx_{index:05d}" for index in range(3)]
    write_pictures(root / "JPEGImages/bmx", names)
    for folder, masks in (("1", one), ("2", two)):
        for name, mask in zip(names, masks, strict=True):
            save(Image.fromarray(mask.astype(np.uint8) * 255), root / "GroundTruth/bmx" / folder / f"{name}.png")
    return {"bmx": dict(zip(names, one | two, strict=True))}


def synthetic(root: Path) -> Truth:
    config = SceneConfig(hw=(48, 80), times=(0.0, 1.0, 2.0))
    finish(write_dataset(root, 5, 1, config))
    masks = sorted((root / "Annotations/480p/scene_000000").iterdir())
    return {"scene_000000": {path.stem: np.asarray(Image.open(path)) > 0 for path in masks}}


TREES: dict[str, tuple[str, Any]] = {
    "kubric folders": ("kubric", kubric_folder),
    "kubric records": ("kubric", kubric_records),
    "dynamic-replica": ("dynamic-replica", dynamic_replica),
    "hoi4d": ("hoi4d", hoi4d),
    "waymo": ("waymo", waymo),
    "davis": ("davis", davis),
    "fbms": ("fbms", fbms),
    "segtrack": ("segtrack", segtrack),
    "synthetic": ("synthetic", synthetic),
}
"""Name of the data set and builder."""
