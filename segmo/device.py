"""Which device computes, in which precision and with how much memory, and why. torch is imported only when a GPU could matter."""

from __future__ import annotations

import ctypes
import multiprocessing
import multiprocessing.process
import os
import re
import resource
import sys
import threading
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segmo.errors import DeviceError, SettingsError

PRECISIONS = ("float32", "bfloat16", "float16")
"""What networks can compute in."""
SWITCH_INTERVAL_S = 5e-4
"""For `sys.setswitchinterval` where segmo owns the process: a tenth of Python's own, so that threads wait less for each other between two
calls into numpy or OpenCV. A clip of 60 frames takes 8.5 instead of 9.0 s on two cores, as torch is imported beside dense flow."""
_LOOK_S = 0.05
_NAMES = re.compile(r"auto|cpu|mps|cuda(:\d+)?")


@dataclass(frozen=True)
class Device:
    """Where models compute."""

    name: str
    """As torch spells it: `cpu`, `cuda:0`, `mps`."""
    precision: str
    """One of `PRECISIONS`: what networks compute in."""
    memory_bytes: int
    """Memory that is free there at present."""
    reason: str
    """Why this one, as a sentence for the user."""

    def precision_among(self, precisions: Collection[str]) -> str:
        """What a network computes in that only these suit: the device's own, or else float32."""
        return self.precision if self.precision in precisions else "float32"


def pick_device(requested: str = "auto", *, gpu_helps: bool = True) -> Device:
    """The device to compute on.

    Args:
        requested: `auto`, `cpu`, `mps`, `cuda` or `cuda:N`.
        gpu_helps: whether the models can use a GPU; if not, `auto` takes the processor without looking for one.

    Raises:
        SettingsError: no device is called that.
        DeviceError: the requested device is not there.
    """
    if not _NAMES.fullmatch(requested):
        raise SettingsError(f"The device is {requested!r}. Choose auto, cpu, mps, cuda or cuda:N, for example cuda:0.")
    if requested == "cpu":
        return _cpu("the processor was asked for.")
    if requested == "auto" and not gpu_helps:
        return _cpu("these models need no GPU.")
    import torch

    if requested == "auto":
        if torch.cuda.is_available():
            return _cuda(torch, 0, "it is the first GPU")
        if torch.backends.mps.is_available():
            return _mps("it is this machine's GPU.")
        return _cpu("no GPU was found.")
    if requested == "mps":
        if not torch.backends.mps.is_available():
            raise DeviceError("The device mps is not there: this is no Mac with a GPU that torch can use. Choose --device cpu or auto.")
        return _mps("it was asked for.")
    index = int(requested.partition(":")[2] or 0)
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if index >= count:
        found = f"torch {torch.__version__} sees {count} CUDA device{'s' if count != 1 else ''}"
        raise DeviceError(f"The device {requested} is not there: {found}. Choose --device cpu or auto, or install a CUDA build of torch.")
    return _cuda(torch, index, "it was asked for")


def may_have_cuda() -> bool:
    """Whether an NVIDIA driver, or a ZeroGPU Space, makes a GPU likely; torch, which takes seconds to import, is not asked."""
    return os.environ.get("SPACES_ZERO_GPU", "").lower() in ("1", "t", "true") or _has_driver()


def has_cuda() -> bool:
    """Whether there is a GPU that torch can use."""
    if not may_have_cuda():
        return False
    import torch

    return bool(torch.cuda.is_available())


def _has_driver() -> bool:
    try:
        ctypes.CDLL("nvcuda.dll" if os.name == "nt" else "libcuda.so.1")
    except OSError:
        return False
    return True


class PeakMemory:
    """The most memory that this process, and torch on its CUDA device, held while a `with` lasted; the most of all, if used again.

    The process is looked at from a thread, many times a second: the system's own peak is that of the process since it began.
    """

    def __init__(self) -> None:
        self.process_mb = 0
        """Resident memory in megabytes of 10^6 bytes."""
        self.gpu_mb = 0
        """Allocated by tensors, in megabytes of 10^6 bytes; 0 where CUDA is not used."""

    def __enter__(self) -> PeakMemory:
        cuda = used_cuda()
        if cuda:
            cuda.reset_peak_memory_stats()
        self._done = threading.Event()
        self._look()
        threading.Thread(target=self._watch, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._look()
        cuda = used_cuda()
        if cuda:
            self.gpu_mb = max(self.gpu_mb, round(cuda.max_memory_allocated() / 1e6))

    def _watch(self) -> None:
        while not self._done.wait(_LOOK_S):
            self._look()

    def _look(self) -> None:
        self.process_mb = max(self.process_mb, round(_resident() / 1e6))


def _resident() -> int:
    """Bytes of main memory that this process holds; where the system does not tell, the most that it ever held."""
    pages = _read("/proc/self/statm").split()
    if len(pages) > 1:
        return int(pages[1]) * os.sysconf("SC_PAGE_SIZE")
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def begin_worker() -> None:
    """Begin a process of a pool: OpenCV keeps to one thread a call, and the process ends with the one that started it."""
    import cv2

    cv2.setNumThreads(1)
    end_with_parent()


def end_with_parent() -> None:
    """Let this process end as soon as the one that started it has ended, however that was: a pool's processes else go on working."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_after, args=(parent,), daemon=True).start()


def _end_after(parent: multiprocessing.process.BaseProcess) -> None:
    parent.join()
    os._exit(1)


def used_cuda() -> Any:
    """torch.cuda if this process computes on it, else None; torch is not imported for that."""
    cuda = getattr(sys.modules.get("torch"), "cuda", None)
    is_initialized = getattr(cuda, "is_initialized", None)  # torch has neither yet while a thread imports it
    return cuda if is_initialized and is_initialized() else None


def free_memory() -> int:
    """Bytes of main memory that this process may still take: what the system has free, or its container allows, if less."""
    page = os.sysconf("SC_PAGE_SIZE")
    free = page * os.sysconf("SC_AVPHYS_PAGES")
    for line in _read("/proc/meminfo").splitlines():
        if line.startswith("MemAvailable:"):
            free = int(line.split()[1]) * 1024
    limit, used = _read("/sys/fs/cgroup/memory.max").strip(), _read("/sys/fs/cgroup/memory.current").strip()
    if limit.isdigit() and used.isdigit():
        free = min(free, max(int(limit) - int(used), 0))
    return free


def _cpu(why: str) -> Device:
    memory = free_memory()
    return Device("cpu", "float32", memory, f"Computing on the processor with {memory / 1e9:.1f} GB free, because {why}")


def _cuda(torch: Any, index: int, why: str) -> Device:
    # bfloat16 keeps float32's range; GPUs before compute capability 8 emulate it slowly
    precision = "bfloat16" if torch.cuda.get_device_capability(index)[0] >= 8 else "float16"
    try:
        memory = int(torch.cuda.mem_get_info(index)[0])
    except RuntimeError:  # on ZeroGPU, before a GPU is lent
        memory = int(torch.cuda.get_device_properties(index).total_memory)
    name = torch.cuda.get_device_name(index)
    reason = f"Computing on {name} (cuda:{index}) in {precision} with {memory / 1e9:.1f} GB free, because {why}."
    return Device(f"cuda:{index}", precision, memory, reason)


def _mps(why: str) -> Device:
    memory = free_memory()
    return Device("mps", "float32", memory, f"Computing on the Mac's GPU with {memory / 1e9:.1f} GB free, because {why}")


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""
