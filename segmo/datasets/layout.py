"""The folder layout of the published code, for training data and for data to be labelled: where things lie, and their formats.

    ROOT/images/<scene>/<name>.png                  frames (any image format is read)
    ROOT/depth_anything_v2/<scene>/<name>.png       16-bit inverse depth, each frame from 0 to 65535
    ROOT/bootstapir/<scene>/<query>_<target>.npy    (N, 4) float32: x, y in pixels of the images, logit of occlusion, logit of distance
    ROOT/dinos/<scene>/<query>.npy                  (grid_h, grid_w, C) float16; `.h5` with data set `dinos` once cleaned
    ROOT/dynamic_masks/<scene>/<name>.png           where not 0, something moves; `masks` in Kubric

Dynamic Replica has these folders inside the folder of each scene, `ROOT/<scene>/images/<name>.png` and so on: here, `nested`. We add
`prepared/<scene>.json` (nested: `<scene>/prepared.json`), which says how the rest was made; folders without it are read as well.

A query frame is one that has features and tracks; its tracks go to every frame of the scene. Files are replaced as a whole, so a file that
is there is complete unless something else damaged it.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from segmo.datasets.annotations import frame_number, mask_files, read_foreground, subfolders
from segmo.errors import DataError, VideoError
from segmo.files import write_bytes
from segmo.types import Bool, UInt8
from segmo.video.images import list_images, shown_hw

IMAGES, DEPTH, TRACKS, FEATURES, MASKS, KUBRIC_MASKS = "images", "depth_anything_v2", "bootstapir", "dinos", "dynamic_masks", "masks"
FEATURE_DATASET = "dinos"
"""Name of the array in an HDF5 file of features."""
Number = TypeVar("Number", np.float16, np.float32)
TREE = """ROOT/images/<scene>/<name>.png
ROOT/dynamic_masks/<scene>/<name>.png   (or masks/; needed for training only)
or, as Dynamic Replica has it,
ROOT/<scene>/images/<name>.png
ROOT/<scene>/dynamic_masks/<name>.png"""


@dataclass(frozen=True)
class Scene:
    """The folders of one scene; they need not exist."""

    name: str
    images: Path
    depth: Path
    tracks: Path
    features: Path
    masks: Path
    record: Path
    """Says how depth, tracks and features were made."""

    def frame_names(self) -> tuple[str, ...]:
        """Names of the images without ending, in order of time."""
        return tuple(file.stem for file in list_images(self.images))

    def image_hw(self) -> tuple[int, int]:
        """Height and width of the images as displayed, which track positions are in.

        Raises:
            DataError: there is no image, or the first one cannot be read.
        """
        files = list_images(self.images)
        if not files:
            raise DataError(f"There is no image in {self.images}. Convert or copy the scene again.")
        try:
            return shown_hw(files[0])
        except VideoError as error:
            raise DataError(f"The size of the images in {self.images} is not known: {error}") from error

    def depth_file(self, name: str) -> Path:
        """Depth of a frame."""
        return self.depth / f"{name}.png"

    def track_file(self, query: str, target: str) -> Path:
        """Where the points of a query frame are on a target frame."""
        return self.tracks / f"{query}_{target}.npy"

    def feature_file(self, query: str) -> Path:
        """Features of a query frame: the compressed file if there is one, else the plain one, which need not exist."""
        compressed = self.features / f"{query}.h5"
        return compressed if compressed.exists() else self.features / f"{query}.npy"

    def mask_file(self, name: str) -> Path:
        """Where the moving mask of a frame is written."""
        return self.masks / f"{name}.png"

    def prepared_names(self) -> tuple[str, ...]:
        """The frames that have depth, in order of time: all, or those kept by efficiency mode."""
        return tuple(name for name in self.frame_names() if self.depth_file(name).exists())

    def query_names(self) -> tuple[str, ...]:
        """The frames that have features and whose tracks reach the last prepared frame, in order of time."""
        names = self.prepared_names()
        return tuple(name for name in names if self.feature_file(name).exists() and self.track_file(name, names[-1]).exists())

    def masks_by_frame(self) -> dict[str, Path]:
        """The mask of each frame that has one, matched by name, or else by its last number (as `a_left-0` with `a_left_0`).

        Numbers count only if they tell all images and all masks apart: that of `000_0` and `001_0` says nothing of the frame.
        """
        names, files = self.frame_names(), mask_files(self.masks)
        numbered = {frame_number(stem): path for stem, path in files.items()} if _numbers_differ(names) and _numbers_differ(files) else {}
        numbered.pop(None, None)
        found = {name: files.get(name) or numbered.get(frame_number(name)) for name in names}
        return {name: path for name, path in found.items() if path is not None}


@dataclass(frozen=True)
class Layout:
    """A folder in the layout."""

    root: Path
    nested: bool = False
    """Whether each scene has a folder of its own, as in Dynamic Replica."""
    masks: str = MASKS
    """`dynamic_masks`, or `masks` in Kubric."""

    def scene(self, name: str) -> Scene:
        """The folders of a scene, which need not exist."""

        def place(kind: str) -> Path:
            return self.root / name / kind if self.nested else self.root / kind / name

        record = self.root / name / "prepared.json" if self.nested else self.root / "prepared" / f"{name}.json"
        return Scene(name, place(IMAGES), place(DEPTH), place(TRACKS), place(FEATURES), place(self.masks), record)

    def scenes(self) -> tuple[Scene, ...]:
        """All scenes that have images, by name."""
        folders = subfolders(self.root if self.nested else self.root / IMAGES)
        scenes = (self.scene(folder.name) for folder in folders)
        return tuple(scene for scene in scenes if scene.images.is_dir() and list_images(scene.images))


def open_layout(root: Path) -> Layout:
    """The layout of an existing folder, told from what is in it; its folder `images` works too.

    Raises:
        DataError: there is no scene with images.
    """
    if root.name == IMAGES and not (root / IMAGES).is_dir():
        root = root.parent
    masks = KUBRIC_MASKS if (root / KUBRIC_MASKS).is_dir() and not (root / MASKS).is_dir() else MASKS
    for layout in (Layout(root, masks=masks), Layout(root, nested=True)):
        if layout.scenes():
            return layout
    raise DataError(f"{root} holds no scene. `python -m segmo data` makes folders from published data sets. Expected is\n{TREE}")


def read_depth(path: Path) -> npt.NDArray[np.uint16]:
    """(H, W) stored inverse depth, 0 to 65535.

    Raises:
        DataError: the file is missing, damaged or no 16-bit grey image.
    """
    with _reading(path):
        depth = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
        if depth is None or depth.dtype != np.uint16 or depth.ndim != 2:
            raise ValueError("not a 16-bit grey image")
        return depth


def write_depth(path: Path, depth: npt.NDArray[np.uint16]) -> None:
    """Write (H, W) stored inverse depth."""
    if depth.dtype != np.uint16 or depth.ndim != 2:
        raise DataError(f"Depth is {depth.dtype} of shape {depth.shape}. Give (H, W) uint16.")
    write_bytes(path, _png(depth))


def read_tracks(scene: Scene, query: str, targets: Sequence[str]) -> npt.NDArray[np.float32]:
    """(N, T, 4) tracks of the points of a query frame on the target frames: x, y, occlusion logit, distance logit.

    Raises:
        DataError: a file is missing, damaged, or has another number of points than the others.
    """
    rows = [read_track_file(scene.track_file(query, target)) for target in targets]
    for target, row in zip(targets, rows, strict=True):
        if len(row) != len(rows[0]):
            path = scene.track_file(query, target)
            raise DataError(f"{path} has {len(row)} points but {len(rows[0])} are expected. Remove this file and prepare the scene again.")
    return np.stack(rows, axis=1)


def read_track_file(path: Path) -> npt.NDArray[np.float32]:
    """(N, 4) of one query and one target frame.

    Raises:
        DataError: the file is missing or damaged, or holds NaN or infinity.
    """
    rows = _read_array(path)
    if rows.ndim != 2 or rows.shape[1] != 4 or not np.issubdtype(rows.dtype, np.floating):
        raise DataError(f"{path} holds {rows.dtype} of shape {rows.shape}, not (N, 4) floats. Remove it and prepare the scene again.")
    return _finite(rows.astype(np.float32, copy=False), path)


def write_tracks(scene: Scene, query: str, targets: Sequence[str], rows: npt.NDArray[np.float32]) -> None:
    """Write the (N, T, 4) tracks of a query frame, one file a target frame."""
    if rows.ndim != 3 or rows.shape[1:] != (len(targets), 4):
        raise DataError(f"Tracks have shape {rows.shape}. Give (N, {len(targets)}, 4).")
    for index, target in enumerate(targets):
        write_bytes(scene.track_file(query, target), _npy(rows[:, index].astype(np.float32)))


def read_features(path: Path) -> npt.NDArray[np.float16]:
    """(grid_h, grid_w, C) features of a query frame, from `.npy` or `.h5`.

    Raises:
        DataError: the file is missing or damaged, or holds NaN or infinity.
    """
    features = _read_h5(path) if path.suffix == ".h5" else _read_array(path)
    if features.ndim != 3 or not np.issubdtype(features.dtype, np.floating):
        raise DataError(
            f"{path} holds {features.dtype} of shape {features.shape}, not (rows, columns, channels) floats. Remove it and prepare again."
        )
    return _finite(features.astype(np.float16, copy=False), path)


def write_features(path: Path, features: npt.NDArray[np.float16]) -> None:
    """Write (grid_h, grid_w, C) features, plain or as gzip-compressed HDF5, as the ending says."""
    features = np.ascontiguousarray(features, np.float16)
    if path.suffix != ".h5":
        return write_bytes(path, _npy(features))
    import h5py

    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file.create_dataset(FEATURE_DATASET, data=features, compression="gzip")
    write_bytes(path, buffer.getvalue())


def read_mask(path: Path) -> Bool:
    """(H, W) where something moves.

    Raises:
        DataError: the file is missing or damaged.
    """
    return read_foreground(path)


def write_mask(path: Path, moving: Bool) -> None:
    """Write an (H, W) moving mask as 0 and 255."""
    write_bytes(path, _png(moving.astype(np.uint8) * 255))


def write_image(path: Path, image: UInt8) -> None:
    """Write an (H, W, 3) RGB frame."""
    write_bytes(path, _png(cv2.cvtColor(image, cv2.COLOR_RGB2BGR)))


def _numbers_differ(names: Iterable[str]) -> bool:
    """Whether no two names share their last number; those without one do not count."""
    numbers = [number for name in names if (number := frame_number(name)) is not None]
    return len(set(numbers)) == len(numbers)


def _png(image: npt.NDArray[Any]) -> bytes:
    return bytes(cv2.imencode(".png", image)[1])


def _npy(array: npt.NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def _finite(values: npt.NDArray[Number], path: Path) -> npt.NDArray[Number]:
    """One value that is no number would make the loss of a training run none, hours later and without a word of this file."""
    if not np.isfinite(values).all():
        raise DataError(f"{path} holds NaN or infinity. Remove it and prepare the scene again.")
    return values


def _read_array(path: Path) -> npt.NDArray[Any]:
    with _reading(path):
        return np.asarray(np.load(path, allow_pickle=False))


def _read_h5(path: Path) -> npt.NDArray[Any]:
    import h5py

    with _reading(path), h5py.File(path, "r") as file:
        return np.asarray(file[FEATURE_DATASET][()])


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise DataError(f"There is no file {path}. Prepare the scene again.") from error
    except MemoryError:
        raise
    except Exception as error:  # a damaged file makes numpy, cv2 and h5py raise almost anything
        raise DataError(f"{path} cannot be read: {' '.join(str(error).split())}. Remove it and prepare the scene again.") from error
