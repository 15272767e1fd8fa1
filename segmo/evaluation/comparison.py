"""Is one run better than another? Differences a row, with paired bootstrap intervals.

Percentile intervals as in B. Efron, R. Tibshirani, "An Introduction to the Bootstrap", 1993. For the mean over all rows sequences are
drawn again, because the objects of one sequence are alike; for a single row blocks of neighbouring frames are, because neighbours are
alike (H. Künsch, "The Jackknife and the Bootstrap for General Stationary Observations", 1989).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from segmo.errors import DataError
from segmo.evaluation.metrics import Values
from segmo.evaluation.results import Evaluation, Scores, or_none

MEASURES = ("J&F", "J", "F")
DRAWS = 10_000
CONFIDENCE = 0.95
BLOCK = 10
"""Neighbouring frames drawn together: less than half a second, over which errors of a mask hardly change."""


@dataclass(frozen=True)
class Difference:
    """Mean of B minus mean of A and the interval it lies in with 95 % confidence; NaN where too little is known for one."""

    mean: float
    low: float
    high: float

    @property
    def clear(self) -> bool:
        """Whether the interval excludes zero."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class Comparison:
    """Differences B minus A by measure: over all rows, and of each row."""

    overall: dict[str, Difference]
    rows: dict[str, dict[str, Difference]]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON: mean, low and high of each difference, None where too little is known."""

        def plain(row: dict[str, Difference]) -> dict[str, Any]:
            return {measure: [or_none(d.mean), or_none(d.low), or_none(d.high)] for measure, d in row.items()}

        return {"overall": plain(self.overall), "rows": {name: plain(row) for name, row in self.rows.items()}}


def compare(a: Evaluation, b: Evaluation, *, seed: int = 0) -> Comparison:
    """Compare two evaluations of the same protocol on the same frames.

    Raises:
        DataError: they differ in protocol, rows or frames.
    """
    if (a.protocol, a.frames) != (b.protocol, b.frames):
        raise DataError(f"The runs were evaluated as {a.protocol}/{a.frames} and {b.protocol}/{b.frames}. Evaluate both the same way.")
    pairs = _pairs(a, b)
    per_frame = {first.name: _frame_differences(first, second) for first, second in pairs}
    random = np.random.default_rng(seed)
    rows = {name: _summary(values, _frame_draws(values, random)) for name, values in per_frame.items()}
    means = np.array([values.mean(axis=1) for values in per_frame.values()]).T  # (3, rows)
    sequences = [first.sequence for first, _ in pairs]
    return Comparison(_summary(means, _sequence_draws(means, sequences, random)), rows)


def _pairs(a: Evaluation, b: Evaluation) -> list[tuple[Scores, Scores]]:
    others = {row.name: row for row in b.rows}
    odd = sorted({row.name for row in a.rows} ^ others.keys())
    if odd:
        raise DataError(
            f"{odd[0]!r} is in only one of the two runs ({len(a.rows)} and {len(b.rows)} rows). Evaluate both on the same sequences."
        )
    for row in a.rows:
        if row.frames != others[row.name].frames:
            seen = f"{len(row.frames)} and {len(others[row.name].frames)} frames"
            raise DataError(f"The two runs were evaluated on different frames of {row.name!r} ({seen}). Evaluate both on the same frames.")
    return [(row, others[row.name]) for row in a.rows]


def _frame_differences(a: Scores, b: Scores) -> Values:
    """(3, T) differences of J&F, J and F."""
    j, f = b.j - a.j, b.f - a.f
    return np.stack([(j + f) / 2, j, f])


def _frame_draws(values: Values, random: np.random.Generator) -> Values:
    """(3, draws) means over T frames drawn in blocks; none for a row of one block."""
    count = values.shape[1]
    block = min(BLOCK, count)
    starts = random.integers(0, count - block + 1, size=(DRAWS, -(-count // block)))
    if count == block:
        return np.full((3, 1), np.nan)
    # Means of blocks from running sums; the last block is a whole one too, which changes its weight a little.
    sums = np.cumsum(np.pad(values, ((0, 0), (1, 0))), axis=1)
    return np.asarray(((sums[:, block:] - sums[:, :-block]) / block)[:, starts].mean(axis=2))


def _sequence_draws(means: Values, sequences: list[str], random: np.random.Generator) -> Values:
    """(3, draws) means over the rows of drawn sequences; none for a single sequence."""
    names, index = np.unique(sequences, return_inverse=True)
    if len(names) < 2:
        return np.full((3, 1), np.nan)
    sums: npt.NDArray[Any] = np.stack([np.bincount(index, weights=row, minlength=len(names)) for row in means])
    counts = np.bincount(index, minlength=len(names))
    drawn = random.integers(0, len(names), size=(DRAWS, len(names)))
    return np.asarray(sums[:, drawn].sum(axis=2) / counts[drawn].sum(axis=1))


def _summary(values: Values, draws: Values) -> dict[str, Difference]:
    tail = (1 - CONFIDENCE) / 2 * 100
    low, high = np.percentile(draws, [tail, 100 - tail], axis=1)
    return {measure: Difference(float(values[k].mean()), float(low[k]), float(high[k])) for k, measure in enumerate(MEASURES)}
