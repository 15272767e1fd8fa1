"""What an evaluation found, as values, tables and files."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from segmo.errors import DataError
from segmo.evaluation.metrics import Statistics, Values, statistics
from segmo.files import write_text

GLOBAL_COLUMNS = ("J&F-Mean", "J-Mean", "J-Recall", "J-Decay", "F-Mean", "F-Recall", "F-Decay")
SEQUENCE_COLUMNS = ("Sequence", "J-Mean", "F-Mean")
"""Columns of the tables of the published DAVIS evaluation."""
FILE_NAME = "evaluation.json"


@dataclass(frozen=True, eq=False)
class Scores:
    """J and F of one row of the table: a sequence, or one annotated object of it."""

    name: str
    """Name of the row."""
    sequence: str
    frames: tuple[str, ...]
    """T names of the evaluated frames."""
    j: Values
    """(T,) region similarity."""
    f: Values
    """(T,) boundary measure."""

    @cached_property
    def region(self) -> Statistics:
        """Mean, recall and decay of J."""
        return statistics(self.j)

    @cached_property
    def boundary(self) -> Statistics:
        """Mean, recall and decay of F."""
        return statistics(self.f)

    def measures(self) -> dict[str, float]:
        """Every column of the global table, for this row."""
        j, f = self.region, self.boundary
        return dict(zip(GLOBAL_COLUMNS, ((j.mean + f.mean) / 2, j.mean, j.recall, j.decay, f.mean, f.recall, f.decay), strict=True))


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The outcome of a protocol."""

    protocol: str
    """"mos" or "davis17"."""
    frames: str
    """"all", or "inner" without the first and last frame of each sequence."""
    rows: tuple[Scores, ...]

    def overall(self) -> dict[str, float]:
        """Plain mean over the rows of each column."""
        measures = [row.measures() for row in self.rows]
        return {column: float(np.mean([row[column] for row in measures])) for column in GLOBAL_COLUMNS}

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        rows = [
            {"name": row.name, "sequence": row.sequence, **row.measures(), "frames": row.frames, "J": row.j.tolist(), "F": row.f.tolist()}
            for row in self.rows
        ]
        return {"protocol": self.protocol, "frames": self.frames, "overall": self.overall(), "rows": rows}


def write_tables(evaluation: Evaluation, directory: Path) -> None:
    """Write `table_g.csv` and `table_seq.csv`, as the published evaluation does, and everything in `evaluation.json`.

    Raises:
        OutputError: the directory cannot be written.
    """
    overall = evaluation.overall()
    write_text(directory / "table_g.csv", _csv(GLOBAL_COLUMNS, [[overall[column] for column in GLOBAL_COLUMNS]]))
    write_text(
        directory / "table_seq.csv", _csv(SEQUENCE_COLUMNS, [[row.name, row.region.mean, row.boundary.mean] for row in evaluation.rows])
    )
    write_text(directory / FILE_NAME, json.dumps(evaluation.to_dict(), indent=1))


def load_evaluation(path: Path) -> Evaluation:
    """Read `evaluation.json`, or the one in a folder.

    Raises:
        DataError: it is missing or was not written by `write_tables`.
    """
    file = path / FILE_NAME if path.is_dir() else path
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        rows = tuple(
            Scores(row["name"], row["sequence"], tuple(row["frames"]), np.array(row["J"], np.float64), np.array(row["F"], np.float64))
            for row in content["rows"]
        )
        return Evaluation(content["protocol"], content["frames"], rows)
    except FileNotFoundError as error:
        raise DataError(f"There is no evaluation {file}. Make one with `python -m segmo evaluate mos ... --out {file.parent}`.") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{file} is not an evaluation ({error!r}). Give the folder that `evaluate --out` or `benchmark --out` wrote."
        ) from error


def or_none(value: float) -> float | None:
    """A number for JSON, which knows no NaN: None in its place."""
    return None if math.isnan(value) else value


def _csv(columns: Sequence[str], rows: Sequence[Sequence[str | float]]) -> str:
    content = io.StringIO()
    writer = csv.writer(content, lineterminator="\n")  # quotes names with commas
    writer.writerow(columns)
    writer.writerows([value if isinstance(value, str) else _number(value) for value in row] for row in rows)
    return content.getvalue()


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.9f}"
