"""Waymo Open Dataset as pictures and masks: one folder a segment, with all cameras together.

This is what the scripts of EmerNeRF and DriveStudio write. The download itself is TFRecord of nested protocol buffers that only
Waymo's own package reads; the scripts project its 3D boxes of moving objects (faster than 1 m/s) into the pictures. Every camera
becomes a clip.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from segmo.datasets.annotations import IMAGE_SUFFIXES, mask_files, read_foreground, subfolders
from segmo.datasets.clips import Expected, LabelledFrame, labelled_frame

EXPECTED = Expected(
    "Waymo",
    """SRC/<segment>/images/<frame>_<camera>.jpg                (000_0.jpg)
SRC/<segment>/dynamic_masks/<frame>_<camera>.png         (or dynamic_masks/all/)""",
    "https://waymo.com/open and extract it as https://github.com/NVlabs/EmerNeRF describes in docs/NOTR.md",
)


@dataclass(frozen=True)
class WaymoClip:
    """One camera of a segment."""

    name: str
    frames: tuple[tuple[str, Path, Path], ...]
    """Name, picture and mask of each frame."""

    def frame_names(self) -> tuple[str, ...]:
        """See `LabelledClip`."""
        return tuple(name for name, _, _ in self.frames)

    def read(self, names: Collection[str] | None = None) -> Iterator[LabelledFrame]:
        """See `LabelledClip`."""
        for name, picture, mask in self.frames:
            if names is not None and name not in names:
                continue
            if not mask.is_file():
                raise EXPECTED.error(f"{picture} has no mask {mask}.")
            yield labelled_frame(name, picture, read_foreground(mask), EXPECTED)


def clips(root: Path) -> tuple[WaymoClip, ...]:
    """All clips, by segment and camera.

    Raises:
        DataError: there is none, or a segment has no pictures.
    """
    found = [clip for segment in subfolders(root) for clip in _segment_clips(segment)]
    if not found:
        raise EXPECTED.error(f"{root} holds no segment with images and dynamic_masks.")
    return tuple(found)


def _segment_clips(segment: Path) -> Iterator[WaymoClip]:
    pictures = mask_files(segment / "images", IMAGE_SUFFIXES)
    masks = mask_files(segment / "dynamic_masks") or mask_files(segment / "dynamic_masks" / "all")
    if not pictures and not masks:
        return
    cameras: dict[str, list[tuple[str, Path, Path]]] = {}
    for stem, picture in sorted(pictures.items()):
        frame, _, camera = stem.rpartition("_")
        cameras.setdefault(camera, []).append((frame or stem, picture, masks.get(stem, segment / "dynamic_masks" / f"{stem}.png")))
    if not cameras:
        raise EXPECTED.error(f"{segment} has masks but no images.")
    for camera, frames in sorted(cameras.items()):
        yield WaymoClip(f"{segment.name}_{camera}", tuple(frames))
