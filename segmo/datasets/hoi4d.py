"""HOI4D: hands that move things, seen by a head-mounted camera; 300 frames a recording, of which every fourth is taken.

Recordings lie seven folders deep, `ZY20210800001/H1/C1/N19/S100/s02/T1`. Pictures are `HOI4D_release/<recording>/align_rgb/image.mp4`,
or the frames that the official script decodes beside it. Masks are colour PNGs under `HOI4D_annotations/<recording>/2Dseg/shift_mask`, in
some recordings `2Dseg/mask`; what they colour (hands and what they handle) counts as moving. Recordings without masks are left out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from segmo.datasets.annotations import IMAGE_SUFFIXES, frame_number, mask_files, read_foreground
from segmo.datasets.clips import Expected, LabelledFrame, checked_frame, labelled_frame
from segmo.video import open_source

STEP = 4
"""Every how manieth frame is taken."""
DEPTH = 7
"""Folders from the root to a recording."""
RELEASE, ANNOTATIONS = "HOI4D_release", "HOI4D_annotations"
EXPECTED = Expected(
    "HOI4D",
    """SRC/HOI4D_release/ZY<camera>/H*/C*/N*/S*/s*/T*/align_rgb/image.mp4     (or 00000.jpg, ...)
SRC/HOI4D_annotations/ZY<camera>/H*/C*/N*/S*/s*/T*/2Dseg/shift_mask/00000.png     (or 2Dseg/mask)""",
    "https://hoi4d.github.io (the colour videos and the annotations)",
)


@dataclass(frozen=True)
class Hoi4dClip:
    """One recording."""

    name: str
    pictures: Path
    """Folder `align_rgb`."""
    masks: Path

    def frame_names(self) -> tuple[str, ...]:
        """See `LabelledClip`."""
        return tuple(name for name in mask_files(self.masks) if (frame_number(name) or 0) % STEP == 0)

    def read(self, names: Collection[str] | None = None) -> Iterator[LabelledFrame]:
        """See `LabelledClip`."""
        masks = mask_files(self.masks)
        wanted = {frame_number(name): name for name in self.frame_names() if names is None or name in names}
        decoded = {frame_number(stem): path for stem, path in mask_files(self.pictures, IMAGE_SUFFIXES).items()}
        if decoded:
            for number, name in wanted.items():
                if number not in decoded:
                    raise EXPECTED.error(f"Frame {name} of {self.name} has a mask but no picture in {self.pictures}.")
                yield labelled_frame(name, decoded[number], read_foreground(masks[name]), EXPECTED)
            return
        video = self.pictures / "image.mp4"
        if not video.is_file():
            raise EXPECTED.error(f"The recording {self.name} has masks but neither image.mp4 nor pictures in {self.pictures}.")
        source = open_source(video)
        for number, image in source.read([number for number in wanted if number is not None and number < source.info.frame_count]):
            name = wanted.pop(number)
            yield checked_frame(name, image, read_foreground(masks[name]), video, EXPECTED)
        if wanted:
            raise EXPECTED.error(f"{video} has no frame {min(wanted.values())}, which has a mask; it is cut off or damaged.")


def clips(root: Path) -> tuple[Hoi4dClip, ...]:
    """All recordings with masks, by name.

    Raises:
        DataError: there is none.
    """
    found = []
    for recording in sorted((root / ANNOTATIONS).glob("/".join(["*"] * DEPTH))):
        masks = next((folder for kind in ("shift_mask", "mask") if mask_files(folder := recording / "2Dseg" / kind)), None)
        if masks is None:
            continue
        place = recording.relative_to(root / ANNOTATIONS)
        pictures = root / RELEASE / place / "align_rgb"
        found.append(Hoi4dClip("_".join(place.parts), pictures, masks))
    if not found:
        raise EXPECTED.error(f"{root} holds no recording with masks in {ANNOTATIONS}.")
    return tuple(found)
