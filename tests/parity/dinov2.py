"""The descriptors against those of the published model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from segmo.networks.dino import DinoKeys, base_model, from_hub_names, prepare_images

from .common import Check, compare, count, exact, random_weights, read_json

TOLERANCE = 1e-4
HALF_TOLERANCE = 4e-3
GAIN = 400.0
STRIDES = (7, 14)


def check(folder: Path, device: str = "cpu") -> Iterator[Check]:
    arrays = dict(np.load(folder / "dinov2.npz"))
    weights = {name: torch.from_numpy(value) for name, value in random_weights(folder / "manifest.json").items()}
    if (folder / "hub_to_hf.json").exists():
        yield _check_names(weights, read_json(folder / "hub_to_hf.json")["entries"])
    model = base_model().eval().to(device)
    images = prepare_images(torch.from_numpy(arrays["image"])[None].to(device))
    for variant in ("rule", "pos_gain"):
        changed = {**weights, "pos_embed": weights["pos_embed"] * GAIN} if variant == "pos_gain" else weights
        model.load_state_dict(from_hub_names(changed))
        for stride in STRIDES:
            network = DinoKeys(model, stride)
            name = f"stride{stride}_{variant}"
            with exact():
                keys = network(images)[0].cpu().numpy()
                table = network.position_table(*keys.shape[:2])[0, :, :32]
            yield compare(f"keys {name}", keys, arrays[f"keys_{name}"], HALF_TOLERANCE)
            probes = f"keys_stride{stride}_probe_{variant}"
            if probes in arrays:
                rows, columns = arrays["probe_tokens"].T
                yield compare(f"probes {name}", keys[rows, columns], arrays[probes], TOLERANCE)
            if variant == "pos_gain":
                yield compare(f"position table {name}", table, arrays[f"pos_table_stride{stride}_first32ch"], TOLERANCE)


def _check_names(weights: dict[str, torch.Tensor], rows: list[dict[str, object]]) -> Check:
    """Each row of the table of names against what we rename."""
    renamed = from_hub_names(weights)
    agree = []
    for row in rows:
        values = weights[str(row["hub"])]
        part = values[slice(*row["rows"])] if isinstance(row["rows"], list) else values
        agree.append(str(row["hf"]) in renamed and torch.equal(renamed[str(row["hf"])], part))
    agree.append(len(renamed) == len(rows))
    return count("names", agree)
