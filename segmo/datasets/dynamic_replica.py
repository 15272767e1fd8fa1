"""Dynamic Replica: rendered rooms with people and animals, 300 stereo frames a sequence, with the trajectories of mesh vertices.

What moves is not published; the rule of the paper's code derives it: an object moves if more than half of its tracked vertices move
at least `MOVED` between two neighbouring frames at some time, in world coordinates. The right camera has no trajectories and takes
the list of its left camera. Trajectories are `.pth` files with `traj_3d_world` (N, 3) and `instances` (N,), the ids in `instance_id_maps`.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from segmo.datasets.annotations import IMAGE_SUFFIXES, frame_number, mask_files, read_pixels, subfolders
from segmo.datasets.clips import Expected, LabelledFrame, labelled_frame
from segmo.types import Float, Int

MOVED = 1e-4
"""Distance in metres."""
EXPECTED = Expected(
    "Dynamic Replica",
    """SRC/<sequence>_left/images/<sequence>_left-0000.png
SRC/<sequence>_left/instance_id_maps/<sequence>_left_0000.png
SRC/<sequence>_left/trajectories/000000.pth
SRC/<sequence>_right/images, instance_id_maps              (optional)
where SRC is the folder of one split, such as dynamic_replica_data/train""",
    "https://dynamic-stereo.github.io with scripts/download_dynamic_replica.py of https://github.com/facebookresearch/dynamic_stereo",
)


@dataclass(frozen=True)
class DynamicReplicaClip:
    """One camera of a sequence."""

    folder: Path

    @property
    def name(self) -> str:
        """See `LabelledClip`."""
        return self.folder.name

    @property
    def trajectories(self) -> Path:
        """Those of this sequence's left camera."""
        stem = self.name.removesuffix("_right")
        return (self.folder.parent / f"{stem}_left" if stem != self.name else self.folder) / "trajectories"

    def frame_names(self) -> tuple[str, ...]:
        """See `LabelledClip`."""
        return tuple(mask_files(self.folder / "images", IMAGE_SUFFIXES))

    def read(self, names: Collection[str] | None = None) -> Iterator[LabelledFrame]:
        """See `LabelledClip`."""
        self._check_trajectories()
        ids = list(_moving_ids(self.trajectories))
        maps = {frame_number(stem): path for stem, path in mask_files(self.folder / "instance_id_maps").items()}
        for name, picture in mask_files(self.folder / "images", IMAGE_SUFFIXES).items():
            if names is not None and name not in names:
                continue
            path = maps.get(frame_number(name))
            if path is None:
                raise EXPECTED.error(f"{picture} has no map in {self.folder / 'instance_id_maps'}.")
            instances = read_pixels(path)
            if instances.ndim != 2:
                raise EXPECTED.error(f"{path} has shape {instances.shape} instead of one id a pixel.")
            yield labelled_frame(name, picture, np.isin(instances, ids), EXPECTED)

    def _check_trajectories(self) -> None:
        """What moves only in frames whose trajectories are not unpacked yet would seem to stand still in all."""
        known = {frame_number(file.stem) for file in self.trajectories.glob("*.pth")}
        names = self.frame_names()
        lacking = [name for name in names if frame_number(name) not in known]
        if lacking:
            raise EXPECTED.error(
                f"{self.trajectories} holds no trajectories of {len(lacking)} of {len(names)} frames, such as {lacking[0]}."
            )


def clips(root: Path) -> tuple[DynamicReplicaClip, ...]:
    """All sequences, the left camera before the right one.

    Raises:
        DataError: there is none.
    """
    found = [folder for folder in subfolders(root) if (folder / "images").is_dir() and (folder / "instance_id_maps").is_dir()]
    if not found:
        raise EXPECTED.error(f"{root} holds no sequence with images and instance_id_maps.")
    return tuple(DynamicReplicaClip(folder) for folder in found)


def moving_objects(positions: Iterator[Float], instances: Int) -> frozenset[int]:
    """Ids of the objects that move.

    Args:
        positions: (N, 3) of the vertices, frame after frame.
        instances: (N,) the object that each vertex belongs to.
    """
    farthest = np.zeros(len(instances))
    before = None
    for now in positions:
        if before is not None:
            farthest = np.maximum(farthest, np.linalg.norm(now - before, axis=1))
        before = now
    total = np.bincount(instances)
    moving = np.bincount(instances[farthest >= MOVED], minlength=len(total))
    return frozenset(np.flatnonzero(moving > total / 2).tolist())


@functools.lru_cache(maxsize=8)
def _moving_ids(trajectories: Path) -> frozenset[int]:
    """Those of a folder of trajectories; kept, because both cameras ask for it."""
    files = sorted(trajectories.glob("*.pth"))
    if len(files) < 2:
        raise EXPECTED.error(f"{trajectories} holds {len(files)} trajectory files, which say what moves.")
    instances = _load(files[0])[1]
    return moving_objects((_same_vertices(file, len(instances)) for file in files), instances)


def _same_vertices(file: Path, count: int) -> Float:
    positions, _ = _load(file)
    if len(positions) != count:
        raise EXPECTED.error(f"{file} has {len(positions)} vertices, the first frame {count}.")
    return positions


def _load(file: Path) -> tuple[npt.NDArray[np.float64], Int]:
    import torch

    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
        positions = np.asarray(content["traj_3d_world"], np.float64)[:, :3]
        instances = np.asarray(content["instances"], np.int64).reshape(-1)
    except Exception as error:  # torch raises what it likes on a damaged file
        raise EXPECTED.error(f"{file} cannot be read as trajectories ({error}).") from error
    if len(instances) != len(positions):
        raise EXPECTED.error(f"{file} has {len(positions)} vertices and {len(instances)} ids.")
    return positions, instances
