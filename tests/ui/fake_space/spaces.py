"""Stands in for the package `spaces` of a ZeroGPU Space, in a process of its own: lends a GPU that computes nothing.

As there, a decorated generator runs in a thread of a forked process; its arguments and what it yields are pickled, what it returns is
lost, of an error only the name comes back, closing it ends the work at its next yield, and CUDA must not be touched elsewhere.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import pickle
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import gradio as gr

assert "torch" not in sys.modules, "spaces must be imported before torch"
import torch  # noqa: E402

FORK = multiprocessing.get_context("fork")


def _refuse() -> None:
    raise RuntimeError("Low-level CUDA init reached")


torch.cuda.is_available = lambda: True
torch.cuda._lazy_init = _refuse


def note(**facts: Any) -> None:
    """Write down what happened, for the test."""
    with open(os.environ["FAKE_SPACE_LOG"], "a") as log:
        log.write(json.dumps(facts) + "\n")


def noted(start: int = 0) -> list[dict[str, Any]]:
    path = Path(os.environ["FAKE_SPACE_LOG"])
    return [json.loads(line) for line in path.read_text().splitlines()[start:]] if path.exists() else []


def GPU(task: Any = None, *, duration: Any = 60) -> Any:
    """The decorator."""
    if task is None:
        return lambda task: GPU(task, duration=duration)

    def call(*arguments: Any) -> Iterator[Any]:
        seconds = duration(*arguments) if callable(duration) else duration
        if seconds > float(os.environ.get("FAKE_SPACE_QUOTA", "60")):
            raise gr.Error(
                f"You have exceeded your free ZeroGPU quota ({seconds}s requested). <a href='/'>Sign up</a>", title="ZeroGPU quota exceeded"
            )
        ours, theirs = FORK.Pipe(duplex=False)
        stop = FORK.Event()
        worker = FORK.Process(target=_work, args=(task, pickle.dumps(arguments), theirs, stop), daemon=True)
        worker.start()
        theirs.close()
        note(call=True, seconds=seconds, pid=worker.pid)
        try:
            while (answer := pickle.loads(ours.recv_bytes())) is not None:
                if isinstance(answer, Exception):
                    raise gr.Error(type(answer).__name__, title="ZeroGPU worker error")
                yield answer[0]
        except GeneratorExit:
            stop.set()
            raise
        finally:
            ours.close()
            worker.join(20)

    return call


def _work(task: Callable[..., Iterator[Any]], arguments: bytes, theirs: Any, stop: Any) -> None:
    torch.cuda._lazy_init = lambda: None
    with ThreadPoolExecutor() as executor:
        executor.submit(_iterate, task, arguments, theirs, stop).result()


def _iterate(task: Callable[..., Iterator[Any]], arguments: bytes, theirs: Any, stop: Any) -> None:
    steps = task(*pickle.loads(arguments))
    last: Any = None
    try:
        for answer in steps:
            if stop.is_set():
                steps.close()
                return
            theirs.send_bytes(pickle.dumps((answer,)))
            time.sleep(0.01)  # so that a stop is seen soon after it is set
    except Exception as error:
        last = error
    theirs.send_bytes(pickle.dumps(last))
