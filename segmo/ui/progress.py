"""The strip of steps above the tabs: a state machine over the pipeline's events, and its HTML."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape

from segmo.ui import text
from segmo.ui.parts import StageRow

WAITING, RUNNING, CACHED, DONE, SKIPPED, STOPPED, FAILED = "waiting", "running", "cached", "done", "skipped", "stopped", "failed"


@dataclass(frozen=True)
class Step:
    """One stage as the visitor sees it."""

    name: str
    state: str = WAITING
    fraction: float = 0.0
    """Share done, in [0, 1]."""
    seconds: float = 0.0
    """Seconds spent on it."""
    note: str = ""
    """What it does while it runs, where that is not its own work."""

    @property
    def detail(self) -> str:
        """The state in two or three words."""
        if self.state == RUNNING:
            return f"{self.note or f'{self.fraction:.0%}'} · {in_seconds(self.seconds)}"
        if self.state == DONE:
            return in_seconds(self.seconds)
        return {CACHED: "from cache", SKIPPED: "not needed"}.get(self.state, self.state)


@dataclass(frozen=True)
class Progress:
    """All steps of a run; every change gives a new object."""

    steps: tuple[Step, ...] = tuple(Step(name) for name in text.STAGES)

    @property
    def running(self) -> str:
        """Name of the step under way, or an empty string."""
        return next((step.name for step in self.steps if step.state == RUNNING), "")

    @property
    def begun(self) -> bool:
        """Whether any step is past waiting."""
        return any(step.state != WAITING for step in self.steps)

    def change(self, name: str, state: str, fraction: float = 0.0, seconds: float = 0.0, note: str = "") -> Progress:
        """The steps with one of them in another state."""
        new = Step(name, state, fraction, seconds, note)
        return Progress(tuple(new if step.name == name else step for step in self.steps))

    def finish(self) -> Progress:
        """The steps after a complete run: what never started was not needed."""
        return self._replace({WAITING: SKIPPED})

    def before_files(self) -> Progress:
        """The steps once the last product is there: a stage that nothing asked for was not needed, and files are still to come."""
        return self.finish().change("files", WAITING)

    def stop(self) -> Progress:
        """The steps after Stop."""
        return self._replace({RUNNING: STOPPED})

    def fail(self) -> Progress:
        """The steps after an error: what ran failed, or else what would have been next."""
        failed = self.running or next((step.name for step in self.steps if step.state == WAITING), "")
        return self.change(failed, FAILED)

    @classmethod
    def of_rows(cls, rows: Iterable[StageRow]) -> Progress:
        """The steps of a finished run, from its record."""
        progress = cls()
        for row in rows:
            progress = progress.change(row.stage, CACHED if row.cached else DONE, 1.0, row.seconds)
        return progress.finish()

    def _replace(self, states: dict[str, str]) -> Progress:
        return Progress(tuple(dataclasses.replace(step, state=states.get(step.state, step.state)) for step in self.steps))

    def to_html(self) -> str:
        """An ordered list, a bar in each item."""
        return f'<ol class="steps" aria-label="Steps of the run">{"".join(map(_item, self.steps))}</ol>'


def _item(step: Step) -> str:
    filled = {RUNNING: step.fraction, DONE: 1.0, CACHED: 1.0}.get(step.state, 0.0)
    return (
        f'<li class="step {step.state}" data-step="{step.name}" data-state="{step.state}">'
        f'<span class="step-name">{escape(text.STAGES[step.name])}</span><span class="step-detail">{escape(step.detail)}</span>'
        f'<span class="step-bar" aria-hidden="true"><i style="width:{filled:.0%}"></i></span></li>'
    )


def in_seconds(value: float) -> str:
    """A time as the page tells it."""
    minutes, seconds = divmod(round(value), 60)
    return f"{minutes} min {seconds} s" if minutes else f"{value:.1f} s"
