"""Work over frames on all cores, with results that do not depend on how many cores there are.

OpenCV splits one call over its own threads, and dense flow then differs at the seams by the number of threads. One thread a call and
many calls side by side is both repeatable and faster, since neighbouring frames need nothing from each other.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import cv2

Item = TypeVar("Item")
Answer = TypeVar("Answer")


@contextmanager
def single_threaded_cv2() -> Iterator[None]:
    """Keep OpenCV to one thread a call within the block."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


def parallel_map(function: Callable[[Item], Answer], items: Iterable[Item]) -> Iterator[Answer]:
    """Answers of `function` in the order of `items`, computed by as many threads as there are cores, few items ahead."""
    workers = os.cpu_count() or 1
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
