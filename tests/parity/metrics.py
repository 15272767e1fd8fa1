"""Region and boundary measures, and their statistics, against the published ones."""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from segmo.evaluation.metrics import boundary_f, boundary_map, region_similarity, statistics

from .common import Check, compare, count, read_json

TOLERANCE = 1e-6
WRAPS = 256
"""Frames from which the published decay is wrong, because its bin edges are 8-bit numbers."""
TABLES = {"all_frames": slice(None), "without_first_and_last": slice(1, -1)}


def check(folder: Path) -> Iterator[Check]:
    if (folder / "small_cases.json").exists():
        content = read_json(folder / "small_cases.json")
        yield from _check_masks(content["cases"], dict(np.load(folder / "small_masks.npz")))
        yield from _check_statistics(content["statistics"])
    for per_frame in sorted(folder.glob("*_per_frame.csv")):
        yield from _check_tables(folder, per_frame)


def _check_masks(cases: list[dict[str, Any]], bits: dict[str, np.ndarray]) -> Iterator[Check]:
    for case in cases:
        name, shape = case["name"], case["shape"]

        def mask(role: str, name: str = name, shape: list[int] = shape) -> np.ndarray:
            return np.unpackbits(bits[f"{name}_{role}"])[: math.prod(shape)].reshape(shape).astype(bool)

        if f"{name}_annotation" not in bits:
            continue  # the masks of a large case are described, not stored
        truth, predicted = mask("annotation"), mask("prediction")
        void = mask("void") if case["void"] else None
        yield compare(f"{name} J", region_similarity(predicted, truth, void), case["J"], TOLERANCE)
        yield compare(f"{name} F", boundary_f(predicted, truth, void), case["F"], TOLERANCE)
        for tolerance, expected in case.get("F_bound_th", {}).items():
            ours = boundary_f(predicted, truth, void, tolerance=float(tolerance))
            yield compare(f"{name} F at tolerance {tolerance}", ours, expected, TOLERANCE)
        if f"{name}_boundary_map" in bits:
            ours = np.stack([boundary_map(frame) for frame in truth]) > 0
            yield count(f"{name} boundary map", (ours == mask("boundary_map")).all(axis=(1, 2)))


def _check_statistics(rows: list[dict[str, Any]]) -> Iterator[Check]:
    ours, expected = [], []
    for row in rows:
        values = statistics(np.array([np.nan if value is None else value for value in row["values"]], np.float64))
        ours += [values.mean, values.recall, *([values.decay] if row["n"] < WRAPS else [])]
        expected += [row["mean"], row["recall"], *([row["decay"]] if row["n"] < WRAPS else [])]
    note = f"{len(rows)} rows; decay of {WRAPS} frames and more left out, where the reference's 8-bit edges wrap and ours do not"
    yield compare("statistics", ours, expected, TOLERANCE, note)


def _check_tables(folder: Path, per_frame: Path) -> Iterator[Check]:
    """The tables of a method from its figures of each frame."""
    figures: dict[str, list[tuple[float, float]]] = defaultdict(list)
    with per_frame.open() as lines:
        for row in csv.DictReader(lines):
            figures[row["sequence"]].append((float(row["J"]), float(row["F"])))
    for name, frames in TABLES.items():
        table = folder / per_frame.name.replace("per_frame", name)
        if not table.exists():
            continue
        ours, expected = [], []
        with table.open() as lines:
            for row in csv.DictReader(lines):
                if row["sequence"] in figures:
                    for measure, values in zip("JF", np.array(figures[row["sequence"]])[frames].T, strict=True):
                        found = statistics(values)
                        ours += [found.mean, found.recall, found.decay]
                        expected += [float(row[f"{measure}_{kind}"]) for kind in ("mean", "recall", "decay")]
        yield compare(table.stem, ours, expected, TOLERANCE, f"{len(ours) // 6} sequences")
