"""The measures against the published implementation's figures, and against plain definitions."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from segmo.errors import ProductError
from segmo.evaluation.metrics import (
    boundary_f,
    boundary_map,
    label_similarities,
    region_similarity,
    statistics,
    tolerance_px,
)

TOLERANCE = 1e-6


class Pack:
    """The small cases of the reference data."""

    def __init__(self, folder: Path) -> None:
        content = json.loads((folder / "small_cases.json").read_text())
        self.cases: list[dict[str, Any]] = content["cases"]
        self.statistics: list[dict[str, Any]] = content["statistics"]
        self._masks = np.load(folder / "small_masks.npz")

    def mask(self, case: dict[str, Any], role: str) -> np.ndarray:
        bits = np.unpackbits(self._masks[f"{case['name']}_{role}"])
        return bits[: math.prod(case["shape"])].reshape(case["shape"]).astype(bool)


@pytest.fixture
def pack(shared: Path) -> Pack:
    return Pack(shared / "parity" / "metrics")


def test_all_small_cases_agree_with_the_published_implementation(pack: Pack) -> None:
    stored = [case for case in pack.cases if case["name"] != "big_frame_shift_8_5"]
    assert len(stored) >= 16
    for case in stored:
        gt, pred = pack.mask(case, "annotation"), pack.mask(case, "prediction")
        void = pack.mask(case, "void") if case["void"] else None
        np.testing.assert_allclose(region_similarity(pred, gt, void), case["J"], atol=TOLERANCE, err_msg=case["name"])
        np.testing.assert_allclose(boundary_f(pred, gt, void), case["F"], atol=TOLERANCE, err_msg=case["name"])
        for tolerance, expected in case.get("F_bound_th", {}).items():
            np.testing.assert_allclose(boundary_f(pred, gt, void, tolerance=float(tolerance)), expected, atol=TOLERANCE)


def test_a_large_frame_agrees_too(pack: Pack) -> None:
    case = next(case for case in pack.cases if case["name"] == "big_frame_shift_8_5")
    gt, pred = np.zeros((2, 1, 480, 854), bool)
    gt[:, 100:300, 200:500] = True
    pred[:, 108:308, 205:505] = True
    np.testing.assert_allclose(region_similarity(pred, gt), case["J"], atol=TOLERANCE)
    np.testing.assert_allclose(boundary_f(pred, gt), case["F"], atol=TOLERANCE)


def test_boundary_maps_agree(pack: Pack) -> None:
    case = next(case for case in pack.cases if case["name"] == "blobs")
    expected = pack.mask(case, "boundary_map")
    for mask, edges in zip(pack.mask(case, "annotation"), expected, strict=True):
        np.testing.assert_array_equal(boundary_map(mask).astype(bool), edges)


def test_statistics_agree_and_stay_right_where_the_published_ones_wrap(pack: Pack) -> None:
    long = 0
    for row in pack.statistics:
        values = np.array([np.nan if value is None else value for value in row["values"]], np.float64)
        ours = statistics(values)
        assert ours.mean == pytest.approx(row["mean"], abs=TOLERANCE)
        assert ours.recall == pytest.approx(row["recall"], abs=TOLERANCE)
        if row["n"] < 256:
            assert ours.decay == pytest.approx(row["decay"], abs=TOLERANCE)
        else:
            long += 1
            quarter = [1 + round(k * (row["n"] - 1) / 4 + 1e-10) for k in range(5)]
            expected = values[: quarter[1]].mean() - values[quarter[3] - 1 :].mean()
            assert ours.decay == pytest.approx(expected, abs=TOLERANCE)
    assert long >= 3


@pytest.mark.parametrize(("count", "decay"), [(1, 0.0), (2, 1.0), (3, 0.75), (1000, 0.7497497)])
def test_decay_of_a_falling_ramp(count: int, decay: float) -> None:
    assert statistics(np.linspace(1, 0, count)).decay == pytest.approx(decay, abs=1e-6)


def test_statistics_of_nothing_are_an_error() -> None:
    with pytest.raises(ProductError, match="at least one frame"):
        statistics([])


def test_boundary_f_is_the_share_of_boundary_pixels_within_the_radius() -> None:
    random = np.random.default_rng(3)
    for hw in [(23, 31), (40, 12)]:
        pred, gt = random.random((2, 1, *hw)) > 0.8
        radius = 3.0
        a, b = (np.argwhere(boundary_map(masks[0])) for masks in (pred, gt))
        near = np.linalg.norm(a[:, None] - b[None], axis=2) <= radius
        precision, recall = near.any(axis=1).mean(), near.any(axis=0).mean()
        expected = 2 * precision * recall / (precision + recall)
        assert boundary_f(pred, gt, tolerance=radius)[0] == pytest.approx(expected)


def test_the_radius_follows_the_diagonal() -> None:
    assert tolerance_px((60, 80)) == 1
    assert tolerance_px((480, 854)) == 8
    assert tolerance_px((480, 854), 3) == 3


def test_similarities_of_labels_are_those_of_each_pair_of_masks() -> None:
    random = np.random.default_rng(0)
    coarse = random.integers(0, 4, (2, 3, 6, 8))
    pred, gt = np.repeat(np.repeat(coarse, 15, axis=2), 15, axis=3).astype(np.uint8)  # a diagonal that asks for a radius of two pixels
    gt[:, :15, :15] = 255
    void = gt == 255
    j, f = label_similarities(pred, gt, [1, 2, 3, 9], [1, 2, 3], void)
    assert j.shape == f.shape == (4, 3, 3)
    for p, pred_id in enumerate([1, 2, 3, 9]):
        for g, gt_id in enumerate([1, 2, 3]):
            np.testing.assert_allclose(j[p, g], region_similarity(pred == pred_id, gt == gt_id, void))
            np.testing.assert_allclose(f[p, g], boundary_f(pred == pred_id, gt == gt_id, void))


@pytest.mark.parametrize(
    ("pred", "message"),
    [
        (np.zeros((2, 4, 5), bool), r"pred must be bool of shape \(2, 4, 4\), not bool of shape \(2, 4, 5\)"),
        (np.zeros((2, 4, 4), np.uint8), "not uint8"),
        (np.zeros((4, 4), bool), r"not bool of shape \(4, 4\)"),
    ],
)
def test_masks_that_do_not_fit_are_an_error(pred: np.ndarray, message: str) -> None:
    with pytest.raises(ProductError, match=message):
        region_similarity(pred, np.zeros((2, 4, 4), bool))
    with pytest.raises(ProductError, match=message):
        boundary_f(pred, np.zeros((2, 4, 4), bool))
