"""Work over frames on all cores, with results that do not depend on how many cores there are.

OpenCV splits one call over its own threads, and dense flow then differs at the seams by the number of threads. One thread a call and
many calls side by side is both repeatable and faster, since neighbouring frames need nothing from each other.
"""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import TypeVar

import cv2

Item = TypeVar("Item")
Answer = TypeVar("Answer")

_CONTROL_GROUP = Path("/sys/fs/cgroup")


def core_count() -> int:
    """How many cores this process may use: those it is bound to, and no more than its container's share of the machine, rounded up.

    `os.cpu_count` tells how many the machine has. More threads than that share takes are stopped for most of the time, and hold memory.
    """
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min(bound, _share_of_cores())))


def _share_of_cores() -> float:
    """Cores that the control group of a container may use at a time, by its second or first version; infinite where it says nothing."""
    try:
        if (_CONTROL_GROUP / "cpu.max").is_file():
            quota, period = (_CONTROL_GROUP / "cpu.max").read_text().split()
        else:
            quota, period = ((_CONTROL_GROUP / "cpu" / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        return int(quota) / int(period) if int(quota) > 0 else math.inf
    except (OSError, ValueError, ZeroDivisionError):  # no container, or "max": no limit
        return math.inf


class _SingleThread:
    """Keeps OpenCV, whose number of threads is one for the whole process, to one from the first of those who want it to the last."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._users, self._before = 0, 1

    def enter(self) -> None:
        with self._lock:
            if self._users == 0:
                self._before = cv2.getNumThreads()
                cv2.setNumThreads(1)
            self._users += 1

    def leave(self) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                cv2.setNumThreads(self._before)


_single_thread = _SingleThread()


@contextmanager
def single_threaded_cv2() -> Iterator[None]:
    """Keep OpenCV to one thread a call within the block, and within all such blocks that overlap with it, in whatever order they end."""
    _single_thread.enter()
    try:
        yield
    finally:
        _single_thread.leave()


def parallel_map(function: Callable[[Item], Answer], items: Iterable[Item]) -> Iterator[Answer]:
    """Answers of `function` in the order of `items`, computed by a thread for each core there is, few items ahead."""
    workers = core_count()
    with single_threaded_cv2(), ThreadPoolExecutor(workers) as pool:
        pending: deque[Future[Answer]] = deque()
        try:
            for item in items:
                pending.append(pool.submit(function, item))
                if len(pending) > 2 * workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()
