"""Work side by side: order, errors, and how many threads that takes where a container or the shell allows fewer cores than there are."""

from __future__ import annotations

import os
import subprocess
import sys

import cv2
import pytest
import torch

from segmo import parallel
from segmo.networks.precision import place
from segmo.parallel import core_count, parallel_map


@pytest.fixture
def container(tmp_path, monkeypatch):
    """Pretend that the control group of this process has these files."""

    def pretend(files: dict[str, str]) -> None:
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(text)
        monkeypatch.setattr(parallel, "_CONTROL_GROUP", tmp_path)

    return pretend


def test_parallel_map_keeps_order_and_passes_errors_on() -> None:
    assert list(parallel_map(lambda n: n * n, range(50))) == [n * n for n in range(50)]
    with pytest.raises(ZeroDivisionError):
        list(parallel_map(lambda n: 1 // n, [1, 0, 2]))


def test_two_at_once_keep_opencv_to_one_thread_until_the_last_has_ended_whichever_that_is() -> None:
    before = cv2.getNumThreads()
    try:
        cv2.setNumThreads(4)
        first, second = (parallel_map(str, range(50)) for _ in range(2))
        next(first), next(second)
        first.close()
        assert cv2.getNumThreads() == 1, "the second still runs"
        second.close()
        assert cv2.getNumThreads() == 4
    finally:
        cv2.setNumThreads(before)


@pytest.fixture
def eight_cores(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({"cpu.max": "200000 100000\n"}, 2),
        ({"cpu.max": "150000 100000\n"}, 2),
        ({"cpu.max": "5000 100000\n"}, 1),
        ({"cpu.max": "max 100000\n"}, 8),
        ({"cpu.max": "3200000 100000\n"}, 8),
        ({"cpu.max": "nonsense"}, 8),
        ({"cpu/cpu.cfs_quota_us": "300000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 3),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 8),
        ({}, 8),
    ],
)
def test_a_container_that_may_use_a_part_of_the_machine_gets_as_many_threads(container, eight_cores, files, cores):
    container(files)
    assert core_count() == cores


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system does not bind processes to cores")
def test_a_process_that_is_bound_to_one_core_takes_one_thread():
    code = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); from segmo.parallel import core_count; print(core_count())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"


def test_torch_keeps_to_the_cores_of_a_container(container, eight_cores):
    before = torch.get_num_threads()
    container({"cpu.max": "100000 100000"})
    try:
        torch.set_num_threads(4)
        place("cpu")
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)
