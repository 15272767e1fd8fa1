from __future__ import annotations

import os
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
import torch

from segmo.device import PeakMemory, free_memory, pick_device
from segmo.errors import DeviceError, SettingsError


@pytest.fixture
def gpus(monkeypatch):
    """Pretend that there are GPUs of the given compute capabilities, and whether there is a Mac's GPU."""

    def pretend(*capabilities: int, mps: bool = False) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: bool(capabilities))
        monkeypatch.setattr(torch.cuda, "device_count", lambda: len(capabilities))
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda index: (capabilities[index], 0))
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda index: f"GPU {index}")
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda index: (7_000_000_000, 8_000_000_000))
        monkeypatch.setattr(torch.backends, "mps", SimpleNamespace(is_available=lambda: mps))

    return pretend


def test_auto_takes_the_gpu_and_says_why(gpus):
    gpus(9)
    device = pick_device()
    assert (device.name, device.precision, device.memory_bytes) == ("cuda:0", "bfloat16", 7_000_000_000)
    assert "GPU 0" in device.reason and "7.0 GB" in device.reason


def test_old_gpus_compute_in_float16(gpus):
    gpus(9, 7)
    assert pick_device("cuda:1").precision == "float16" and pick_device("cuda").name == "cuda:0"


def test_without_gpu_auto_takes_the_processor_and_says_why(gpus):
    gpus()
    device = pick_device()
    assert device.name == "cpu" and device.precision == "float32" and "no GPU was found" in device.reason
    gpus(mps=True)
    assert pick_device().name == "mps" and pick_device("mps").precision == "float32"


@pytest.mark.parametrize("requested", ["cuda", "cuda:0", "mps"])
def test_a_requested_device_that_is_absent_is_an_error_that_says_what_to_do(gpus, requested):
    gpus()
    with pytest.raises(DeviceError, match=rf"{requested} is not there.*--device cpu"):
        pick_device(requested)


def test_a_gpu_beyond_the_last_is_an_error(gpus):
    gpus(9)
    with pytest.raises(DeviceError, match="sees 1 CUDA device"):
        pick_device("cuda:1")


@pytest.mark.parametrize("requested", ["gpu", "", "cuda:", "cuda:x", "CPU"])
def test_an_unknown_name_lists_the_known(requested):
    with pytest.raises(SettingsError, match="auto, cpu, mps"):
        pick_device(requested)


def test_models_that_need_no_gpu_do_not_import_torch():
    code = (
        "import sys; from segmo.device import pick_device; "
        "print(pick_device(gpu_helps=False).name, pick_device('cpu').name, 'torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "cpu cpu False\n"


def test_free_memory_is_that_of_a_computer():
    assert 1e7 < free_memory() < 1e14


def test_peak_memory_is_that_of_the_time_it_watches():
    """In a process of its own: that of the tests holds and gives back memory as it likes."""
    code = """if True:
        import time
        import numpy as np
        from segmo.device import PeakMemory
        idle, peak, after = PeakMemory(), PeakMemory(), PeakMemory()
        with idle:
            pass
        with peak:
            held = np.ones(30_000_000)  # 240 MB
            time.sleep(0.5)  # many looks, however busy the computer
            del held
        with after:
            pass
        print(idle.process_mb, peak.process_mb, after.process_mb, peak.gpu_mb)
    """
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60).stdout
    idle, peak, after, gpu = map(int, told.split())
    assert idle > 10 and 150 < peak - idle < 400 and gpu == 0
    assert after < peak - 150, "what was held before does not count"


def test_peak_memory_counts_what_torch_holds_on_a_gpu(monkeypatch):
    cuda = SimpleNamespace(is_initialized=lambda: True, reset_peak_memory_stats=lambda: None, max_memory_allocated=lambda: 3_000_000_000)
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))
    with PeakMemory() as peak:
        pass
    assert peak.gpu_mb == 3000


KILLED = """
import os, time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from segmo.device import begin_worker

if __name__ == "__main__":
    pool = ProcessPoolExecutor(1, get_context("spawn"), begin_worker)
    print(pool.submit(os.getpid).result(), flush=True)
    pool.submit(time.sleep, 600)
    time.sleep(600)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="whether a process still runs is read from /proc")
def test_the_workers_of_a_killed_process_do_not_go_on(tmp_path):
    """A renderer that was killed would else work on for an hour."""
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True, env=environment) as process:
        worker = int(process.stdout.readline())
        assert runs(worker)
        process.kill()
    end = time.monotonic() + 20
    while runs(worker) and time.monotonic() < end:
        time.sleep(0.05)
    assert not runs(worker)


def runs(pid: int) -> bool:
    """Whether a process works: one that has ended may wait for somebody to ask how."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
