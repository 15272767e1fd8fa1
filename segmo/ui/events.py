"""Which handler answers to what on the page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import gradio as gr

from segmo.ui import handlers
from segmo.ui.examples import Example
from segmo.ui.limits import Limits
from segmo.ui.panels import Updates

Components = dict[str, Any]
QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}

PLAYERS = {"concurrency_id": "players", "concurrency_limit": 2}
"""Making a dropped clip play keeps neither runs nor the descriptions of other visitors' clips waiting."""


def in_turn(limits: Limits) -> dict[str, Any]:
    """What every event that computes is bound with, on the page and in the API: gradio takes the smallest limit that any of them names."""
    return {"concurrency_id": "runs", "concurrency_limit": limits.runs_at_once}


@dataclass(frozen=True)
class Page:
    """The components of a page by name, and what they show."""

    app: gr.Blocks
    parts: Components
    controls: Components
    examples: Mapping[str, Example]
    limits: Limits

    @cached_property
    def all(self) -> Components:
        """Every component that a handler may change."""
        return self.parts | self.controls

    @property
    def clip(self) -> list[Any]:
        """The inputs that say what to run: upload, example, settings."""
        return [self.parts["upload"], self.parts["example"], *self.controls.values()]

    def named(self, updates: Updates) -> dict[Any, Any]:
        """Updates as gradio wants them."""
        return {self.all[name]: value for name, value in updates.items()}

    def source(self, upload: str | None, example: str | None) -> Path | None:
        """The clip that Run takes."""
        return Path(upload) if upload else self.examples[example].clip if example else None

    def values(self, inputs: Sequence[Any]) -> dict[str, Any]:
        """The controls' values by API name."""
        return dict(zip(self.controls, inputs, strict=True))

    @property
    def inputs(self) -> list[Any]:
        """The result on the page, and what to run."""
        return [self.parts["shown"], *self.clip]

    @property
    def results(self) -> dict[str, Path]:
        """Folders of the examples' results."""
        return {name: example.result for name, example in self.examples.items()}


def connect(page: Page) -> list[Any]:
    """Bind events to handlers; returns those whose answers belong to the clip or the result that was there when they began."""
    return [_connect_run(page), *_connect_clip(page), _connect_shared(page)]


def connect_examples(page: Page, earlier: list[Any]) -> None:
    """Bind the choice of an example: it ends what would else be answered on its page."""

    def on_example(_: str | None, name: str, *inputs: Any) -> dict[Any, Any]:
        example = page.examples[name]
        note = handlers.describe(example.clip, page.values(inputs))
        return page.named({**handlers.open_result(example.result), "upload": None, **handlers.no_clip(), **note})

    chosen = page.parts["example"].input
    # The end comes first: the browser takes one after the other, and news of a run would come between. Who chooses fast gets the last.
    chosen(None, cancels=earlier, queue=False, **QUIET)
    chosen(on_example, page.clip, list(page.all.values()), trigger_mode="always_last", concurrency_limit=None, **QUIET)


def follow_up(page: Page, event: Any) -> None:
    """After a new result, say on the page what depends on the clip and the settings as they are by then."""

    def on_result(result: str, upload: str | None, example: str | None, *inputs: Any) -> dict[Any, Any]:
        return page.named(handlers.settled(result, page.source(upload, example), page.values(inputs), page.examples))

    event.success(on_result, page.inputs, [page.parts["clip_note"], page.parts["correct"]], queue=False, **QUIET)


