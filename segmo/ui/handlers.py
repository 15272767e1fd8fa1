"""What happens when something is dropped, pressed or changed: plain functions and generators, testable without a browser.

They return or yield `Updates`: new values of components by name. `run` only translates the events of the pipeline, and closing it (which
Stop and a closed tab do) closes the pipeline; finished stages stay in the cache and on the page.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import gradio as gr

from segmo.errors import InputError
from segmo.settings import Settings
from segmo.ui import panels, parts, text
from segmo.ui.controls import settings_from
from segmo.ui.gpu import run_stages
from segmo.ui.panels import Updates
from segmo.ui.progress import Progress
from segmo.ui.results import new_result
from segmo.ui.translate import Translator, buttons

if TYPE_CHECKING:  # imported when the first clip comes, so that the page opens fast
    from segmo.pipeline import Result, StageEvent

log = logging.getLogger(__name__)

Pipeline = Callable[[Path, Settings], "Generator[StageEvent, None, Result]"]
Item = TypeVar("Item")
Seen = TypeVar("Seen")
Made = TypeVar("Made")
Answer = tuple[str | None, str | None, dict[str, Any]]


def inspect(clip: str | None, values: Mapping[str, Any]) -> Updates:
    """Look at a dropped clip: its first picture, and which of its frames the present settings use."""
    nothing: Updates = {"poster": gr.update(value=None, visible=False), "clip_note": ""}
    if clip is None:
        return nothing
    from segmo.ui.preview import preview

    try:
        poster, facts = preview(Path(clip), settings_from(values))
    except Exception as error:
        return {**nothing, "clip_note": _problem(error)}
    return {"poster": gr.update(value=poster, visible=True), "clip_note": panels.note("", facts, ())}


def open_result(directory: Path) -> Updates:
    """Put a finished run on the page.

    Raises:
        DataError: the folder holds none.
    """
    shown = parts.load(directory)
    record = shown["run"]
    assert isinstance(record, parts.RunPart)
    progress = Progress.of_rows(record.stages)
    return {**panels.show_all(shown, directory), "steps": progress.to_html(), "progress": progress, "message": "", **buttons(running=False)}


def stand_in_line() -> Updates:
    """Answer a press of Run at once, also when others are being served."""
    return {"message": panels.message("info", "Starting.", text.IN_LINE), **buttons(running=True)}


def turn_away() -> Updates:
    """Answer a run that could not even begin, because too many wait."""
    return {"message": panels.message("error", "This run could not start.", text.BUSY), **buttons(running=False)}


def run(clip: Path | None, values: Mapping[str, Any], *, stages: Pipeline = run_stages) -> Generator[Updates, None, None]:
    """Run a clip and fill the page as it goes; errors become a message."""
    if clip is None:
        yield {"message": panels.message("info", "", text.NO_CLIP), **buttons(running=False)}
        return
    page = Translator(new_result())
    yield page.begin()
    try:
        yield from fill(page, clip, settings_from(values), stages)
    except Exception as error:
        yield {**page.fail(), "message": _problem(error)}


def fill(page: Translator, clip: Path, settings: Settings, stages: Pipeline = run_stages) -> Generator[Updates, None, None]:
    """Run a clip, fill the page, and keep in the page's folder what opens it again.

    Raises:
        SegmoError: the run failed.
    """
    from segmo.ui.delivery import record, write_files

    page.stride = settings.query.stride
    result = yield from _translated(stages(clip, settings), page.take)
    files = yield from _translated(write_files(result, page.directory), page.take_files)
    seconds = page.end_files()
    yield {**page.steps(), **page.put("files", files)}
    yield page.put("run", record(result, seconds))
    parts.save(page.directory, page.parts)
    yield page.end()


def stop(progress: Progress | None) -> Updates:
    """Say that a run was stopped; the event itself closes the run."""
    stopped = (progress or Progress()).stop()
    message = panels.message("info", "Stopped.", text.STOPPED)
    return {"steps": stopped.to_html(), "progress": stopped, "message": message, **buttons(running=False)}


def segment(clip: str | None, values: Mapping[str, Any], *, stages: Pipeline = run_stages) -> Generator[Answer, None, None]:
    """The API: yields (None, None, {"stage", "fraction"}) on the way, then the overlay video, the archive and a summary.

    Raises:
        gr.Error: the run failed; the message says why and what to do.
    """
    from segmo.ui.delivery import OVERLAY, summary, write_files

    try:
        if clip is None:
            raise InputError("No clip was given. Pass a video file as `clip`.")
        directory = new_result()
        result = yield from _translated(stages(Path(clip), settings_from(values)), lambda event: [_answer(event.stage, event.fraction)])
        files = yield from _translated(write_files(result, directory), lambda fraction: [_answer("files", fraction)])
    except Exception as error:
        raise gr.Error(" ".join(_words(error)), print_exception=False) from error
    yield str(directory / OVERLAY), str(directory / files.archive), summary(result)


def _translated(steps: Generator[Item, None, Made], translate: Callable[[Item], Iterable[Seen]]) -> Generator[Seen, None, Made]:
    """Run a generator, yield what `translate` makes of each of its items, and return its result; closed when this one is."""
    with closing(steps):
        while True:
            try:
                item = next(steps)
            except StopIteration as end:
                made: Made = end.value
                return made
            yield from translate(item)


def _answer(stage: str, fraction: float) -> Answer:
    return None, None, {"stage": stage, "fraction": round(fraction, 3)}


def _problem(error: Exception) -> str:
    return panels.message("error", *_words(error))


def _words(error: Exception) -> tuple[str, str]:
    """What to tell the visitor; what that leaves out goes to the log."""
    title, explanation = text.problem(error)
    if explanation == text.UNEXPECTED:
        log.error("A run ended unexpectedly.", exc_info=error)
    return title, explanation
