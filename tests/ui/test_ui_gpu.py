"""Where stages run on a Space that lends GPUs: the app in a process of its own, with a stand-in for `spaces` that forks and pickles."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from segmo.ui import cost

REPOSITORY = Path(__file__).resolve().parents[2]
FAKE_SPACE = Path(__file__).with_name("fake_space")
TIMEOUT_S = 240


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What visitors saw, and what the Space noted."""
    folder = tmp_path_factory.mktemp("space")
    environment = {
        **os.environ,
        "SPACES_ZERO_GPU": "true",
        "SEGMO_CACHE": str(folder / "cache"),
        "FAKE_SPACE_LOG": str(folder / "log"),
        "PYTHONPATH": os.pathsep.join([str(FAKE_SPACE), str(REPOSITORY)]),
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, str(FAKE_SPACE / "visit.py"), str(REPOSITORY / "examples")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


def calls(visit: dict[str, Any]) -> list[dict[str, Any]]:
    return [row for row in visit["noted"] if "call" in row]


def test_models_for_the_gpu_are_loaded_before_serving_and_by_nobody_else(seen: dict[str, Any]) -> None:
    assert {row["loaded"] for row in seen["start"]} == {"depth/gpu", "features/gpu", "motion/gpu", "masks/gpu"}
    assert not [row for row in seen["first"]["noted"] if row.get("loaded", "").endswith("/gpu")]


def test_each_stage_whose_model_needs_a_gpu_is_lent_one_for_less_than_a_minute(seen: dict[str, Any]) -> None:
    assert "Done" in seen["first"]["message"] and 'data-step="masks" data-state="done"' in seen["first"]["steps"]
    assert len(calls(seen["first"])) == 4 and seen["pid"] not in [call["pid"] for call in calls(seen["first"])]
    assert all(cost.GPU_SECONDS[0] <= call["seconds"] <= 60 for call in calls(seen["first"]))


def test_the_page_says_beforehand_what_is_asked_for(seen: dict[str, Any]) -> None:
    asked = sum(call["seconds"] for call in calls(seen["first"]))
    assert f"at most {asked} s of your GPU quota" in seen["note"] and "quota" not in seen["lite_note"]


@pytest.mark.parametrize("visit", ["lite", "again"])
def test_no_gpu_is_asked_for_what_is_cached_or_lite(seen: dict[str, Any], visit: str) -> None:
    assert "Done" in seen[visit]["message"] and calls(seen[visit]) == []


def test_no_gpu_is_asked_for_masks_where_nothing_moves(seen: dict[str, Any]) -> None:
    assert "Done" in seen["still"]["message"] and len(calls(seen["still"])) == 3


def test_a_new_threshold_is_decided_by_the_server_itself(seen: dict[str, Any]) -> None:
    assert [row["decided"] for row in seen["threshold"]["noted"] if "decided" in row] == [seen["pid"]]
    assert len(calls(seen["threshold"])) == 1, "the masks alone"
    assert 'data-step="features" data-state="cached"' in seen["threshold"]["steps"]


def test_stop_ends_the_work_on_the_gpu_and_gives_it_back(seen: dict[str, Any]) -> None:
    assert {"closed": "depth"} in seen["stopped"]["noted"] and len(calls(seen["stopped"])) == 1
    assert seen["stopped"]["alive"] == []


def test_errors_come_back_from_the_gpu_in_words(seen: dict[str, Any]) -> None:
    assert "This computer cannot run that" in seen["refused"]["message"] and "Five frames are too many" in seen["refused"]["message"]
    assert "ZeroGPU worker error: KeyError" in seen["bug"]["message"] and "preset lite" in seen["bug"]["message"]
    assert "The lent GPU could not finish this run" in seen["bug"]["message"]
    assert (
        'data-step="depth" data-state="done"' in seen["bug"]["steps"] and 'data-step="features" data-state="failed"' in seen["bug"]["steps"]
    )


def test_a_stage_too_long_for_a_loan_is_told_before_the_run_and_costs_no_quota(seen: dict[str, Any]) -> None:
    for words in ("note", "pressed", "message"):
        assert "Features would take about" in seen["too_long"][words] and "Set maximum frames to" in seen["too_long"][words]
    assert not seen["too_long"]["allowed"]
    assert len(calls(seen["too_long"])) == 1, "depth alone, where the run was forced"


def test_a_visitor_without_quota_is_told_so(seen: dict[str, Any]) -> None:
    told = seen["no_quota"]["message"]
    assert "ZeroGPU quota exceeded: You have exceeded your free ZeroGPU quota" in told and "href" not in told
    assert "No GPU time is left for this run" in told and "This computer" not in told