def _connect_run(page: Page) -> Any:
    """Run and Stop; returns the event that runs."""
    parts, outputs = page.parts, list(page.parts.values())

    def on_press(upload: str | None, example: str | None, *inputs: Any) -> dict[Any, Any]:
        return page.named(handlers.stand_in_line(page.source(upload, example), page.values(inputs), page.limits))

    def on_run(allowed: bool, upload: str | None, example: str | None, *inputs: Any) -> Iterator[dict[Any, Any]]:
        if not allowed:
            yield {parts["allowed"]: False}
            return
        for updates in handlers.run(page.source(upload, example), page.values(inputs)):
            yield page.named(updates)

    pressed = parts["run"].click(on_press, page.clip, outputs, queue=False, **QUIET)
    running = pressed.then(on_run, [parts["allowed"], *page.clip], outputs, **in_turn(page.limits), **QUIET)
    follow_up(page, running)
    running.failure(lambda progress: page.named(handlers.turn_away(progress)), parts["progress"], outputs, queue=False, **QUIET)
    stopped = parts["stop"].click(
        lambda progress: page.named(handlers.stop(progress)), parts["progress"], outputs, cancels=[running], queue=False, **QUIET
    )
    stopped.then(lambda progress: page.named(handlers.settle(progress)), parts["progress"], outputs, queue=False, **QUIET)
    return running


def _connect_clip(page: Page) -> list[Any]:
    """Upload and settings; returns the events that describe a dropped clip and let it play."""
    parts, everything = page.parts, list(page.all.values())

    def on_play(clip: str | None, *inputs: Any) -> dict[Any, Any]:
        return page.named(handlers.play(clip, page.values(inputs)))

    def on_drop(upload: str | None, _: str | None, *inputs: Any) -> dict[Any, Any]:
        return page.named(handlers.drop(upload, page.values(inputs)))

    def on_change(upload: str | None, example: str | None, *inputs: Any) -> dict[Any, Any]:
        return page.named(handlers.describe(page.source(upload, example), page.values(inputs)))

    drops = [parts["upload"].upload, parts["upload"].clear]
    shows = [parts["poster"], parts["player"]]
    playing = parts["to_play"].change(on_play, [parts["to_play"], *page.controls.values()], shows, **PLAYERS, **QUIET)
    gr.on(drops, None, cancels=[playing], queue=False, **QUIET)  # bound before what follows, for the browser takes one after the other
    dropped = gr.on(drops, on_drop, page.clip, everything, trigger_mode="always_last", concurrency_limit=None, **QUIET)
    changes = [control.input if hasattr(control, "input") else control.change for control in page.controls.values()]
    gr.on(changes, on_change, page.clip, parts["clip_note"], trigger_mode="always_last", concurrency_limit=None, **QUIET)
    return [dropped, playing]


def _connect_shared(page: Page) -> Any:
    """Links to results, and the settings and objects of what is shown; returns the event that applies the list of objects."""
    parts, everything = page.parts, list(page.all.values())

    def on_load(request: gr.Request, upload: str | None, example: str | None, *inputs: Any) -> dict[Any, Any]:
        result = request.query_params.get("result")
        updates = handlers.open_link(result, page.results) if result else {}
        example = updates.get("example", example)
        return page.named({**handlers.describe(page.source(upload, example), page.values(inputs)), **updates})

    def on_use(result: str, upload: str | None, example: str | None) -> dict[Any, Any]:
        updates = handlers.use_settings(result, page.source(upload, example), page.examples)
        values = {name: updates[name] for name in page.controls if name in updates}
        return page.named({**updates, **handlers.describe(page.source(upload, example), values)})

    def on_apply(result: str, listed: str) -> Iterator[dict[Any, Any]]:
        for updates in handlers.edit_objects(result, listed, page.examples):
            yield page.named(updates)

    applying = parts["apply_objects"].click(
        on_apply,
        [parts["shown"], parts["listed"]],
        everything,
        js="(shown, _) => [shown, window.segmoObjects()]",
        **in_turn(page.limits),
        **QUIET,
    )
    follow_up(page, applying)
    parts["stop"].click(None, cancels=[applying], queue=False, **QUIET)
    page.app.load(on_load, page.clip, everything, queue=False, **QUIET)
    parts["use_settings"].click(on_use, [parts["shown"], parts["upload"], parts["example"]], everything, queue=False, **QUIET)
    return applying
