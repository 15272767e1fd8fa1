"""What a segmenter answers to prompts, run as a script where Meta's package is installed: `python -m tests.parity.sam2_answers FOLDER`.

The folder holds `weights.pt` in Meta's format, `frames.npy`, and `task.json`: configuration, changes of it, prompts, and the pixels of the
largest hole that is filled. Writes `answers.npz`.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np


def answers(segmenter: Any, prompts: list[dict[str, Any]]) -> dict[str, np.ndarray]:
    """Logits for every prompt in order, and of every object on every frame in both directions."""
    found = {}
    for number, prompt in enumerate(prompts):
        points, outside = (np.array(prompt[key], np.float32).reshape(-1, 2) for key in ("points", "outside"))
        found[f"prompt {number}"] = segmenter.point_logits(prompt["frame"], prompt["object"], points, outside)
    objects = sorted({prompt["object"] for prompt in prompts})
    for reverse in (False, True):
        for frame, masks in segmenter.propagate_logits(objects, reverse=reverse):
            found |= {f"{'backward' if reverse else 'forward'} {frame} object {number}": mask for number, mask in masks.items()}
    return found


def components(mask: Any) -> tuple[Any, Any]:
    """Labels and areas of the components of a (1, 1, h, w) mask, in place of Meta's CUDA kernel."""
    import cv2
    import torch

    _, labels, statistics, _ = cv2.connectedComponentsWithStats(mask[0, 0].numpy().astype(np.uint8), connectivity=8)
    areas = np.where(labels > 0, statistics[labels, cv2.CC_STAT_AREA], 0)
    return torch.from_numpy(labels)[None, None], torch.from_numpy(areas)[None, None]


def main(folder: Path) -> None:
    import sam2.utils.misc

    from segmo.zoo.meta_models import MetaSegmenter, load_predictor

    task = json.loads((folder / "task.json").read_text())
    predictor = load_predictor(task["config"], folder / "weights.pt", "cpu", task["changes"])
    predictor.fill_hole_area, sam2.utils.misc.get_connected_components = task["hole"], components
    with tempfile.TemporaryDirectory() as frames:
        segmenter = MetaSegmenter(predictor, np.load(folder / "frames.npy"), Path(frames))
        np.savez(folder / "answers.npz", **answers(segmenter, task["prompts"]))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
