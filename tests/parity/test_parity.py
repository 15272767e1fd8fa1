"""Our models and rules against what the published ones gave, and the command that compares them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from parity.common import random_weights
from parity.packs import PACKS, checker, find_packs, run

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("kind", PACKS)
def test_agrees_with_the_published_implementation(shared, kind):
    check = checker(kind)
    if check is None:
        pytest.skip(f"{kind} is not implemented yet")
    results = list(check(shared / "parity" / kind))
    assert results
    assert [result for result in results if not result.passed] == []


def test_every_pack_below_a_directory_is_found(shared):
    assert {pack.kind for pack in find_packs(shared)} == set(PACKS)
    assert [pack.kind for pack in find_packs(shared / "parity" / "moseg")] == ["moseg"]


@pytest.fixture
def moseg(shared, tmp_path) -> Path:
    """A writable copy of the smallest pack of a network, somewhere else."""
    shutil.copytree(shared / "parity" / "moseg", tmp_path / "elsewhere" / "moseg", copy_function=shutil.copyfile)
    return tmp_path / "elsewhere" / "moseg"


def test_the_command_reports_each_case_and_fails_on_a_deviation(moseg):
    command = [sys.executable, "-m", "tests.parity", str(moseg.parent)]
    good = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY)
    assert good.returncode == 0, good.stderr
    assert sum(line.startswith("moseg: gain2 logits: ") and line.endswith(": ok") for line in good.stdout.splitlines()) == 1
    assert good.stdout.splitlines()[-1] == "17 cases, 0 exceeded, 0 of 1 packs not implemented"
    arrays = dict(np.load(moseg / "moseg.npz"))
    arrays["logits_all_visible"][0, 3] += 1e-4
    np.savez(moseg / "moseg.npz", **arrays)
    bad = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY)
    assert bad.returncode == 1
    assert [line.split(": ")[1] for line in bad.stdout.splitlines() if ": exceeded" in line] == ["all_visible logits"]


def test_a_result_that_is_not_a_number_is_a_deviation(moseg):
    arrays = dict(np.load(moseg / "moseg.npz"))
    arrays["logits_normal"][0, 0] = np.nan
    np.savez(moseg / "moseg.npz", **arrays)
    lines: list[str] = []
    assert not run(moseg, lines.append)
    assert next(line for line in lines if "exceeded" in line).startswith("moseg: normal logits: nan")


def test_what_does_not_exist_yet_is_said_and_does_not_fail(moseg, monkeypatch):
    monkeypatch.setitem(PACKS, "future", "future.json")
    (moseg.parent / "future.json").write_text("{}")
    lines: list[str] = []
    assert run(moseg.parent, lines.append)
    assert "future: not implemented" in lines and lines[-1].endswith("1 of 2 packs not implemented")


def test_a_directory_without_packs_is_refused(tmp_path):
    done = subprocess.run([sys.executable, "-m", "tests.parity", str(tmp_path)], capture_output=True, text=True, cwd=REPOSITORY)
    assert done.returncode == 2 and "no pack" in done.stderr


def test_another_seed_gives_other_weights_and_a_wrong_checksum_is_noticed(moseg):
    manifest = json.loads((moseg / "manifest.json").read_text())
    manifest["seed"] = 1
    (moseg / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ValueError, match="checksum"):
        random_weights(moseg / "manifest.json")
