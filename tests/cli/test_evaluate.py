"""The commands that measure, as their users see them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from mask_trees import moving_square, write_grey, write_palette

from segmo.cli.main import main


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    truth = moving_square(24, step=1)
    for name in ("a", "b"):
        write_grey(tmp_path / "gt" / name, truth)
        write_palette(tmp_path / "first" / name, np.roll(truth, 3, axis=2))
        write_palette(tmp_path / "second" / name, np.roll(truth, 1, axis=2))
    return tmp_path


def evaluate(tree: Path, pred: str, *flags: str, protocol: str = "mos") -> int:
    return main(["evaluate", protocol, "--pred", str(tree / pred), "--gt", str(tree / "gt"), *flags])


def test_mos_prints_the_global_row_and_a_row_a_sequence(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate(tree, "first") == 0
    header, overall, *rows = capsys.readouterr().out.splitlines()
    assert header.split() == ["J&F-Mean", "J-Mean", "J-Recall", "J-Decay", "F-Mean", "F-Recall", "F-Decay", "frames"]
    assert overall.split()[0] == "all" and overall.split()[2] == "0.6000" and overall.split()[-1] == "48"
    assert [row.split()[0] for row in rows] == ["a", "b"]


def test_lists_inner_frames_and_json(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tree / "list.txt").write_text("b\n")
    assert evaluate(tree, "first", "--sequences", str(tree / "list.txt"), "--frames", "inner", "--json") == 0
    content = json.loads(capsys.readouterr().out)
    assert [(row["name"], len(row["frames"])) for row in content["rows"]] == [("b", 22)]


def test_davis17_has_a_row_an_object(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a", "b"):
        write_palette(tree / "gt" / name, moving_square(24, step=1).astype(np.uint8))
    assert evaluate(tree, "second", protocol="davis17") == 0
    assert [row.split()[0] for row in capsys.readouterr().out.splitlines()[1:]] == ["all", "a_1", "b_1"]


def test_compare_tells_which_run_is_better(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for run in ("first", "second"):
        assert evaluate(tree, run, "--out", str(tree / "scores" / run)) == 0
    capsys.readouterr()
    assert main(["evaluate", "compare", str(tree / "scores/first"), str(tree / "scores/second")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["B", "-", "A", "J&F", "J", "F"]
    assert lines[1].startswith("all") and "+0.2462 [+0.2462, +0.2462]*" in lines[1]
    assert main(["evaluate", "compare", str(tree / "scores/first"), str(tree / "scores/second"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["overall"]["J"][0] == pytest.approx(11 / 13 - 0.6)


def test_wrong_data_are_exit_code_2_and_name_the_file(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tree / "first/b/00007.png").write_bytes(b"torn")
    assert evaluate(tree, "first") == 2
    assert "b/00007.png cannot be read" in capsys.readouterr().err
    assert main(["evaluate", "compare", str(tree / "gt"), str(tree / "gt")]) == 2
    assert "There is no evaluation" in capsys.readouterr().err
