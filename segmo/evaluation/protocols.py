"""The two protocols of the published tables: moving object segmentation (MOS) and fine-grained MOS (DAVIS 2017, unsupervised)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from segmo.datasets import davis, fbms, segtrack
from segmo.datasets.annotations import AnnotatedSequence, mask_files, read_foreground, read_ids, size_text, subfolders
from segmo.errors import DataError
from segmo.evaluation.metrics import Values, boundary_f, label_similarities, region_similarity
from segmo.evaluation.predictions import prediction_files
from segmo.evaluation.results import Evaluation, Scores
from segmo.evaluation.sequences import sequence_list
from segmo.parallel import core_count
from segmo.types import Steps, UInt8

log = logging.getLogger(__name__)

Frames = Literal["all", "inner"]
Row = TypeVar("Row")
DATASETS: dict[str, Any] = {"davis": davis, "fbms": fbms, "segtrack": segtrack}
MAX_PROPOSALS = 20
"""Objects that the protocol of DAVIS 2017 allows to predict in a sequence."""


@dataclass(frozen=True)
class Annotations:
    """The annotated sequences of a folder that are to be evaluated."""

    folder: Path
    names: tuple[str, ...]
    dataset: str
    images: Path | None = None
    """Folder of picture folders, where the reader of the data set does not find it."""
    frames: Frames = "all"

    def open(self, name: str) -> AnnotatedSequence:
        """One sequence, with the frames that count. Raises DataError like the readers."""
        sequence: AnnotatedSequence = DATASETS[self.dataset].open_sequence(self.folder, name, self.images)
        return sequence.inner() if self.frames == "inner" else sequence


def find_annotations(
    gt: Path,
    *,
    dataset: str = "auto",
    sequences: str | None = None,
    images: Path | None = None,
    frames: Frames = "all",
    unsupervised: bool = False,
) -> Annotations:
    """Find what to evaluate against.

    Args:
        gt: folder of a data set, or of its annotations.
        dataset: a name of `DATASETS`, or "auto" to tell it from the folders.
        sequences: a name of `segmo.evaluation.sequences.LISTS` or a text file; all annotated sequences by default.
        images: folder of picture folders, where it does not lie beside the annotations.
        frames: whether the first and last frame of each sequence count.
        unsupervised: prefer DAVIS 2017's annotations of all objects.

    Raises:
        DataError: no annotations are found, or the list is missing.
    """
    if not gt.is_dir():
        raise DataError(f"There is no folder of annotations {gt}. Check the path.")
    if dataset == "auto":
        dataset = _guess_dataset(gt)
    folder = davis.annotation_root(gt, unsupervised=unsupervised) if dataset == "davis" else DATASETS[dataset].annotation_root(gt)
    names = DATASETS[dataset].sequence_names(folder) if sequences is None else sequence_list(sequences, gt)
    if not names:
        raise DataError(f"No annotated sequence of {dataset} was found in {folder}. Give the folder that holds a folder a sequence.")
    return Annotations(folder, tuple(names), dataset, images, frames)


def _guess_dataset(gt: Path) -> str:
    """DAVIS has a folder `480p`, FBMS-59 `GroundTruth` in each sequence or its name in the path, SegTrackv2 just one, or objects."""
    if any((gt / place).is_dir() for place in davis.PLACES if place):
        return "davis"
    sequences = [folder for place in ("Testset", "") for folder in subfolders(gt / place)]
    if any((folder / fbms.MASKS).is_dir() for folder in sequences) or any("fbms" in part.lower() for part in gt.absolute().parts[-3:]):
        return "fbms"
    if subfolders(gt / "GroundTruth") or any(mask_files(inner) for folder in sequences for inner in subfolders(folder)):
        return "segtrack"
    return "davis"


def evaluate_mos(predictions: Path, annotations: Annotations, *, workers: int | None = None) -> Steps[Evaluation]:
    """J and F of all objects joined, a row a sequence; void pixels do not count.

    Args:
        predictions: a folder a sequence, see `prediction_files`.
        annotations: what to evaluate against.
        workers: sequences evaluated at a time; as many as `core_count` by default.

    Raises:
        DataError: a sequence, frame or file is missing or unreadable, or sizes differ; the message names it.
    """
    rows = yield from each_sequence(annotations, lambda sequence: [_mos(predictions, sequence)], workers)
    return Evaluation("mos", annotations.frames, rows)


def evaluate_davis17(predictions: Path, annotations: Annotations, *, workers: int | None = None) -> Steps[Evaluation]:
    """DAVIS 2017 unsupervised: up to 20 predicted objects are assigned to the annotated ones for the highest mean J&F; a row an object.

    As published, the annotated objects are those with ids from 1 to the highest on the first frame, and the mean is taken over
    objects, not over sequences. Pixels of id 255 do not count.

    Args, Raises: as `evaluate_mos`; also a DataError where a sequence has more than 20 predicted objects.
    """
    rows = yield from each_sequence(annotations, lambda sequence: _davis17(predictions, sequence), workers)
    return Evaluation("davis17", annotations.frames, rows)


def each_sequence(annotations: Annotations, work: Callable[[AnnotatedSequence], list[Row]], workers: int | None) -> Steps[tuple[Row, ...]]:
    """Evaluate sequences in threads (decoding and counting run without the interpreter's lock); rows in the order of the list."""
    sequences = [annotations.open(name) for name in annotations.names]  # all errors of missing folders before any work
    with ThreadPoolExecutor(workers or core_count()) as pool:
        jobs = [pool.submit(work, sequence) for sequence in sequences]
        try:
            for done, job in enumerate(as_completed(jobs), start=1):
                job.result()
                yield done / len(jobs)
        finally:
            pool.shutdown(cancel_futures=True)
    return tuple(row for job in jobs for row in job.result())


def _mos(predictions: Path, sequence: AnnotatedSequence) -> Scores:
    files = prediction_files(predictions, sequence)
    gt, void = sequence.read_foreground(), sequence.read_void()
    pred = read_like(gt, files, sequence, read_foreground)
    names = tuple(frame.name for frame in sequence.frames)
    return Scores(sequence.name, sequence.name, names, region_similarity(pred, gt, void), boundary_f(pred, gt, void))


def _davis17(predictions: Path, sequence: AnnotatedSequence) -> list[Scores]:
    files = prediction_files(predictions, sequence)
    gt = sequence.read_ids()
    pred = read_like(gt, files, sequence, read_ids)
    void = gt == davis.VOID_ID
    gt_ids = _annotated_ids(gt, void, sequence)
    pred_ids = [int(identity) for identity in np.unique(pred) if identity]
    if len(pred_ids) > MAX_PROPOSALS:
        raise DataError(
            f"Sequence {sequence.name!r} has {len(pred_ids)} predicted objects in {files[0].parent}; the protocol allows {MAX_PROPOSALS}. "
            "Keep the best ones (`--max-objects`)."
        )
    # As published, unused ids below the highest are empty proposals, and there are at least as many proposals as objects.
    proposals = max(len(gt_ids), min(max(pred_ids, default=0), MAX_PROPOSALS))
    unused = [identity for identity in range(1, 256) if identity not in pred_ids]
    pred_ids += unused[: max(0, proposals - len(pred_ids))]
    j, f = label_similarities(pred, gt, pred_ids, gt_ids, void)
    chosen, objects = assign(j, f)
    names = tuple(frame.name for frame in sequence.frames)
    return [Scores(f"{sequence.name}_{gt_ids[k]}", sequence.name, names, j[p, k], f[p, k]) for p, k in zip(chosen, objects, strict=True)]


def assign(j: Values, f: Values) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Which of P proposals goes to which of K objects, P >= K, for the highest sum of mean J&F.

    Args:
        j, f: (P, K, T) measures of every pair.

    Returns:
        (K,) proposals and (K,) objects, ordered by object.
    """
    chosen, objects = linear_sum_assignment((j.mean(axis=2) + f.mean(axis=2)) / 2, maximize=True)
    order = np.argsort(objects)
    return chosen[order], objects[order]


def _annotated_ids(gt: UInt8, void: npt.NDArray[np.bool_], sequence: AnnotatedSequence) -> list[int]:
    first, last = (int(np.where(void[part], 0, gt[part]).max(initial=0)) for part in (slice(0, 1), slice(None)))
    if not first:
        file = sequence.frames[0].files[0]
        raise DataError(f"{file} annotates no object (255 is void in DAVIS 2017). Give annotations of DAVIS 2017, or use `evaluate mos`.")
    if last > first:
        log.warning(
            "Objects of %r with ids above %d, the highest on its first frame, are not evaluated (as published).", sequence.name, first
        )
    return list(range(1, first + 1))


def read_like(
    gt: npt.NDArray[Any], files: Sequence[Path], sequence: AnnotatedSequence, read: Callable[[Path], npt.NDArray[Any]]
) -> npt.NDArray[Any]:
    """Predicted masks, each checked to have the size of the annotation."""
    masks = np.empty(gt.shape, gt.dtype)
    for target, path, frame in zip(masks, files, sequence.frames, strict=True):
        mask = read(path)
        if mask.shape != target.shape:
            raise DataError(
                f"{path} is {size_text(mask)} but its annotation {frame.files[0]} is {size_text(target)}. Predict at that size."
            )
        target[...] = mask
    return masks
