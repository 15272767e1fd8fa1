"""The point tracker against the published one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from segmo.networks.tapir import Estimate, Tapir
from segmo.types import finish

from .common import Check, compare, exact, random_weights

TOLERANCE = 5e-4


def check(folder: Path, device: str = "cpu") -> Iterator[Check]:
    arrays = dict(np.load(folder / "tapir.npz"))
    network = Tapir().eval()
    network.load_state_dict({name: torch.from_numpy(value) for name, value in random_weights(folder / "manifest.json").items()})
    network.to(device)
    frames = torch.from_numpy(arrays["frames"])
    queries = torch.from_numpy(arrays["queries_tyx"])[:, [0, 2, 1]].to(device)
    with exact():
        features = network.features(frames)
        low, high = network.descriptors_of(frames, features, queries)
        *rough, result = network.estimates(features, low, high, queries)
    yield compare("coarse features", features.low.permute(0, 2, 3, 1)[:, ::8, ::8], arrays["feat_lowres_probe"], TOLERANCE)
    yield compare("fine features", features.high.permute(0, 2, 3, 1)[::3, ::16, ::16], arrays["feat_hires_probe"], TOLERANCE)
    yield compare("coarse descriptors", low, arrays["query_feat_lowres"], TOLERANCE)
    yield compare("fine descriptors", high, arrays["query_feat_hires"], TOLERANCE)
    names = ("tracks", "occlusion", "expected_dist")
    for i, estimate in enumerate(rough):
        for name, values in zip(names, estimate, strict=True):
            yield compare(f"after {i} refinements {name}", values.transpose(0, 1), arrays[f"unrefined_{name}"][i], TOLERANCE)
    for name, values in zip(names, result, strict=True):
        yield compare(name, values.transpose(0, 1), arrays[name], TOLERANCE)
    network.features = lambda *_: features  # they are checked above, and take most of the time
    with exact():
        chunked: Estimate = finish(network.track(frames, queries, memory_bytes=5 << 20))
    for name, values in zip(names, chunked, strict=True):
        yield compare(f"in chunks {name}", values.transpose(0, 1), arrays[name], TOLERANCE)
