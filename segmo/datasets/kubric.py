"""Kubric's MOVi-F: rendered objects that are tossed onto others, 24 frames of 512 pixels, with motion blur.

The published download is TFRecord (`movi_f/512x512/1.0.0/movi_f-train.tfrecord-...`); Kubric itself, which anyone may run, writes a folder
a scene with `rgba_00000.png`, `segmentation_00000.png` and `metadata.json`. Both are read. Segmentations hold ids one higher
than the index of the object, 0 is the background.

An object moves if it is tossed (`is_dynamic`), or is pushed at least `PUSHED` away from where it was on the first frame.
"""

from __future__ import annotations

import io
import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from segmo.datasets.annotations import frame_number, mask_files, read_pixels, read_rgb, subfolders
from segmo.datasets.clips import Expected, LabelledFrame, checked_frame
from segmo.datasets.tfrecord import Example, record_offsets
from segmo.errors import DataError
from segmo.types import Float

PUSHED = 0.01
"""Distance in units of the scene, which is about 14 wide, at which an object that lay still counts as pushed."""
EXPECTED = Expected(
    "Kubric MOVi-F",
    """SRC/**/movi_f-train.tfrecord-00000-of-01024                (the published data set)
or, as Kubric writes it,
SRC/<scene>/rgba_00000.png
SRC/<scene>/segmentation_00000.png
SRC/<scene>/metadata.json                                  (with positions and is_dynamic of each instance)""",
    "https://github.com/google-research/kubric/tree/main/challenges/movi: `gsutil -m cp -r gs://kubric-public/tfds/movi_f/512x512 SRC`",
)


def moving_ids(positions: Float, is_dynamic: Sequence[bool]) -> frozenset[int]:
    """Ids in the segmentation of the objects that move.

    Args:
        positions: (K, T, 3) of each object.
        is_dynamic: K, whether each object is tossed.
    """
    pushed = np.linalg.norm(positions - positions[:, :1], axis=-1).max(axis=1, initial=0) >= PUSHED
    return frozenset((np.flatnonzero(pushed | np.asarray(is_dynamic, bool)) + 1).tolist())


@dataclass(frozen=True)
class KubricScene:
    """A folder that Kubric wrote."""

    folder: Path

    @property
    def name(self) -> str:
        """See `LabelledClip`."""
        return self.folder.name

    def frame_names(self) -> tuple[str, ...]:
        """See `LabelledClip`."""
        return tuple(f"{number:05d}" for number in self._pairs())

    def read(self, names: Collection[str] | None = None) -> Iterator[LabelledFrame]:
        """See `LabelledClip`."""
        ids = self._moving_ids()
        for number, (picture, segmentation) in self._pairs().items():
            name = f"{number:05d}"
            if names is not None and name not in names:
                continue
            moving = np.isin(_one_channel(read_pixels(segmentation), segmentation), list(ids))
            yield checked_frame(name, read_rgb(picture), moving, picture, EXPECTED)

    def _pairs(self) -> dict[int, tuple[Path, Path]]:
        """Picture and segmentation of every frame by number."""
        pictures, segmentations = self._files("rgba_"), self._files("segmentation_")
        if lone := sorted(pictures.keys() ^ segmentations.keys()):
            missing = f"{'segmentation' if lone[0] in pictures else 'rgba'}_{lone[0]:05d}.png"
            raise EXPECTED.error(f"{self.folder} has no {missing}, but the other file of this frame.")
        return {number: (picture, segmentations[number]) for number, picture in pictures.items()}

    def _files(self, prefix: str) -> dict[int, Path]:
        files = mask_files(self.folder)
        return {frame_number(stem) or 0: path for stem, path in files.items() if stem.startswith(prefix)}

    def _moving_ids(self) -> frozenset[int]:
        path = self.folder / "metadata.json"
        try:
            instances = json.loads(path.read_text(encoding="utf-8"))["instances"]
            positions = np.array([instance["positions"] for instance in instances], np.float64).reshape(len(instances), -1, 3)
            return moving_ids(positions, [bool(instance.get("is_dynamic", False)) for instance in instances])
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise EXPECTED.error(f"{path} cannot be read or does not tell positions of all instances ({error}).") from error


@dataclass(frozen=True)
class KubricRecord:
    """A scene of the published TFRecord files."""

    name: str
    path: Path
    offset: int

    def frame_names(self) -> tuple[str, ...]:
        """See `LabelledClip`."""
        return tuple(f"{number:05d}" for number in range(len(self._example().texts("segmentations"))))

    def read(self, names: Collection[str] | None = None) -> Iterator[LabelledFrame]:
        """See `LabelledClip`."""
        example = self._example()
        pictures, segmentations = example.texts("video"), example.texts("segmentations")
        dynamic = [bool(value) for value in example.integers("instances/is_dynamic")]
        positions = example.floats("instances/positions")
        if len(pictures) != len(segmentations) or len(positions) != len(dynamic) * len(pictures) * 3:
            raise EXPECTED.error(f"{self.path} holds a scene of {len(pictures)} pictures and {len(segmentations)} segmentations.")
        ids = moving_ids(positions.reshape(len(dynamic), len(pictures), 3), dynamic)
        for number, (picture, segmentation) in enumerate(zip(pictures, segmentations, strict=True)):
            name = f"{number:05d}"
            if names is None or name in names:
                moving = np.isin(_one_channel(self._decode(segmentation), self.path), list(ids))
                yield checked_frame(name, self._decode(picture, "RGB"), moving, self.path, EXPECTED)

    def _example(self) -> Example:
        return Example.read(self.path, self.offset)

    def _decode(self, content: bytes, mode: str = "") -> npt.NDArray[Any]:
        try:
            with Image.open(io.BytesIO(content)) as image:
                return np.asarray(image.convert(mode) if mode else image)
        except (OSError, SyntaxError, ValueError) as error:
            raise EXPECTED.error(f"A picture in {self.path} is damaged ({error}).") from error


def clips(root: Path) -> tuple[KubricScene | KubricRecord, ...]:
    """All scenes: those of folders, or else those of TFRecord files below `root`.

    Raises:
        DataError: there is none, or a TFRecord file is cut off.
    """
    folders = [folder for folder in subfolders(root) if (folder / "metadata.json").is_file() or any(folder.glob("segmentation_*.png"))]
    if folders:
        return tuple(KubricScene(folder) for folder in folders)
    found = []
    for path in sorted(root.rglob("*.tfrecord-*-of-*")):
        try:
            offsets = record_offsets(path)
        except (OSError, DataError) as error:
            raise EXPECTED.error(str(error)) from error
        stem, _, shard = path.name.partition(".tfrecord-")
        names = (f"{stem}_{shard.partition('-')[0]}_{index:03d}" for index in range(len(offsets)))
        found += [KubricRecord(name, path, offset) for name, offset in zip(names, offsets, strict=True)]
    if not found:
        raise EXPECTED.error(f"{root} holds neither scenes with segmentations nor TFRecord files.")
    return tuple(found)


def _one_channel(ids: npt.NDArray[Any], path: Path) -> npt.NDArray[Any]:
    if ids.ndim != 2:
        raise EXPECTED.error(f"{path} holds a segmentation of shape {ids.shape} instead of one id a pixel.")
    return ids
