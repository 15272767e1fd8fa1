"""Scores of track labels against definitions worked out by hand and by counting."""

from __future__ import annotations

import numpy as np
import pytest

from segmo.errors import ProductError
from segmo.evaluation.track_scores import label_iou, precision_recall_curve, roc_curve


def test_iou_of_labels() -> None:
    probability = np.array([0.9, 0.8, 0.7, 0.2], np.float32)
    moving = np.array([True, False, True, False])
    assert label_iou(probability, moving, 0.7) == pytest.approx(1 / 3)  # 0.7 itself is not above
    assert label_iou(probability, moving, 0.5) == pytest.approx(2 / 3)
    assert label_iou(probability, np.zeros(4, bool), 0.95) == 1.0


def test_area_under_roc_is_the_share_of_pairs_in_the_right_order() -> None:
    random = np.random.default_rng(0)
    moving = random.random(200) > 0.7
    probability = np.round(np.clip(random.normal(0.4 + 0.2 * moving, 0.2), 0, 1), 1)  # many ties
    pairs = probability[moving][:, None] - probability[~moving][None]
    curve = roc_curve(probability, moving)
    assert curve.area == pytest.approx((pairs > 0).mean() + (pairs == 0).mean() / 2)
    assert (curve.x[0], curve.y[0], curve.x[-1], curve.y[-1]) == (0, 0, 1, 1)
    assert (np.diff(curve.thresholds) < 0).all()


def test_every_point_of_both_curves_is_what_its_threshold_gives() -> None:
    random = np.random.default_rng(2)
    moving = random.random(50) > 0.5
    probability = np.round(random.random(50), 1)
    roc, pr = roc_curve(probability, moving), precision_recall_curve(probability, moving)
    for k, threshold in enumerate(roc.thresholds):
        called = probability >= threshold
        assert roc.y[k] == pr.x[k] == pytest.approx(moving[called].sum() / moving.sum())
        assert roc.x[k] == pytest.approx((~moving[called]).sum() / (~moving).sum())
        assert pr.y[k] == pytest.approx(moving[called].mean() if called.any() else 1)


def test_average_precision_by_hand() -> None:
    probability = np.array([0.9, 0.8, 0.7, 0.6])
    curve = precision_recall_curve(probability, np.array([True, False, True, False]))
    assert curve.area == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)


def test_perfect_and_inverted_scores() -> None:
    moving = np.array([True, True, False, False])
    assert roc_curve(np.array([0.9, 0.8, 0.2, 0.1]), moving).area == 1.0
    assert roc_curve(np.array([0.1, 0.2, 0.8, 0.9]), moving).area == 0.0
    assert precision_recall_curve(np.array([0.9, 0.8, 0.2, 0.1]), moving).area == 1.0


@pytest.mark.parametrize("moving", [np.zeros(3, bool), np.ones(3, bool), np.zeros(0, bool)])
def test_areas_are_undefined_without_both_kinds(moving: np.ndarray) -> None:
    assert np.isnan(roc_curve(np.linspace(0, 1, len(moving)), moving).area)


def test_what_is_not_a_score_a_track_is_an_error() -> None:
    with pytest.raises(ProductError, match=r"not \(3,\) and bool \(4,\)"):
        roc_curve(np.zeros(3), np.zeros(4, bool))
    with pytest.raises(ProductError, match="1 of 2 scores are NaN"):
        label_iou(np.array([0.5, np.nan]), np.zeros(2, bool))
