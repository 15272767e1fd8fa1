"""Seconds and memory, on a processor or a GPU."""

from __future__ import annotations

import resource
import sys
import time

import torch


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


class Clock:
    """Wall seconds of what a device was given to do, CPU seconds of all threads, and the most memory meanwhile."""

    def __init__(self, device: str) -> None:
        self._cuda = device.startswith("cuda")
        self.start()

    def start(self) -> None:
        """From now on."""
        if self._cuda:
            torch.cuda.synchronize()
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def seconds(self) -> float:
        """Wall seconds since the start, once the device is done."""
        if self._cuda:
            torch.cuda.synchronize()
        return time.perf_counter() - self._wall

    def cost(self) -> float:
        """What work costs that shares its device with nobody: wall seconds on a GPU, CPU seconds on a processor, which others disturb."""
        seconds = self.seconds()
        return seconds if self._cuda else time.process_time() - self._cpu


def peak_gb(device: str) -> float:
    """Most memory of tensors on a GPU since the clock was started, or of this process since it began."""
    if device.startswith("cuda"):
        return torch.cuda.max_memory_allocated() / 1e9
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
