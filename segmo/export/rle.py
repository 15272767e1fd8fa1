"""COCO's compressed run-length code of masks, so that other tools read ours."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from segmo.types import UInt8


def encode_objects(labels: UInt8) -> dict[int, dict[str, Any]]:
    """COCO's `segmentation` (compressed RLE), `area` and `bbox` (x, y, width, height in pixels) of each object id in (H, W) labels.

    RLE counts pixels column by column, zeros first. The text is that of COCO's maskApi.c (rleToString): from the fourth
    run on the difference to the run before last, in groups of five bits, lowest first, bit six set where more follow, plus 48.
    """
    height = labels.shape[0]
    flat = labels.ravel(order="F")
    bounds = np.concatenate([[0], np.flatnonzero(flat[1:] != flat[:-1]) + 1, [flat.size]])
    values = flat[bounds[:-1]]
    objects = {}
    for identity in np.unique(values[values > 0]).tolist():
        chosen = values == identity
        starts, stops = bounds[:-1][chosen], bounds[1:][chosen]
        counts = np.diff(np.concatenate([[0], np.stack([starts, stops], axis=1).ravel(), [flat.size]]))
        left, right = int(starts[0] // height), int((stops[-1] - 1) // height)
        spans = (starts // height != (stops - 1) // height).any()  # a run over two columns touches the top and bottom
        top, bottom = (0, height - 1) if spans else (int((starts % height).min()), int(((stops - 1) % height).max()))
        objects[identity] = {
            "segmentation": {"size": [height, labels.shape[1]], "counts": _counts_text(counts if counts[-1] else counts[:-1])},
            "area": int((stops - starts).sum()),
            "bbox": [left, top, right - left + 1, bottom - top + 1],
        }
    return objects


def _counts_text(counts: npt.NDArray[np.int64]) -> str:
    values = counts.copy()
    values[3:] -= counts[1:-2]
    groups = []
    more = np.ones(len(values), np.bool_)
    while more.any():
        low, values = values & 31, values >> 5
        follows = np.where(low & 16, values != -1, values != 0)  # bit five of the last group is the sign
        groups.append(np.where(more, low + 32 * follows + 48, 0))
        more &= follows
    text = np.stack(groups, axis=1).astype(np.uint8)
    return text[text > 0].tobytes().decode("ascii")
