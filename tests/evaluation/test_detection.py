"""Counts of found, split and merged objects and of false alarms, on volumes where they can be told by eye."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mask_trees import write_palette

from segmo.cli.main import main
from segmo.evaluation.detection import Detection, SequenceDetection, compare_volumes


def scene() -> np.ndarray:
    """Two squares of 10 x 10 pixels, ids 1 and 2, over 4 frames."""
    labels = np.zeros((4, 30, 40), np.uint8)
    labels[:, 5:15, 5:15] = 1
    labels[:, 5:15, 20:30] = 2
    return labels


def renumbered(labels: np.ndarray, table: dict[int, int]) -> np.ndarray:
    out = np.zeros_like(labels)
    for old, new in table.items():
        out[labels == old] = new
    return out


def halves() -> np.ndarray:
    labels = scene()
    labels[:, 10:15, 5:15] = 3
    return labels


@pytest.mark.parametrize(
    ("pred", "objects_found_split_merged"),
    [
        (scene(), (2, 2, 0, 0)),
        (renumbered(scene(), {1: 7, 2: 3}), (2, 2, 0, 0)),  # ids need not agree
        (renumbered(scene(), {1: 1, 2: 1}), (2, 0, 0, 2)),  # one object over both: neither is found, both are merged
        (halves(), (2, 1, 1, 0)),  # the first fell in two
        (renumbered(scene(), {1: 1}), (2, 1, 0, 0)),
        (np.zeros_like(scene()), (2, 0, 0, 0)),
    ],
)
def test_objects_of_two_squares(pred: np.ndarray, objects_found_split_merged: tuple[int, int, int, int]) -> None:
    assert compare_volumes(pred, scene()) == objects_found_split_merged


def test_specks_do_not_count() -> None:
    truth = np.zeros((4, 100, 100), np.uint8)
    truth[:, 0, :3] = 1
    assert compare_volumes(truth, truth)[0] == 0


def test_an_object_is_as_large_as_it_is_where_it_is_seen() -> None:
    truth = np.zeros((4, 30, 40), np.uint8)
    truth[2, 5, 5:8] = 1  # three of 1200 pixels, in one frame of four
    assert compare_volumes(truth, truth) == (1, 1, 0, 0)


def test_what_lies_mostly_elsewhere_is_no_part_of_an_object() -> None:
    pred = halves()
    pred[:, 15:, :] = 3  # all the ground below, and the lower half of the first
    assert compare_volumes(pred, scene()) == (2, 1, 0, 0)


def test_ids_that_change_half_way_are_a_split() -> None:
    pred = scene()
    pred[2:][pred[2:] == 1] = 9
    assert compare_volumes(pred, scene())[2] == 1


def test_a_single_object_is_a_hit_or_a_false_alarm_and_what_hardly_moves_is_neither() -> None:
    shares_and_predicted = [(0.0, 1), (0.0, 0), (0.0, 0), (0.0, 0), (0.01, 1), (0.5, 0), (0.009, 0)]
    rows = tuple(SequenceDetection(str(k), share, predicted, 0, 0, 0, 0) for k, (share, predicted) in enumerate(shares_and_predicted))
    summary = Detection(rows).summary()
    assert (summary["still_sequences"], summary["false_alarms"]) == (4, 0.25)
    assert (summary["moving_sequences"], summary["hits"]) == (2, 0.5)


def strict(text: str) -> dict[str, Any]:
    """What a parser reads that knows no NaN."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    content: dict[str, Any] = json.loads(text, parse_constant=refuse)
    return content


def detect(tmp_path: Path) -> int:
    return main(["evaluate", "detection", "--pred", str(tmp_path / "pred"), "--gt", str(tmp_path / "gt"), "--json", "--out", str(tmp_path)])


def test_void_pixels_are_neither_objects_nor_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    void = scene()
    void[:, 20:] = 255
    pred = scene()
    pred[:, 22:] = 9
    for name, truth, found in (("a", void, pred), ("b", np.where(void == 255, void, 0), np.where(pred == 9, pred, 0))):
        write_palette(tmp_path / "gt/Annotations_unsupervised/480p" / name, truth)
        write_palette(tmp_path / "pred" / name, found)
    assert detect(tmp_path) == 0
    rows = strict(capsys.readouterr().out)["rows"]
    assert [(row["predicted"], row["objects"], row["found"]) for row in rows] == [(2, 2, 2), (0, 0, 0)]
    assert rows[1]["moving_share"] == 0.0


def test_rates_of_nothing_are_null_in_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_palette(tmp_path / "gt/Annotations/480p/a", np.zeros_like(scene()))
    write_palette(tmp_path / "pred/a", np.zeros_like(scene()))
    assert detect(tmp_path) == 0
    summary = strict(capsys.readouterr().out)["summary"]
    assert summary == strict((tmp_path / "detection.json").read_text())["summary"]
    assert (summary["false_alarms"], summary["hits"], summary["found"], summary["split_or_merged"]) == (0.0, None, None, None)


def test_the_command_tells_false_alarms_from_misses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    still, speck = np.zeros_like(scene()), np.zeros_like(scene())
    speck[:, 25:28, 25:28] = 1
    for name, truth, pred in (("a", scene(), scene()), ("b", scene(), still), ("c", still, speck), ("d", still, still)):
        write_palette(tmp_path / "gt/Annotations/480p" / name, truth)
        write_palette(tmp_path / "pred" / name / "masks", pred)
    assert detect(tmp_path) == 0
    summary = json.loads(capsys.readouterr().out)["summary"]
    assert summary["still_sequences"] == summary["moving_sequences"] == 2
    assert summary["false_alarms"] == summary["hits"] == 0.5
    assert (summary["objects"], summary["found"], summary["split_or_merged"]) == (4, 0.5, 0.0)
    assert json.loads((tmp_path / "detection.json").read_text())["summary"] == summary
