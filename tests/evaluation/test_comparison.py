"""Comparing two runs: the right differences, and intervals that are wide where little is known."""

from __future__ import annotations

import json

import numpy as np
import pytest

from segmo.errors import DataError
from segmo.evaluation.comparison import compare
from segmo.evaluation.results import Evaluation, Scores


def run(values: dict[str, np.ndarray], protocol: str = "mos") -> Evaluation:
    rows = tuple(Scores(name, name.split("_")[0], tuple(map(str, range(len(j)))), j, j / 2) for name, j in values.items())
    return Evaluation(protocol, "all", rows)


def random_run(seed: int, gain: float, sequences: int = 12) -> Evaluation:
    difficulty = np.random.default_rng(0).random((sequences, 60)) * 0.5
    noise = np.random.default_rng(seed).normal(gain, 0.05, difficulty.shape)
    return run({f"s{k}": row for k, row in enumerate(difficulty + noise)})


def test_differences_are_b_minus_a() -> None:
    a, b = run({"x": np.full(30, 0.5), "y": np.full(20, 0.4)}), run({"x": np.full(30, 0.7), "y": np.full(20, 0.5)})
    comparison = compare(a, b)
    assert comparison.overall["J"].mean == pytest.approx(0.15)
    assert comparison.overall["F"].mean == pytest.approx(0.075)
    assert comparison.overall["J&F"].mean == pytest.approx(0.1125)
    row = comparison.rows["x"]["J"]
    assert (row.mean, row.low, row.high) == pytest.approx((0.2, 0.2, 0.2))
    assert (comparison.overall["J"].low, comparison.overall["J"].high) == pytest.approx((0.1, 0.2))


def test_a_real_gain_is_clear_and_none_is_not() -> None:
    better = compare(random_run(1, 0.3), random_run(2, 0.35)).overall["J"]
    assert better.clear
    assert better.low < better.mean < better.high
    assert not compare(random_run(1, 0.3), random_run(2, 0.3)).overall["J"].clear


def test_intervals_cover_the_truth_about_as_often_as_they_promise() -> None:
    covered = 0
    for trial in range(40):
        difference = compare(random_run(2 * trial + 10, 0.3, 8), random_run(2 * trial + 11, 0.32, 8)).overall["J"]
        covered += difference.low <= 0.02 <= difference.high
    assert 30 <= covered <= 39


def test_objects_of_one_sequence_are_drawn_together() -> None:
    zeros = {f"{s}_{k}": np.zeros(30) for s in "ab" for k in range(5)}
    gains = {name: row + (0.2 if name.startswith("a") else 0.0) for name, row in zeros.items()}
    overall = compare(run(zeros), run(gains)).overall["J"]
    assert (overall.low, overall.high) == pytest.approx((0.0, 0.2))  # with two sequences nothing is certain


def test_one_sequence_has_no_overall_interval_and_a_short_row_none_either() -> None:
    comparison = compare(run({"x": np.zeros(8)}), run({"x": np.ones(8)}))
    assert comparison.overall["J"].mean == 1
    assert np.isnan([comparison.overall["J"].low, comparison.rows["x"]["J"].high]).all()
    assert not comparison.overall["J"].clear
    assert json.loads(json.dumps(comparison.to_dict(), allow_nan=False))["overall"]["J"] == [1.0, None, None]


def test_the_same_seed_gives_the_same_interval() -> None:
    a, b = random_run(1, 0.3), random_run(2, 0.32)
    assert compare(a, b).to_dict() == compare(a, b).to_dict()


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (run({"x": np.zeros(30)}, "davis17"), "mos/all and davis17/all"),
        (run({"x": np.zeros(30), "z": np.zeros(30)}), "'z' is in only one"),
        (run({"x": np.zeros(29)}), "different frames of 'x'"),
    ],
)
def test_runs_that_cannot_be_compared(other: Evaluation, message: str) -> None:
    with pytest.raises(DataError, match=message):
        compare(run({"x": np.zeros(30)}), other)
