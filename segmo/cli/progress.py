"""How `run` tells what happens: bars for people, JSON lines for machines, or nothing."""

from __future__ import annotations

import json
import logging
import sys
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from segmo.pipeline import StageEvent
    from segmo.types import Product, Steps


class Reporter(Protocol):
    """Told of everything, in order; `clip` is the name meant for the clip's outputs."""

    def __enter__(self) -> Reporter: ...

    def __exit__(self, *_: object) -> None: ...

    def say(self, text: str) -> None:
        """Something for the user to know that is no result."""
        ...

    def event(self, clip: str, event: StageEvent) -> None:
        """A stage went on."""
        ...

    def finished(self, clip: str, sentence: str, values: dict[str, Any]) -> None:
        """A clip is done: in words, and as values."""
        ...

    def failed(self, clip: str, error: Exception) -> None:
        """A clip failed."""
        ...


class Quiet:
    """Only errors, on standard error."""

    def __enter__(self) -> Reporter:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def say(self, text: str) -> None:
        pass

    def event(self, clip: str, event: StageEvent) -> None:
        pass

    def finished(self, clip: str, sentence: str, values: dict[str, Any]) -> None:
        pass

    def failed(self, clip: str, error: Exception) -> None:
        print(f"segmo: {clip}: {error}", file=sys.stderr)


class JsonLines(Quiet):
    """One JSON object a line on standard output, nothing else there."""

    def event(self, clip: str, event: StageEvent) -> None:
        seconds = round(event.seconds, 3)
        note = {"note": event.note} if event.note else {}
        self._line(clip=clip, stage=event.stage, status=event.status, fraction=round(event.fraction, 4), seconds=seconds, **note)

    def finished(self, clip: str, sentence: str, values: dict[str, Any]) -> None:
        self._line(clip=clip, status="finished", **values)

    def failed(self, clip: str, error: Exception) -> None:
        super().failed(clip, error)
        self._line(clip=clip, status="failed", error=type(error).__name__, message=str(error))

    def _line(self, **values: Any) -> None:
        print(json.dumps(values), flush=True)


class Bars:
    """A bar a stage on standard error while a clip runs, results on standard output."""

    def __init__(self) -> None:
        from rich.console import Console

        self._console = Console(stderr=True, highlight=False)
        self._progress: Progress | None = None
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Reporter:
        from rich.logging import RichHandler

        self._handlers = logging.root.handlers[:]  # log lines must go above the bars, not through them
        logging.root.handlers[:] = [RichHandler(console=self._console, show_time=False, show_path=False)]
        return self

    def __exit__(self, *_: object) -> None:
        self._remove_bars()
        logging.root.handlers[:] = self._handlers

    def say(self, text: str) -> None:
        self._console.print(text, markup=False, style="dim", soft_wrap=True)

    def event(self, clip: str, event: StageEvent) -> None:
        if self._progress is None:
            self._progress = self._new_bars()
        if event.stage not in self._tasks:
            self._tasks[event.stage] = self._progress.add_task(f"{clip} {event.stage}", total=1.0, state="")
        state = event.note or ("from cache" if event.status == "cached" else f"{event.seconds:.1f} s")
        self._progress.update(self._tasks[event.stage], completed=event.fraction, state=state)

    def finished(self, clip: str, sentence: str, values: dict[str, Any]) -> None:
        self._remove_bars()
        for warning in values["warnings"]:
            self.say(f"{clip}: {warning}")
        print(f"{clip}: {sentence}", flush=True)

    def failed(self, clip: str, error: Exception) -> None:
        self._remove_bars()
        self._console.print(f"segmo: {clip}: {error}", markup=False, style="red", soft_wrap=True)

    def _new_bars(self) -> Progress:
        from rich.progress import BarColumn, Progress, TextColumn

        columns = (TextColumn("{task.description:>22}"), BarColumn(30), TextColumn("{task.fields[state]}"))
        # Standard output stays what it is: it may be a file while the bars are on the terminal.
        progress = Progress(*columns, console=self._console, transient=True, redirect_stdout=False, disable=not self._console.is_terminal)
        progress.start()
        return progress

    def _remove_bars(self) -> None:
        if self._progress is not None:
            self._progress.stop()
        self._progress = None
        self._tasks.clear()


def reporter(*, as_json: bool, quiet: bool) -> Reporter:
    """The reporter that the flags ask for."""
    return JsonLines() if as_json else Quiet() if quiet else Bars()


def run_with_bar(label: str, steps: Steps[Product]) -> Product:
    """Run a job to its end behind one bar on standard error; returns what it returns."""
    from contextlib import closing

    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with closing(steps), Progress(console=console, transient=True, redirect_stdout=False, disable=not console.is_terminal) as progress:
        task = progress.add_task(label, total=1.0)
        while True:
            try:
                progress.update(task, completed=next(steps))
            except StopIteration as stop:
                return stop.value


def counted(count: int, noun: str) -> str:
    """`1 scene`, `2 scenes`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
